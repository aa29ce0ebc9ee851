//! `corral plugin new` and `pack`: what they write builds, and is a plugin.
//!
//! The build (`cargo xtask plugins`) has rendered the template as the command does and compiled it, so what is held
//! against the command's own here is what was compiled.

use crate::desk::Desk;
use crate::scene::guests;
use crate::tree;

#[test]
fn what_new_writes_is_what_was_compiled() {
    let desk = Desk::new();
    let sdk = tree::root().join("plugins/sdk");
    let told = desk.succeed(&["plugin", "new", "newcomer", "--sdk", sdk.to_str().unwrap()]);
    assert!(told.contains("corral plugin test newcomer.wasm"), "{told}");
    let compiled = guests().parent().unwrap().join("newcomer");
    for file in ["Cargo.toml", "src/lib.rs", "src/logic.rs"] {
        let read = |folder: &std::path::Path| std::fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(read(&desk.path("newcomer")), read(&compiled), "{file}");
    }
    let error = desk.fail(2, &["plugin", "new", "newcomer"]);
    assert!(error.contains("newcomer is there already"), "{error}");
    let error = desk.fail(2, &["plugin", "new", "New_Comer"]);
    assert!(error.contains("not kebab-case"), "{error}");
}

#[test]
fn what_was_compiled_passes_and_gets_a_certificate_that_the_config_can_demand() {
    let desk = Desk::new();
    let bytes = std::fs::read(guests().join("newcomer.wasm")).unwrap();
    desk.write("plugins/newcomer.wasm", &bytes);
    let told = desk.succeed(&["plugin", "test", "plugins/newcomer.wasm", "--certificate"]);
    assert!(told.contains("ok      contract") && !told.contains("FAILED"), "{told}");
    assert!(told.contains("certificate: plugins/newcomer.conformance.toml"), "{told}");
    let digest = corral::plugin::load::digest(&bytes);
    let kinds = r#"writes = ["form-identities", "link-attackers", "merge-identities", "unmerge-identities",
        "refresh-identities", "explain-identities"]
        reads = ["attackers", "features", "identities"]
        kernels = ["connected-components"]
        wakes = ["attacker.observed"]"#;
    let config = format!(
        "[plugins]\nrequire-certificate = true\n[plugin.newcomer]\nsha256 = [\"{digest}\"]\n{kinds}\n"
    );
    desk.write("corral.toml", config);
    let list = ["--config", "corral.toml", "--plugins", "plugins", "plugin", "list"];
    assert!(desk.succeed(&list).contains("newcomer"));
    // The certificate is of that component alone.
    std::fs::remove_file(desk.path("plugins/newcomer.conformance.toml")).unwrap();
    let error = desk.fail(5, &list);
    assert!(error.contains("corral plugin test --certificate"), "{error}");
}

#[test]
fn a_component_that_fails_gets_no_certificate_and_is_told_what_to_do() {
    let desk = Desk::new();
    desk.write("evil.wasm", "#!/bin/sh\n");
    let arguments = ["plugin", "test", "evil.wasm", "--certificate=evil.toml"];
    let output = desk.run(&arguments);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("FAILED  contract") && told.contains("to do: build it"), "{told}");
    assert!(!desk.path("evil.toml").exists());
    let error = desk.fail(2, &["plugin", "test", "evil.wasm", "--only", "beauty"]);
    assert!(error.contains("no check 'beauty' (there are: contract, describe"), "{error}");
}

#[test]
fn a_core_module_is_packed_and_anything_else_is_not() {
    let desk = Desk::new();
    let module = guests().parent().unwrap().join("wasm/wasm32-unknown-unknown/release");
    let module = module.join("newcomer.wasm");
    desk.succeed(&["plugin", "pack", module.to_str().unwrap()]);
    let packed = std::fs::read(desk.path("newcomer.wasm")).unwrap();
    assert_eq!(packed, std::fs::read(guests().join("newcomer.wasm")).unwrap());
    desk.write("poem.wasm", "I am a poem.");
    let error = desk.fail(5, &["plugin", "pack", "poem.wasm", "-o", "x.wasm"]);
    assert!(error.contains("poem.wasm: no core module of a plugin"), "{error}");
}

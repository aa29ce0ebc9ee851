//! `corral plugin keygen`, `sign`, `verify` and `inspect`, as an author and an operator use them.

use crate::desk::Desk;
use crate::life::{rival, twin};
use crate::scene::guests;

#[test]
fn a_signed_component_loads_where_signatures_are_demanded_and_an_altered_one_does_not() {
    let desk = Desk::new();
    let config = desk.succeed(&["plugin", "keygen", "secret.key"]);
    desk.write("corral.toml", config.split_once("\n\n").unwrap().1);
    let list = ["--config", "corral.toml", "--plugins", "plugins", "plugin", "list"];
    desk.write("plugins/mine.wasm", twin("clusterer", 1));
    assert!(desk.fail(5, &list).contains("is not signed"));
    let told = desk.succeed(&["plugin", "sign", "plugins/mine.wasm", "--key", "secret.key"]);
    assert!(told.starts_with("plugins/mine.toml: signed by ed25519:"), "{told}");
    let plugins = desk.json(&list);
    let sources = plugins["plugins"].as_array().unwrap().iter();
    assert!(sources.into_iter().any(|plugin| plugin["source"] == "plugins/mine.wasm"));
    let verify = ["--config", "corral.toml", "plugin", "verify", "plugins/mine.wasm"];
    assert!(desk.succeed(&verify).contains("what it says is true"));

    desk.write("plugins/mine.wasm", twin("clusterer", 2));
    assert!(desk.fail(5, &verify).contains("is for the component sha256"));
    assert!(desk.fail(5, &list).contains("its manifest is for the component"));
    // A key is not overwritten, and is nobody else's to read.
    assert!(desk.fail(2, &["plugin", "keygen", "secret.key"]).contains("secret.key"));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(desk.path("secret.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    desk.write("wrong.key", "ed25519-secret:abc\n");
    let error = desk.fail(2, &["plugin", "sign", "plugins/mine.wasm", "--key", "wrong.key"]);
    assert!(error.contains("wrong.key") && !error.contains("abc"), "{error}");
    assert!(
        desk.fail(5, &["plugin", "verify", "plugins/mine.wasm"]).contains("not among plugins.keys")
    );
}

#[test]
fn inspect_says_what_a_component_asks_for_and_its_section_lets_it_in() {
    let desk = Desk::with_logs();
    let bytes = std::fs::read(guests().join("glutton.wasm")).unwrap();
    desk.write("plugins/glutton.wasm", bytes);
    let told = desk.succeed(&["plugin", "inspect", "plugins/glutton.wasm"]);
    assert!(told.contains("glutton 0.1.0: Wants everything"), "{told}");
    assert!(told.contains("From the folder of plugins: nobody pinned it"), "{told}");
    assert!(
        told.contains(
            "With `corral plugin swap`:   plugin 'glutton' asks for what the config does not grant"
        ),
        "{told}"
    );
    let (_, section) = told.split_once("The config lets it in with\n").unwrap();
    desk.write("corral.toml", section);
    let run = ["--config", "corral.toml", "--plugins", "plugins", "run"];
    desk.succeed(&run);
    let json = ["--config", "corral.toml", "plugin", "inspect", "plugins/glutton.wasm"];
    let json = desk.json(&json);
    assert_eq!(
        (&json["from_the_folder"], &json["by_an_order"]),
        (&"it may load".into(), &"it may load".into())
    );
    // Another component of that name does not slip in under the same section.
    desk.write("plugins/glutton.wasm", rival("lonely"));
    assert!(desk.fail(5, &run).contains("nobody pinned it"));
    let error = desk.fail(2, &["plugin", "inspect", "nowhere.wasm"]);
    assert!(error.contains("nowhere.wasm"), "{error}");
    desk.write("text.wasm", "no component");
    assert!(
        desk.fail(5, &["plugin", "inspect", "text.wasm"])
            .contains("text.wasm: no WebAssembly component")
    );
}

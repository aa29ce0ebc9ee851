//! `corral plugin new`: a plugin to start from, that builds, passes the conformance kit and does something useful.
//!
//! What is written is `plugins/example` of this program's own source, so it is compiled and tested with it.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{Context, Exit, Failure, output};
use crate::files;

/// Write the crate of a new plugin: a small correlator that builds and passes `corral plugin test`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its name, kebab-case
    name: String,
    /// Where to put its folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// The folder of the SDK, `plugins/sdk` of a checkout of Corral [default: the SDK of this version, by cargo]
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// The files, as the example has them.
const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../../../../../plugins/example/standalone.toml")),
    ("README.md", include_str!("../../../../../plugins/example/README.md")),
    ("src/lib.rs", include_str!("../../../../../plugins/example/src/lib.rs")),
    ("src/logic.rs", include_str!("../../../../../plugins/example/src/logic.rs")),
];
/// What cargo makes, and what is packed from it.
const IGNORED: (&str, &str) = (".gitignore", "/target\n/*.wasm\n");
/// As long as a name of a plugin may be.
const NAME_MAX: usize = 64;

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Args { name, directory, sdk } = args;
    let usage = |error| Failure::new(Exit::Usage, error);
    check(name).map_err(usage)?;
    let folder = directory.join(name);
    if !matches!(files::open(&folder), Err(error) if error.is_missing()) {
        let shown = folder.display();
        return Err(usage(anyhow!("{shown} is there already (name another, or remove it)")));
    }
    files::create_directory(&folder.join("src")).map_err(|error| usage(error.into()))?;
    let sdk = sdk.as_deref().map(std::path::absolute).transpose()?;
    for (file, text) in render(name, sdk.as_deref()) {
        let written = files::write_whole(&folder.join(file), text.as_bytes());
        written.map_err(|error| Failure::new(Exit::Unexpected, error))?;
    }
    if context.json {
        return output::json(&serde_json::json!({ "folder": folder }));
    }
    let module = name.replace('-', "_");
    output::line(&format!("wrote {}; now:\n", folder.display()));
    for line in [
        format!("cd {}", folder.display()),
        "cargo test".to_owned(),
        "cargo build --release --target wasm32-unknown-unknown".to_owned(),
        format!("corral plugin pack target/wasm32-unknown-unknown/release/{module}.wasm"),
        format!("corral plugin test {name}.wasm"),
    ] {
        output::line(&format!("    {line}"));
    }
    Ok(())
}

/// Whether a crate and a plugin may be called that.
fn check(name: &str) -> Result<(), anyhow::Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let is_kebab = begins && !name.ends_with('-') && !name.contains("--");
    if is_kebab && name.len() <= NAME_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(anyhow!(
        "'{name}' is not kebab-case of at most {NAME_MAX} letters (such as payload-clusterer)"
    ))
}

/// The files of a plugin of this name.
fn render(name: &str, sdk: Option<&Path>) -> Vec<(&'static str, String)> {
    let version = env!("CARGO_PKG_VERSION");
    let sdk = match sdk {
        Some(path) => format!("corral-sdk = {{ path = {path:?} }}"),
        None => format!(
            "corral-sdk = \"{version}\"\n\
             # Or, of a checkout: corral-sdk = {{ path = \"…/corral/plugins/sdk\" }}\n\
             # Or: corral-sdk = {{ git = \"{}\" }}",
            env!("CARGO_PKG_REPOSITORY")
        ),
    };
    let module = format!("release/{}.wasm", name.replace('-', "_"));
    let fill = |(file, text): &(&'static str, &str)| {
        let text = match *file {
            "Cargo.toml" => text.replace("{name}", name).replace("{sdk}", &sdk),
            "README.md" => text.replace("release/example.wasm", &module).replace("example", name),
            _ => (*text).to_owned(),
        };
        (*file, text)
    };
    FILES.iter().chain([&IGNORED]).map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case() {
        for name in ["a", "payload-clusterer", "v2"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "a-", "a--b", "A", "a_b", "2a", "../a", &"a".repeat(65)] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_files_speak_of_the_new_name_and_of_no_other() {
        for (file, text) in render("my-own", None) {
            assert!(!text.contains("{name}") && !text.contains("{sdk}"), "{file}");
            assert!(file == "src/lib.rs" || !text.contains("example.wasm"), "{file}");
        }
        let manifest = &render("my-own", None)[0].1;
        let manifest: toml::Table = toml::from_str(manifest).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-own"));
        assert_eq!(
            manifest["dependencies"]["corral-sdk"].as_str(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        let readme = &render("my-own", None)[1].1;
        assert!(readme.contains("release/my_own.wasm -o my-own.wasm"), "{readme}");
    }
}

//! Embeds the built components: every `*.wasm` in the directory that CORRAL_COMPONENTS names.
//!
//! `cargo xtask build` builds the components first and sets the variable. A plain `cargo build` embeds
//! none and says so: the host then runs what `--plugins DIR` has.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-env-changed=CORRAL_COMPONENTS");
    println!("cargo::rerun-if-changed=migrations");
    let mut found: Vec<PathBuf> = Vec::new();
    if let Some(folder) = env::var_os("CORRAL_COMPONENTS") {
        println!("cargo::rerun-if-changed={}", Path::new(&folder).display());
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        found = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|x| x == "wasm"))
            .collect();
        found.sort();
    } else {
        println!(
            "cargo::warning=no components embedded: build with `cargo xtask build`, or run with --plugins DIR"
        );
    }
    let mut code = String::from("pub(super) static COMPONENTS: &[&[u8]] = &[\n");
    for path in &found {
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "    include_bytes!({:?}),", path.display().to_string())?;
    }
    code.push_str("];\n");
    let out =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("components.rs");
    fs::write(out, code)?;
    Ok(())
}

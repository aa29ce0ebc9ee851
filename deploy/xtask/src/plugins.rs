//! `cargo xtask plugins`: crates to core modules, core modules to components.
//!
//! The plugins and the tests' guests are two workspaces, but share one build directory: the
//! standard library, where it has to be compiled, is compiled once (if both set the same release
//! profile). A component is written only if its bytes changed, because the daemon embeds them and
//! would be compiled again for a mere new date. A crate of the plugins' workspace that is no part of the daemon
//! says so (`[package.metadata.corral] built-in = false`), and its component lies with the guests'. There also is
//! what `corral plugin new` writes, rendered here from the same files and compiled, so that a template that does not
//! build is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cargo_metadata::TargetKind;
use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::tree::{self, Tree};
use crate::wasm::{TARGET, Toolchain};
use crate::{NoArguments, shell};

/// The command.
pub(crate) fn run(tree: &Tree, NoArguments: NoArguments) -> Result<ExitCode> {
    build(tree)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds every component, and removes those whose crate is gone.
pub(crate) fn build(tree: &Tree) -> Result<()> {
    let mut toolchain = None;
    let (mut ours, mut guests) = (Vec::new(), Vec::new());
    let newcomer = newcomer(tree)?;
    let below = [tree::PLUGINS, tree::GUESTS].map(|below| tree.workspace(below));
    for workspace in below.into_iter().chain([newcomer]).flatten() {
        let crates = cdylibs(&workspace)?;
        if crates.is_empty() {
            continue;
        }
        let toolchain = match &toolchain {
            Some(found) => found,
            None => toolchain.insert(Toolchain::find()?),
        };
        let mut cargo = toolchain.cargo_build(&workspace, &tree.wasm());
        for member in &crates {
            cargo.args(["--package", &member.package]);
        }
        shell::run(&mut cargo)
            .with_context(|| format!("failed to compile {}", workspace.display()))?;
        let is_ours = workspace.ends_with(tree::PLUGINS);
        let (built_in, others): (Vec<Cdylib>, Vec<Cdylib>) =
            crates.into_iter().partition(|member| is_ours && member.is_built_in);
        ours.extend(built_in);
        guests.extend(others);
    }
    let modules = tree.wasm().join(TARGET).join("release");
    for (crates, out) in [(ours, tree.components()), (guests, tree.guests())] {
        fs::create_dir_all(&out)?;
        write_all(&crates, &modules, &out)?;
    }
    Ok(())
}

/// Writes the crate that `corral plugin new newcomer` writes, with this tree's SDK; nothing if there is no example.
fn newcomer(tree: &Tree) -> Result<Option<PathBuf>> {
    let Some(plugins) = tree.workspace(tree::PLUGINS) else { return Ok(None) };
    let example = plugins.join("example");
    let Ok(manifest) = fs::read_to_string(example.join("standalone.toml")) else {
        return Ok(None);
    };
    let out = tree.newcomer();
    fs::create_dir_all(out.join("src"))?;
    let sdk = format!("corral-sdk = {{ path = {:?} }}", plugins.join("sdk"));
    let manifest = manifest.replace("{name}", "newcomer").replace("{sdk}", &sdk);
    write_if_changed(&out.join("Cargo.toml"), manifest.as_bytes())?;
    for file in ["src/lib.rs", "src/logic.rs"] {
        write_if_changed(&out.join(file), &fs::read(example.join(file))?)?;
    }
    // The versions that were tested with: a build asks no registry for others.
    write_if_changed(&out.join("Cargo.lock"), &fs::read(plugins.join("Cargo.lock"))?)?;
    Ok(Some(out))
}

/// A crate that becomes a component.
struct Cdylib {
    package: String,
    library: String,
    is_built_in: bool,
}

impl Cdylib {
    /// The file that cargo leaves.
    fn module(&self) -> String {
        format!("{}.wasm", self.library.replace('-', "_"))
    }

    /// The file that it becomes: plugins are named in kebab case.
    fn component(&self) -> String {
        format!("{}.wasm", self.library.replace('_', "-"))
    }
}

fn cdylibs(workspace: &Path) -> Result<Vec<Cdylib>> {
    let metadata = tree::metadata(workspace, &["--no-deps"])?;
    let mut found = BTreeMap::new();
    for package in &metadata.packages {
        for target in package.targets.iter().filter(|t| t.kind.contains(&TargetKind::CDyLib)) {
            let built_in = package.metadata.pointer("/corral/built-in");
            let one = Cdylib {
                package: package.name.to_string(),
                library: target.name.clone(),
                is_built_in: built_in.and_then(Value::as_bool).unwrap_or(true),
            };
            if let Some(other) = found.insert(one.component(), one) {
                bail!("two crates want to be {}: {}", other.component(), other.package);
            }
        }
    }
    Ok(found.into_values().collect())
}

fn write_all(crates: &[Cdylib], modules: &Path, out: &Path) -> Result<()> {
    for member in crates {
        let bytes = encode(&modules.join(member.module()))?;
        let path = out.join(member.component());
        let news = if write_if_changed(&path, &bytes)? { "" } else { ", unchanged" };
        println!("component {} ({} KiB{news})", member.component(), bytes.len().div_ceil(1024));
    }
    for path in strangers(crates, out)? {
        println!("removing {}: its crate is gone", path.display());
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The core module with its interface types, checked, as a component.
fn encode(module: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(module).with_context(|| format!("failed to read {}", module.display()))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("failed to make a component of {}", module.display()))
}

/// Writes a file in one step, and not at all if it has these bytes already.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(true)
}

/// Files in the output directory that no crate stands behind.
fn strangers(crates: &[Cdylib], out: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name();
        if !crates.iter().any(|member| name.to_str() == Some(&member.component())) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_named_in_kebab_case() {
        let one =
            Cdylib { package: "x".into(), library: "campaign_clusterer".into(), is_built_in: true };
        assert_eq!(one.component(), "campaign-clusterer.wasm");
        assert_eq!(one.module(), "campaign_clusterer.wasm");
    }

    #[test]
    fn equal_bytes_are_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        assert!(write_if_changed(&path, b"one").unwrap());
        let first = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), first);
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn a_component_without_a_crate_is_a_stranger() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kept.wasm"), b"").unwrap();
        fs::write(dir.path().join("gone.wasm"), b"").unwrap();
        let crates = [Cdylib { package: "kept".into(), library: "kept".into(), is_built_in: true }];
        let found = strangers(&crates, dir.path()).unwrap();
        assert_eq!(found, [dir.path().join("gone.wasm")]);
    }
}

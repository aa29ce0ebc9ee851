//! `cargo xtask build`: the components, then the daemon that embeds them.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, TargetKind};

use crate::tree::Tree;
use crate::{NoArguments, plugins, shell};

/// The command.
pub(crate) fn run(tree: &Tree, NoArguments: NoArguments) -> Result<ExitCode> {
    println!("{}", corral(tree)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds everything and returns the path of `corral`.
pub(crate) fn corral(tree: &Tree) -> Result<PathBuf> {
    plugins::build(tree)?;
    executable(tree, &TargetKind::Bin, "corral")
}

/// Builds one executable of the host's workspace, in the dev profile, and returns its path.
///
/// Golden runner and benchmarks are built this way as well, rather than by `cargo test` and `cargo
/// bench`: those would hide the exit code, change the directory, or pick another profile.
pub(crate) fn executable(tree: &Tree, kind: &TargetKind, name: &str) -> Result<PathBuf> {
    if !tree.targets(kind)?.iter().any(|target| target == name) {
        bail!("this workspace has no {kind} target {name:?}");
    }
    let mut cargo = tree.cargo(tree.root());
    cargo.args(["build", "--workspace", &format!("--{kind}"), name]);
    cargo.arg("--message-format=json-render-diagnostics");
    let mut child = shell::piped(&mut cargo)?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut path = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == name
            && artifact.target.kind.contains(kind)
        {
            path = artifact.executable.map(PathBuf::from).or(path);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("failed to build {name} ({status})");
    }
    path.with_context(|| format!("cargo did not say where it put {name}"))
}

//! `cargo xtask bench`: measures, with the artifacts that demo and tests have built.
//!
//! `cargo bench` would take the bench profile and compile the whole tree again. The dev profile of
//! this workspace is optimised, and is what is measured.

use std::process::{Command, ExitCode};

use anyhow::Result;
use cargo_metadata::TargetKind;

use crate::tree::Tree;
use crate::{build, plugins, shell, usage};

/// The name of the bench target, which has a `main` of its own.
const TARGET: &str = "corral";

/// The command: all benchmarks, or those that are named.
pub(crate) fn run(tree: &Tree, names: &[String]) -> Result<ExitCode> {
    if let Some(option) = names.iter().find(|name| name.starts_with('-')) {
        return Err(usage(format!("bench has no option {option:?}")));
    }
    plugins::build(tree)?;
    let path = build::executable(tree, &TargetKind::Bench, TARGET)?;
    shell::pass_through(Command::new(path).args(names))
}

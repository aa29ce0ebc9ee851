//! `cargo xtask bench`: measures, with the artifacts that demo and tests have built.
//!
//! `cargo bench` would take the bench profile and compile the whole tree again. The dev profile of
//! this workspace is optimised, and is what is measured.

use std::process::{Command, ExitCode};

use anyhow::Result;
use cargo_metadata::TargetKind;

use crate::tree::Tree;
use crate::{build, instructions, plugins, shell, usage};

/// The name of the bench target, which has a `main` of its own.
const TARGET: &str = "corral";

/// The command: all benchmarks, or those that are named. What follows `--` is for the benchmark.
pub(crate) fn run(tree: &Tree, words: &[String]) -> Result<ExitCode> {
    let mut names = words.iter().take_while(|word| *word != "--");
    match words {
        [name] if name == instructions::NAME => return instructions::show(tree),
        [name, option] if name == instructions::NAME && option == "--renew" => {
            return instructions::renew(tree);
        }
        _ => {}
    }
    if let Some(option) = names.find(|name| name.starts_with('-')) {
        return Err(usage(format!(
            "bench has no option {option:?}: put `--` before a benchmark's"
        )));
    }
    shell::pass_through(program(tree)?.args(words))
}

/// The program that has all benchmarks, built.
pub(crate) fn program(tree: &Tree) -> Result<Command> {
    plugins::build(tree)?;
    let mut program = Command::new(build::executable(tree, &TargetKind::Bench, TARGET)?);
    program.env("CORRAL_GUESTS", tree.guests());
    Ok(program)
}

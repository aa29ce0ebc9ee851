//! `cargo xtask`: everything about this tree that takes more than one cargo command.
//!
//! This file only reads the command line; each command has a file of its own. Nothing here is part
//! of the daemon, and nothing here is needed to use a `corral` that somebody else has built.
//!
//! One idea holds it together: every cargo call on the host's workspace says `--workspace` and uses
//! the dev profile (see `tree.rs`), so that demo, tests and benchmarks share one set of artifacts.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people at a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "the environment and the wall clock are what a build tool works with"
)]

mod bench;
mod build;
mod demo;
mod golden;
mod instructions;
mod licences;
mod needs;
mod plugins;
mod reasons;
mod shell;
mod stages;
mod tally;
mod test;
mod tree;
mod wasm;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::tree::Tree;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  build                       the components, then the daemon that embeds them
  plugins                     the components alone
  demo [--keep [DIR]]         generate, ingest, run, report: the whole way on made-up logs
  test [--nightly] [FILTER]   every check there is; FILTER is a stage's name or part of a test's
  golden DIR [--only NAME,…]  replay recorded cases against the kernels
  bench [NAME…] [-- OPTION…]  benchmarks, all or the named ones; options are the benchmark's
  bench instructions [--renew]  count the kernels' instructions, and renew the table of them
  help                        this text

Stages of test: format components clippy licences tests plugins golden instructions doctests docs.
--nightly also runs the tests that are ignored for their length, and more random cases.
Builds go to CARGO_TARGET_DIR, or to target/ in the tree.
";

/// Exit code of a command line that makes no sense, as clap has it.
const EXIT_USAGE: u8 = 2;

/// The command line makes no sense.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error that says how the command line is wrong.
fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) if error.is::<Usage>() => {
            eprintln!("error: {error}\n\n{HELP}");
            ExitCode::from(EXIT_USAGE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = words.split_first() else {
        return Err(usage("a command is missing"));
    };
    match command.as_str() {
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        "build" => build::run(&Tree::find()?, none_of("build", rest)?),
        "plugins" => plugins::run(&Tree::find()?, none_of("plugins", rest)?),
        "demo" => demo::run(&Tree::find()?, &demo::Options::parse(rest)?),
        "test" => test::run(&Tree::find()?, &test::Options::parse(rest)?),
        "golden" => golden::run(&Tree::find()?, rest),
        "bench" => bench::run(&Tree::find()?, rest),
        other => Err(usage(format!("there is no command {other:?}"))),
    }
}

/// Proof that a command got no arguments.
struct NoArguments;

fn none_of(command: &str, rest: &[String]) -> Result<NoArguments> {
    match rest.first() {
        None => Ok(NoArguments),
        Some(word) => Err(usage(format!("{command} takes no arguments, and {word:?} is one"))),
    }
}

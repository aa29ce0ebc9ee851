//! The stages of `cargo xtask test`. Each returns what it counted; none stops at a failure.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use cargo_metadata::TargetKind;

use crate::tally::{self, Tally};
use crate::test::{Depth, Options, Outcome};
use crate::tree::{self, Tree};
use crate::{
    build, golden, instructions as instructions_of, licences as licence_gate, needs,
    plugins as components_of, reasons, shell,
};

/// Random cases of a property in a nightly run; in others the library's own default.
const NIGHTLY_CASES: &str = "4096";

const GOLDEN_CASES: &str = "tests/data/golden";

/// Formatting, in all workspaces.
pub(crate) fn format(tree: &Tree, _: &Options) -> Result<Outcome> {
    let mut commands = Vec::new();
    for workspace in tree.workspaces(&[tree::PLUGINS, tree::GUESTS]) {
        let mut cargo = tree.cargo(&workspace);
        cargo.args(["fmt", "--all", "--check"]);
        commands.push(cargo);
    }
    one_check(commands)
}

/// The components, because what follows embeds them.
pub(crate) fn components(tree: &Tree, _: &Options) -> Result<Outcome> {
    components_of::build(tree)?;
    Ok(Tally::one(true).into())
}

/// Lints. The plugins' too, natively: checking does not link, so any target will do.
pub(crate) fn clippy(tree: &Tree, _: &Options) -> Result<Outcome> {
    let mut commands = Vec::new();
    for workspace in tree.workspaces(&[tree::PLUGINS]) {
        let mut cargo = tree.cargo(&workspace);
        cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        commands.push(cargo);
    }
    one_check(commands)
}

/// Licences, origins, and a reason for every dependency.
pub(crate) fn licences(tree: &Tree, _: &Options) -> Result<Outcome> {
    let mut problems = licence_gate::problems(tree)?;
    problems.extend(reasons::problems(tree)?);
    for problem in &problems {
        println!("{problem}");
    }
    Ok(Tally::one(problems.is_empty()).into())
}

/// Unit, property and integration tests. Not the golden runner, which is no libtest binary and
/// wants an argument: its stage is another.
pub(crate) fn tests(tree: &Tree, options: &Options) -> Result<Outcome> {
    // Whatever cannot be installed, the tests that want it say that they did not run.
    for server in &needs::SERVERS {
        server.is_met();
    }
    // The integration tests, a package of their own, start it.
    build::executable(tree, &TargetKind::Bin, "corral")?;
    let mut cargo = tree.cargo(tree.root());
    cargo.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    let targets = tree.targets(&TargetKind::Test)?;
    for name in targets.iter().filter(|name| *name != golden::TARGET) {
        cargo.args(["--test", name]);
    }
    libtests(cargo, options)
}

/// The plugins' logic, natively. Only the libraries' own tests: a component links nowhere else.
pub(crate) fn plugins(tree: &Tree, options: &Options) -> Result<Outcome> {
    let Some(workspace) = tree.workspace(tree::PLUGINS) else {
        return Ok(Outcome::Nothing("there are no plugins yet"));
    };
    if tree::metadata(&workspace, &["--no-deps"])?.packages.is_empty() {
        return Ok(Outcome::Nothing("there are no plugins yet"));
    }
    let mut cargo = tree.cargo(&workspace);
    cargo.args(["test", "--workspace", "--no-fail-fast", "--lib"]);
    libtests(cargo, options)
}

/// Recorded cases against the kernels.
pub(crate) fn golden(tree: &Tree, _: &Options) -> Result<Outcome> {
    if !tree.targets(&TargetKind::Test)?.iter().any(|name| name == golden::TARGET) {
        return Ok(Outcome::Nothing("there is no golden runner yet"));
    }
    let mut runner = golden::runner(tree, &tree.root().join(GOLDEN_CASES))?;
    counted(&mut runner, tally::named)
}

/// What the kernels cost, counted.
pub(crate) fn instructions(tree: &Tree, _: &Options) -> Result<Outcome> {
    instructions_of::check(tree)
}

/// The examples in the documentation.
pub(crate) fn doctests(tree: &Tree, options: &Options) -> Result<Outcome> {
    let mut cargo = tree.cargo(tree.root());
    cargo.args(["test", "--workspace", "--no-fail-fast", "--doc"]);
    libtests(cargo, options)
}

/// The documentation itself.
pub(crate) fn docs(tree: &Tree, _: &Options) -> Result<Outcome> {
    let mut commands = Vec::new();
    for workspace in tree.workspaces(&[tree::PLUGINS]) {
        let mut cargo = tree.cargo(&workspace);
        cargo
            .args(["doc", "--no-deps", "--document-private-items", "--workspace"])
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
        commands.push(cargo);
    }
    one_check(commands)
}

/// Commands that are one check together. All of them run.
fn one_check(commands: Vec<Command>) -> Result<Outcome> {
    let mut passed = true;
    for mut command in commands {
        announce(&command);
        passed &= shell::status(&mut command)?.success();
    }
    Ok(Tally::one(passed).into())
}

/// A `cargo test`, with the filter, and with more of everything in a nightly run.
fn libtests(mut cargo: Command, options: &Options) -> Result<Outcome> {
    cargo.args(options.test_filter());
    if options.depth() == Depth::Nightly {
        cargo.args(["--", "--include-ignored"]);
        if env::var_os("PROPTEST_CASES").is_none() {
            cargo.env("PROPTEST_CASES", NIGHTLY_CASES);
        }
    }
    counted(&mut cargo, tally::libtest)
}

/// A test runner whose lines are counted while they pass by.
fn counted(command: &mut Command, read: fn(&str) -> Option<Tally>) -> Result<Outcome> {
    announce(command);
    let (mut tally, mut not_run) = (Tally::default(), Vec::new());
    let status = shell::tee(command, |line| {
        tally += read(line).unwrap_or_default();
        not_run.extend(tally::not_run(line).map(str::to_owned));
    })?;
    Ok(Outcome::Counted { tally: tally.with_status(status.success()), not_run })
}

/// Says which command runs, and where if that is not here.
fn announce(command: &Command) {
    let line = shell::show(command);
    match command.get_current_dir().and_then(Path::file_name) {
        Some(place) => println!("$ {line}   # in {}", place.display()),
        None => println!("$ {line}"),
    }
}

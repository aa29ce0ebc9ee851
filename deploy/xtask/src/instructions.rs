//! The instructions that each kernel takes on small fixed populations, held against a table.
//!
//! Times are noisy, counts are not: valgrind's callgrind executes the kernels on a processor that it
//! makes up, so that the count is nearly the same on machines of one architecture, as long as the same
//! compiler made the code. Where the compiler or the architecture is not the table's, nothing is
//! compared. What remains is the keyed hashing of texts, whose keys are drawn anew in each process: it
//! moves a count by less than two hundredths, well below [`SLACK`].
//!
//! This finds work that was added; what waits for memory instead takes `cargo xtask bench kernels`.

mod callgrind;
mod table;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::table::{Compiler, Table, Verdict};
use crate::needs::VALGRIND;
use crate::tally::Tally;
use crate::test::Outcome;
use crate::tree::Tree;
use crate::{shell, tree};

/// The name of the stage, and of the benchmark.
pub(crate) const NAME: &str = "instructions";

const TABLE: &str = "tests/data/instructions.toml";

/// How to accept what was counted.
const RENEW: &str = "cargo xtask bench instructions --renew";

/// How far a count may be from the table's: less would not allow for an unlucky choice of hashing keys,
/// more would hide a pass over the data.
const SLACK: f64 = 0.05;

/// The stage of `cargo xtask test`.
pub(crate) fn check(tree: &Tree) -> Result<Outcome> {
    let (table, compiler) = (read(tree)?, compiler()?);
    if table.compiler != compiler {
        println!(
            "{TABLE} was made with {}, and this is {compiler}: nothing to compare",
            table.compiler
        );
        println!("once the table is to follow: {RENEW}");
        return Ok(Outcome::Nothing("another compiler made the table"));
    }
    let mut tally = Tally::default();
    for verdict in table.compare(&callgrind::count(tree)?, SLACK) {
        println!("{verdict}");
        if verdict.asks_for_renewal() {
            println!("  if that is as it should be: {RENEW}");
        }
        tally += Tally::one(!matches!(verdict, Verdict::More { .. } | Verdict::Unknown { .. }));
    }
    Ok(tally.into())
}

/// `cargo xtask bench instructions`: counts, and shows the table beside.
pub(crate) fn show(tree: &Tree) -> Result<ExitCode> {
    needed()?;
    for verdict in read(tree)?.compare(&callgrind::count(tree)?, SLACK) {
        println!("{verdict}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask bench instructions --renew`: counts, and writes the table.
pub(crate) fn renew(tree: &Tree) -> Result<ExitCode> {
    needed()?;
    let table = Table { compiler: compiler()?, counts: callgrind::count(tree)? };
    let path = tree.root().join(TABLE);
    fs::write(&path, table.to_string())
        .with_context(|| format!("failed to write {}", path.display()))?;
    println!("{TABLE} has {} counts now", table.counts.len());
    Ok(ExitCode::SUCCESS)
}

fn needed() -> Result<()> {
    anyhow::ensure!(VALGRIND.is_met(), "not run: install {}", VALGRIND.remedy);
    Ok(())
}

fn read(tree: &Tree) -> Result<Table> {
    let path = tree.root().join(TABLE);
    let text = fs::read_to_string(&path);
    text.with_context(|| format!("failed to read {}", path.display()))?
        .parse()
        .with_context(|| format!("failed to understand {TABLE}"))
}

/// The compiler that cargo uses, and what it compiles for.
fn compiler() -> Result<Compiler> {
    Compiler::read(&shell::read(tree::rustc().arg("-vV"))?).context("rustc does not say what it is")
}

//! Counting: the benchmarks' program under callgrind, once for each case.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tree::Tree;
use crate::{bench, shell};

/// The function that is counted, whatever is around its name.
const FUNCTION: &str = "*counted_run*";

/// Rows of each population: large enough for the rows to outweigh a call.
const ROWS: &str = "10000";

/// A kernel and a shape, and the instructions of one run.
pub(super) type Count = (String, u64);

/// Counts every case, each in a process of its own.
pub(super) fn count(tree: &Tree) -> Result<Vec<Count>> {
    let program = bench::program(tree)?;
    let words = ["kernels", "--", "--once", "--rows", ROWS];
    let folder = tempfile::tempdir()?;
    let mut counts = Vec::new();
    for name in
        shell::read(Command::new(program.get_program()).args(words))?.lines().filter_map(case)
    {
        let (kernel, shape) = name.split_once(": ").context("a case has a kernel and a shape")?;
        let file = folder.path().join(counts.len().to_string());
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--toggle-collect={FUNCTION}"))
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program.get_program())
            .args(words)
            .args([kernel, "--shape", shape]);
        shell::read(&mut valgrind)?;
        counts.push((name.to_owned(), read(&file)?));
    }
    Ok(counts)
}

/// The case that a line of the program announces.
fn case(line: &str) -> Option<&str> {
    line.strip_prefix("counted: ")
}

fn read(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("valgrind did not write {}", path.display()))?;
    total(&text).with_context(|| format!("{} has no total", path.display()))
}

/// The instructions of a file in callgrind's format.
fn total(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("totals: "));
    lines.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_what_the_program_says_it_counted() {
        assert_eq!(case("counted: credential-reuse: typical"), Some("credential-reuse: typical"));
        assert_eq!(case("kernels: counted: each"), None);
    }

    #[test]
    fn a_file_has_its_total_at_its_end() {
        let file = "version: 1\nevents: Ir\nfn=(1) counted_run\n16 400\n\ntotals: 12345\n";
        assert_eq!(total(file), Some(12_345));
        assert_eq!(total("version: 1\n"), None);
    }
}

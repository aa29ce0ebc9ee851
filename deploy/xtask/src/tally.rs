//! Counting what passed and failed, from what test runners print.

use std::ops::AddAssign;

/// What came of some checks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One check.
    pub(crate) fn one(passed: bool) -> Self {
        if passed { Self { passed: 1, failed: 0 } } else { Self { passed: 0, failed: 1 } }
    }

    /// The same, with a failure more if the runner says it failed and nothing it printed does: it
    /// did not compile, or died.
    pub(crate) fn with_status(self, success: bool) -> Self {
        if success || self.failed > 0 { self } else { Self { failed: 1, ..self } }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads the closing line of one libtest binary: `test result: ok. 3 passed; 0 failed; …`.
pub(crate) fn libtest(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = counts.split("; ");
    Some(Tally {
        passed: count(counts.next()?, "passed")?,
        failed: count(counts.next()?, "failed")?,
    })
}

/// Reads one line of the golden runner: `NAME: 3 passed, 0 failed`.
pub(crate) fn named(line: &str) -> Option<Tally> {
    let (name, counts) = line.split_once(": ")?;
    let (passed, failed) = counts.split_once(", ")?;
    let tally = Tally { passed: count(passed, "passed")?, failed: count(failed, "failed")? };
    (!name.contains(char::is_whitespace)).then_some(tally)
}

/// Reads a test's remark that it could not run: `not run: … install X`.
pub(crate) fn not_run(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("not run: ")
}

fn count(words: &str, unit: &str) -> Option<u64> {
    words.strip_suffix(unit)?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(libtest(line), Some(Tally { passed: 12, failed: 3 }));
        let line = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(libtest(line), Some(Tally::default()));
        assert_eq!(libtest("test reads_a_result ... ok"), None);
        assert_eq!(libtest("test result: "), None);
    }

    #[test]
    fn golden_lines_are_read_and_their_sum_is_not() {
        assert_eq!(named("aggregate: 7 passed, 1 failed"), Some(Tally { passed: 7, failed: 1 }));
        assert_eq!(named("8 passed, 1 failed"), None);
        assert_eq!(named("in all of them: 8 passed, 1 failed"), None);
        assert_eq!(named("note: see above"), None);
    }

    #[test]
    fn a_runner_that_dies_without_a_word_is_a_failure() {
        let tally = Tally { passed: 2, failed: 0 };
        assert_eq!(tally.with_status(true), tally);
        assert_eq!(tally.with_status(false), Tally { passed: 2, failed: 1 });
        let honest = Tally { passed: 2, failed: 4 };
        assert_eq!(honest.with_status(false), honest);
    }

    #[test]
    fn a_test_may_say_that_it_did_not_run() {
        assert_eq!(
            not_run("  not run: no server, install postgresql"),
            Some("no server, install postgresql")
        );
        assert_eq!(not_run("was not run: x"), None);
    }
}

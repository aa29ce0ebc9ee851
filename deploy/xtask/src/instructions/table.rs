//! The table of counts, and what a count is beside it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use toml::Value;

use super::callgrind::Count;

/// What decides which instructions there are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compiler {
    /// As `1.95.0 (59807616e 2026-04-14)`.
    rustc: String,
    /// As `x86_64-unknown-linux-gnu`.
    target: String,
}

/// Counts, and what compiled them.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) compiler: Compiler,
    pub(super) counts: Vec<Count>,
}

/// What became of a case.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The count is near the table's.
    Near { case: String, was: u64, is: u64 },
    /// It is above.
    More { case: String, was: u64, is: u64 },
    /// It is below, which is fine.
    Fewer { case: String, was: u64, is: u64 },
    /// The table does not have it, or has it and nothing counted it.
    Unknown { case: String },
}

impl Compiler {
    /// Reads what `rustc -vV` prints.
    pub(super) fn read(text: &str) -> Option<Self> {
        let line = |prefix| text.lines().find_map(|line| line.strip_prefix(prefix));
        Some(Self { rustc: line("rustc ")?.to_owned(), target: line("host: ")?.to_owned() })
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {} for {}", self.rustc, self.target)
    }
}

impl FromStr for Table {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let word = |key: &str| {
            let value = table.get(key).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("it has no text {key:?}"))
        };
        let compiler = Compiler { rustc: word("rustc")?, target: word("target")? };
        let counts = table.get("counts").and_then(Value::as_table).context("it has no counts")?;
        let counts = counts.iter().map(|(case, count)| {
            let count = count.as_integer().and_then(|count| u64::try_from(count).ok());
            Ok((case.clone(), count.with_context(|| format!("{case:?} has no count"))?))
        });
        Ok(Self { compiler, counts: counts.collect::<Result<_>>()? })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compiler { rustc, target } = &self.compiler;
        writeln!(
            f,
            "# Instructions of each kernel on each shape of 10,000 rows; `cargo xtask test` compares.\n\
             # To renew it: {}",
            super::RENEW
        )?;
        writeln!(f, "rustc = {rustc:?}\ntarget = {target:?}\n\n[counts]")?;
        self.counts.iter().try_for_each(|(case, count)| writeln!(f, "{case:?} = {count}"))
    }
}

impl Table {
    /// What each case is beside the table; `slack` is the share by which a count may differ.
    pub(super) fn compare(&self, counted: &[Count], slack: f64) -> Vec<Verdict> {
        let known = |name: &str| self.counts.iter().find(|(case, _)| case == name);
        let verdict = |(case, is): &Count| match known(case) {
            Some(&(_, was)) => Verdict::of(case.clone(), was, *is, slack),
            None => Verdict::Unknown { case: case.clone() },
        };
        let is_gone = |case: &str| counted.iter().all(|(name, _)| name != case);
        let gone = self.counts.iter().filter(|(case, _)| is_gone(case));
        let gone = gone.map(|(case, _)| Verdict::Unknown { case: case.clone() });
        counted.iter().map(verdict).chain(gone).collect()
    }
}

impl Verdict {
    fn of(case: String, was: u64, is: u64, slack: f64) -> Self {
        match change(was, is) {
            change if change > slack => Self::More { case, was, is },
            change if change < -slack => Self::Fewer { case, was, is },
            _ => Self::Near { case, was, is },
        }
    }

    /// Whether the table does not describe this tree any more.
    pub(super) fn asks_for_renewal(&self) -> bool {
        !matches!(self, Self::Near { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, case, was, is) = match self {
            Self::Near { case, was, is } => ("ok", case, was, is),
            Self::More { case, was, is } => ("MORE", case, was, is),
            Self::Fewer { case, was, is } => ("fewer", case, was, is),
            Self::Unknown { case } => {
                return write!(f, "{case}: in the table or in the benchmark, but not in both");
            }
        };
        let percent = change(*was, *is) * 1e2;
        write!(f, "{case}: {word}: {is} instructions, {was} in the table ({percent:+.2} %)")
    }
}

/// How much larger a count is, as a share of what it was.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn change(was: u64, is: u64) -> f64 {
    (is as f64 - was as f64) / was.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(counts: &[(&str, u64)]) -> Table {
        let compiler = Compiler { rustc: "1.0.0 (a 2026-01-01)".into(), target: "here".into() };
        let counts = counts.iter().map(|&(case, count)| (case.to_owned(), count)).collect();
        Table { compiler, counts }
    }

    #[test]
    fn a_table_that_is_written_is_read_back() {
        let table = table(&[("a: b, \"c\"", 12), ("d: e", 0)]);
        assert_eq!(table.to_string().parse::<Table>().unwrap(), table);
    }

    #[test]
    fn a_table_that_lacks_something_is_refused() {
        for text in ["", "rustc = \"1\"\ntarget = \"t\"", "rustc = 1\ntarget = \"t\"\n[counts]"] {
            assert!(text.parse::<Table>().is_err(), "{text:?}");
        }
        assert!("rustc = \"1\"\ntarget = \"t\"\n[counts]\na = -1".parse::<Table>().is_err());
    }

    #[test]
    fn a_count_is_near_above_or_below_its_slack() {
        let of = |is| Verdict::of("a".into(), 100, is, 0.05);
        assert!(matches!(of(105), Verdict::Near { .. }) && matches!(of(95), Verdict::Near { .. }));
        assert!(matches!(of(106), Verdict::More { .. }) && matches!(of(94), Verdict::Fewer { .. }));
        assert_eq!(of(106).to_string(), "a: MORE: 106 instructions, 100 in the table (+6.00 %)");
    }

    #[test]
    fn a_case_that_is_new_or_gone_is_told() {
        let counted = [("new".to_owned(), 1), ("kept".to_owned(), 1)];
        let verdicts = table(&[("gone", 1), ("kept", 1)]).compare(&counted, 0.0);
        let unknown = |case: &str| Verdict::Unknown { case: case.into() };
        let kept = Verdict::Near { case: "kept".into(), was: 1, is: 1 };
        assert_eq!(verdicts, [unknown("new"), kept, unknown("gone")]);
    }

    #[test]
    fn the_compiler_is_its_version_and_its_target() {
        let said =
            "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n";
        let compiler = Compiler::read(said).unwrap();
        let told = "rustc 1.95.0 (59807616e 2026-04-14) for x86_64-unknown-linux-gnu";
        assert_eq!(compiler.to_string(), told);
        assert_eq!(Compiler::read("rustc 1.95.0"), None);
    }
}

//! `cargo xtask test`: every check, from cheap to dear, and one line at the end that sums them up.
//!
//! Nothing stops it: a stage that fails is counted and the next one runs, so that one run tells
//! everything. A stage is here a name, what it needs from the machine, and a function in
//! `stages.rs`.

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::needs::{CLIPPY, Need, RUSTFMT, VALGRIND};
use crate::tally::Tally;
use crate::tree::Tree;
use crate::{instructions, stages, usage};

/// What to run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    depth: Depth,
    filter: Option<String>,
}

/// How long it may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Depth {
    /// What a commit has to pass.
    #[default]
    Commit,
    /// And the tests ignored for their length, with many more random cases.
    Nightly,
}

impl Options {
    /// Reads `--nightly` and the filter.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            match word.as_str() {
                "--nightly" => options.depth = Depth::Nightly,
                option if option.starts_with('-') => {
                    return Err(usage(format!("test has no option {option:?}")));
                }
                filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
                other => return Err(usage(format!("test takes one filter, not also {other:?}"))),
            }
        }
        Ok(options)
    }

    pub(crate) fn depth(&self) -> Depth {
        self.depth
    }

    /// The part of a test's name that is asked for: a filter which is not the name of a stage.
    pub(crate) fn test_filter(&self) -> Option<&str> {
        self.filter.as_deref().filter(|filter| STAGES.iter().all(|stage| stage.name != *filter))
    }

    /// Whether a stage is asked for: by its name, as one that has tests to filter, or because what
    /// is asked for compiles code that embeds the components.
    fn selects(&self, stage: &Stage) -> bool {
        let Some(filter) = &self.filter else { return true };
        match STAGES.iter().find(|named| named.name == filter) {
            Some(named) if stage.kind == Kind::Preparation => named.kind != Kind::Text,
            Some(named) => named.name == stage.name,
            None => matches!(stage.kind, Kind::Preparation | Kind::Tests),
        }
    }
}

/// One part of the whole.
struct Stage {
    name: &'static str,
    kind: Kind,
    needs: &'static [Need],
    run: fn(&Tree, &Options) -> Result<Outcome>,
}

/// What a stage works on, which decides what a filter means to it.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Files as they are.
    Text,
    /// It builds what the rest embeds.
    Preparation,
    /// Compiled code, as a whole.
    Code,
    /// Tests with names.
    Tests,
}

/// What came of a stage.
pub(crate) enum Outcome {
    /// It ran.
    Counted {
        /// Its checks.
        tally: Tally,
        /// What its tests say they could not do, and what to install.
        not_run: Vec<String>,
    },
    /// This tree has nothing for it.
    Nothing(&'static str),
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Self {
        Self::Counted { tally, not_run: Vec::new() }
    }
}

const STAGES: &[Stage] = &[
    Stage { name: "format", kind: Kind::Text, needs: &[RUSTFMT], run: stages::format },
    Stage { name: "components", kind: Kind::Preparation, needs: &[], run: stages::components },
    Stage { name: "clippy", kind: Kind::Code, needs: &[CLIPPY], run: stages::clippy },
    Stage { name: "licences", kind: Kind::Text, needs: &[], run: stages::licences },
    Stage { name: "tests", kind: Kind::Tests, needs: &[], run: stages::tests },
    Stage { name: "plugins", kind: Kind::Tests, needs: &[], run: stages::plugins },
    Stage { name: "golden", kind: Kind::Code, needs: &[], run: stages::golden },
    Stage {
        name: instructions::NAME,
        kind: Kind::Code,
        needs: &[VALGRIND],
        run: stages::instructions,
    },
    Stage { name: "doctests", kind: Kind::Tests, needs: &[], run: stages::doctests },
    Stage { name: "docs", kind: Kind::Code, needs: &[], run: stages::docs },
];

/// The command.
pub(crate) fn run(tree: &Tree, options: &Options) -> Result<ExitCode> {
    let mut summary = Summary::default();
    for stage in STAGES.iter().filter(|stage| options.selects(stage)) {
        println!("\n== {}", stage.name);
        let start = Instant::now();
        run_stage(stage, tree, options, &mut summary);
        if let Some(line) = summary.lines.last_mut() {
            line.took = start.elapsed();
            println!("-- {}", line.text());
        }
    }
    Ok(summary.close(env::var_os("CI").is_some()))
}

fn run_stage(stage: &Stage, tree: &Tree, options: &Options, summary: &mut Summary) {
    if let Some(need) = stage.needs.iter().find(|need| !need.is_met()) {
        summary.not_run.push(format!("{}: install {}", stage.name, need.remedy));
        return summary.add(stage.name, Verdict::Remark("not run"));
    }
    match (stage.run)(tree, options) {
        Ok(Outcome::Counted { tally, not_run }) => {
            let remarks = not_run.iter().map(|remark| format!("{}: {remark}", stage.name));
            summary.not_run.extend(remarks);
            summary.add(stage.name, Verdict::Counted(tally));
        }
        Ok(Outcome::Nothing(why)) => summary.add(stage.name, Verdict::Remark(why)),
        Err(error) => {
            eprintln!("error: {error:#}");
            summary.add(stage.name, Verdict::Counted(Tally::one(false)));
        }
    }
}

/// What the run comes to.
#[derive(Default)]
struct Summary {
    lines: Vec<Line>,
    not_run: Vec<String>,
}

struct Line {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

enum Verdict {
    Counted(Tally),
    Remark(&'static str),
}

impl Line {
    fn text(&self) -> String {
        let seconds = self.took.as_secs_f64();
        match self.verdict {
            Verdict::Counted(Tally { passed, failed }) => {
                format!("{:<11}{seconds:>7.1} s  {passed} passed, {failed} failed", self.name)
            }
            Verdict::Remark(remark) => format!("{:<11}{seconds:>7.1} s  {remark}", self.name),
        }
    }
}

impl Summary {
    fn add(&mut self, name: &'static str, verdict: Verdict) {
        self.lines.push(Line { name, verdict, took: Duration::ZERO });
    }

    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for line in &self.lines {
            if let Verdict::Counted(tally) = line.verdict {
                total += tally;
            }
        }
        total
    }

    /// Where a machine judges, what did not run has not passed.
    fn succeeds(&self, strict: bool) -> bool {
        self.total().failed == 0 && (!strict || self.not_run.is_empty())
    }

    /// Prints the end of the run. The sum stands alone on the last line.
    fn close(&self, strict: bool) -> ExitCode {
        println!("\n== summary");
        for line in &self.lines {
            println!("{}", line.text());
        }
        for remark in &self.not_run {
            println!("not run: {remark}");
        }
        let Tally { passed, failed } = self.total();
        println!("{passed} passed, {failed} failed");
        if self.succeeds(strict) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn selected(line: &str) -> Vec<&'static str> {
        let options = options(line).unwrap();
        STAGES.iter().filter(|stage| options.selects(stage)).map(|stage| stage.name).collect()
    }

    #[test]
    fn a_filter_is_a_stage_or_a_part_of_a_name() {
        assert_eq!(selected("").len(), STAGES.len());
        assert_eq!(selected("licences"), ["licences"]);
        assert_eq!(selected("golden"), ["components", "golden"]);
        assert_eq!(selected("components"), ["components"]);
        assert_eq!(selected("veto"), ["components", "tests", "plugins", "doctests"]);
        assert_eq!(options("licences").unwrap().test_filter(), None);
        assert_eq!(options("--nightly veto").unwrap().test_filter(), Some("veto"));
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_refused() {
        assert!(options("--weekly").is_err());
        assert!(options("one two").is_err());
    }

    #[test]
    fn what_did_not_run_fails_only_where_a_machine_judges() {
        let mut summary = Summary::default();
        summary.add("tests", Verdict::Counted(Tally { passed: 3, failed: 0 }));
        assert!(summary.succeeds(true));
        summary.not_run.push("store: install postgresql".into());
        assert!(summary.succeeds(false));
        assert!(!summary.succeeds(true));
        summary.add("docs", Verdict::Counted(Tally::one(false)));
        assert!(!summary.succeeds(false));
        assert_eq!(summary.total(), Tally { passed: 3, failed: 1 });
    }
}

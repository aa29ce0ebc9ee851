//! The generation that a worker ticks with, and whether it has proved itself.
//!
//! A new one is on probation for its first ticks: there a few failures in a row of its own making bring the last
//! one back. One that has proved itself and then dies very often in a row is set aside too; that it says what is wrong
//! is no reason then, because what is wrong may be a setting. Failures that are somebody else's, of the database or
//! of a faster writer, count for nothing.

use crate::config::PluginsConfig;
use crate::plugin::{Plugin, TickError};

/// When a generation has proved itself, and when it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    probation_ticks: u64,
    failures_max: u64,
    quarantine_failures: u64,
}

impl Rules {
    /// As the config has them.
    pub(super) fn new(config: &PluginsConfig) -> Self {
        Self {
            probation_ticks: config.probation_ticks,
            failures_max: config.failures_max.max(1),
            quarantine_failures: config.quarantine_failures.max(1),
        }
    }
}

/// What a worker ticks with.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The component.
    pub plugin: Plugin,
    /// Its number in the history; nothing before this process was on duty.
    pub number: Option<i64>,
    /// Who put it there.
    pub put_by: String,
    trial: Trial,
}

/// What is known of how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trial {
    /// Ticks that ended well; all that it takes, for one that was there before this process.
    well: u64,
    /// Failures of its own making in a row.
    failures: u64,
}

/// What becomes of a generation after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Stays,
    /// It is set aside, and the last one comes back.
    Falls,
}

impl Generation {
    /// One that has been there.
    pub(super) fn proved(plugin: Plugin, number: Option<i64>, put_by: String) -> Self {
        Self { plugin, number, put_by, trial: Trial { well: u64::MAX, failures: 0 } }
    }

    /// One that has to prove itself.
    pub(super) fn new(plugin: Plugin, number: i64, put_by: String) -> Self {
        let trial = Trial { well: 0, failures: 0 };
        Self { plugin, number: Some(number), put_by, trial }
    }

    /// A tick of it ended well.
    pub(super) fn ended_well(&mut self) {
        self.trial.ended_well();
    }

    /// A tick of it failed.
    pub(super) fn failed(&mut self, error: &TickError, rules: Rules) -> Verdict {
        let counts = error.is_a_death()
            || (self.trial.is_on_probation(rules) && error.is_the_plugins_fault());
        if counts { self.trial.failed(rules) } else { Verdict::Stays }
    }
}

impl Trial {
    fn is_on_probation(&self, rules: Rules) -> bool {
        self.well < rules.probation_ticks
    }

    fn ended_well(&mut self) {
        self.well = self.well.saturating_add(1);
        self.failures = 0;
    }

    fn failed(&mut self, rules: Rules) -> Verdict {
        self.failures += 1;
        let most = if self.is_on_probation(rules) {
            rules.failures_max
        } else {
            rules.quarantine_failures
        };
        // As often as it takes, and again each time after that: what should have followed may have failed.
        if self.failures >= most { Verdict::Falls } else { Verdict::Stays }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { probation_ticks: 2, failures_max: 3, quarantine_failures: 5 };

    fn verdicts(mut trial: Trial, script: &str) -> Vec<Verdict> {
        let steps = script.chars().filter_map(|step| match step {
            '+' => {
                trial.ended_well();
                None
            }
            _ => Some(trial.failed(RULES)),
        });
        steps.collect()
    }

    #[test]
    fn a_new_one_falls_at_its_third_failure_in_a_row_and_a_good_tick_starts_the_count_anew() {
        use Verdict::{Falls, Stays};
        let new = Trial { well: 0, failures: 0 };
        assert_eq!(verdicts(new, "---"), [Stays, Stays, Falls]);
        assert_eq!(verdicts(new, "--+--"), [Stays; 4]);
        assert_eq!(verdicts(new, "--+---"), [Stays, Stays, Stays, Stays, Falls]);
    }

    #[test]
    fn one_that_has_proved_itself_is_given_more_time() {
        use Verdict::{Falls, Stays};
        let new = Trial { well: 0, failures: 0 };
        assert_eq!(verdicts(new, "++-----"), [Stays, Stays, Stays, Stays, Falls]);
        let old = Trial { well: u64::MAX, failures: 0 };
        assert_eq!(verdicts(old, "----+----"), [Stays; 8]);
        assert_eq!(verdicts(old, "------"), [Stays, Stays, Stays, Stays, Falls, Falls]);
    }
}

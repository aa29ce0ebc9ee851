//! How many pairs may be looked at, and who is to blame where that is not enough.
//!
//! The searches for pairs leave out what they can: who is apart in time, rhythm or tokens, and who is of
//! one group already. Strangers choose the rest. Where many identities share so much that each pair of
//! them has to be weighed, and all of them stay apart, the pairs are a square, and the answer is a limit.

use std::fmt;

use crate::kernel::{Job, KernelError, Parameter, Value};
use crate::pace::{Pace, ROWS_PER_CHECK};

/// How many pairs may be looked at.
const PARAMETER: &str = "candidates-max";
/// What the default of zero stands for. A look takes about 0.1 µs: two seconds for up to 200,000 rows, ten
/// for a million. A typical population needs less than one a row.
const AT_LEAST: u64 = 20_000_000;
const PER_ROW: u64 = 100;

/// A look takes about as long as this many comparisons of two windows.
const WINDOWS_PER_LOOK: u64 = 16;
/// Looks between two checks.
const CHECK: u64 = ROWS_PER_CHECK as u64 / 64;
/// Of a token's text, how much a message has.
const TOLD_MAX: usize = 100;

pub(super) const CANDIDATES_MAX: Parameter =
    Parameter { name: std::borrow::Cow::Borrowed(PARAMETER), value: Value::Uint(0) };

/// What identities have in common that are compared with one another.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Common {
    /// The code of a token.
    Token(u32),
    /// A simhash, or one bit less of it.
    Rhythm(u64),
}

/// The pairs looked at so far.
pub(super) struct Looks<'j> {
    job: &'j Job<'j>,
    max: u64,
    total: u64,
    checked: u64,
    /// Pairs of windows that do not make up a look yet.
    windows: u64,
    here: Share,
    worst: Share,
}

/// What looks were spent on.
#[derive(Clone, Copy)]
struct Share {
    step: &'static str,
    common: Option<Common>,
    holders: usize,
    /// The total before it, and by itself.
    before: u64,
    looks: u64,
}

impl<'j> Looks<'j> {
    /// For so many rows, by the parameter of the job; `times` as many.
    pub(super) fn new(job: &'j Job<'j>, rows: usize, times: u64) -> Self {
        let max = match job.parameter(PARAMETER) {
            Some(&Value::Uint(max)) if max > 0 => max,
            _ => AT_LEAST.max(PER_ROW.saturating_mul(rows as u64)),
        };
        let none = Share { step: "", common: None, holders: 0, before: 0, looks: 0 };
        Self {
            job,
            max: max.saturating_mul(times),
            total: 0,
            checked: 0,
            windows: 0,
            here: none,
            worst: none,
        }
    }

    /// The checkpoint.
    pub(super) fn pace(&self) -> &'j Pace<'j> {
        self.job.pace
    }

    /// From here on, looks are on the holders of this.
    pub(super) fn on(&mut self, step: &'static str, common: Common, holders: usize) {
        self.settle();
        let (common, before) = (Some(common), self.total);
        self.here = Share { step, common, holders, before, looks: 0 };
    }

    /// One more pair.
    ///
    /// # Errors
    /// [`KernelError::Limit`] that names whatever took most looks; [`KernelError::Cancelled`].
    pub(super) fn take(&mut self) -> Result<(), KernelError> {
        self.spend(1)
    }

    /// So many pairs of windows.
    ///
    /// # Errors
    /// As [`Looks::take`].
    pub(super) fn take_windows(&mut self, pairs: usize) -> Result<(), KernelError> {
        self.windows += pairs as u64;
        let looks = self.windows / WINDOWS_PER_LOOK;
        self.windows %= WINDOWS_PER_LOOK;
        self.spend(looks)
    }

    fn spend(&mut self, looks: u64) -> Result<(), KernelError> {
        self.total += looks;
        if self.total > self.max {
            self.settle();
            return Err(KernelError::Limit(format!(
                "campaign-components: more than {} pairs would have to be compared ({PARAMETER}): {}",
                self.max,
                Told(&self.worst, self.job)
            )));
        }
        if self.total - self.checked >= CHECK {
            self.checked = self.total;
            self.job.pace.check()?;
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.here.looks = self.total - self.here.before;
        if self.here.looks >= self.worst.looks {
            self.worst = self.here;
        }
    }
}

/// A share in words.
struct Told<'a>(&'a Share, &'a Job<'a>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share { step, common, holders, looks, .. } = self.0;
        match common {
            Some(Common::Token(code)) => {
                let text = self.1.texts.text(*code).unwrap_or_default();
                let told: String = text.chars().take(TOLD_MAX).collect();
                write!(
                    formatter,
                    "{looks} of them in the step '{step}' among {holders} profiles that hold the token {told:?}; raise \
                     the parameter, or leave that token out of 'infra'"
                )
            }
            Some(Common::Rhythm(simhash)) => write!(
                formatter,
                "{looks} of them in the step '{step}' among {holders} active times of the simhash {simhash:#018x}; raise \
                 the parameter, or leave that simhash out of 'keystrokes'"
            ),
            None => write!(
                formatter,
                "{looks} of them are windows of identities that are joined anyway; raise the parameter, or leave the \
                 identities with most windows out of 'windows'"
            ),
        }
    }
}

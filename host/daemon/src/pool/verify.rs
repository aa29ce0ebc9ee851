//! Whether an answer is believed: which ones are checked, the check, and the count of what came of it.
//!
//! Every kernel can judge an answer in one linear pass that shares nothing with the making of one
//! ([`Kernel::verify`](corral_kernels::Kernel::verify)), for one to several times what the answer itself
//! costs: milliseconds to some tens where the input is not large. So all answers to inputs of up to
//! `verify.rows-max` rows are checked, which by default is where `pool.large-rows` begins. Above that one call
//! of each kernel in `verify.sample` is, the first included, by the order in which they are asked for. That
//! takes no chance, and every process has seen each of its kernels right at least once at the size that its
//! data has.
//!
//! A wrong answer goes to nobody. Which fault it has is an error in the log, with the kernel and the rows;
//! whoever asked gets [`PoolError::Wrong`].

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corral_kernels::{Frame, Job, Kept, KernelError, Pace};
use serde::Serialize;

use super::{Answer, Call, PoolError, Took, Update, Updated};
use crate::clock::Clock;
use crate::config::VerifyConfig;

/// What came of the answers of a kernel. Those that are neither right nor wrong were not checked, or the
/// check came to no end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// Answers there were.
    pub answers: u64,
    /// Answers that were checked and are right.
    pub verified: u64,
    /// Answers that were checked and are wrong.
    pub wrong: u64,
    /// Milliseconds of checking.
    pub milliseconds: f64,
}

impl Checked {
    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.verified += other.verified;
        self.wrong += other.wrong;
        self.milliseconds += other.milliseconds;
    }

    /// What was added since it was `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            answers: self.answers.saturating_sub(before.answers),
            verified: self.verified.saturating_sub(before.verified),
            wrong: self.wrong.saturating_sub(before.wrong),
            milliseconds: self.milliseconds - before.milliseconds,
        }
    }
}

/// Whether an answer is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// It is.
    Due,
    /// It is taken as it is.
    Skipped,
}

/// What a check came to.
enum Verdict {
    Right,
    /// The first fault.
    Wrong(String),
}

/// The judge of a pool's answers, and its books.
#[derive(Debug)]
pub(super) struct Verifier {
    rows_max: usize,
    sample: u64,
    clock: Arc<dyn Clock>,
    tallies: Mutex<BTreeMap<&'static str, Tally>>,
}

/// The page of one kernel.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Calls above `rows_max` so far.
    large: u64,
    checked: Checked,
}

impl Verifier {
    pub(super) fn new(config: &VerifyConfig, clock: Arc<dyn Clock>) -> Self {
        let VerifyConfig { rows_max, sample } = *config;
        Self { rows_max, sample, clock, tallies: Mutex::default() }
    }

    /// Whether the answer to a call of so many rows is to be checked. Asked once a call: it counts.
    pub(super) fn due(&self, kernel: &'static str, rows: usize) -> Check {
        if rows <= self.rows_max {
            return Check::Due;
        }
        let mut is_due = false;
        self.with_tally(kernel, |tally| {
            // No number is a multiple of zero but zero itself.
            is_due = self.sample > 0 && tally.large.is_multiple_of(self.sample);
            tally.large += 1;
        });
        if is_due { Check::Due } else { Check::Skipped }
    }

    /// Runs a kernel, and judges what it says if that is due.
    pub(super) fn answer(
        &self,
        call: &Call,
        check: Check,
        pace: &Pace<'_>,
    ) -> Result<Answer, PoolError> {
        let signature = call.kernel.signature();
        let job = Job::new(signature, &call.inputs, &call.parameters, &call.texts, pace)?;
        let started = self.clock.elapsed();
        let outputs = guarded("kernel", signature.name, || call.kernel.run(&job))??;
        let ran = self.clock.elapsed();
        let verdict = (check == Check::Due).then(|| judge(call, &job, &outputs));
        let took = self.conclude(call, (started, ran), verdict)?;
        Ok(Answer { outputs, took })
    }

    /// Brings what is kept up to date. Where that is the first of it, it is an answer to inputs that are at
    /// hand, and judged as one if that is due; later ones tell only what changed.
    pub(super) fn update(
        &self,
        update: Update,
        check: Check,
        pace: &Pace<'_>,
    ) -> Result<Updated, PoolError> {
        let Update { call, mut state, gone } = update;
        let signature = call.kernel.signature();
        let job = Job::new(signature, &call.inputs, &call.parameters, &call.texts, pace)?;
        let is_first = state.rows() == 0;
        let started = self.clock.elapsed();
        let outputs = guarded("kernel", signature.name, || state.update(&job, &gone))??;
        let ran = self.clock.elapsed();
        let is_due = check == Check::Due && is_first;
        let verdict = is_due.then(|| judge_whole(&call, &job, &*state));
        let took = self.conclude(&call, (started, ran), verdict)?;
        Ok(Updated { state, answer: Answer { outputs, took } })
    }

    /// Enters an answer, and the verdict on it if there is one, into the books.
    fn conclude(
        &self,
        call: &Call,
        (started, ran): (Duration, Duration),
        verdict: Option<Result<Verdict, PoolError>>,
    ) -> Result<Took, PoolError> {
        let name = call.kernel.signature().name;
        let verify = verdict.as_ref().map(|_| self.clock.elapsed().saturating_sub(ran));
        let took = Took { run: ran.saturating_sub(started), verify };
        let checked = Checked {
            answers: 1,
            verified: u64::from(matches!(verdict, Some(Ok(Verdict::Right)))),
            wrong: u64::from(matches!(verdict, Some(Ok(Verdict::Wrong(_))))),
            milliseconds: verify.unwrap_or_default().as_secs_f64() * 1000.0,
        };
        self.with_tally(name, |tally| tally.checked.add(checked));
        match verdict.transpose()? {
            None | Some(Verdict::Right) => Ok(took),
            Some(Verdict::Wrong(fault)) => {
                let (kernel, rows) = (name, call.rows());
                tracing::error!(kernel, rows, fault, "a kernel's answer is wrong and was withheld");
                Err(PoolError::Wrong { name, fault, took })
            }
        }
    }

    /// What came of every answer so far, by kernel.
    pub(super) fn checked(&self) -> BTreeMap<&'static str, Checked> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = tallies.iter().filter(|(_, tally)| tally.checked.answers > 0);
        answered.map(|(kernel, tally)| (*kernel, tally.checked)).collect()
    }

    fn with_tally(&self, kernel: &'static str, change: impl FnOnce(&mut Tally)) {
        change(
            self.tallies.lock().unwrap_or_else(PoisonError::into_inner).entry(kernel).or_default(),
        );
    }
}

/// Judges an answer. No other place believes one: a new form of answer is judged here too.
fn judge(call: &Call, job: &Job<'_>, outputs: &[Frame]) -> Result<Verdict, PoolError> {
    let name = call.kernel.signature().name;
    match guarded("the check of kernel", name, || call.kernel.verify(job, outputs))? {
        Ok(()) => Ok(Verdict::Right),
        // The inputs were good enough for an answer, so it is the answer that does not fit them.
        Err(KernelError::Wrong(fault) | KernelError::Invalid(fault)) => Ok(Verdict::Wrong(fault)),
        Err(KernelError::Limit(what)) => {
            Err(KernelError::Limit(format!("checking the answer: {what}")).into())
        }
        Err(KernelError::Cancelled) => Err(KernelError::Cancelled.into()),
    }
}

/// Judges what is kept, which is all of the call's rows.
fn judge_whole(call: &Call, job: &Job<'_>, state: &dyn Kept) -> Result<Verdict, PoolError> {
    let name = call.kernel.signature().name;
    let whole = guarded("the check of kernel", name, || {
        let keys = job.inputs.first().map_or(Ok(&[][..]), |input| input.text("key"))?;
        state.whole(keys, job.texts, job.pace)
    });
    judge(call, job, &whole??)
}

/// Does a kernel's work; a panic in it is this call's error.
fn guarded<T>(
    what: &'static str,
    name: &'static str,
    work: impl FnOnce() -> Result<T, KernelError>,
) -> Result<Result<T, KernelError>, PoolError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        PoolError::Panicked { what, name, message }
    })
}

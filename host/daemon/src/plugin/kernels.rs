//! The import `kernels`: native computation for a guest, on the shared pool.

use std::borrow::Cow;
use std::time::Duration;

use corral_kernels::{ColumnType, Frame, Kernel, KernelError, Shape, Value, find, kernel};
use wasmtime::component::Resource;

use super::bindings::{Problem, frames as wit_frames, kernels as wit};
use super::grants::Capability;
use super::guest::{FrameHandle, Guest, Mode};
use super::kept::Held;
use crate::pool::{Answer, Call, Checked, PoolError, Took, Update, Updated};

/// A kernel that a tick ran, and what came of it.
#[derive(Clone, Debug)]
pub struct KernelCall {
    /// The kernel.
    pub kernel: &'static str,
    /// Rows of all inputs together.
    pub rows: usize,
    /// How long it took.
    pub took: Took,
    /// Whether the answer was handed over.
    pub verdict: Verdict,
    /// The outputs, of a tick that proves.
    pub(super) outputs: Vec<Frame>,
}

/// Whether a kernel's answer was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was, unchecked.
    Unchecked,
    /// It was: the check found no fault.
    Right,
    /// It was not: it has this fault.
    Wrong(String),
    /// There was none, or none that could be checked.
    Failed(String),
}

impl KernelCall {
    fn new(call: (&'static str, usize), answer: &Result<Answer, PoolError>, mode: Mode) -> Self {
        let (kernel, rows) = call;
        let (took, verdict, outputs) = match answer {
            Ok(Answer { outputs, took }) => {
                let checked = took.verify.map_or(Verdict::Unchecked, |_| Verdict::Right);
                let outputs = if mode == Mode::Prove { outputs.clone() } else { Vec::new() };
                (*took, checked, outputs)
            }
            Err(PoolError::Wrong { fault, took, .. }) => {
                (*took, Verdict::Wrong(fault.clone()), Vec::new())
            }
            Err(error) => (Took::default(), Verdict::Failed(error.to_string()), Vec::new()),
        };
        Self { kernel, rows, took, verdict, outputs }
    }

    /// The output of that name.
    fn output(&self, name: &str) -> Option<&Frame> {
        let outputs = find(self.kernel)?.signature().outputs;
        let at = outputs.iter().position(|shape| shape.name == name)?;
        self.outputs.get(at)
    }

    /// The group of each row, named by its smallest row, where the kernel groups; of a tick that proves.
    pub(super) fn labels(&self) -> Option<&[u32]> {
        self.output("labels")?.uint32("label").ok()
    }

    /// How many groups the kernel made, where it groups; of a tick that proves.
    pub fn groups(&self) -> Option<usize> {
        Some((0..).zip(self.labels()?).filter(|(row, label)| row == *label).count())
    }

    /// How many edges of evidence it gave, where it gives a forest; of a tick that proves.
    pub fn edges(&self) -> Option<usize> {
        self.output("forest").map(Frame::rows)
    }

    /// As the operator counts it.
    pub(super) fn checked(&self) -> Checked {
        Checked {
            answers: u64::from(!matches!(self.verdict, Verdict::Failed(_))),
            verified: u64::from(self.verdict == Verdict::Right),
            wrong: u64::from(matches!(self.verdict, Verdict::Wrong(_))),
            milliseconds: self.took.verify.unwrap_or_default().as_secs_f64() * 1000.0,
        }
    }
}

impl wit::Host for Guest {
    fn list_kernels(&mut self) -> wasmtime::Result<Vec<wit::Signature>> {
        let may_run = |kernel: &&&dyn Kernel| {
            self.granted(Capability::Kernel, kernel.signature().name).is_ok()
        };
        Ok(kernel::ALL.iter().filter(may_run).map(|kernel| signature(*kernel)).collect())
    }

    async fn run_kernel(
        &mut self,
        name: String,
        inputs: Vec<Resource<FrameHandle>>,
        parameters: Vec<wit::Parameter>,
    ) -> Answered {
        let call = match self.kernel_call(&name, &inputs, parameters, 0)? {
            Ok(call) => call,
            Err(problem) => return Ok(Err(problem)),
        };
        let called = (call.kernel.signature().name, call.rows());
        let started = self.clock.elapsed();
        let answer = match self.mode {
            Mode::Change | Mode::Shadow | Mode::Try { .. } => self.pool.run(call).await,
            Mode::Prove => self.pool.prove(call).await,
        };
        self.hand_over(called, started, answer)
    }

    fn kept_kernel(
        &mut self,
        name: String,
        parameters: Vec<wit::Parameter>,
    ) -> wasmtime::Result<wit::Kept> {
        let is_asked_for = self.granted(Capability::Kernel, &name).is_ok();
        // Whoever proves looks at everything.
        let may_keep = is_asked_for && self.mode != Mode::Prove && self.kept.is_kept();
        let kernel = find(&name).filter(|kernel| may_keep && kernel.keep().is_some());
        let Some(kernel) = kernel else { return Ok(wit::Kept::None) };
        let held = self.kept.of(kernel.signature().name, &in_words(&parameters));
        Ok(held.map_or(wit::Kept::Nothing, |held| wit::Kept::Version(held.version.clone())))
    }

    async fn update_kernel(
        &mut self,
        name: String,
        inputs: Vec<Resource<FrameHandle>>,
        gone: Vec<u32>,
        parameters: Vec<wit::Parameter>,
        since: Option<String>,
        version: String,
    ) -> Answered {
        let key = in_words(&parameters);
        let call = match self.kernel_call(&name, &inputs, parameters, gone.len())? {
            Ok(call) => call,
            Err(problem) => return Ok(Err(problem)),
        };
        if version.len() > VERSION_BYTES_MAX {
            let limit = format!("{name}: a version of more than {VERSION_BYTES_MAX} bytes");
            return Ok(Err(Problem::Limit(limit)));
        }
        let (kernel, rows) = (call.kernel.signature().name, call.rows());
        let held = self.kept.take(kernel, &key);
        let state = match (since, held) {
            (None, _) => call.kernel.keep().filter(|_| self.mode != Mode::Prove),
            (Some(since), Some(held)) if held.version == since => Some(held.state),
            (Some(since), _) => {
                let what = format!("{name}: what is kept is not of the version '{since}'");
                return Ok(Err(Problem::Conflict(what)));
            }
        };
        let Some(state) = state else {
            return Ok(Err(Problem::Refused(format!("{name}: nothing is kept of it"))));
        };
        let started = self.clock.elapsed();
        let updated = self.pool.update(Update { call, state, gone }).await;
        let answer = updated.map(|Updated { state, answer }| {
            if !self.kept.put(kernel, &key, Held { state, version }) {
                tracing::info!(kernel, "its input is larger than pool.kept-bytes-max");
            }
            answer
        });
        self.hand_over((kernel, rows), started, answer)
    }
}

/// Frames for a guest, or why there are none.
type Answered = wasmtime::Result<Result<Vec<Resource<FrameHandle>>, Problem>>;

/// How long a plugin's name for what it has brought may be: some revisions in words.
const VERSION_BYTES_MAX: usize = 1_024;
/// All names and texts of a call's parameters: kernels have a handful, each of a word.
const PARAMETER_BYTES_MAX: usize = 4_096;

impl Guest {
    /// The call that a guest asks for, if it may have it. Beside the inputs' rows there are `more`.
    fn kernel_call(
        &mut self,
        name: &str,
        inputs: &[Resource<FrameHandle>],
        parameters: Vec<wit::Parameter>,
        more: usize,
    ) -> wasmtime::Result<Result<Call, Problem>> {
        let Some(kernel) = find(name) else {
            return Ok(Err(Problem::NotFound(format!("no kernel '{name}'"))));
        };
        if let Err(problem) = self.granted(Capability::Kernel, name) {
            return Ok(Err(problem));
        }
        if let Err(problem) = self.meet("run-kernel") {
            return Ok(Err(problem));
        }
        if self.used.kernel_calls.len() >= self.limits.kernel_calls_max {
            let limit = self.limits.kernel_calls_max;
            return Ok(Err(Problem::Limit(format!(
                "limits.kernel-calls-max = {limit} kernels a tick"
            ))));
        }
        if size(&parameters) > PARAMETER_BYTES_MAX {
            let limit = format!("{name}: {PARAMETER_BYTES_MAX} bytes of parameters");
            return Ok(Err(Problem::Limit(limit)));
        }
        let inputs = inputs
            .iter()
            .map(|input| Ok(self.table.get(input)?.frame.clone()))
            .collect::<wasmtime::Result<Vec<_>>>()?;
        let parameters = parameters
            .into_iter()
            .map(|given| kernel::Parameter {
                name: Cow::Owned(given.name),
                value: value(given.value),
            })
            .collect();
        let call = Call { kernel, inputs, parameters, texts: self.texts.clone() };
        let (rows, limit) = (call.rows().saturating_add(more).max(1), self.limits.kernel_rows_max);
        if self.used.kernel_rows.saturating_add(rows) > limit {
            return Ok(Err(Problem::Limit(format!(
                "{name}: limits.kernel-rows-max = {limit} rows given to kernels a tick"
            ))));
        }
        self.used.kernel_rows += rows;
        Ok(Ok(call))
    }

    /// Books a kernel that was `called` with so many rows, and hands over what it answered.
    fn hand_over(
        &mut self,
        called: (&'static str, usize),
        started: Duration,
        answer: Result<Answer, PoolError>,
    ) -> Answered {
        self.used.kernel_time += self.clock.elapsed().saturating_sub(started);
        self.used.kernel_calls.push(KernelCall::new(called, &answer, self.mode));
        match answer {
            Ok(Answer { outputs, .. }) => {
                let handles = outputs.into_iter().map(|frame| self.own(frame));
                handles.collect::<wasmtime::Result<Result<Vec<_>, _>>>()
            }
            Err(error) => Ok(Err(problem(called.0, error))),
        }
    }
}

/// What parameters take: each counts a little beside its texts, since there may be many.
fn size(parameters: &[wit::Parameter]) -> usize {
    let size = |parameter: &wit::Parameter| match &parameter.value {
        wit::Value::Text(text) => parameter.name.len().saturating_add(text.len()),
        wit::Value::Uint(_) | wit::Value::Float(_) => parameter.name.len(),
    };
    parameters.iter().fold(0, |sum: usize, one| sum.saturating_add(size(one)).saturating_add(16))
}

/// Parameters as a key: equal ones in an equal order are the same.
fn in_words(parameters: &[wit::Parameter]) -> String {
    format!("{parameters:?}")
}

fn problem(name: &str, error: PoolError) -> Problem {
    match error {
        PoolError::Kernel(KernelError::Invalid(what)) => Problem::Invalid(what),
        PoolError::Kernel(KernelError::Limit(what)) => Problem::Limit(format!("{name}: {what}")),
        PoolError::Kernel(error @ (KernelError::Cancelled | KernelError::Wrong(_))) => {
            Problem::Unavailable(format!("{name}: {error}"))
        }
        // The pool has told the log, whoever waits for the answer.
        error @ PoolError::Wrong { .. } => Problem::Unavailable(error.to_string()),
        error => {
            tracing::error!(%error, "kernel failed");
            Problem::Unavailable(error.to_string())
        }
    }
}

fn value(value: wit::Value) -> Value {
    match value {
        wit::Value::Uint(value) => Value::Uint(value),
        wit::Value::Float(value) => Value::Float(value),
        wit::Value::Text(value) => Value::Text(Cow::Owned(value)),
    }
}

fn signature(kernel: &dyn Kernel) -> wit::Signature {
    let signature = kernel.signature();
    let shapes = |shapes: &[Shape]| shapes.iter().map(shape).collect();
    wit::Signature {
        name: signature.name.to_owned(),
        summary: signature.summary.to_owned(),
        inputs: shapes(signature.inputs),
        parameters: signature
            .parameters
            .iter()
            .map(|parameter| wit::Parameter {
                name: parameter.name.clone().into_owned(),
                value: match parameter.value.clone() {
                    Value::Uint(value) => wit::Value::Uint(value),
                    Value::Float(value) => wit::Value::Float(value),
                    Value::Text(value) => wit::Value::Text(value.into_owned()),
                },
            })
            .collect(),
        outputs: shapes(signature.outputs),
    }
}

fn shape(shape: &Shape) -> wit::FrameShape {
    let column = |(name, kind): &(&str, ColumnType)| wit_frames::Column {
        name: (*name).to_owned(),
        kind: super::frames::kind(*kind),
    };
    wit::FrameShape {
        name: shape.name.to_owned(),
        columns: shape.columns.iter().map(column).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_a_problem_that_names_kernel_and_fault_and_says_whose_bug_it_is() {
        let (name, fault) = ("identity-components", "a hassh has the labels 0 and 7".to_owned());
        let wrong = || PoolError::Wrong { name, fault: fault.clone(), took: Took::default() };
        let Problem::Unavailable(what) = problem(name, wrong()) else { panic!("not unavailable") };
        assert_eq!(
            what,
            "kernel 'identity-components' gave a wrong answer: a hassh has the labels 0 and 7 (this is a bug \
             in corral)"
        );
        // And it is told as wrong, and not as handed over.
        let call = KernelCall::new((name, 9), &Err(wrong()), Mode::Prove);
        assert_eq!(call.verdict, Verdict::Wrong(fault));
        assert_eq!(
            (call.checked().answers, call.checked().verified, call.checked().wrong),
            (1, 0, 1)
        );
        assert_eq!((call.groups(), call.edges()), (None, None));
    }
}

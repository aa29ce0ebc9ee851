//! Measuring one case: memory and verification once, then rounds in which everything takes turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use corral_kernels::{Frame, Interner, Job, KernelError, Pace};
use rayon::ThreadPool;

use super::limits::{Limits, Memory};
use super::rivals::{Rival, Rivals};
use super::traffic::{Traffic, bytes};
use super::{Case, TEXT_BYTES_MAX, THREADS, allocations, oracle, pool};
use crate::{median, timed};

/// A run that takes longer is ended, and the larger sizes of its shape are left out. So are sizes that
/// would take longer by the one before, if time grew with the rows. No new round begins after it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much larger a size is than the one before, for that guess.
const STEP: f64 = 10.0;

/// What came of a case.
pub(super) enum Outcome {
    /// It was not measured, as nobody asked for that.
    Unmeasured,
    /// It took too long, or would have.
    TooLong,
    Measured(Box<Measured>),
}

/// What was measured; times are medians in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) kernel: &'static str,
    pub(super) shape: &'static str,
    pub(super) rows: u32,
    /// One for each of [`THREADS`].
    pub(super) runs: Vec<Run>,
    /// None if it was ended for taking too long.
    pub(super) verify: Option<f64>,
    pub(super) traffic: Traffic,
    pub(super) output_bytes: u64,
    pub(super) rivals: Vec<Rival>,
}

/// What a number of threads made of it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) threads: usize,
    pub(super) time: f64,
    /// Beyond the inputs; the outputs are part of it.
    pub(super) peak_bytes: usize,
    pub(super) limits: Limits,
    /// The unavoidable traffic at these limits.
    pub(super) bound: f64,
}

impl Measured {
    /// The run on so many threads.
    pub(super) fn run(&self, threads: usize) -> Option<&Run> {
        self.runs.iter().find(|run| run.threads == threads)
    }

    /// The fastest run.
    pub(super) fn best(&self) -> f64 {
        self.runs.iter().map(|run| run.time).fold(f64::INFINITY, f64::min)
    }
}

/// What measuring needs.
pub(super) struct Bench {
    pools: Vec<ThreadPool>,
    memory: Memory,
}

/// What is measured in turns, by threads.
#[derive(Default)]
struct Lane {
    peak_bytes: usize,
    times: Vec<f64>,
    bytes: Vec<f64>,
    gathers: Vec<f64>,
}

impl Bench {
    pub(super) fn start() -> Result<Self> {
        let pools = THREADS.iter().map(|&threads| pool(threads)).collect::<Result<_>>()?;
        Ok(Self { pools, memory: Memory::new() })
    }

    /// Measures a case, of which a smaller size came to `previous`.
    pub(super) fn measure(&mut self, case: &Case, previous: &Outcome) -> Result<Outcome> {
        let hopeless = match previous {
            Outcome::Unmeasured => false,
            Outcome::TooLong => true,
            Outcome::Measured(before) => before.best() * STEP > milliseconds(PATIENCE),
        };
        if hopeless {
            return Ok(Outcome::TooLong);
        }
        let texts = Interner::new(TEXT_BYTES_MAX);
        let inputs = (case.population)(case.rows, &texts)?;
        match self.measure_inputs(case, &inputs, &texts) {
            Ok(measured) => Ok(Outcome::Measured(Box::new(measured))),
            Err(error) if error.downcast_ref() == Some(&KernelError::Cancelled) => {
                Ok(Outcome::TooLong)
            }
            Err(error) => Err(error.context(format!(
                "{} on {} rows of the shape {:?}",
                case.name(),
                case.rows,
                case.shape
            ))),
        }
    }

    fn measure_inputs(
        &mut self,
        case: &Case,
        inputs: &[Frame],
        texts: &Interner,
    ) -> Result<Measured> {
        self.memory.prepare(case.rows);
        let (mut lanes, outputs) = self.first_runs(case, inputs, texts)?;
        let verify = verify(case, inputs, texts, &outputs)?;
        let mut rivals = Rivals::of(case.name(), inputs, &outputs)?;
        if let Some(oracle) = oracle::answer(case, inputs, &outputs, texts)? {
            rivals.add(oracle);
        }

        let started = Instant::now();
        for _ in 0..rounds(case.rows) {
            for (lane, pool) in lanes.iter_mut().zip(&self.pools) {
                let (took, answer) = run(case, inputs, texts, pool)?;
                drop(answer);
                lane.times.push(took);
                let limits = self.memory.limits(pool, case.rows);
                lane.bytes.push(limits.byte);
                lane.gathers.push(limits.gather);
            }
            rivals.take_a_turn();
            if started.elapsed() > PATIENCE {
                break;
            }
        }
        let traffic = Traffic::of(case.name(), inputs, &outputs, texts)?;
        let lanes = lanes.into_iter().zip(THREADS);
        Ok(Measured {
            kernel: case.name(),
            shape: case.shape,
            rows: case.rows,
            runs: lanes.map(|(lane, threads)| lane.close(threads, traffic)).collect(),
            verify,
            traffic,
            output_bytes: outputs.iter().map(bytes).sum(),
            rivals: rivals.close(),
        })
    }

    /// A run for each pool, with its memory; their answers have to be the same.
    fn first_runs(
        &self,
        case: &Case,
        inputs: &[Frame],
        texts: &Interner,
    ) -> Result<(Vec<Lane>, Vec<Frame>)> {
        let mut lanes = Vec::new();
        let mut outputs: Option<Vec<Frame>> = None;
        for pool in &self.pools {
            let (peak_bytes, answer) = allocations::peak_of(|| run(case, inputs, texts, pool));
            let (_, answer) = answer?;
            lanes.push(Lane { peak_bytes, ..Lane::default() });
            if let Some(first) = &outputs {
                let threads = pool.current_num_threads();
                ensure!(*first == answer, "the answer is another on {threads} threads");
            }
            outputs = outputs.or(Some(answer));
        }
        Ok((lanes, outputs.context("there is a pool")?))
    }
}

impl Lane {
    fn close(self, threads: usize, traffic: Traffic) -> Run {
        let limits = Limits { byte: median(self.bytes), gather: median(self.gathers) };
        Run {
            threads,
            time: median(self.times),
            peak_bytes: self.peak_bytes,
            limits,
            bound: traffic.milliseconds(limits),
        }
    }
}

/// Rounds that suffice for a steady median.
fn rounds(rows: u32) -> usize {
    match rows {
        0..=100_000 => 9,
        100_001..=1_000_000 => 5,
        _ => 3,
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One run in a pool, in milliseconds, and its answer.
fn run(
    case: &Case,
    inputs: &[Frame],
    texts: &Interner,
    pool: &ThreadPool,
) -> Result<(f64, Vec<Frame>), KernelError> {
    with_job(case, inputs, texts, |job| {
        let (took, outputs) = pool.install(|| timed(|| case.kernel.run(job)));
        outputs.map(|outputs| (milliseconds(took), outputs))
    })
}

/// The milliseconds that verification takes, unless it takes too long.
fn verify(
    case: &Case,
    inputs: &[Frame],
    texts: &Interner,
    outputs: &[Frame],
) -> Result<Option<f64>, KernelError> {
    with_job(case, inputs, texts, |job| match timed(|| case.kernel.verify(job, outputs)) {
        (took, Ok(())) => Ok(Some(milliseconds(took))),
        (_, Err(KernelError::Cancelled)) => Ok(None),
        (_, Err(fault)) => Err(fault),
    })
}

/// Hands out a job that is cancelled when patience is over.
fn with_job<T>(
    case: &Case,
    inputs: &[Frame],
    texts: &Interner,
    work: impl FnOnce(&Job<'_>) -> Result<T, KernelError>,
) -> Result<T, KernelError> {
    let (is_over, started) = (AtomicBool::new(false), Instant::now());
    let watch = || is_over.store(started.elapsed() > PATIENCE, Ordering::Relaxed);
    let pace = Pace::doing(&is_over, &watch);
    work(&Job::new(case.kernel.signature(), inputs, &[], texts, &pace)?)
}

//! The kernels, natively: every kernel by shape and size, beside what bounds it from either side.
//!
//! A *shape* is a kind of population, from what sensors see to what an adversary would send. Each case,
//! a kernel on a shape of one size, is run on one and on two threads, in turns with what it is compared
//! with: the naive oracle of its rule where that ends in time, two graph libraries on the same edges
//! (`rivals/`), and the limits of this machine. Its answer is verified, and has to be the same on one
//! thread and on two.
//!
//! *Of the limit* is the time of the memory traffic that nobody can avoid, as this machine does it, over
//! the time taken: see `traffic.rs` and `limits.rs` for both. *Growth* is the exponent of time over rows,
//! from 10,000 up: 1 is linear.
//!
//! `cargo xtask bench kernels -- [KERNEL…] [--shape NAME] [--rows N] [--quick | --huge] [--json FILE]
//! [--dump DIR]`; options may repeat. `--dump` writes the inputs as CSV, for other programs to work on.

mod allocations;
mod attackers;
mod chance;
mod credentials;
mod dump;
mod graphs;
mod growth;
pub(crate) mod incremental;
mod limits;
mod measure;
mod options;
mod oracle;
mod report;
mod rivals;
mod series;
mod targets;
mod traffic;

use anyhow::{Context, Result, ensure};
use corral_kernels::{Frame, Interner, Job, Kernel, KernelError, Pace, find};
use rayon::{ThreadPool, ThreadPoolBuilder};

use self::measure::{Measured, Outcome};
use self::options::{Mode, Options};

pub(crate) use self::chance::Chance;

/// Makes the inputs of one shape, of so many rows.
pub(crate) type Population = fn(u32, &Interner) -> Result<Vec<Frame>>;

/// A kernel and what it is measured on.
struct Subject {
    kernel: &'static str,
    /// What its size counts.
    rows: &'static str,
    shapes: &'static [(&'static str, Population)],
    /// Whether it is measured on a hundred millions.
    huge: bool,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        kernel: "identity-components",
        rows: "attackers",
        shapes: attackers::SHAPES,
        huge: true,
    },
    Subject {
        kernel: "campaign-components",
        rows: "identities",
        shapes: crate::campaign::SHAPES,
        huge: false,
    },
    Subject { kernel: "attribution-states", rows: "samples", shapes: series::SHAPES, huge: false },
    Subject {
        kernel: "credential-reuse",
        rows: "credentials",
        shapes: credentials::SHAPES,
        huge: false,
    },
    Subject { kernel: "connected-components", rows: "nodes", shapes: graphs::SHAPES, huge: true },
];

/// Text that a population may have.
const TEXT_BYTES_MAX: usize = 4 << 30;

/// The threads that a kernel gets, one pool each.
const THREADS: [usize; 2] = [1, 2];

/// One kernel on one shape of one size.
struct Case {
    kernel: &'static dyn Kernel,
    shape: &'static str,
    population: Population,
    rows: u32,
}

impl Case {
    fn name(&self) -> &'static str {
        self.kernel.signature().name
    }
}

/// The benchmark.
pub(crate) fn kernels(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    match &options.mode {
        Mode::Measure => measure_all(&options),
        Mode::Once => each(&options, &mut |case, _| once(case).map(|()| Outcome::Unmeasured)),
        Mode::Dump(folder) => {
            each(&options, &mut |case, _| dump::write(case, folder).map(|()| Outcome::Unmeasured))
        }
    }
}

fn measure_all(options: &Options) -> Result<()> {
    let mut bench = measure::Bench::start()?;
    let mut all: Vec<Measured> = Vec::new();
    report::head();
    each(options, &mut |case, previous| {
        let outcome = bench.measure(case, previous)?;
        report::line(case, &outcome);
        if let Outcome::Measured(measured) = &outcome {
            all.push(measured.as_ref().clone());
        }
        Ok(outcome)
    })?;
    report::growth(&all);
    report::limits(&all);
    targets::print(&all);
    options.json.as_ref().map_or(Ok(()), |file| report::write_json(file, &all))
}

/// Does something to each case that is asked for, by ascending size within a shape; it is given what
/// came of the size before.
fn each(options: &Options, work: &mut dyn FnMut(&Case, &Outcome) -> Result<Outcome>) -> Result<()> {
    let mut cases = 0;
    for subject in SUBJECTS.iter().filter(|subject| options.selects_kernel(subject.kernel)) {
        let kernel = find(subject.kernel).context("it is in the catalogue")?;
        for &(shape, population) in subject.shapes {
            let counts = shape != graphs::WEIGHTED || graphs::weights_count()?;
            if !options.selects_shape(shape) || !counts {
                continue;
            }
            let mut previous = Outcome::Unmeasured;
            for rows in options.sizes(subject) {
                previous = work(&Case { kernel, shape, population, rows }, &previous)?;
                cases += 1;
            }
        }
    }
    ensure!(cases > 0, "nothing to measure: the kernels and their shapes are\n{}", catalogue());
    Ok(())
}

fn catalogue() -> String {
    let line = |subject: &Subject| {
        let shapes: Vec<&str> = subject.shapes.iter().map(|(shape, _)| *shape).collect();
        format!("  {} (by {}): {}", subject.kernel, subject.rows, shapes.join("; "))
    };
    SUBJECTS.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A pool of that many threads.
fn pool(threads: usize) -> Result<ThreadPool> {
    Ok(ThreadPoolBuilder::new().num_threads(threads).build()?)
}

/// Runs a case once, for whoever counts the instructions of [`counted_run`]: on one thread, so that
/// nothing depends on who steals from whom.
fn once(case: &Case) -> Result<()> {
    let texts = Interner::new(TEXT_BYTES_MAX);
    let (inputs, pace) = ((case.population)(case.rows, &texts)?, Pace::free());
    let job = Job::new(case.kernel.signature(), &inputs, &[], &texts, &pace)?;
    pool(1)?.install(|| counted_run(case.kernel, &job))?;
    println!("counted: {}: {}", case.name(), case.shape);
    Ok(())
}

/// A run with a name of its own in a profile. Something happens after the call, so that the compiler
/// cannot make it a jump, which a profiler would not see return.
#[inline(never)]
fn counted_run(kernel: &dyn Kernel, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
    let outputs = kernel.run(job);
    std::hint::black_box(&outputs);
    outputs
}

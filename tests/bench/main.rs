//! `cargo xtask bench [NAME…]`: how fast, as ratios to a baseline measured in the same run.
//!
//! Each figure is a median over several rounds in which baseline and subject take turns, so that a
//! machine whose speed drifts slows both.

#![expect(clippy::indexing_slicing, reason = "a benchmark that cannot run should stop")]
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

mod campaign;
mod correlators;
mod fairness;
mod ingest;
mod kernels;
mod tick;

/// How a benchmark is run.
type Bench = fn() -> Result<()>;

const BENCHES: &[(&str, &str, Bench)] = &[
    (
        "decode",
        "Cowrie lines decoded, beside Python's json.loads on the same lines",
        ingest::decode,
    ),
    ("sensors", "real logs of other sensors decoded, by bytes, beside Cowrie's", ingest::sensors),
    ("ingest", "Cowrie logs into SQLite, beside json.loads alone", ingest::end_to_end),
    (
        "memory",
        "resident memory of a 1 GB ingest, beside a 10 MB one (writes 1 GB to the temp folder)",
        ingest::memory,
    ),
    ("kernels", "each kernel by size, beside one random gather or by row", all_kernels),
    (
        "tick",
        "the clusterer's first tick over 1,000 attackers, beside the same work called natively",
        tick::first,
    ),
    (
        "correlators",
        "each correlator's ticks beside its kernel: the first over 1,000 attackers, and one with nothing new",
        correlators::correlators,
    ),
    (
        "fairness",
        "small kernels beside a long one on the same pool, against the pool alone",
        fairness::fairness,
    ),
];

fn all_kernels() -> Result<()> {
    println!("  identity-components");
    kernels::identity()?;
    println!("  campaign-components");
    campaign::components()?;
    println!("  attribution-states");
    kernels::attribution()?;
    println!("  credential-reuse");
    kernels::reuse()
}

fn main() -> Result<()> {
    let names: Vec<String> =
        std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let known = |name: &str| BENCHES.iter().any(|(bench, ..)| *bench == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
        bail!("no benchmark '{unknown}' (there are: {})", all.join(", "));
    }
    for (name, about, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|asked| asked == name) {
            println!("{name}: {about}");
            bench()?;
        }
    }
    Ok(())
}

/// The time that `work` takes, and what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

/// The middle of the measured values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

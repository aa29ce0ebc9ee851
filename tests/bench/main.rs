//! `cargo xtask bench [NAME…] [-- OPTION…]`: how fast, as ratios to a baseline measured in the same run.
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
mod daemon;
mod fairness;
mod guests;
mod ingest;
mod kernels;
mod swaps;
mod tick;

/// How a benchmark is run.
enum Bench {
    Plain(fn() -> Result<()>),
    /// It takes the words after `--`.
    WithOptions(fn(&[String]) -> Result<()>),
}

use Bench::{Plain, WithOptions};

const BENCHES: &[(&str, &str, Bench)] = &[
    (
        "decode",
        "Cowrie lines decoded, beside Python's json.loads on the same lines",
        Plain(ingest::decode),
    ),
    (
        "sensors",
        "real logs of other sensors decoded, by bytes, beside Cowrie's",
        Plain(ingest::sensors),
    ),
    ("ingest", "Cowrie logs into SQLite, beside json.loads alone", Plain(ingest::end_to_end)),
    (
        "memory",
        "resident memory of a 1 GB ingest, beside a 10 MB one (writes 1 GB to the temp folder)",
        Plain(ingest::memory),
    ),
    (
        "kernels",
        "each kernel by shape and size, beside oracles, graph libraries and the machine's limits",
        WithOptions(kernels::kernels),
    ),
    (
        "incremental",
        "one attacker that comes, changes or goes among up to ten millions, beside a fresh run",
        Plain(kernels::incremental::one_by_one),
    ),
    (
        "tick",
        "the clusterer's first tick over 1,000 attackers, beside the same work called natively",
        Plain(tick::first),
    ),
    (
        "correlators",
        "each correlator's ticks beside its kernel: the first over 1,000 attackers, and one with nothing new",
        Plain(correlators::correlators),
    ),
    (
        "daemon",
        "ticks, the first write, the bus and the process, beside targets and what DECNET takes (options: see daemon.rs)",
        WithOptions(daemon::daemon),
    ),
    (
        "guests",
        "what the sandbox costs: an instance, a kernel's call, a column, the end of a guest that spins",
        Plain(guests::guests),
    ),
    (
        "fairness",
        "small kernels beside a long one on the same pool, against the pool alone",
        Plain(fairness::fairness),
    ),
    (
        "swaps",
        "swaps of components beside ticks that wait, and the fall of bad ones (--swaps NUMBER)",
        WithOptions(swaps::swaps),
    ),
];

fn main() -> Result<()> {
    // Cargo says `--bench` to every benchmark that it starts.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut parts = words.splitn(2, |word| word == "--");
    let (names, options) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
    let known = |name: &str| BENCHES.iter().any(|(bench, ..)| *bench == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
        bail!("no benchmark '{unknown}' (there are: {})", all.join(", "));
    }
    let asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    for (name, about, bench) in BENCHES.iter().filter(|(name, ..)| asked(name)) {
        println!("{name}: {about}");
        match bench {
            WithOptions(run) => run(options)?,
            Plain(run) if options.is_empty() => run()?,
            Plain(_) => bail!("{name} takes no options"),
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

/// The time that a future takes from its first step to its last, and what it gives.
async fn timed_async<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let started = Instant::now();
    let result = work.await;
    (started.elapsed(), result)
}

/// The middle of the measured values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

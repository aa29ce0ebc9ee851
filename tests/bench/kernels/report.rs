//! What was measured, as a table for people and as JSON for programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::measure::{Measured, Outcome, Run};
use super::targets::per_row;
use super::{Case, THREADS, growth};
use crate::median;

/// The table's head.
pub(super) fn head() {
    println!(
        "  ms: medians. of the limit: unavoidable memory traffic at this machine's speed, over the time. B/row: peak beyond the inputs (of it output)"
    );
    println!(
        "  {:21}{:22}{:>10}{:>11}{:>11}{:>8}{:>9}{:>15}{:>11}   beside it, ms",
        "kernel", "shape", "rows", "1 thread", "2 threads", "ns/row", "of limit", "B/row", "verify"
    );
}

/// The line of a case.
pub(super) fn line(case: &Case, outcome: &Outcome) {
    print!("  {:21}{:22}{:>10}", case.name(), case.shape, case.rows);
    match outcome {
        Outcome::Measured(measured) => println!("{}", figures(measured)),
        Outcome::TooLong => println!("   left out: takes too long"),
        Outcome::Unmeasured => println!(),
    }
}

fn figures(measured: &Measured) -> String {
    let mut times = String::new();
    for run in &measured.runs {
        times += &format!("{:>11.3}", run.time);
    }
    let rivals = measured.rivals.iter().map(|rival| format!("{} {:.2}", rival.name, rival.time));
    let Some(last) = measured.runs.last() else { return times };
    format!(
        "{times}{:>8.1}{:>8.0}%{:>15}{:>11}   {}",
        nanoseconds(measured, last),
        last.bound / last.time * 1e2,
        format!("{:.1} ({:.1})", per_row(last.peak_bytes, measured.rows), output(measured)),
        measured.verify.map_or("too long".to_owned(), |time| format!("{time:.3}")),
        rivals.collect::<Vec<_>>().join("; ")
    )
}

fn nanoseconds(measured: &Measured, run: &Run) -> f64 {
    run.time * 1e6 / f64::from(measured.rows)
}

/// Bytes of output a row.
fn output(measured: &Measured) -> f64 {
    per_row(usize::try_from(measured.output_bytes).unwrap_or(usize::MAX), measured.rows)
}

/// The exponents.
pub(super) fn growth(all: &[Measured]) {
    println!("\n  growth: exponent of time over rows, from 10,000 rows up");
    let growths = growth::all(all);
    for shape in growths.chunk_by(|a, b| (a.kernel, a.shape) == (b.kernel, b.shape)) {
        let exponents = shape
            .iter()
            .map(|growth| format!("{:.2} on {} threads", growth.exponent, growth.threads));
        let exponents = exponents.collect::<Vec<_>>().join(", ");
        println!("  {:21}{:22}{exponents}", shape[0].kernel, shape[0].shape);
    }
}

/// What this machine can do.
pub(super) fn limits(all: &[Measured]) {
    println!("\n  this machine: {} cores; medians over all cases", cores());
    for threads in THREADS {
        let runs = || all.iter().filter_map(|m| Some((m.rows, m.run(threads)?.limits)));
        let byte = median(runs().map(|(_, limits)| limits.byte).collect());
        let mut sizes: Vec<u32> = runs().map(|(rows, _)| rows).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let gather = |size: &u32| {
            let of_size = runs().filter(|(rows, _)| rows == size);
            let gather = median(of_size.map(|(_, limits)| limits.gather).collect());
            format!("{gather:.2} ns of {size}")
        };
        println!(
            "  {threads} threads: stream {:.1} GB/s; one gather {}",
            1.0 / byte,
            sizes.iter().map(gather).collect::<Vec<_>>().join(", ")
        );
    }
}

fn cores() -> usize {
    available_parallelism().map_or(0, Into::into)
}

/// Everything, as JSON.
pub(super) fn write_json(file: &Path, all: &[Measured]) -> Result<()> {
    let growths: Vec<Value> = growth::all(all)
        .iter()
        .map(|growth| {
            json!({
                "kernel": growth.kernel,
                "shape": growth.shape,
                "threads": growth.threads,
                "exponent": growth.exponent,
            })
        })
        .collect();
    let cases: Vec<Value> = all.iter().map(case).collect();
    let everything = json!({ "cores": cores(), "cases": cases, "growth": growths });
    let failed = || format!("failed to write {}", file.display());
    let mut out = BufWriter::new(File::create(file).with_context(failed)?);
    serde_json::to_writer_pretty(&mut out, &everything).with_context(failed)?;
    out.flush().with_context(failed)
}

fn case(measured: &Measured) -> Value {
    let runs: Vec<Value> = measured
        .runs
        .iter()
        .map(|run| {
            json!({
                "threads": run.threads,
                "milliseconds": run.time,
                "nanoseconds_a_row": nanoseconds(measured, run),
                "peak_bytes": run.peak_bytes,
                "peak_bytes_a_row": per_row(run.peak_bytes, measured.rows),
                "limit_milliseconds": run.bound,
                "of_the_limit": run.bound / run.time,
                "machine": {
                    "stream_gigabytes_a_second": 1.0 / run.limits.byte,
                    "gather_nanoseconds": run.limits.gather,
                },
            })
        })
        .collect();
    let beside: serde_json::Map<String, Value> =
        measured.rivals.iter().map(|rival| (rival.name.into(), json!(rival.time))).collect();
    json!({
        "kernel": measured.kernel,
        "shape": measured.shape,
        "rows": measured.rows,
        "runs": runs,
        "verify_milliseconds": measured.verify,
        "output_bytes": measured.output_bytes,
        "unavoidable": { "gathers": measured.traffic.gathers, "bytes": measured.traffic.bytes },
        "beside_it_milliseconds": beside,
    })
}

//! What the kernels are meant to reach on two cores, and whether they did.

use super::measure::Measured;
use super::rivals::{PETGRAPH, RUSTWORKX};
use super::{THREADS, growth};

const ROWS: [u32; 3] = [100_000, 1_000_000, 10_000_000];

/// The most time, by kernel, shape and size, in milliseconds.
const TIMES: &[(&str, &str, u32, f64)] = &[
    ("identity-components", "typical", ROWS[1], 40.0),
    ("identity-components", "typical", ROWS[2], 800.0),
    ("campaign-components", "typical", ROWS[0], 200.0),
    ("campaign-components", "typical", ROWS[1], 3_000.0),
    ("attribution-states", "typical", ROWS[1], 60.0),
    ("credential-reuse", "typical", ROWS[1], 500.0),
];

/// Of `identity-components`, beyond the inputs.
const BYTES_PER_ROW_MAX: f64 = 16.0;
/// Of the bound of `identity-components`.
const SHARE_MIN: f64 = 0.5;
/// Of `connected-components` on the random graph, against the best of the libraries.
const SPEEDUP_MIN: f64 = 1.5;
/// Of every kernel and shape.
const EXPONENT_MAX: f64 = 1.1;

/// Says of each target whether it was met; on the most threads that are measured.
pub(super) fn print(all: &[Measured]) {
    println!("\n  targets, on two threads");
    let threads = THREADS[THREADS.len() - 1];
    let find = |kernel: &str, shape: &str, rows: u32| {
        all.iter().find(|m| (m.kernel, m.shape, m.rows) == (kernel, shape, rows))
    };
    for &(kernel, shape, rows, most) in TIMES {
        let time = find(kernel, shape, rows).and_then(|m| m.run(threads)).map(|run| run.time);
        let what = format!("{kernel}, {shape}, {rows} rows: at most {most} ms");
        verdict(&what, time.map(|time| (time <= most, format!("{time:.1} ms"))));
    }
    for rows in [ROWS[1], ROWS[2]] {
        let name = "identity-components";
        let run = find(name, "typical", rows).and_then(|m| m.run(threads));
        verdict(
            &format!("{name}, typical, {rows} rows: at most {BYTES_PER_ROW_MAX} bytes a row"),
            run.map(|run| {
                let bytes = per_row(run.peak_bytes, rows);
                (bytes <= BYTES_PER_ROW_MAX, format!("{bytes:.1} bytes"))
            }),
        );
        verdict(
            &format!("{name}, typical, {rows} rows: at least {SHARE_MIN} of the limit"),
            run.map(|run| {
                let share = run.bound / run.time;
                (share >= SHARE_MIN, format!("{share:.2}"))
            }),
        );
    }
    let name = "connected-components";
    let speedup = find(name, "random", ROWS[2]).and_then(|measured| {
        let theirs = measured.rivals.iter().filter(|r| [PETGRAPH, RUSTWORKX].contains(&r.name));
        let theirs = theirs.map(|rival| rival.time).fold(f64::INFINITY, f64::min);
        Some(theirs / measured.run(threads)?.time)
    });
    verdict(
        &format!("{name}, random, {} rows: {SPEEDUP_MIN} x the best library", ROWS[2]),
        speedup.map(|speedup| (speedup >= SPEEDUP_MIN, format!("{speedup:.2} x"))),
    );
    growths(all, threads);
}

/// The largest exponent, and whatever else is too large.
fn growths(all: &[Measured], threads: usize) {
    let mut growths = growth::all(all);
    growths.retain(|growth| growth.threads == threads);
    growths.sort_by(|a, b| b.exponent.total_cmp(&a.exponent));
    let too_large = growths.iter().filter(|growth| growth.exponent > EXPONENT_MAX).count();
    for growth in growths.iter().take(too_large.max(1)) {
        let (met, figure) = (growth.exponent <= EXPONENT_MAX, format!("{:.2}", growth.exponent));
        let what = format!("{}, {}: growth at most {EXPONENT_MAX}", growth.kernel, growth.shape);
        verdict(&what, Some((met, figure)));
    }
}

/// Something of all rows, for each.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 bytes")]
pub(super) fn per_row(bytes: usize, rows: u32) -> f64 {
    bytes as f64 / f64::from(rows)
}

fn verdict(target: &str, result: Option<(bool, String)>) {
    let (word, figure) = match result {
        Some((true, figure)) => ("met", figure),
        Some((false, figure)) => ("MISSED", figure),
        None => ("not measured", String::new()),
    };
    println!("  {target:75} {word:12} {figure}");
}

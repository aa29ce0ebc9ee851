//! The kernels, natively: `identity-components` over a million attackers, the others by size.
//!
//! The populations are of the kind that sensors see: two in three attackers have a HASSH, heavy-tailed
//! (a few client libraries are everywhere), and each holds a payload, often its own. The fuller ones add
//! a JA3 to one in four and a C2 endpoint to one in three. The baseline is one pass of random reads over
//! a table of the same size: what a kernel that looks at each row's partner cannot undercut.
//!
//! Credentials are those of a wordlist: a few passwords of a few users everywhere, and a long tail that
//! comes up once. Observations are those of a behavioural extractor: dozens of series an identity, nearly
//! all of them of a few words, and a hash that is another one each time.

use anyhow::{Context, Result};
use corral_kernels::{ABSENT, Column, Frame, Interner, Job, Kernel, Pace, find};

use crate::{median, timed};

const ATTACKERS: u32 = 1_000_000;
const ROUNDS: usize = 7;

pub(crate) fn identity() -> Result<()> {
    let kernel = find("identity-components").context("it is in the catalogue")?;
    let table = gather_table(ATTACKERS);
    // Texts of one column mostly arrive together, so that their codes lie together; far apart is how they
    // come to lie in a daemon that has run for months.
    for (name, more, spread) in [
        ("HASSH and payloads", 0.0, 1),
        ("all columns", 1.0, 1),
        ("all columns, codes far apart", 1.0, 61),
    ] {
        let inputs = population(more, spread)?;
        let (texts, pace) = (Interner::new(1 << 20), Pace::free());
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace)?;
        let mut gather = Vec::new();
        let Measured { run, verify, outputs } = measure(kernel, &job, ROUNDS, || {
            gather.push(gathering(&table));
        })?;
        let (gather, edges) = (median(gather), outputs.get(1).map_or(0, Frame::rows));
        println!(
            "  {ATTACKERS} attackers, {name}, {edges} edges: run {run:.1} ms ({:.0} x one gather of {gather:.1} ms), \
             verify {verify:.1} ms",
            run / gather
        );
    }
    Ok(())
}

pub(crate) fn attribution() -> Result<()> {
    let texts = Interner::new(1 << 28);
    for samples in [10_000, 100_000, 1_000_000] {
        let inputs = observations(samples, &texts)?;
        let series = inputs.first().map_or(0, Frame::rows);
        by_size(
            "attribution-states",
            samples,
            &format!("samples, {series} series"),
            &inputs,
            &texts,
        )?;
    }
    // No series is read to its start, but for the times of hashes.
    for kind in ["categorical", "numeric", "hash"] {
        let inputs = one_long_series(kind, 1_000_000, &texts)?;
        by_size(
            "attribution-states",
            1_000_000,
            &format!("samples, one series, {kind}"),
            &inputs,
            &texts,
        )?;
    }
    Ok(())
}

pub(crate) fn reuse() -> Result<()> {
    let texts = Interner::new(0);
    for rows in [10_000, 100_000, 1_000_000] {
        by_size("credential-reuse", rows, "credentials", &[credentials(rows)?], &texts)?;
    }
    Ok(())
}

/// What a kernel took, in milliseconds, and its last answer.
pub(crate) struct Measured {
    pub(crate) run: f64,
    pub(crate) verify: f64,
    pub(crate) outputs: Vec<Frame>,
}

/// Runs and verifies in turns with `beside`, which is whatever it is compared with.
pub(crate) fn measure(
    kernel: &dyn Kernel,
    job: &Job<'_>,
    rounds: usize,
    mut beside: impl FnMut(),
) -> Result<Measured> {
    let (mut run, mut verify, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (took, outputs) = timed(|| kernel.run(job));
        let outputs = outputs?;
        run.push(took.as_secs_f64() * 1e3);
        let (took, verified) = timed(|| kernel.verify(job, &outputs));
        verified?;
        verify.push(took.as_secs_f64() * 1e3);
        beside();
        answer = outputs;
    }
    Ok(Measured { run: median(run), verify: median(verify), outputs: answer })
}

/// Measures a kernel with its default parameters, beside a gather of as many rows.
fn by_size(name: &str, rows: u32, what: &str, inputs: &[Frame], texts: &Interner) -> Result<()> {
    let kernel = find(name).context("it is in the catalogue")?;
    let (table, pace) = (gather_table(rows), Pace::free());
    let job = Job::new(kernel.signature(), inputs, &[], texts, &pace)?;
    let mut gather = Vec::new();
    let Measured { run, verify, outputs } = measure(kernel, &job, ROUNDS, || {
        gather.push(gathering(&table));
    })?;
    let (gather, answers) = (median(gather), outputs.first().map_or(0, Frame::rows));
    println!(
        "  {rows} {what}, {answers} rows out: run {run:.2} ms ({:.0} x one gather of {gather:.2} ms), \
         verify {verify:.2} ms",
        run / gather
    );
    Ok(())
}

fn observations(samples: u32, texts: &Interner) -> Result<Vec<Frame>> {
    const SERIES_PER_IDENTITY: u32 = 38;
    let mut chance = Chance(2);
    let words: Vec<String> = (0..6).map(|word| format!("\"word {word}\"")).collect();
    let words = texts.codes(words.iter().map(String::as_str))?;
    let [categorical, numeric, hash] =
        [texts.code("categorical")?, texts.code("numeric")?, texts.code("hash")?];
    let (mut kinds, mut row, mut value, mut at) = (vec![], vec![], vec![], vec![]);
    let mut series = 0_u32;
    while row.len() < samples as usize {
        let sessions = 1 + chance.heavy(200, 3);
        for primitive in 0..SERIES_PER_IDENTITY {
            kinds.push([hash, numeric].get(primitive as usize).copied().unwrap_or(categorical));
            for session in 0..sessions {
                row.push(series);
                at.push(f64::from(session) * 7200.0);
                value.push(match primitive {
                    0 => texts.code(&format!("\"{:016x}\"", chance.next().to_bits()))?,
                    1 => texts.code(&format!("{:.1}", 5000.0 + chance.next() * 100.0))?,
                    _ => words[chance.heavy(6, 3) as usize],
                });
            }
            series += 1;
        }
    }
    // The last series may be cut short.
    let samples = samples as usize;
    row.truncate(samples);
    value.truncate(samples);
    at.truncate(samples);
    let columns = [("row", Column::from(row)), ("value", Column::text(value)), ("at", at.into())];
    let parent = Frame::new(kinds.len(), [("kind", Column::text(kinds))])?;
    Ok(vec![parent, Frame::new(samples, columns)?])
}

fn one_long_series(kind: &str, samples: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let values = texts.codes(["1", "2", "3"])?;
    let value = (0..samples as usize).map(|sample| values[sample % values.len()]).collect();
    let at: Vec<f64> = (0..samples).map(f64::from).collect();
    let row = vec![0_u32; samples as usize];
    let columns = [("row", Column::from(row)), ("value", Column::text(value)), ("at", at.into())];
    let parent = Frame::new(1, [("kind", Column::text(vec![texts.code(kind)?]))])?;
    Ok(vec![parent, Frame::new(samples as usize, columns)?])
}

fn credentials(rows: u32) -> Result<Frame> {
    let mut chance = Chance(3);
    let mut column = |values: u32, tail: i32, base: u32| {
        let drawn: Vec<u32> = (0..rows).map(|_| chance.heavy(values, tail)).collect();
        Column::text(arrival(&drawn, values, base, 1))
    };
    let columns = [
        ("secret_sha256", column(rows, 3, 0)),
        ("secret_kind", column(1, 1, rows)),
        ("principal", column(rows / 50, 6, rows + 1)),
        ("decky", column(20, 1, 2 * rows)),
        ("service", column(2, 1, 2 * rows + 20)),
        ("ip", column(rows / 20, 2, 2 * rows + 22)),
    ];
    Ok(Frame::new(rows as usize, columns)?)
}

/// A random permutation: reading it in its own order misses the cache at every step.
fn gather_table(rows: u32) -> Vec<u32> {
    let mut chance = Chance(7);
    let mut table: Vec<u32> = (0..rows).collect();
    for row in (1..table.len()).rev() {
        let other = chance.heavy(u32::try_from(row).unwrap_or(u32::MAX), 1);
        table.swap(row, other as usize);
    }
    table
}

/// Milliseconds of one gather.
fn gathering(table: &[u32]) -> f64 {
    timed(|| std::hint::black_box(gathered(table))).0.as_secs_f64() * 1e3
}

fn gathered(table: &[u32]) -> u64 {
    table.iter().map(|&row| u64::from(table.get(row as usize).copied().unwrap_or(0))).sum()
}

fn population(more: f64, spread: u32) -> Result<Vec<Frame>> {
    let mut chance = Chance(1);
    let mut base = 0;
    let mut column = |share: f64, values: u32, tail: i32| {
        let drawn: Vec<u32> = (0..ATTACKERS)
            .map(|_| if chance.next() < share { chance.heavy(values, tail) } else { ABSENT })
            .collect();
        let codes = arrival(&drawn, values, base, spread);
        base += values;
        codes
    };
    let ja3 = column(0.25 * more, 20_000, 4);
    let hassh = column(0.67, 20_000, 4);
    let payload = column(1.0, 1_500_000, 2);
    let endpoint = column(0.33 * more, 300_000, 2);
    let rows = ATTACKERS as usize;
    let child = |codes: Vec<u32>| {
        let (rows, tokens): (Vec<u32>, Vec<u32>) =
            (0..ATTACKERS).zip(codes).filter(|&(_, token)| token != ABSENT).unzip();
        let columns = [("row", Column::from(rows)), ("token", Column::text(tokens))];
        Frame::new(columns[0].1.len(), columns)
    };
    let fingerprints = [("ja3", Column::text(ja3)), ("hassh", Column::text(hassh))];
    Ok(vec![Frame::new(rows, fingerprints)?, child(payload)?, child(endpoint)?])
}

/// Codes for drawn values, numbered by their first row.
fn arrival(drawn: &[u32], values: u32, base: u32, spread: u32) -> Vec<u32> {
    let mut codes = vec![ABSENT; values as usize];
    let mut next = base;
    let mut code = |value: u32| {
        let code = &mut codes[value as usize];
        if *code == ABSENT {
            *code = next * spread;
            next += 1;
        }
        *code
    };
    drawn.iter().map(|&value| if value == ABSENT { ABSENT } else { code(value) }).collect()
}

/// SplitMix64: seeded, so that every run measures the same population.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of so many values, the small ones far more often.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a number of 32 bits")]
    #[expect(clippy::cast_sign_loss, reason = "it is not below zero")]
    pub(crate) fn heavy(&mut self, values: u32, tail: i32) -> u32 {
        (self.next().powi(tail) * f64::from(values)) as u32
    }
}

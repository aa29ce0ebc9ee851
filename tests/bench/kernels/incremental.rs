//! What a kernel keeps between runs: one attacker that comes, changes or goes among many, beside a fresh run.
//!
//! The attackers are the typical ones. A thousand come after all others, one by one; then as many
//! of any age take a payload of somebody else, and as many go.

use anyhow::{Context, Result};
use corral_kernels::{Column, Frame, Interner, Job, Pace, find};

use super::attackers;
use super::chance::Chance;
use crate::{median, timed};

const CHANGES: u32 = 1_000;
/// The most that one new attacker among ten millions may take, in milliseconds.
const NEW_MAX: f64 = 1.0;

pub(crate) fn one_by_one() -> Result<()> {
    for rows in [100_000, 1_000_000, 10_000_000] {
        measure(rows)?;
    }
    Ok(())
}

fn measure(rows: u32) -> Result<()> {
    let kernel = find("identity-components").context("it is in the catalogue")?;
    let (texts, pace) = (Interner::new(1 << 20), Pace::free());
    let (_, typical) = attackers::SHAPES[0];
    let all = Population { frames: typical(rows + CHANGES, &texts)? };
    let first = all.some(&(0..rows).collect::<Vec<_>>())?;
    let job = Job::new(kernel.signature(), &first, &[], &texts, &pace)?;
    let (fresh, answer) = timed(|| kernel.run(&job));
    drop(answer?);
    let mut kept = kernel.keep().context("it can keep its input")?;
    let (build, told) = timed(|| kept.update(&job, &[]));
    drop(told?);
    let bytes = kept.bytes() as f64 / f64::from(rows);

    let mut chance = Chance(9);
    let mut any = || chance.heavy(rows, 1);
    let newcomers =
        (rows..rows + CHANGES).map(|row| all.some(&[row])).collect::<Result<Vec<_>>>()?;
    let others = (0..CHANGES)
        .map(|_| all.one_with_the_tokens_of(any(), any()))
        .collect::<Result<Vec<_>>>()?;
    let nobody = all.some(&[])?;
    let gone: Vec<u32> = (0..CHANGES).map(|_| any()).collect();

    let mut update = |inputs: &[Frame], gone: &[u32]| -> Result<f64> {
        let job = Job::new(kernel.signature(), inputs, &[], &texts, &pace)?;
        let (took, told) = timed(|| kept.update(&job, gone));
        drop(told?);
        Ok(took.as_secs_f64() * 1e3)
    };
    let new = newcomers.iter().map(|one| update(one, &[])).collect::<Result<Vec<_>>>()?;
    let changed = others.iter().map(|one| update(one, &[])).collect::<Result<Vec<_>>>()?;
    let went = gone.iter().map(|one| update(&nobody, &[*one])).collect::<Result<Vec<_>>>()?;
    let fresh = fresh.as_secs_f64() * 1e3;
    println!(
        "  {rows} attackers: a fresh run {fresh:.0} ms; the first update, with all, {:.1} x that; {bytes:.0} bytes a row",
        build.as_secs_f64() * 1e3 / fresh
    );
    for (what, times) in [("new", new), ("changed", changed), ("gone", went)] {
        let (middle, late, worst) = spread(times);
        let verdict = match (what, rows) {
            ("new", 10_000_000) if middle <= NEW_MAX => "   target of 1 ms: met",
            ("new", 10_000_000) => "   target of 1 ms: MISSED",
            _ => "",
        };
        println!(
            "    one {what:8} median {middle:.4} ms ({:.0} times as fast as a fresh run), 99 of 100 {late:.4}, worst {worst:.2}{verdict}",
            fresh / middle
        );
    }
    Ok(())
}

/// The median, what 99 of 100 stay under, and the worst.
fn spread(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    let late = times[times.len() * 99 / 100];
    (median(times.clone()), late, times[times.len() - 1])
}

/// Attackers, whose keys are their rows.
struct Population {
    frames: Vec<Frame>,
}

impl Population {
    /// Of these attackers, in ascending order, the inputs with keys.
    fn some(&self, rows: &[u32]) -> Result<Vec<Frame>> {
        self.named(rows, rows)
    }

    /// One attacker as it is, but with the tokens of another.
    fn one_with_the_tokens_of(&self, row: u32, other: u32) -> Result<Vec<Frame>> {
        let own = self.some(&[row])?;
        let others = self.named(&[other], &[row])?;
        Ok(own.into_iter().take(1).chain(others.into_iter().skip(1)).collect())
    }

    fn named(&self, rows: &[u32], keys: &[u32]) -> Result<Vec<Frame>> {
        let attackers = self.frames[0].take(rows)?;
        let columns = attackers.columns().map(|(name, column)| (name, column.clone()));
        let key = ("key", Column::text(keys.to_vec()));
        let mut inputs = vec![Frame::new(rows.len(), columns.chain([key]))?];
        for child in &self.frames[1..] {
            let (of, token) = (child.uint32("row")?, child.text("token")?);
            let (mut row, mut tokens) = (Vec::new(), Vec::new());
            for (at, &parent) in (0_u32..).zip(rows) {
                let start = of.partition_point(|&other| other < parent);
                let end = start + of[start..].partition_point(|&other| other == parent);
                row.resize(row.len() + end - start, at);
                tokens.extend_from_slice(&token[start..end]);
            }
            inputs.push(Frame::new(
                row.len(),
                [("row", Column::from(row)), ("token", Column::text(tokens))],
            )?);
        }
        Ok(inputs)
    }
}

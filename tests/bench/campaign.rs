//! `campaign-components` over up to a million identities, natively.
//!
//! The populations: each identity has two payloads or endpoints of its own or, in one case of three, a
//! set that others have too, heavy-tailed, and half of the identities also hold one of few tokens that
//! are everywhere. One in ten has a typing rhythm, of few or within some bits of one. Each has a cohort
//! and the phases of two deckies out of a hundred. *As in production* there are no windows; the others
//! have two each within a month.

use anyhow::{Context, Result};
use corral_kernels::{Column, Frame, Interner, Job, Pace, find};

use crate::kernels::{Chance, Measured, measure};

const ROUNDS: usize = 3;

pub(crate) fn components() -> Result<()> {
    let kernel = find("campaign-components").context("it is in the catalogue")?;
    for identities in [10_000, 100_000, 1_000_000] {
        for (name, windows) in [("as in production", 0), ("with windows", 2)] {
            let texts = Interner::new(1 << 28);
            let inputs = population(identities, windows, &texts)?;
            let pace = Pace::free();
            let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace)?;
            let Measured { run, verify, outputs } = measure(kernel, &job, ROUNDS, || {})?;
            let edges = outputs.get(1).map_or(0, Frame::rows);
            println!(
                "  {identities} identities, {name}, {edges} edges: run {run:.1} ms ({:.2} µs each), verify \
                 {verify:.1} ms",
                run * 1e3 / f64::from(identities)
            );
        }
    }
    Ok(())
}

/// The items of all identities, each with its row.
#[derive(Default)]
struct Items {
    infra: Vec<(u32, u32)>,
    cohort: Vec<(u32, u32)>,
    rhythms: Vec<(u32, u64)>,
    windows: Vec<(u32, f64, f64)>,
    /// Decky, first and last phase, and when it came.
    phases: Vec<(u32, u32, u32, u32, f64)>,
}

fn draw(identities: u32, windows: usize, texts: &Interner) -> Result<Items> {
    let mut chance = Chance(11);
    let words = ["delivery", "discovery", "execution", "persistence", "command_and_control"];
    let words = texts.codes(words)?;
    let codes = |count: u32, what: &str| -> Result<Vec<u32>> {
        let names: Vec<String> = (0..count).map(|number| format!("{what} {number}")).collect();
        Ok(texts.codes(names.iter().map(String::as_str))?)
    };
    let tokens = codes(3 * identities, "token")?;
    let values = codes(2_000, "value")?;
    let deckies = codes(100, "decky")?;
    let day = 86_400.0;

    let mut items = Items::default();
    for row in 0..identities {
        let own = if chance.next() < 0.33 { chance.heavy(identities, 3) } else { row };
        items.infra.extend([0, 1].map(|more| (row, tokens[(2 * own + more) as usize])));
        if chance.next() < 0.5 {
            items.infra.push((row, tokens[(2 * identities + chance.heavy(50, 2)) as usize]));
        }
        items.cohort.extend([(row, values[chance.heavy(2_000, 3) as usize])]);
        if chance.next() < 0.1 {
            let base =
                u64::from(chance.heavy(identities, 2) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let flips = chance.heavy(12, 2);
            items
                .rhythms
                .push((row, (0..flips).fold(base, |hash, _| hash ^ 1 << chance.heavy(64, 1))));
        }
        for _ in 0..windows {
            let start = chance.next() * 30.0 * day;
            items.windows.push((row, start, start + chance.next() * 3_600.0));
        }
        let first = chance.heavy(50, 1);
        for decky in [first, first + 50] {
            // Few stay until they are through.
            let last = if chance.next() < 0.01 { 4 } else { 0 };
            let came = chance.next() * 365.0 * day;
            let first = usize::from(chance.next() < 0.2);
            items.phases.push((row, deckies[decky as usize], words[first], words[last], came));
        }
    }
    Ok(items)
}

fn population(identities: u32, windows: usize, texts: &Interner) -> Result<Vec<Frame>> {
    let Items { infra, cohort, rhythms, windows, phases } = draw(identities, windows, texts)?;
    let frame = |rows: Vec<u32>, columns: Vec<(&str, Column)>| {
        Frame::new(rows.len(), columns.into_iter().chain([("row", Column::from(rows))]))
    };
    let kinds = vec![texts.code("asn")?; cohort.len()];
    let came: Vec<f64> = phases.iter().map(|phase| phase.4).collect();
    let left: Vec<f64> = phases.iter().map(|phase| phase.4 + 600.0).collect();
    let column =
        |of: fn(&(u32, u32, u32, u32, f64)) -> u32| -> Vec<u32> { phases.iter().map(of).collect() };
    Ok(vec![
        Frame::new(
            identities as usize,
            [("rank", Column::from((0..identities).rev().collect::<Vec<_>>()))],
        )?,
        frame(
            infra.iter().map(|item| item.0).collect(),
            vec![("token", Column::text(infra.iter().map(|item| item.1).collect()))],
        )?,
        frame(
            cohort.iter().map(|item| item.0).collect(),
            vec![
                ("kind", Column::text(kinds)),
                ("value", Column::text(cohort.iter().map(|item| item.1).collect())),
            ],
        )?,
        frame(
            rhythms.iter().map(|item| item.0).collect(),
            vec![(
                "simhash",
                Column::from(rhythms.iter().map(|item| item.1).collect::<Vec<u64>>()),
            )],
        )?,
        frame(
            windows.iter().map(|item| item.0).collect(),
            vec![
                ("start", Column::from(windows.iter().map(|item| item.1).collect::<Vec<f64>>())),
                ("end", Column::from(windows.iter().map(|item| item.2).collect::<Vec<f64>>())),
            ],
        )?,
        frame(
            column(|phase| phase.0),
            vec![
                ("decky", Column::text(column(|phase| phase.1))),
                ("first_phase", Column::text(column(|phase| phase.2))),
                ("last_phase", Column::text(column(|phase| phase.3))),
                ("first_seen", came.into()),
                ("last_seen", left.into()),
            ],
        )?,
    ])
}

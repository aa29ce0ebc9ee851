//! The naive oracles: each rule in its plainest form, on every pair.

use anyhow::{Context, Result, ensure};
use corral_kernels::campaign_components::oracle::{Identity, IdentityWeights, Part};
use corral_kernels::weights::{Observation, ObservationWeights};
use corral_kernels::{ABSENT, Frame, Interner};
use corral_rivals::{same_groups, union_find};

use super::Case;
use super::measure::milliseconds;
use super::rivals::Rival;
use crate::timed;

/// A million pairs take a second; ten times the rows a hundred times as long.
const ROWS_MAX: u32 = 1_000;

pub(super) const NAME: &str = "oracle";

/// How long the oracle takes, if there is one that ends in time; it has to find the kernel's groups.
pub(super) fn answer(
    case: &Case,
    inputs: &[Frame],
    outputs: &[Frame],
    texts: &Interner,
) -> Result<Option<Rival>> {
    if case.rows > ROWS_MAX {
        return Ok(None);
    }
    let rows = inputs[0].rows();
    let (took, edges) = match case.name() {
        "identity-components" => {
            let seen = observations(inputs)?;
            timed(|| pairs(rows, |a, b| ObservationWeights::of(&seen[a], &seen[b]).edge()))
        }
        "campaign-components" => {
            let (known, ranks) = (identities(inputs, texts)?, inputs[0].uint32("rank")?);
            timed(|| {
                pairs(rows, |a, b| {
                    let (a, b) = if ranks[a] < ranks[b] { (a, b) } else { (b, a) };
                    IdentityWeights::of(&known[a], &known[b]).edge()
                })
            })
        }
        _ => return Ok(None),
    };
    let labels = union_find(rows, &edges.0, &edges.1);
    let agrees = same_groups(outputs[0].uint32("label")?, &labels);
    ensure!(agrees, "the oracle finds other groups");
    Ok(Some(Rival { name: NAME, time: milliseconds(took) }))
}

/// The pairs that have an edge.
fn pairs(rows: usize, edge: impl Fn(usize, usize) -> bool) -> (Vec<u32>, Vec<u32>) {
    let all = (0_u32..).take(rows).flat_map(|b| (0..b).map(move |a| (a, b)));
    all.filter(|&(a, b)| edge(a as usize, b as usize)).unzip()
}

/// A text column's values as texts of their codes: the populations of attackers have no others.
fn codes(frame: &Frame, column: &str) -> Result<Vec<Option<String>>> {
    let text = |&code: &u32| (code != ABSENT).then(|| code.to_string());
    Ok(frame.text(column)?.iter().map(text).collect())
}

fn observations(inputs: &[Frame]) -> Result<Vec<Observation>> {
    let slots = codes(&inputs[0], "ja3")?.into_iter().zip(codes(&inputs[0], "hassh")?);
    let mut seen: Vec<Observation> =
        slots.map(|(ja3, hassh)| Observation { ja3, hassh, ..Observation::default() }).collect();
    for (row, token) in inputs[1].uint32("row")?.iter().zip(codes(&inputs[1], "token")?) {
        seen[*row as usize].payloads.extend(token);
    }
    for (row, token) in inputs[2].uint32("row")?.iter().zip(codes(&inputs[2], "token")?) {
        seen[*row as usize].endpoints.extend(token);
    }
    Ok(seen)
}

fn identities(inputs: &[Frame], texts: &Interner) -> Result<Vec<Identity>> {
    let [parent, infra, cohort, keystrokes, windows, phases] =
        inputs.first_chunk().context("six frames")?;
    let mut known = vec![Identity::default(); parent.rows()];
    for (row, token) in infra.uint32("row")?.iter().zip(codes(infra, "token")?) {
        known[*row as usize].infra.extend(token);
    }
    let cohorts = codes(cohort, "kind")?.into_iter().zip(codes(cohort, "value")?);
    for (row, (kind, value)) in cohort.uint32("row")?.iter().zip(cohorts) {
        known[*row as usize].cohort.extend(kind.zip(value));
    }
    for (row, simhash) in keystrokes.uint32("row")?.iter().zip(keystrokes.uint64("simhash")?) {
        known[*row as usize].simhash = Some(*simhash);
    }
    let times = windows.float64("start")?.iter().zip(windows.float64("end")?);
    for (row, (&start, &end)) in windows.uint32("row")?.iter().zip(times) {
        known[*row as usize].windows.push((start, end));
    }
    // Phases have meanings, so these texts are real ones.
    let word = |code: u32| texts.text(code).map(|text| text.to_string());
    let time = |seconds: f64| (!seconds.is_nan()).then_some(seconds);
    let (first, last) = (phases.text("first_phase")?, phases.text("last_phase")?);
    let (came, left) = (phases.float64("first_seen")?, phases.float64("last_seen")?);
    let deckies = phases.uint32("row")?.iter().zip(codes(phases, "decky")?);
    for (at, (row, decky)) in deckies.enumerate() {
        let part = Part {
            first_phase: word(first[at]),
            last_phase: word(last[at]),
            first_seen: time(came[at]),
            last_seen: time(left[at]),
        };
        known[*row as usize].phases.extend(decky.map(|decky| (decky, part)));
    }
    Ok(known)
}

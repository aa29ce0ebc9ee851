//! Attackers for `identity-components`.
//!
//! The typical ones are of the kind that sensors see: two in three have a HASSH and one in four a JA3,
//! heavy-tailed (a few client libraries are everywhere); each holds a payload, often its own, and one in
//! three a C2 endpoint. The others are what would hurt an algorithm that hopes for typical ones.

use anyhow::Result;
use corral_kernels::{ABSENT, Column, Frame, Interner};

use super::Population;
use super::chance::{Chance, arrival};

pub(super) const SHAPES: &[(&str, Population)] = &[
    ("typical", typical),
    ("codes shuffled", codes_shuffled),
    ("nothing shared", nothing_shared),
    ("one group", one_group),
    ("chain", chain),
    ("one token for all", one_token_for_all),
    ("veto", veto),
];

/// What each attacker has: a JA3, a HASSH, a payload, an endpoint.
type Columns = [Vec<u32>; 4];

fn frames([ja3, hassh, payload, endpoint]: Columns) -> Result<Vec<Frame>> {
    let child = |tokens: Vec<u32>| {
        let held = (0_u32..).zip(tokens).filter(|&(_, token)| token != ABSENT);
        let (rows, tokens): (Vec<u32>, Vec<u32>) = held.unzip();
        Frame::new(rows.len(), [("row", Column::from(rows)), ("token", Column::text(tokens))])
    };
    let rows = ja3.len();
    let fingerprints = [("ja3", Column::text(ja3)), ("hassh", Column::text(hassh))];
    Ok(vec![Frame::new(rows, fingerprints)?, child(payload)?, child(endpoint)?])
}

fn drawn(rows: u32) -> Columns {
    let mut chance = Chance(1);
    let mut base = 0;
    [(0.25, rows / 50, 4), (0.67, rows / 50, 4), (1.0, rows / 2 * 3, 2), (0.33, rows / 3, 2)].map(
        |(share, values, tail)| {
            let mut draw =
                || if chance.next() < share { chance.heavy(values, tail) } else { ABSENT };
            let drawn: Vec<u32> = (0..rows).map(|_| draw()).collect();
            base += values;
            arrival(&drawn, values, base - values)
        },
    )
}

fn typical(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    frames(drawn(rows))
}

/// The typical ones after months of uptime: codes say nothing of when or where a text came up.
fn codes_shuffled(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    // An odd factor permutes the numbers of 32 bits, and none of these codes becomes the absent one.
    let far = |code: u32| if code == ABSENT { ABSENT } else { code.wrapping_mul(0x9e37_79b1) };
    frames(drawn(rows).map(|codes| codes.into_iter().map(far).collect()))
}

fn absent(rows: u32) -> Vec<u32> {
    vec![ABSENT; rows as usize]
}

fn nothing_shared(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    frames([0, 1, 2, 3].map(|column| (column * rows..).take(rows as usize).collect()))
}

/// All have the HASSH of one library, and whatever else is their own.
fn one_group(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    frames([absent(rows), vec![0; rows as usize], (1..=rows).collect(), absent(rows)])
}

/// Each HASSH is that of two attackers and so is each JA3, in turns, so that all hang together by a path
/// whose rows are in no order.
fn chain(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    let places = Chance(5).permutation(rows);
    let hassh = places.iter().map(|place| place / 2).collect();
    let ja3 = places.iter().map(|place| rows + place.div_ceil(2)).collect();
    frames([ja3, hassh, absent(rows), absent(rows)])
}

/// One dropper serves everybody, and nobody has a fingerprint.
fn one_token_for_all(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    frames([absent(rows), absent(rows), vec![0; rows as usize], absent(rows)])
}

/// One dropper serves everybody, half of them with a JA3 of their own and half with a HASSH: the veto
/// forbids the pairs within the halves, and the token joins across.
fn veto(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    let own = |half: u32| {
        let code = move |row: u32| if row % 2 == half { 1 + row } else { ABSENT };
        (0..rows).map(code).collect()
    };
    frames([own(0), own(1), vec![0; rows as usize], absent(rows)])
}

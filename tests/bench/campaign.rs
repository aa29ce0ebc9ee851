//! `campaign-components` over up to a million identities, natively, by the shape of the population.
//!
//! *Typical*: each identity has two payloads or endpoints of its own or, in one case of three, a set that
//! others have too, heavy-tailed, and half of the identities also hold one of few tokens that are
//! everywhere. One in ten has a typing rhythm, of few or within some bits of one. Each has a cohort and
//! the phases of two deckies out of a hundred. *With windows*: two each within a month.
//!
//! The others are what the kernel has to withstand: each puts all identities into one list of whatever
//! finds pairs. Where they have windows, five hundred identities come in a day, however many there are, as
//! sensors see them; what a larger population makes denser is named in the kernel's own tests.

use anyhow::Result;
use corral_kernels::{Column, Frame, Interner};

use crate::kernels::{Chance, Population};

const DAY: f64 = 86_400.0;

/// The shapes by name.
pub(crate) const SHAPES: &[(&str, Population)] = &[
    ("typical", |identities, texts| typical(identities, 0, texts)),
    ("typical with windows", |identities, texts| typical(identities, 2, texts)),
    ("one decky", one_decky),
    ("one token", one_token),
    ("one rhythm and token", |identities, texts| one_rhythm(identities, Kept::Tokens, 0, texts)),
    ("one rhythm and windows", |identities, texts| one_rhythm(identities, Kept::Windows, 0, texts)),
    ("near rhythms and token", |identities, texts| one_rhythm(identities, Kept::Tokens, 3, texts)),
    ("near rhythms and windows", |identities, texts| {
        one_rhythm(identities, Kept::Windows, 3, texts)
    }),
    ("near rhythms, token and windows", |identities, texts| {
        one_rhythm(identities, Kept::Both, 3, texts)
    }),
    ("half of the tokens", half_shared),
    ("one chain", one_chain),
    ("one group", one_group),
    ("nothing shared", nothing_shared),
    ("identical", identical),
];

/// The items of all identities, each with its row.
#[derive(Default)]
struct Items {
    infra: Vec<(u32, u32)>,
    cohort: Vec<(u32, u32)>,
    rhythms: Vec<(u32, u64)>,
    windows: Vec<(u32, f64, f64)>,
    /// Decky, first and last phase, and when it came and left.
    phases: Vec<(u32, [u32; 3], [f64; 2])>,
}

fn typical(identities: u32, windows: usize, texts: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(11);
    let words = ["delivery", "discovery", "execution", "persistence", "command_and_control"];
    let words = texts.codes(words)?;
    let tokens = codes(3 * identities, "token", texts)?;
    let values = codes(2_000, "value", texts)?;
    let deckies = codes(100, "decky", texts)?;
    let mut items = Items::default();
    for row in 0..identities {
        let own = if chance.next() < 0.33 { chance.heavy(identities, 3) } else { row };
        items.infra.extend([0, 1].map(|more| (row, tokens[(2 * own + more) as usize])));
        if chance.next() < 0.5 {
            items.infra.push((row, tokens[(2 * identities + chance.heavy(50, 2)) as usize]));
        }
        items.cohort.extend([(row, values[chance.heavy(2_000, 3) as usize])]);
        if chance.next() < 0.1 {
            let base = spread(chance.heavy(identities, 2));
            let flips = chance.heavy(12, 2);
            items.rhythms.push((row, flipped(base, flips, &mut chance)));
        }
        for _ in 0..windows {
            let start = chance.next() * 30.0 * DAY;
            items.windows.push((row, start, start + chance.next() * 3_600.0));
        }
        let first = chance.heavy(50, 1);
        for decky in [first, first + 50] {
            // Few stay until they are through.
            let last = if chance.next() < 0.01 { 4 } else { 0 };
            let came = chance.next() * 365.0 * DAY;
            let first = usize::from(chance.next() < 0.2);
            let codes = [deckies[decky as usize], words[first], words[last]];
            items.phases.push((row, codes, [came, came + 600.0]));
        }
    }
    frames(identities, &items, texts)
}

/// Everybody takes over on one sensor from half of the others.
fn one_decky(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(12);
    let words = texts.codes(["the decky", "discovery", "persistence"])?;
    let mut items = Items::default();
    for row in 0..identities {
        let came = chance.next() * DAY;
        items.phases.push((row, [words[0], words[1], words[2]], [came, came + 600.0]));
    }
    frames(identities, &items, texts)
}

/// Everybody holds one token, and two of its own.
fn one_token(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(2 * identities + 1, "token", texts)?;
    let mut chance = Chance(13);
    let mut items = Items::default();
    for row in 0..identities {
        items.infra.extend([0, 2 * row + 1, 2 * row + 2].map(|at| (row, tokens[at as usize])));
        items.come(row, &mut chance);
    }
    frames(identities, &items, texts)
}

/// What identities of one rhythm have beside it.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Tokens,
    Windows,
    Both,
}

/// Everybody types within so many bits of one rhythm.
fn one_rhythm(identities: u32, kept: Kept, bits: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(3 * identities + 1, "token", texts)?;
    let mut chance = Chance(14);
    let mut items = Items::default();
    for row in 0..identities {
        items.rhythms.push((row, flipped(spread(1), chance.heavy(bits + 1, 1), &mut chance)));
        if kept != Kept::Windows {
            let own = [0, 3 * row + 1, 3 * row + 2, 3 * row + 3];
            items.infra.extend(own.map(|at| (row, tokens[at as usize])));
        }
        if kept != Kept::Tokens {
            items.come(row, &mut chance);
        }
    }
    frames(identities, &items, texts)
}

/// Everybody holds two tokens and one of its own: alike by half with everybody, and no more.
fn half_shared(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(identities + 2, "token", texts)?;
    let values = codes(2_000, "value", texts)?;
    let mut chance = Chance(15);
    let mut items = Items::default();
    for row in 0..identities {
        items.infra.extend([0, 1, row + 2].map(|at| (row, tokens[at as usize])));
        items.cohort.push((row, values[chance.heavy(2_000, 3) as usize]));
        items.come(row, &mut chance);
    }
    frames(identities, &items, texts)
}

/// Everybody resembles whoever comes next, all at one time.
fn one_chain(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(identities + 3, "token", texts)?;
    let mut items = Items::default();
    for row in 0..identities {
        items.infra.extend((row..row + 4).map(|at| (row, tokens[at as usize])));
        items.windows.push((row, 0.0, 60.0));
    }
    frames(identities, &items, texts)
}

/// Everybody resembles everybody.
fn one_group(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(identities + 4, "token", texts)?;
    let mut items = Items::default();
    for row in 0..identities {
        items.infra.extend([0, 1, 2, 3, row + 4].map(|at| (row, tokens[at as usize])));
        items.windows.push((row, 0.0, 60.0));
        items.rhythms.push((row, spread(row / 2)));
    }
    frames(identities, &items, texts)
}

/// Everybody has everything of its own.
fn nothing_shared(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let tokens = codes(3 * identities, "token", texts)?;
    let words = texts.codes(["discovery", "persistence"])?;
    let mut chance = Chance(16);
    let mut items = Items::default();
    for row in 0..identities {
        let own = [3 * row, 3 * row + 1, 3 * row + 2].map(|at| tokens[at as usize]);
        items.infra.extend(own.map(|token| (row, token)));
        items.cohort.push((row, own[0]));
        items.rhythms.push((row, spread(row)));
        items.come(row, &mut chance);
        let came = f64::from(row);
        items.phases.push((row, [own[1], words[0], words[1]], [came, came + 600.0]));
    }
    frames(identities, &items, texts)
}

/// Everybody is the same in everything.
fn identical(identities: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let words = texts.codes(["discovery", "persistence", "token", "other token"])?;
    let mut items = Items::default();
    for row in 0..identities {
        items.infra.extend([(row, words[2]), (row, words[3])]);
        items.cohort.push((row, words[2]));
        items.rhythms.push((row, spread(1)));
        items.windows.extend([(row, 0.0, 60.0), (row, 600.0, 660.0)]);
        items.phases.push((row, [words[2], words[0], words[1]], [0.0, 600.0]));
    }
    frames(identities, &items, texts)
}

impl Items {
    /// Two windows within a day of whoever comes as one of five hundred a day.
    fn come(&mut self, row: u32, chance: &mut Chance) {
        for _ in 0..2 {
            let start = f64::from(row) * DAY / 500.0 + chance.next() * DAY;
            self.windows.push((row, start, start + chance.next() * 3_600.0));
        }
    }
}

/// A simhash far from most others.
fn spread(number: u32) -> u64 {
    u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn flipped(hash: u64, bits: u32, chance: &mut Chance) -> u64 {
    (0..bits).fold(hash, |hash, _| hash ^ 1 << chance.heavy(64, 1))
}

fn codes(count: u32, what: &str, texts: &Interner) -> Result<Vec<u32>> {
    let names: Vec<String> = (0..count).map(|number| format!("{what} {number}")).collect();
    Ok(texts.codes(names.iter().map(String::as_str))?)
}

fn frames(identities: u32, items: &Items, texts: &Interner) -> Result<Vec<Frame>> {
    let Items { infra, cohort, rhythms, windows, phases } = items;
    let ranks = Column::from((0..identities).rev().collect::<Vec<_>>());
    let kinds = vec![texts.code("asn")?; cohort.len()];
    let simhashes = rhythms.iter().map(|item| item.1).collect::<Vec<u64>>();
    let code = |of: usize| Column::text(phases.iter().map(|item| item.1[of]).collect());
    let time = |of: usize| Column::from(phases.iter().map(|item| item.2[of]).collect::<Vec<f64>>());
    let start = windows.iter().map(|item| item.1).collect::<Vec<f64>>();
    let end = windows.iter().map(|item| item.2).collect::<Vec<f64>>();
    Ok(vec![
        Frame::new(identities as usize, [("rank", ranks)])?,
        child(
            infra.iter().map(|item| item.0),
            vec![("token", Column::text(infra.iter().map(|item| item.1).collect()))],
        )?,
        child(
            cohort.iter().map(|item| item.0),
            vec![
                ("kind", Column::text(kinds)),
                ("value", Column::text(cohort.iter().map(|item| item.1).collect())),
            ],
        )?,
        child(rhythms.iter().map(|item| item.0), vec![("simhash", simhashes.into())])?,
        child(
            windows.iter().map(|item| item.0),
            vec![("start", start.into()), ("end", end.into())],
        )?,
        child(
            phases.iter().map(|item| item.0),
            vec![
                ("decky", code(0)),
                ("first_phase", code(1)),
                ("last_phase", code(2)),
                ("first_seen", time(0)),
                ("last_seen", time(1)),
            ],
        )?,
    ])
}

/// A frame of items, each with its row.
fn child(rows: impl Iterator<Item = u32>, columns: Vec<(&str, Column)>) -> Result<Frame> {
    let rows: Vec<u32> = rows.collect();
    let row = ("row", Column::from(rows.clone()));
    Ok(Frame::new(rows.len(), columns.into_iter().chain([row]))?)
}

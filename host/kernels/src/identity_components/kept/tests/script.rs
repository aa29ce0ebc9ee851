//! Random edit scripts over small populations in which everything collides.

use std::collections::BTreeMap;

use crate::column::{ABSENT, Column};
use crate::frame::Frame;
use crate::identity_components::SIGNATURE;
use crate::kernel::Job;
use crate::pace::Pace;
use crate::text::Interner;

/// One row: values by their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attacker {
    pub(super) id: Option<u32>,
    pub(super) ja3: Option<u32>,
    pub(super) hassh: Option<u32>,
    pub(super) payloads: Vec<u32>,
    pub(super) endpoints: Vec<u32>,
}

/// What happens at once; keys by their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) named: Vec<(u32, Attacker)>,
    pub(super) gone: Vec<u32>,
}

/// An endless script.
#[derive(Debug)]
pub(super) struct Script {
    chance: Chance,
    keys: u32,
    values: u32,
    tokens_max: u32,
    /// In how many of eight rows a slot is filled.
    prints: u32,
    held: BTreeMap<u32, Attacker>,
    /// What rows were when they went.
    former: BTreeMap<u32, Attacker>,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let keys = 2 + chance.below(39);
        let values = 1 + chance.below(8);
        let (tokens_max, prints) = (1 + chance.below(3), chance.below(7));
        let (held, former) = (BTreeMap::new(), BTreeMap::new());
        Self { chance, keys, values, tokens_max, prints, held, former }
    }

    pub(super) fn step(&mut self) -> Step {
        let mut step = Step::default();
        // Mostly one row, now and then many.
        let rows = [1, 1, 1, 2, 3, 8][self.chance.below(6) as usize];
        for _ in 0..rows {
            let key = self.chance.below(self.keys);
            if step.named.iter().any(|(other, _)| *other == key) {
                continue;
            }
            let one = self.held.get(&key).cloned();
            match self.chance.below(10) {
                // Perhaps nobody; perhaps twice; perhaps named as well.
                0 | 1 => step.gone.push(key),
                2 => {
                    step.gone.push(key);
                    step.named.push((key, self.attacker()));
                }
                3 => step.named.push((key, one.unwrap_or_else(|| self.attacker()))),
                4 => {
                    let former = self.former.get(&key).cloned();
                    step.named.push((key, former.unwrap_or_else(|| self.attacker())));
                }
                5 | 6 => {
                    let grown = self.grown(one.unwrap_or_default());
                    step.named.push((key, grown));
                }
                7 => {
                    let mut less = one.unwrap_or_default();
                    less.payloads.pop();
                    less.endpoints.reverse();
                    step.named.push((key, less));
                }
                _ => step.named.push((key, self.attacker())),
            }
        }
        for key in &step.gone {
            if let Some(one) = self.held.remove(key) {
                self.former.insert(*key, one);
            }
        }
        self.held.extend(step.named.iter().cloned());
        step
    }

    fn attacker(&mut self) -> Attacker {
        let tokens = |script: &mut Self| {
            let count = script.chance.below(script.tokens_max + 1);
            (0..count).map(|_| script.chance.below(script.values)).collect()
        };
        Attacker {
            id: (self.chance.below(12) == 0).then(|| self.chance.below(self.values)),
            ja3: self.print(),
            hassh: self.print(),
            payloads: tokens(self),
            endpoints: if self.chance.below(3) == 0 { tokens(self) } else { vec![] },
        }
    }

    fn print(&mut self) -> Option<u32> {
        (self.chance.below(8) < self.prints).then(|| self.chance.below(self.values))
    }

    /// The same row with more.
    fn grown(&mut self, mut one: Attacker) -> Attacker {
        let value = self.chance.below(self.values);
        match self.chance.below(5) {
            0 => one.ja3 = one.ja3.or(Some(value)),
            1 => one.hassh = one.hassh.or(Some(value)),
            2 => one.id = one.id.or(Some(value)),
            3 => one.endpoints.insert(0, value),
            _ => one.payloads.push(value),
        }
        one.payloads.truncate(4);
        one
    }
}

/// The texts of keys and values, and inputs in their codes.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) texts: Interner,
    keys: Vec<u32>,
    values: Vec<u32>,
}

impl Words {
    /// Keys and values in the order of their numbers.
    pub(super) fn in_order() -> Self {
        Self::arriving(|_| {})
    }

    /// Keys and values in an order of their own.
    pub(super) fn arriving(order: impl FnOnce(&mut [String])) -> Self {
        let texts = Interner::new(1 << 20);
        let all = || (0..64).flat_map(|at| [format!("key {at}"), format!("value {at}")]);
        let mut arriving: Vec<String> = all().collect();
        order(&mut arriving);
        texts.codes(arriving.iter().map(String::as_str)).unwrap();
        let codes = all().map(|text| texts.lookup(&text).unwrap());
        let (keys, values) = codes.clone().step_by(2).zip(codes.skip(1).step_by(2)).unzip();
        Self { keys, values, texts }
    }

    pub(super) fn key(&self, key: u32) -> u32 {
        self.keys[key as usize]
    }

    /// Inputs of rows whose keys are numbers.
    pub(super) fn frames<'a>(&self, rows: impl Iterator<Item = (u32, &'a Attacker)>) -> Vec<Frame> {
        self.coded_frames(rows.map(|(key, one)| (self.key(key), one)))
    }

    /// Inputs of rows whose keys are codes.
    pub(super) fn coded_frames<'a>(
        &self,
        rows: impl Iterator<Item = (u32, &'a Attacker)>,
    ) -> Vec<Frame> {
        let code = |value: Option<u32>| value.map_or(ABSENT, |value| self.values[value as usize]);
        let [mut keys, mut ids, mut ja3, mut hassh] = [const { Vec::new() }; 4];
        let mut children = [const { (Vec::new(), Vec::new()) }; 2];
        for (row, (key, one)) in (0_u32..).zip(rows) {
            keys.push(key);
            ids.push(code(one.id));
            ja3.push(code(one.ja3));
            hassh.push(code(one.hassh));
            for (child, tokens) in children.iter_mut().zip([&one.payloads, &one.endpoints]) {
                child.0.extend(tokens.iter().map(|_| row));
                child.1.extend(tokens.iter().map(|&token| code(Some(token))));
            }
        }
        let columns = [("key", keys), ("id", ids), ("ja3", ja3), ("hassh", hassh)];
        let rows = columns[0].1.len();
        let columns = columns.map(|(name, codes)| (name, Column::text(codes)));
        let mut frames = vec![Frame::new(rows, columns).unwrap()];
        for (rows, tokens) in children {
            let columns = [("row", Column::from(rows)), ("token", Column::text(tokens))];
            frames.push(Frame::new(columns[0].1.len(), columns).unwrap());
        }
        frames
    }

    pub(super) fn with_job<T>(&self, inputs: &[Frame], then: impl FnOnce(&Job<'_>) -> T) -> T {
        let pace = Pace::free();
        then(&Job::new(&SIGNATURE, inputs, &[], &self.texts, &pace).unwrap())
    }
}

/// `SplitMix64`: what a seed gives is the same everywhere.
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// A number below this one.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((bits ^ (bits >> 31)) % u64::from(end)).unwrap()
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(u32::try_from(at).unwrap() + 1);
            items.swap(at, other as usize);
        }
    }
}

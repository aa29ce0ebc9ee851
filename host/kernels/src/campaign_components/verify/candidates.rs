//! Pairs of two labels that might weigh enough, found in another way than `run` finds them.
//!
//! | what is enough | `run` | here |
//! |---|---|---|
//! | similar sets | prefixes by the size of one set | prefixes by the sizes of both, in tables by size |
//! | rhythm and a token | four chunks, one bit flipped | nine bands, of which seven bits leave two |
//! | rhythm and hours | simhashes in order, bit by bit | a look-up of each with each bit flipped |
//!
//! The first rests on this: sets of s and t tokens of which they share o have J = o/(s + t − o). So
//! J ≥ θ means o ≥ θ/(1 + θ) (s + t), and the rarest shared token has o − 1 shared ones behind it in
//! both sets, wherever it stands.

use std::collections::{BTreeMap, HashMap};

use super::super::lists::shared;
use super::super::population::Population;
use super::super::sort::sort;
use super::super::weight::{FAR_BITS, Tiers, weigh};
use crate::kernel::KernelError;
use crate::pace::Pace;

/// All pairs are compared in lists up to this long.
const FEW: usize = 256;

/// Nothing that the rule joins has two labels, handoffs and equal sets of tokens aside.
pub(super) fn check(
    population: &Population<'_>,
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let kinds = Kinds::of(population, labels, pace)?;
    kinds.check_similar_sets()?;
    kinds.check_rhythms_that_share()?;
    kinds.check_rhythms_that_meet()
}

/// Rows of one label that weigh the same.
#[derive(Clone, Copy)]
struct Kind {
    earliest: u32,
    latest: u32,
}

struct Kinds<'a> {
    population: &'a Population<'a>,
    labels: &'a [u32],
    pace: &'a Pace<'a>,
    all: Vec<Kind>,
}

impl<'a> Kinds<'a> {
    /// The rows that something can be said about: with tokens, or with keystrokes and windows. Equal
    /// ones are one kind if they share a label, as those must that the rule joins.
    fn of(
        population: &'a Population<'a>,
        labels: &'a [u32],
        pace: &'a Pace<'a>,
    ) -> Result<Self, KernelError> {
        let windows = population.window_firsts(pace)?;
        let mut kinds = Self { population, labels, pace, all: Vec::new() };
        let mut known = HashMap::new();
        for (row, &rank) in (0_u32..).zip(population.ranks) {
            let at = row as usize;
            pace.check_row(at * 8)?;
            let (tokens, simhash) = (population.infra.of(at), population.simhashes[at]);
            if tokens.is_empty() && (simhash.is_none() || population.windows.of(at).is_empty()) {
                continue;
            }
            let key = (tokens, population.cohort.of(at), windows[at], simhash, labels[at]);
            let new = Kind { earliest: row, latest: row };
            let number = *known.entry(key).or_insert(kinds.all.len());
            match kinds.all.get_mut(number) {
                None => kinds.all.push(new),
                Some(kind) if rank < population.ranks[kind.earliest as usize] => {
                    kind.earliest = row;
                }
                Some(kind) if rank > population.ranks[kind.latest as usize] => kind.latest = row,
                Some(_) => {}
            }
        }
        Ok(kinds)
    }

    fn label(&self, kind: Kind) -> u32 {
        self.labels[kind.earliest as usize]
    }

    fn tokens(&self, kind: Kind) -> &'a [u32] {
        self.population.infra.of(kind.earliest as usize)
    }

    fn simhash(&self, kind: Kind) -> Option<u64> {
        self.population.simhashes[kind.earliest as usize]
    }

    fn has_windows(&self, kind: Kind) -> bool {
        !self.population.windows.of(kind.earliest as usize).is_empty()
    }

    /// No row of the one has an edge to a row of the other, unless they have one label.
    fn check_pair(&self, p: Kind, q: Kind) -> Result<(), KernelError> {
        if self.label(p) == self.label(q)
            || !Tiers::bound(self.population, p.earliest, q.earliest).edge()
        {
            return Ok(());
        }
        for (x, y) in [(p.earliest, q.latest), (q.earliest, p.latest)] {
            let ranks = self.population.ranks;
            if ranks[x as usize] < ranks[y as usize] {
                let tiers = weigh(self.population, x, y, self.pace)?;
                if tiers.edge() {
                    let (a, b) = (x.min(y), x.max(y));
                    let (left, right) = (self.labels[a as usize], self.labels[b as usize]);
                    return Err(KernelError::Wrong(format!(
                        "rows {a} and {b} have an edge ({tiers}) and the labels {left} and {right}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Pairs that owe nothing to keystrokes: the sets are alike by half, or by 9/10 without windows.
    fn check_similar_sets(&self) -> Result<(), KernelError> {
        let sets = self.sets()?;
        // By windows and size; below that, who holds a token among the rarest.
        let mut tables: BTreeMap<(bool, usize), HashMap<u32, Vec<usize>>> = BTreeMap::new();
        for (at, set) in sets.iter().enumerate() {
            self.pace.check_row(at * 8)?;
            let size = set.tokens.len();
            let need = if set.windows { HALF } else { NINE_TENTHS }.shared_by(2 * size);
            let table = tables.entry((set.windows, size)).or_default();
            for &token in &set.tokens[..=size - need] {
                table.entry(token).or_default().push(at);
            }
        }
        let (mut met, mut tried) = (vec![usize::MAX; sets.len()], 0_usize);
        for (at, set) in sets.iter().enumerate() {
            self.pace.check_row(at * 8)?;
            for windows in [false, true] {
                let share = if windows && set.windows { HALF } else { NINE_TENTHS };
                let size = set.tokens.len();
                for (&(_, other_size), table) in tables.range((windows, 0)..=(windows, size)) {
                    let need = share.shared_by(size + other_size);
                    // The smaller set must hold what is shared.
                    if need > other_size {
                        continue;
                    }
                    for token in &set.tokens[..=size - need] {
                        tried += 1;
                        self.pace.check_row(tried * 8)?;
                        for &other in table.get(token).map_or(&[][..], Vec::as_slice) {
                            tried += 1;
                            self.pace.check_row(tried)?;
                            if met[other] != at {
                                met[other] = at;
                                self.check_sets(set, &sets[other], share)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn check_sets(&self, x: &Set, y: &Set, share: Share) -> Result<(), KernelError> {
        let (p, q) = (x.kinds[0], y.kinds[0]);
        let all = x.tokens.len() + y.tokens.len();
        if self.label(p) == self.label(q)
            || shared(self.tokens(p), self.tokens(q)) < share.shared_by(all)
        {
            return Ok(());
        }
        for (at, &p) in x.kinds.iter().enumerate() {
            self.pace.check_row(at * 64)?;
            for (and, &q) in y.kinds.iter().enumerate() {
                self.pace.check_row(and * 64 + 1)?;
                self.check_pair(p, q)?;
            }
        }
        Ok(())
    }

    /// The sets of tokens, each with its kinds, and the rarest token first.
    fn sets(&self) -> Result<Vec<Set>, KernelError> {
        let mut numbers = HashMap::new();
        let mut sets: Vec<Set> = Vec::new();
        for (at, &kind) in self.all.iter().enumerate() {
            self.pace.check_row(at * 8)?;
            let tokens = self.tokens(kind);
            if tokens.is_empty() {
                continue;
            }
            let number = *numbers.entry(tokens).or_insert(sets.len());
            if number == sets.len() {
                sets.push(Set { tokens: tokens.to_vec(), kinds: Vec::new(), windows: false });
            }
            sets[number].kinds.push(kind);
            sets[number].windows |= self.has_windows(kind);
        }
        let mut holders = vec![0_u32; self.population.token_codes.len()];
        for (at, &token) in sets.iter().flat_map(|set| &set.tokens).enumerate() {
            self.pace.check_row(at)?;
            holders[token as usize] += 1;
        }
        for (at, set) in sets.iter_mut().enumerate() {
            self.pace.check_row(at * 8)?;
            set.tokens.sort_unstable_by_key(|&token| (holders[token as usize], token));
        }
        Ok(sets)
    }

    /// Pairs with a token in common and a rhythm within seven bits.
    fn check_rhythms_that_share(&self) -> Result<(), KernelError> {
        let mut held: BTreeMap<u32, Vec<Kind>> = BTreeMap::new();
        for (at, &kind) in self.all.iter().enumerate() {
            self.pace.check_row(at * 8)?;
            if self.simhash(kind).is_some() {
                for &token in self.tokens(kind) {
                    held.entry(token).or_default().push(kind);
                }
            }
        }
        for (at, kinds) in held.values().enumerate() {
            self.pace.check_row(at * 8)?;
            if kinds.iter().all(|&kind| self.label(kind) == self.label(kinds[0])) {
                continue;
            }
            if kinds.len() <= FEW {
                self.check_near(kinds)?;
                continue;
            }
            for mask in (0..BANDS).flat_map(|i| (0..i).map(move |j| band(i) | band(j))) {
                let key = |kind: &Kind| self.simhash(*kind).map(|simhash| simhash & mask);
                let mut by_bands: Vec<_> = kinds.iter().map(key).zip(0..kinds.len()).collect();
                sort(&mut by_bands, self.pace)?;
                for run in by_bands.chunk_by(|(bands, _), (other, _)| bands == other) {
                    let run: Vec<Kind> = run.iter().map(|&(_, at)| kinds[at]).collect();
                    self.check_near(&run)?;
                }
            }
        }
        Ok(())
    }

    /// All pairs of some kinds whose rhythms are near.
    fn check_near(&self, kinds: &[Kind]) -> Result<(), KernelError> {
        for (at, &p) in kinds.iter().enumerate() {
            self.pace.check_row(at * 64)?;
            for (and, &q) in kinds[..at].iter().enumerate() {
                self.pace.check_row(and + 1)?;
                let mix = self.simhash(p).zip(self.simhash(q)).map(|(x, y)| x ^ y);
                if mix.is_some_and(|mix| mix.count_ones() < FAR_BITS) {
                    self.check_pair(p, q)?;
                }
            }
        }
        Ok(())
    }

    /// Pairs with a rhythm within a bit that are active at one time.
    fn check_rhythms_that_meet(&self) -> Result<(), KernelError> {
        let mut typists: BTreeMap<u64, Vec<(f64, f64, Kind)>> = BTreeMap::new();
        for (at, &kind) in self.all.iter().enumerate() {
            self.pace.check_row(at * 8)?;
            if let Some(simhash) = self.simhash(kind).filter(|_| self.has_windows(kind)) {
                let span = self.population.spans[kind.earliest as usize];
                typists.entry(simhash).or_default().push((span.start, span.end, kind));
            }
        }
        for (at, kinds) in typists.values_mut().enumerate() {
            self.pace.check_row(at * 8)?;
            kinds.sort_by(|p, q| p.0.total_cmp(&q.0));
        }
        let flips = || (0..u64::BITS).map(|bit| 1 << bit).chain([0]);
        for (at, (&simhash, kinds)) in typists.iter().enumerate() {
            self.pace.check_row(at * 64)?;
            for others in flips().filter_map(|flip| typists.get(&(simhash ^ flip))) {
                for &(start, end, p) in kinds {
                    let begun = others.partition_point(|other| other.0 < end);
                    for (and, &(_, other_end, q)) in others[..begun].iter().enumerate() {
                        self.pace.check_row(and * 8)?;
                        if other_end > start {
                            self.check_pair(p, q)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A set of tokens, and who holds it.
struct Set {
    tokens: Vec<u32>,
    kinds: Vec<Kind>,
    windows: bool,
}

/// A similarity to reach, as a quotient.
#[derive(Clone, Copy)]
struct Share(usize, usize);

const HALF: Share = Share(1, 2);
const NINE_TENTHS: Share = Share(9, 10);

impl Share {
    /// How many of their tokens two sets have to share that have so many together: θ/(1 + θ) of them.
    fn shared_by(self, tokens: usize) -> usize {
        (self.0 * tokens).div_ceil(self.0 + self.1)
    }
}

/// Nine bands of seven bits, the last one of eight.
const BANDS: u32 = 9;

fn band(number: u32) -> u64 {
    let all = u64::MAX << (7 * number);
    if number + 1 == BANDS { all } else { all & !(u64::MAX << (7 * (number + 1))) }
}

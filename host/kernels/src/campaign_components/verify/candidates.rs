//! Pairs of two labels that might weigh enough, found in another way than `run` finds them.
//!
//! | | `run` | here |
//! |---|---|---|
//! | at one time | a few spells, cut at the longest gaps | a few stays of equally many windows |
//! | in one group | runs that grow while groups do | labels, which stand |
//! | rhythms within seven bits | four chunks, one bit flipped | nine bands, of which seven bits leave two |
//! | within one | simhashes in order, bit by bit | two halves, of which one bit leaves one |
//! | similar sets | under the first token shared | the same, by the sum of the sizes |
//!
//! The last rests on this: sets of s ≤ t tokens of which they share o have J = o/(s + t − o). So J ≥ θ
//! means o ≥ θ/(1 + θ) (s + t), and the rarest shared token has o − 1 shared ones behind it in both sets.

use super::super::lists::first_shared;
use super::super::looks::{Common, Looks};
use super::super::population::Population;
use super::super::weight::{FAR_BITS, Tiers, weigh};
use super::kinds::{Kind, Kinds};
use super::stays::{List, Stay};
use crate::kernel::KernelError;
use crate::sort::sort;

/// What pairs of a kind have in common that have an edge, or more.
#[derive(Clone, Copy)]
struct Rule {
    name: &'static str,
    /// How similar their sets are, as a quotient. Of zero, they share a token; without, perhaps none.
    share: Option<(usize, usize)>,
    /// Whether they are active at one time.
    meeting: bool,
    /// In how many bits they differ in rhythm at most, if that counts.
    bits: Option<u32>,
}

/// By the tiers that a pair can have, with as much of the others as there is. See `sharing.rs`.
const RULES: [Rule; 5] = [
    Rule { name: "similar", share: Some((9, 10)), meeting: false, bits: None },
    Rule { name: "similar by half", share: Some((1, 2)), meeting: true, bits: None },
    Rule {
        name: "similar and near",
        share: Some((3, 10)),
        meeting: false,
        bits: Some(FAR_BITS - 1),
    },
    Rule { name: "sharing and near", share: Some((0, 1)), meeting: true, bits: Some(FAR_BITS - 1) },
    Rule { name: "within a bit", share: None, meeting: true, bits: Some(1) },
];

/// Nothing that the rule joins has two labels, handoffs and equal sets of tokens aside.
pub(super) fn check(
    population: &Population<'_>,
    labels: &[u32],
    looks: &mut Looks<'_>,
) -> Result<(), KernelError> {
    let kinds = Kinds::of(population, labels, looks.pace())?;
    for rule in RULES {
        let check = Check { population, labels, kinds: &kinds, rule };
        match rule.share {
            Some(share) => check.holders(share, looks)?,
            None => {
                let all: Vec<u32> = (0..).take(kinds.all.len()).collect();
                check.among(&all, |_| true, None, looks)?;
            }
        }
    }
    Ok(())
}

/// The check of one rule.
struct Check<'a> {
    population: &'a Population<'a>,
    labels: &'a [u32],
    kinds: &'a Kinds,
    rule: Rule,
}

impl Check<'_> {
    /// Among the holders of each token that may be the first one shared.
    fn holders(
        &self,
        (some, of): (usize, usize),
        looks: &mut Looks<'_>,
    ) -> Result<(), KernelError> {
        // How many tokens are shared at least of so many in both sets together.
        let shared = |both: usize| (some * both).div_ceil(some + of).max(1);
        let as_smaller = |size: usize| size - shared(2 * size) + 1;
        let as_larger = |size: usize| size - shared(size + (some * size).div_ceil(of)) + 1;
        let mut held: Vec<(u32, u32)> = Vec::new();
        for (number, &kind) in (0_u32..).zip(&self.kinds.all) {
            looks.pace().check_row(number as usize * 8)?;
            let tokens = self.tokens(kind);
            if !tokens.is_empty() && self.counts(kind) {
                let first = &tokens[..as_larger(tokens.len())];
                let common = first.iter().filter(|&&token| token >= self.population.lonely_tokens);
                held.extend(common.map(|&token| (token, number)));
            }
        }
        sort(&mut held, looks.pace())?;
        let mut numbers = Vec::new();
        for (at, run) in held.chunk_by(|(token, _), (other, _)| token == other).enumerate() {
            looks.pace().check_row(at * 8)?;
            numbers.clear();
            numbers.extend(run.iter().map(|&(_, number)| number));
            let may_be_smaller = |number: u32| {
                let tokens = self.tokens(self.kinds.all[number as usize]);
                tokens[..as_smaller(tokens.len())].binary_search(&run[0].0).is_ok()
            };
            self.among(&numbers, may_be_smaller, Some(run[0].0), looks)?;
        }
        Ok(())
    }

    /// Among some kinds, of which one in each pair `may_lead`. They share a token that may be the first.
    fn among(
        &self,
        numbers: &[u32],
        may_lead: impl Fn(u32) -> bool,
        token: Option<u32>,
        looks: &mut Looks<'_>,
    ) -> Result<(), KernelError> {
        let mut stays = Vec::new();
        let (mut labels, mut leaders) = ((u32::MAX, 0), false);
        for (at, &number) in numbers.iter().enumerate() {
            looks.pace().check_row(at * 8)?;
            let kind = self.kinds.all[number as usize];
            if !self.counts(kind) {
                continue;
            }
            let label = self.labels[kind.earliest as usize];
            labels = (labels.0.min(label), labels.1.max(label));
            let leads = may_lead(number);
            leaders |= leads;
            let simhash = self.simhash(kind).filter(|_| self.rule.bits.is_some()).unwrap_or(0);
            let stay = |(start, end)| Stay { start, end, simhash, label, kind: number, leads };
            if self.rule.meeting {
                stays.extend(self.kinds.stays(number).iter().copied().map(stay));
            } else {
                stays.push(stay((f64::NEG_INFINITY, f64::INFINITY)));
            }
        }
        // What has one label already needs no pairs.
        if labels.0 >= labels.1 || !leaders {
            return Ok(());
        }
        let common = match token {
            Some(token) => Common::Token(self.population.token_codes[token as usize]),
            None => Common::Rhythm(stays.first().map_or(0, |stay| stay.simhash)),
        };
        looks.on(self.rule.name, common, numbers.len());
        let bits = self.rule.bits.unwrap_or(u64::BITS);
        List { stays, bits }.each_pair(looks, |p, q, looks| {
            let (p, q) = (self.kinds.all[p as usize], self.kinds.all[q as usize]);
            if token.is_none() || first_shared(self.tokens(p), self.tokens(q)) == token {
                self.pair(p, q, looks)?;
            }
            Ok(())
        })
    }

    /// No row of the one has an edge to a row of the other, which has another label.
    fn pair(&self, p: Kind, q: Kind, looks: &mut Looks<'_>) -> Result<(), KernelError> {
        if !Tiers::bound(self.population, p.earliest, q.earliest).edge() {
            return Ok(());
        }
        for (x, y) in [(p.earliest, q.latest), (q.earliest, p.latest)] {
            let ranks = self.population.ranks;
            if ranks[x as usize] < ranks[y as usize] {
                let tiers = weigh(self.population, x, y, looks)?;
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

    /// Whether a kind has what the rule asks for.
    fn counts(&self, kind: Kind) -> bool {
        let row = kind.earliest as usize;
        (!self.rule.meeting || !self.population.windows.of(row).is_empty())
            && (self.rule.bits.is_none() || self.population.simhash(row).is_some())
    }

    fn tokens(&self, kind: Kind) -> &[u32] {
        self.population.infra.of(kind.earliest as usize)
    }

    fn simhash(&self, kind: Kind) -> Option<u64> {
        self.population.simhash(kind.earliest as usize)
    }
}

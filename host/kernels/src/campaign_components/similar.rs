//! Similar infrastructure: sets that share so much that windows and cohorts can do the rest.
//!
//! Without keystrokes, which [`keystroke`](super::keystroke) looks after, overlap and cohort add at most
//! 0.5, or 0.1 where one side has no windows. So the Jaccard similarity J of the two sets has to reach
//! θ = 1/2, or 9/10. J is a quotient of whole numbers below 2³²: if it is below θ, it is so by 2⁻³⁷ or
//! more, and no rounding of the sum (2⁻⁵⁰) makes up for that. So θ may be taken as exact, in integers.
//!
//! # The filter
//! Order each set by how rare its tokens are. Let S be no larger than T, share o tokens with it, and let
//! J ≥ θ. The *first* shared token has o − 1 shared ones behind it: it is among the first |S| − o + 1 of
//! S and the first |T| − o + 1 of T. Now
//!
//! * o ≥ θ |S ∪ T| ≥ θ |T|, and
//! * o ≥ θ/(1 + θ) (|S| + |T|) ≥ 2θ/(1 + θ) |S|.
//!
//! So it is enough to list each set under its first |S| − ⌈2θ/(1 + θ) |S|⌉ + 1 tokens, and to look up the
//! first |T| − ⌈θ |T|⌉ + 1 of each set among those that are no larger: for θ = 1/2 a third and a half
//! of the tokens, the rarest. Sets that hold one token of their own and one that everybody has never
//! meet. Sets smaller than |T|/2 are left out as well.
//!
//! A set without windows has θ = 9/10 with everybody, so its prefixes may be the shorter ones: longer
//! ones on the other side find no less.

use std::ops::Range;

use super::Evidence;
use super::lists::{Lists, shared};
use super::profiles::Profile;
use super::sort::sort;
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::Pace;

/// Joins the profiles of similar sets.
pub(super) fn join(evidence: &mut Evidence<'_>, profiles: &[Profile]) -> Result<(), KernelError> {
    let pace = evidence.job.pace;
    let sets = Sets::of(evidence, profiles)?;
    let mut index = Index::of(&sets, evidence.population.token_codes.len(), pace)?;
    // Whom a set has met: only once each, however many tokens they share.
    let mut met = vec![ABSENT; sets.kinds.len()];
    let mut tried = 0_usize;
    for number in (0_u32..).take(sets.kinds.len()) {
        pace.check_row(number as usize * 8)?;
        let tokens = sets.tokens.of(number as usize);
        for &token in &tokens[..sets.looked_up(number)] {
            for at in index.no_smaller(token, &sets, tokens.len().div_ceil(2)) {
                tried += 1;
                pace.check_row(tried)?;
                let other = index.sets[at];
                if met[other as usize] != number {
                    met[other as usize] = number;
                    join_pair(evidence, &sets, other, number)?;
                }
            }
        }
        index.add(number, &tokens[..sets.listed(number)]);
    }
    Ok(())
}

/// Joins two sets, each of which is one group, if profiles of theirs have an edge that owes nothing to
/// keystrokes.
fn join_pair(evidence: &mut Evidence<'_>, sets: &Sets, s: u32, t: u32) -> Result<(), KernelError> {
    let (ps, qs) = (sets.profiles.of(s as usize), sets.profiles.of(t as usize));
    if evidence.forest.connected(ps[0].earliest, qs[0].earliest) {
        return Ok(());
    }
    let tokens = |profile: Profile| evidence.population.infra.of(profile.set as usize);
    let (x, y) = (tokens(ps[0]), tokens(qs[0]));
    let both = shared(x, y);
    let union = x.len() + y.len() - both;
    let (numerator, denominator) =
        if sets.windows(s) && sets.windows(t) { (1, 2) } else { (9, 10) };
    if denominator * both < numerator * union {
        return Ok(());
    }
    for (at, &p) in ps.iter().enumerate() {
        for (and, &q) in qs.iter().enumerate() {
            evidence.job.pace.check_row((at * qs.len() + and) * 64)?;
            if evidence.join_profiles(p, q)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The sets that there are, the small ones first.
struct Sets {
    /// Of each set, the rarest token first.
    tokens: Lists<u32>,
    profiles: Lists<Profile>,
    /// Whether some profile has windows.
    kinds: Vec<bool>,
}

impl Sets {
    fn of(evidence: &Evidence<'_>, profiles: &[Profile]) -> Result<Self, KernelError> {
        let (population, pace) = (evidence.population, evidence.job.pace);
        let mut order: Vec<(usize, u32, usize)> = profiles
            .iter()
            .enumerate()
            .filter(|(_, profile)| profile.set != ABSENT)
            .map(|(at, profile)| (population.infra.of(profile.set as usize).len(), profile.set, at))
            .collect();
        sort(&mut order, pace)?;
        let runs = || order.chunk_by(|(_, set, _), (_, other, _)| set == other);
        let mut holders = vec![0_u32; population.token_codes.len()];
        for (at, run) in runs().enumerate() {
            pace.check_row(at * 8)?;
            for &token in population.infra.of(run[0].1 as usize) {
                holders[token as usize] += 1;
            }
        }
        let mut sets = Self { tokens: Lists::new(), profiles: Lists::new(), kinds: Vec::new() };
        for (at, run) in runs().enumerate() {
            pace.check_row(at * 8)?;
            let tokens = population.infra.of(run[0].1 as usize);
            let mut rarest: Vec<(u32, u32)> =
                tokens.iter().map(|&token| (holders[token as usize], token)).collect();
            sort(&mut rarest, pace)?;
            let tokens: Vec<u32> = rarest.into_iter().map(|(_, token)| token).collect();
            let run: Vec<Profile> = run.iter().map(|&(_, _, at)| profiles[at]).collect();
            let windows = |one: &Profile| !population.windows.of(one.earliest as usize).is_empty();
            sets.kinds.push(run.iter().any(windows));
            sets.tokens.push(&tokens);
            sets.profiles.push(&run);
        }
        Ok(sets)
    }

    fn windows(&self, set: u32) -> bool {
        self.kinds[set as usize]
    }

    fn size(&self, set: u32) -> usize {
        self.tokens.of(set as usize).len()
    }

    /// Under how many of its tokens a set is listed: |S| − ⌈2θ/(1 + θ) |S|⌉ + 1.
    fn listed(&self, set: u32) -> usize {
        1 + self.size(set) / if self.windows(set) { 3 } else { 19 }
    }

    /// How many of its tokens a set looks up: |T| − ⌈θ |T|⌉ + 1.
    fn looked_up(&self, set: u32) -> usize {
        1 + self.size(set) / if self.windows(set) { 2 } else { 10 }
    }
}

/// Which sets are listed under a token, the small ones first.
struct Index {
    /// Of each token, where the sets begin that are still large enough, and where the last one ends.
    listed: Vec<Range<usize>>,
    sets: Vec<u32>,
}

impl Index {
    /// Room for all sets, and none of them in it.
    fn of(sets: &Sets, tokens: usize, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let mut counts = vec![0; tokens];
        for set in (0_u32..).take(sets.kinds.len()) {
            pace.check_row(set as usize * 8)?;
            for &token in &sets.tokens.of(set as usize)[..sets.listed(set)] {
                counts[token as usize] += 1;
            }
        }
        let (mut listed, mut all) = (Vec::with_capacity(tokens), 0);
        for (token, count) in counts.into_iter().enumerate() {
            pace.check_row(token)?;
            listed.push(all..all);
            all += count;
        }
        Ok(Self { listed, sets: vec![ABSENT; all] })
    }

    fn add(&mut self, set: u32, tokens: &[u32]) {
        for &token in tokens {
            let range = &mut self.listed[token as usize];
            self.sets[range.end] = set;
            range.end += 1;
        }
    }

    /// Where the sets of a token are that have at least so many. No later call may ask for less.
    fn no_smaller(&mut self, token: u32, sets: &Sets, size: usize) -> Range<usize> {
        let range = &mut self.listed[token as usize];
        while range.start < range.end && sets.size(self.sets[range.start]) < size {
            range.start += 1;
        }
        range.clone()
    }
}

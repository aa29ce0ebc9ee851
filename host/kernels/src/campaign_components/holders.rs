//! Holders: the profiles by token, each under as few of its tokens as will do.
//!
//! A population numbers its tokens from the rarest to the commonest, and sets are in that order. Let S be
//! no larger than T, share o > 0 tokens with it, and let their Jaccard similarity be at least θ. The
//! *first* shared token has o − 1 shared ones behind it: it is among the first |S| − o + 1 of S and the
//! first |T| − o + 1 of T. Now
//!
//! * o ≥ θ |S ∪ T| ≥ θ |T|, and
//! * o ≥ θ/(1 + θ) (|S| + |T|) ≥ 2θ/(1 + θ) |S|.
//!
//! So it is enough to *list* each set under its first |S| − ⌈2θ/(1 + θ) |S|⌉ + 1 tokens, and to *look
//! up* the first |T| − ⌈θ |T|⌉ + 1 of each: for θ = 1/2 a third and a half of the tokens. One of a pair is
//! listed under the first token that they share, and the other looks that one up or is listed as well.
//! Sets that hold tokens of their own and one that everybody has never meet.
//!
//! (Bayardo, Ma, Srikant: *Scaling up all pairs similarity search*, WWW 2007; Xiao, Wang, Lin, Yu:
//! *Efficient similarity joins for near duplicate detection*, WWW 2008.)

use super::population::Population;
use super::profiles::Profile;
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::Pace;

/// A Jaccard similarity to reach, as a quotient.
#[derive(Clone, Copy)]
pub(super) struct Share(pub(super) usize, pub(super) usize);

impl Share {
    /// Under how many of its tokens a set is listed: |S| − ⌈2θ/(1 + θ) |S|⌉ + 1, if there are so many.
    fn listed(self, size: usize) -> usize {
        (1 + (self.1 - self.0) * size / (self.1 + self.0)).min(size)
    }

    /// Whether a set is listed under a token that it looks up.
    pub(super) fn lists(self, tokens: &[u32], token: u32) -> bool {
        tokens.binary_search(&token).is_ok_and(|at| at < self.listed(tokens.len()))
    }

    /// How many of its tokens a set looks up: |T| − ⌈θ |T|⌉ + 1, if there are so many.
    fn looked_up(self, size: usize) -> usize {
        (1 + (self.1 - self.0) * size / self.1).min(size)
    }

    /// Whether sets of these sizes can be as similar.
    pub(super) fn reached_by(self, size: usize, other: usize) -> bool {
        self.1 * size.min(other) >= self.0 * size.max(other)
    }
}

/// Who holds each token, of those that several hold.
pub(super) struct Holders {
    /// Of each token from `first` on, where its holders start.
    starts: Vec<u32>,
    first: usize,
    /// Numbers of profiles.
    items: Vec<u32>,
}

impl Holders {
    /// The holders among the profiles that `is_one`.
    pub(super) fn of(
        population: &Population<'_>,
        profiles: &[Profile],
        share: Share,
        is_one: impl Fn(u32, &Profile) -> bool,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        let first = population.lonely_tokens as usize;
        let count = population.token_codes.len() - first;
        let mut holders = Self { starts: vec![0; count + 1], first, items: Vec::new() };
        holders.each(population, profiles, share, &is_one, pace, |holders, slot, _| {
            holders.starts[slot] += 1;
        })?;
        let mut all = 0;
        for (at, start) in holders.starts.iter_mut().enumerate() {
            pace.check_row(at)?;
            all += *start;
            *start = all;
        }
        holders.items = vec![0; all as usize];
        // From the last holder to the first, so that each start is where it has to be in the end.
        holders.each(population, profiles, share, &is_one, pace, |holders, slot, item| {
            holders.starts[slot] -= 1;
            holders.items[holders.starts[slot] as usize] = item;
        })?;
        Ok(holders)
    }

    /// Calls `then` with the slot and the item of each holder, the last profile first.
    fn each(
        &mut self,
        population: &Population<'_>,
        profiles: &[Profile],
        share: Share,
        is_one: impl Fn(u32, &Profile) -> bool,
        pace: &Pace<'_>,
        then: impl Fn(&mut Self, usize, u32),
    ) -> Result<(), KernelError> {
        let count = u32::try_from(profiles.len()).unwrap_or(ABSENT);
        for (profile, number) in profiles.iter().rev().zip((0..count).rev()) {
            pace.check_row(number as usize * 8)?;
            if profile.set == ABSENT || !is_one(number, profile) {
                continue;
            }
            let tokens = population.infra.of(profile.set as usize);
            for &token in &tokens[..share.looked_up(tokens.len())] {
                if token as usize >= self.first {
                    then(self, token as usize - self.first, number);
                }
            }
        }
        Ok(())
    }

    /// Each token with those who look it up.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let first = u32::try_from(self.first).unwrap_or(ABSENT);
        (first..)
            .zip(self.starts.windows(2))
            .map(|(token, ends)| (token, &self.items[ends[0] as usize..ends[1] as usize]))
    }
}

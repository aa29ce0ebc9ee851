//! Pairs that share a token, among the holders of each.
//!
//! With J for the Jaccard similarity of their sets and h for the bits in which they differ in rhythm, a pair
//! that is no handoff has an edge only if J + 0.4 + 0.1 + 0.6 (1 − h/8) ≥ 1, without the 0.4 if they never
//! meet, and without the last term if they are not near. So each is found in one of these steps:
//!
//! | step | J at least | meeting | near |
//! |---|--:|---|---|
//! | alike | 9/10 | | |
//! | alike and meeting | 1/2 | yes | |
//! | alike and near | 3/10 | | yes |
//! | sharing, meeting and near | 0 | yes | yes |
//!
//! J is a quotient of whole numbers below 2³³: if it is below such a bound, it is so by 2⁻³⁷ or more, and no
//! rounding of the sum (2⁻⁵⁰) makes up for that. So the bounds may be taken as exact, in integers.

use super::Evidence;
use super::holders::{Holders, Share};
use super::line::{ALWAYS, Line, Seekers, Spell, search};
use super::lists::{Lists, first_shared};
use super::looks::Common;
use super::near::near;
use super::population::Window;
use super::profiles::Profile;
use super::weight::Tiers;
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::sort::sort;

/// Of so many holders, each is compared with each. Tests have few, which are to take the long way too.
const FEW: usize = if cfg!(test) { 2 } else { 32 };

/// How pairs are found that share a token.
struct Step {
    name: &'static str,
    share: Share,
    meeting: bool,
    near: bool,
}

const STEPS: [Step; 4] = [
    Step { name: "alike", share: Share(9, 10), meeting: false, near: false },
    Step { name: "alike and meeting", share: Share(1, 2), meeting: true, near: false },
    Step { name: "alike and near", share: Share(3, 10), meeting: false, near: true },
    Step { name: "sharing, meeting and near", share: Share(0, 1), meeting: true, near: true },
];

/// Joins profiles that share tokens.
pub(super) fn join(
    evidence: &mut Evidence<'_>,
    profiles: &[Profile],
    spells: &Lists<Window>,
) -> Result<(), KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    for step in &STEPS {
        let kin = if step.meeting { None } else { Some(kin(step, evidence, profiles)?) };
        let first: Vec<Profile>;
        let searched = match &kin {
            None => profiles,
            Some(kin) => {
                first = (0..kin.parents()).map(|at| profiles[kin.of(at)[0] as usize]).collect();
                &first
            }
        };
        let is_one = |number: u32, profile: &Profile| {
            (!step.near || population.simhash(profile.earliest as usize).is_some())
                && (!step.meeting || !spells.of(number as usize).is_empty())
        };
        let holders = Holders::of(population, searched, step.share, is_one, pace)?;
        for (at, (token, holders)) in holders.tokens().enumerate() {
            pace.check_row(at)?;
            if holders.len() > 1 {
                let kin = kin.as_ref().map(|kin| (kin, profiles));
                Search { step, profiles: searched, kin, spells, token }.join(evidence, holders)?;
            }
        }
    }
    Ok(())
}

/// The profiles that differ only in what a step does not look at: those of a set, or of a set and rhythm.
/// They are one group, and mostly one of them can tell that none of them has an edge to another set.
fn kin(
    step: &Step,
    evidence: &Evidence<'_>,
    profiles: &[Profile],
) -> Result<Lists<u32>, KernelError> {
    let pace = evidence.job.pace;
    let mut order: Vec<(u32, u64, u32)> = Vec::with_capacity(profiles.len());
    for (number, profile) in (0_u32..).zip(profiles) {
        pace.check_row(number as usize)?;
        let simhash = evidence.population.simhash(profile.earliest as usize);
        if profile.set != ABSENT && (simhash.is_some() || !step.near) {
            order.push((profile.set, simhash.filter(|_| step.near).unwrap_or(0), number));
        }
    }
    sort(&mut order, pace)?;
    let mut kin = Lists::with_capacity(order.len(), order.len());
    for (at, run) in order.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)).enumerate() {
        pace.check_row(at * 8)?;
        kin.push(&run.iter().map(|&(.., number)| number).collect::<Vec<u32>>());
    }
    Ok(kin)
}

/// The search among the holders of one token.
struct Search<'a> {
    step: &'a Step,
    profiles: &'a [Profile],
    /// Of each of these, all that are like it, if it stands for them.
    kin: Option<(&'a Lists<u32>, &'a [Profile])>,
    spells: &'a Lists<Window>,
    token: u32,
}

impl Search<'_> {
    fn join(&self, evidence: &mut Evidence<'_>, holders: &[u32]) -> Result<(), KernelError> {
        let code = evidence.population.token_codes[self.token as usize];
        evidence.looks.on(self.step.name, Common::Token(code), holders.len());
        if holders.len() <= FEW {
            return self.join_few(evidence, holders);
        }
        // What is one group already needs no pairs.
        let first = self.profiles[holders[0] as usize].earliest;
        let mut one_group = true;
        for (at, &holder) in holders.iter().enumerate() {
            evidence.job.pace.check_row(at * 8)?;
            one_group = evidence.forest.connected(first, self.profiles[holder as usize].earliest);
            if !one_group {
                break;
            }
        }
        if one_group { Ok(()) } else { self.join_many(evidence, holders) }
    }

    fn join_few(&self, evidence: &mut Evidence<'_>, holders: &[u32]) -> Result<(), KernelError> {
        for (at, &one) in holders.iter().enumerate() {
            for &other in &holders[at + 1..] {
                let (p, q) = (self.profiles[one as usize], self.profiles[other as usize]);
                if !evidence.forest.connected(p.earliest, q.earliest) {
                    evidence.looks.take()?;
                    let simhash = |of: Profile| evidence.population.simhash(of.earliest as usize);
                    if !self.step.near || near(simhash(p).unwrap_or(0) ^ simhash(q).unwrap_or(0)) {
                        self.visit(evidence, one, other)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn join_many(&self, evidence: &mut Evidence<'_>, holders: &[u32]) -> Result<(), KernelError> {
        let (population, pace) = (evidence.population, evidence.job.pace);
        let (mut listed, mut others) = (Vec::new(), Vec::new());
        for (at, &holder) in holders.iter().enumerate() {
            pace.check_row(at * 8)?;
            let profile = self.profiles[holder as usize];
            let tokens = population.infra.of(profile.set as usize);
            let side =
                if self.step.share.lists(tokens, self.token) { &mut listed } else { &mut others };
            let simhash = population.simhash(profile.earliest as usize).filter(|_| self.step.near);
            let spell = |time| Spell {
                time,
                simhash: simhash.unwrap_or(0),
                profile: holder,
                row: profile.earliest,
            };
            if self.step.meeting {
                side.extend(self.spells.of(holder as usize).iter().copied().map(spell));
            } else {
                side.push(spell(ALWAYS));
            }
        }
        if listed.is_empty() {
            return Ok(());
        }
        let mut listed = Line::of(&listed, self.step.near, pace)?;
        let mut others = Line::of(&others, self.step.near, pace)?;
        let mut visit = |evidence: &mut Evidence<'_>, one, other| self.visit(evidence, one, other);
        search(evidence, &mut listed, Seekers::Own, &mut visit)?;
        search(evidence, &mut others, Seekers::Earlier(&listed.spells), &mut visit)?;
        search(evidence, &mut listed, Seekers::Before(&others.spells), &mut visit)
    }

    /// Joins two profiles, or their kin, if this token is the first that they share and they have an edge.
    fn visit(&self, evidence: &mut Evidence<'_>, one: u32, other: u32) -> Result<(), KernelError> {
        let (p, q) = (self.profiles[one as usize], self.profiles[other as usize]);
        let infra = &evidence.population.infra;
        let (x, y) = (infra.of(p.set as usize), infra.of(q.set as usize));
        if !self.step.share.reached_by(x.len(), y.len()) || first_shared(x, y) != Some(self.token) {
            return Ok(());
        }
        let Some((kin, profiles)) = self.kin else {
            evidence.join_profiles(p, q)?;
            return Ok(());
        };
        if !Tiers::bound_apart(evidence.population, p.earliest, q.earliest).edge() {
            return Ok(());
        }
        for (at, &p) in kin.of(one as usize).iter().enumerate() {
            for (and, &q) in kin.of(other as usize).iter().enumerate() {
                // The first two are the pair that was looked at.
                if at + and > 0 {
                    evidence.looks.take()?;
                }
                if evidence.join_profiles(profiles[p as usize], profiles[q as usize])? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

//! Keystrokes: rhythms that are near enough for infrastructure, or hours, to do the rest.
//!
//! Without a shared token there is 0.6 (1 − h/8) for the rhythm, 0.4 for overlap and 0.1 for cohort. That
//! reaches 1.0 for h ≤ 1 bits only, and not without overlap. With a shared token h goes up to 7 bits.

use super::Evidence;
use super::lists::first_shared;
use super::near::near_pairs;
use super::profiles::Profile;
use super::sort::{order_of, sort};
use crate::column::ABSENT;
use crate::kernel::KernelError;

/// Joins profiles that share a token and are near in rhythm: among the holders of each token.
pub(super) fn join_sharing(
    evidence: &mut Evidence<'_>,
    profiles: &[Profile],
) -> Result<(), KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    let mut held: Vec<(u32, usize)> = Vec::new();
    for (at, profile) in profiles.iter().enumerate() {
        pace.check_row(at)?;
        if population.simhashes[profile.earliest as usize].is_some() && profile.set != ABSENT {
            let tokens = population.infra.of(profile.set as usize);
            held.extend(tokens.iter().map(|&token| (token, at)));
        }
    }
    sort(&mut held, pace)?;
    for (at, run) in held.chunk_by(|(token, _), (other, _)| token == other).enumerate() {
        pace.check_row(at * 8)?;
        let token = run[0].0;
        let holders: Vec<Profile> = run.iter().map(|&(_, at)| profiles[at]).collect();
        // What is one group already, as most holders of a rare token are, needs no pairs.
        let first = holders[0].earliest;
        if holders.iter().all(|one| evidence.forest.connected(first, one.earliest)) {
            continue;
        }
        let hashes: Vec<u64> =
            holders.iter().filter_map(|one| population.simhashes[one.earliest as usize]).collect();
        let mut tried = 0_usize;
        near_pairs(&hashes, pace, |i, j| {
            tried += 1;
            pace.check_row(tried * 64)?;
            let (p, q) = (holders[i], holders[j]);
            let (ps, qs) =
                (population.infra.of(p.set as usize), population.infra.of(q.set as usize));
            // Once a pair is enough: under the first token that the two share.
            if p.set != q.set && first_shared(ps, qs) == Some(token) {
                evidence.join_profiles(p, q)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// One who types, and when: from the first start to the last end.
#[derive(Clone, Copy)]
struct Typist {
    profile: Profile,
    start: f64,
    end: f64,
}

/// Joins profiles that are within a bit of one another in rhythm, and active at one time.
pub(super) fn join_overlapping(
    evidence: &mut Evidence<'_>,
    profiles: &[Profile],
) -> Result<(), KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    let mut order = Vec::new();
    for (at, profile) in profiles.iter().enumerate() {
        pace.check_row(at)?;
        let row = profile.earliest as usize;
        if let Some(simhash) = population.simhashes[row]
            && !population.windows.of(row).is_empty()
        {
            order.push((simhash, order_of(population.spans[row].start), at));
        }
    }
    sort(&mut order, pace)?;
    let mut typists = Vec::with_capacity(order.len());
    for (place, &(_, _, at)) in order.iter().enumerate() {
        pace.check_row(place)?;
        let span = population.spans[profiles[at].earliest as usize];
        typists.push(Typist { profile: profiles[at], start: span.start, end: span.end });
    }
    // Who types alike, by start.
    let mut alike: Vec<(u64, &[Typist])> = Vec::new();
    let mut rest = &typists[..];
    for run in order.chunk_by(|(simhash, ..), (other, ..)| simhash == other) {
        pace.check_row(alike.len())?;
        let (these, others) = rest.split_at(run.len());
        alike.push((run[0].0, these));
        rest = others;
    }
    for (at, (_, these)) in alike.iter().enumerate() {
        pace.check_row(at * 8)?;
        for (place, one) in these.iter().enumerate() {
            join_meeting(evidence, one, &these[place + 1..])?;
        }
    }
    for bit in 0..u64::BITS {
        one_bit_apart(evidence, &alike, 1 << bit)?;
    }
    Ok(())
}

/// Joins those whose simhashes differ in this bit only.
///
/// Of the simhashes in order, those that have the bit are in order without it too, so that the two
/// kinds meet like two sorted lists.
fn one_bit_apart(
    evidence: &mut Evidence<'_>,
    alike: &[(u64, &[Typist])],
    bit: u64,
) -> Result<(), KernelError> {
    let mut with = alike.iter().filter(|(simhash, _)| simhash & bit != 0).peekable();
    let without = alike.iter().filter(|(simhash, _)| simhash & bit == 0);
    for (at, (simhash, these)) in without.enumerate() {
        evidence.job.pace.check_row(at)?;
        while with.next_if(|(other, _)| *other < simhash | bit).is_some() {}
        let Some((_, those)) = with.next_if(|(other, _)| *other == simhash | bit) else {
            continue;
        };
        let (few, many) = if these.len() <= those.len() { (these, those) } else { (those, these) };
        for one in *few {
            join_meeting(evidence, one, many)?;
        }
    }
    Ok(())
}

/// Joins one with those of others, by start, that are active while it is.
fn join_meeting(
    evidence: &mut Evidence<'_>,
    one: &Typist,
    others: &[Typist],
) -> Result<(), KernelError> {
    let started = others.partition_point(|other| other.start < one.end);
    for (at, other) in others[..started].iter().enumerate() {
        evidence.job.pace.check_row(at * 64)?;
        if one.start < other.end {
            evidence.join_profiles(one.profile, other.profile)?;
        }
    }
    Ok(())
}

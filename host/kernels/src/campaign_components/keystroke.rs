//! Keystrokes: rhythms so near that hours do the rest.
//!
//! Without a shared token there is 0.6 (1 − h/8) for the rhythm, 0.4 for overlap and 0.1 for cohort. That
//! reaches 1.0 for h ≤ 1 bits only, and not without overlap. Who shares a token as well may differ in more:
//! [`sharing`](super::sharing) finds them.

use super::Evidence;
use super::line::{Line, Spell};
use super::lists::Lists;
use super::looks::Common;
use super::population::Window;
use super::profiles::Profile;
use crate::kernel::KernelError;
use crate::sort::{order_of, sort};

const STEP: &str = "typing alike and meeting";

/// All that type alike, in a line by simhash and start.
struct Alike {
    simhash: u64,
    from: usize,
    to: usize,
}

/// Joins profiles that are within a bit of one another in rhythm, and active at one time.
pub(super) fn join(
    evidence: &mut Evidence<'_>,
    profiles: &[Profile],
    spells: &Lists<Window>,
) -> Result<(), KernelError> {
    let (mut line, all) = line_up(evidence, profiles, spells)?;
    let pace = evidence.job.pace;
    let mut visit = |evidence: &mut Evidence<'_>, one: u32, other: u32| {
        evidence.join_profiles(profiles[one as usize], profiles[other as usize])?;
        Ok(())
    };
    for (at, alike) in all.iter().enumerate() {
        pace.check_row(at * 8)?;
        evidence.looks.on(STEP, Common::Rhythm(alike.simhash), alike.to - alike.from);
        for place in alike.from..alike.to {
            pace.check_row(place * 64)?;
            let one = line.spells[place];
            line.ahead(evidence, one, place + 1..alike.to, &mut visit)?;
        }
    }
    for bit in 0..u64::BITS {
        one_bit_apart(evidence, &mut line, &all, 1 << bit, &mut visit)?;
    }
    Ok(())
}

/// All that type and have windows, by simhash and start.
fn line_up(
    evidence: &Evidence<'_>,
    profiles: &[Profile],
    spells: &Lists<Window>,
) -> Result<(Line, Vec<Alike>), KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    let mut count = 0;
    for (number, profile) in profiles.iter().enumerate() {
        pace.check_row(number)?;
        if population.simhash(profile.earliest as usize).is_some() {
            count += spells.of(number).len();
        }
    }
    let mut order = Vec::with_capacity(count);
    for (number, profile) in (0_u32..).zip(profiles) {
        pace.check_row(number as usize)?;
        if let Some(simhash) = population.simhash(profile.earliest as usize) {
            let own = (0_u32..).zip(spells.of(number as usize));
            order.extend(own.map(|(at, time)| (simhash, order_of(time.start), number, at)));
        }
    }
    sort(&mut order, pace)?;
    let mut line = Vec::with_capacity(order.len());
    let mut all: Vec<Alike> = Vec::new();
    for (place, &(simhash, _, number, at)) in order.iter().enumerate() {
        pace.check_row(place)?;
        let row = profiles[number as usize].earliest;
        let time = spells.of(number as usize)[at as usize];
        line.push(Spell { time, simhash: 0, profile: number, row });
        match all.last_mut() {
            Some(alike) if alike.simhash == simhash => alike.to = place + 1,
            _ => all.push(Alike { simhash, from: place, to: place + 1 }),
        }
    }
    Ok((Line::sorted(line, false), all))
}

/// Joins those whose simhashes differ in this bit only.
///
/// Of the simhashes in order, those that have the bit are in order without it too, so that the two
/// kinds meet like two sorted lists.
fn one_bit_apart(
    evidence: &mut Evidence<'_>,
    line: &mut Line,
    all: &[Alike],
    bit: u64,
    visit: &mut impl FnMut(&mut Evidence<'_>, u32, u32) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let pace = evidence.job.pace;
    let mut with = all.iter().filter(|alike| alike.simhash & bit != 0).peekable();
    let without = all.iter().filter(|alike| alike.simhash & bit == 0);
    for (at, these) in without.enumerate() {
        pace.check_row(at)?;
        while with.next_if(|other| other.simhash < these.simhash | bit).is_some() {}
        let Some(those) = with.next_if(|other| other.simhash == these.simhash | bit) else {
            continue;
        };
        let row = line.spells[these.from].row;
        if line.pass(evidence, these.from, these.to)? == these.to
            && line.pass(evidence, those.from, those.to)? == those.to
            && evidence.forest.connected(row, line.spells[those.from].row)
        {
            continue;
        }
        let count = these.to - these.from + those.to - those.from;
        evidence.looks.on(STEP, Common::Rhythm(these.simhash), count);
        across(evidence, line, these, those, visit)?;
    }
    Ok(())
}

/// Each of the one kind and of the other looks ahead among those that start with it or later.
fn across(
    evidence: &mut Evidence<'_>,
    line: &mut Line,
    these: &Alike,
    those: &Alike,
    visit: &mut impl FnMut(&mut Evidence<'_>, u32, u32) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let (mut left, mut right) = (these.from, those.from);
    while left < these.to && right < those.to {
        evidence.job.pace.check_row((left + right) * 64)?;
        let (one, other) = (line.spells[left], line.spells[right]);
        if one.time.start <= other.time.start {
            line.ahead(evidence, one, right..those.to, visit)?;
            left += 1;
        } else {
            line.ahead(evidence, other, left..these.to, visit)?;
            right += 1;
        }
    }
    Ok(())
}

//! Profiles: identities that weigh the same against everybody, and against whom something can be won.
//!
//! A handoff is an edge by itself, and all of those are made by now. What else weighs is the set of
//! tokens, the cohort, the simhash and the windows. Rows that are equal in these go as one profile, of
//! which only the earliest and the latest row are needed, *if they are one group*: then an edge of one
//! is an edge of all. Holders of tokens are. Of others the rule is asked about two of them: each two
//! weigh the same.
//!
//! Who has neither tokens nor keystrokes and windows is left out: with a cohort and one of the two
//! alone, nobody reaches the threshold.

use super::Evidence;
use super::firsts::Firsts;
use super::population::filled;
use crate::column::ABSENT;
use crate::kernel::KernelError;

/// Rows of one group that are equal in all that weighs.
#[derive(Clone, Copy)]
pub(super) struct Profile {
    /// The first row with that set of tokens; [`ABSENT`] without tokens.
    pub(super) set: u32,
    /// The row of the smallest rank. What weighs can be looked up in this one.
    pub(super) earliest: u32,
    /// The row of the largest rank.
    pub(super) latest: u32,
}

/// The profiles, in the order of their first rows. `sets` is what
/// [`join_equal`](super::infra::join_equal) gave.
pub(super) fn collapse(
    evidence: &mut Evidence<'_>,
    sets: &[u32],
) -> Result<Vec<Profile>, KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    let mut several = filled(false, sets.len(), pace)?;
    for (row, &set) in sets.iter().enumerate() {
        pace.check_row(row)?;
        if set != ABSENT && set as usize != row {
            several[set as usize] = true;
        }
    }
    let counts = |row: usize| match sets[row] {
        ABSENT => population.simhash(row).is_some() && !population.windows.of(row).is_empty(),
        _ => true,
    };
    let alone = |row: usize| sets[row] != ABSENT && !several[sets[row] as usize];
    let passed_over = |row: usize| !counts(row) || alone(row);
    let cohorts = population.cohort.first_equals(pace, passed_over)?;
    let windows = population.windows.first_equals(pace, passed_over)?;
    let key = |row: usize| (sets[row], cohorts[row], windows[row], population.simhash(row));
    let (mut count, mut compared) = (0, 0);
    for row in 0..sets.len() {
        pace.check_row(row)?;
        count += usize::from(counts(row));
        compared += usize::from(!passed_over(row));
    }
    let mut known = Firsts::new(compared, pace)?;
    let mut profiles: Vec<Profile> = Vec::with_capacity(count);
    for (row, &set) in (0_u32..).zip(sets) {
        let at = row as usize;
        pace.check_row(at * 8)?;
        if !counts(at) {
            continue;
        }
        if alone(at) {
            profiles.push(Profile { set, earliest: row, latest: row });
            continue;
        }
        let next = u32::try_from(profiles.len()).unwrap_or(ABSENT);
        let number = known.first(next, key(at), |other| {
            key(profiles[other as usize].earliest as usize) == key(at)
        }) as usize;
        if let Some(same) = profiles.get(number).copied()
            && (evidence.forest.connected(same.earliest, row)
                || evidence.join_combined(same.earliest, row)?)
        {
            let rank = |row: u32| population.ranks[row as usize];
            let same = &mut profiles[number];
            if rank(row) < rank(same.earliest) {
                same.earliest = row;
            } else if rank(row) > rank(same.latest) {
                same.latest = row;
            }
        } else {
            profiles.push(Profile { set, earliest: row, latest: row });
        }
    }
    Ok(profiles)
}

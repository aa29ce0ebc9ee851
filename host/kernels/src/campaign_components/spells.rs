//! Spells: the times in which a profile may have been active, a few at most.
//!
//! Whoever overlaps with somebody has a spell that overlaps with one of theirs. Up to [`SPELLS_MAX`]
//! sessions are a spell each; of more, only the longest gaps are left out, so that a search costs the
//! same for whoever came a thousand times.

use super::lists::Lists;
use super::population::{Population, Window};
use super::profiles::Profile;
use crate::kernel::KernelError;
use crate::pace::Pace;
use crate::sort::{order_of, sort_slice, value_of};

const SPELLS_MAX: usize = 4;

/// The spells of each profile, by start, none of which touch; none of a profile without windows.
pub(super) fn spells(
    population: &Population<'_>,
    profiles: &[Profile],
    pace: &Pace<'_>,
) -> Result<Lists<Window>, KernelError> {
    let room = if population.windows.is_empty() { 0 } else { profiles.len() * 2 };
    let mut all = Lists::with_capacity(profiles.len(), room);
    let (mut seen, mut own) = (0, Vec::new());
    for (at, profile) in profiles.iter().enumerate() {
        pace.check_row(at * 8)?;
        let windows = population.windows.of(profile.earliest as usize);
        own.clear();
        for &window in windows {
            seen += 1;
            pace.check_row(seen)?;
            // What has no length overlaps with nothing.
            if window.start < window.end {
                own.push(window);
            }
        }
        if !own.is_sorted_by(|one, other| one.start <= other.start) {
            let mut order: Vec<(u64, u64)> =
                own.iter().map(|window| (order_of(window.start), order_of(window.end))).collect();
            sort_slice(&mut order, pace)?;
            own.clear();
            own.extend(
                order
                    .into_iter()
                    .map(|(start, end)| Window { start: value_of(start), end: value_of(end) }),
            );
        }
        merge(&mut own);
        all.push(&own);
    }
    Ok(all)
}

/// Makes few spells of windows by start.
fn merge(own: &mut Vec<Window>) {
    own.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    if own.len() <= SPELLS_MAX {
        return;
    }
    let mut gaps: Vec<(f64, usize)> =
        own.windows(2).zip(1..).map(|(pair, next)| (pair[1].start - pair[0].end, next)).collect();
    gaps.select_nth_unstable_by(SPELLS_MAX - 2, |one, other| {
        other.0.total_cmp(&one.0).then(one.1.cmp(&other.1))
    });
    let mut cuts: Vec<usize> = gaps[..SPELLS_MAX - 1].iter().map(|&(_, next)| next).collect();
    cuts.extend([0, own.len()]);
    cuts.sort_unstable();
    let few: Vec<Window> = cuts
        .windows(2)
        .map(|ends| Window { start: own[ends[0]].start, end: own[ends[1] - 1].end })
        .collect();
    *own = few;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(windows: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut own: Vec<Window> =
            windows.iter().map(|&(start, end)| Window { start, end }).collect();
        merge(&mut own);
        own.into_iter().map(|window| (window.start, window.end)).collect()
    }

    #[test]
    fn what_touches_is_one_spell_and_the_longest_gaps_are_left_out() {
        assert_eq!(merged(&[]), []);
        assert_eq!(merged(&[(0.0, 9.0), (1.0, 2.0), (9.0, 10.0)]), [(0.0, 10.0)]);
        let gaps =
            [(0.0, 1.0), (9.0, 10.0), (11.0, 12.0), (20.0, 21.0), (23.0, 24.0), (50.0, 51.0)];
        assert_eq!(merged(&gaps), [(0.0, 1.0), (9.0, 12.0), (20.0, 24.0), (50.0, 51.0)]);
    }
}

//! What a plugin does when the host cannot: each call in turn is refused.
//!
//! A tick is run once to count the calls that a host may fail, and then once for each, with that one answered by
//! `unavailable`. The plugin may pass the problem on, or find another way to the same result. It may not trap, and it
//! may not go on as if nothing had been there: what it would commit then is half of a result.

use super::promises::{counted, small};
use super::world::Lab;
use super::{Broken, Checked, failed};
use crate::plugin::TickError;

/// Calls that are refused one by one; of more, the first half of these and some of the others, evenly spaced.
const REFUSED_MAX: usize = 200;

pub(super) async fn check(lab: &Lab<'_>) -> Checked {
    let world = lab.world().await?;
    world.plant(&small(lab)).await?;
    let clean = world.try_out(None).await?;
    if let Err(error) = clean.answer {
        return Err(error.into());
    }
    let (mut passed_on, mut found_another_way) = (0_usize, 0_usize);
    let chosen = chosen(clean.calls.len());
    for number in &chosen {
        let call = clean.calls.get(*number).copied().unwrap_or("a call");
        let place = format!("call {} of {} ({call})", number + 1, clean.calls.len());
        let trial = match world.try_out(Some(*number)).await {
            Ok(trial) => trial,
            Err(TickError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(died(&place, &error)),
        };
        match trial.answer {
            Err(TickError::Store(error)) => return Err(error.into()),
            Err(_) => passed_on += 1,
            Ok(()) => {
                let difference = world.host.compare(&clean, &trial);
                if difference.moved > 0 && !trial.changes_nothing() {
                    return Err(failed(
                        format!(
                            "{place} was refused, and it went on and would have left {} rows otherwise",
                            difference.moved
                        ),
                        "pass a problem on (`?`): what was not read is not empty",
                    ));
                }
                found_another_way += 1;
            }
        }
    }
    // And the next tick is as if nothing had happened.
    world.settle().await?;
    Ok(format!(
        "{} refused, one by one: {passed_on} ended in a problem, {found_another_way} in the same result or none",
        counted(chosen.len(), "call")
    ))
}

fn died(place: &str, error: &TickError) -> Broken {
    failed(
        format!("{place} was refused, and {error}"),
        "every call of the host may answer with a problem: return it (`?`) instead of unwrap or expect",
    )
}

/// Which of so many calls are refused.
fn chosen(calls: usize) -> Vec<usize> {
    if calls <= REFUSED_MAX {
        return (0..calls).collect();
    }
    let first = REFUSED_MAX / 2;
    let step = ((calls - first) / first).max(1);
    (0..first).chain((first..calls).step_by(step).take(first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_calls_the_first_and_some_of_the_others_are_refused() {
        assert_eq!(chosen(3), [0, 1, 2]);
        let some = chosen(10_000);
        assert_eq!(some.len(), REFUSED_MAX);
        assert!(some.is_sorted() && some.last().is_some_and(|last| *last > 9_800));
    }
}

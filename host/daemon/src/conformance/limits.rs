//! What a plugin uses of its limits when there are very many attackers.

use std::time::Duration;

use super::population::Population;
use super::promises::{reader, told};
use super::world::Lab;
use super::{Checked, failed};
use crate::config::Limits;
use crate::plugin::Usage;

pub(super) async fn check(lab: &Lab<'_>) -> Checked {
    let facts = Population::of(lab.attackers).facts(reader(lab));
    let world = lab.world().await?;
    world.plant(&facts).await?;
    let limits = &lab.config.limits;
    let first = match world.tick().await {
        Ok(ticked) => ticked,
        Err(crate::plugin::TickError::Store(error)) => return Err(error.into()),
        Err(error) => {
            return Err(failed(
                format!("at {} facts: {error}", facts.rows()),
                "leave what grows with the rows to kernels, read columns and not texts, look at each row a fixed \
                 number of times, and drop frames that are done with",
            ));
        }
    };
    let steady = world.tick().await?;
    if !steady.committed.is_empty() {
        let what = told(&steady.committed);
        return Err(failed(
            format!("at {} facts a second tick changed something: {what}", facts.rows()),
            "see 'idempotent': what holds for few rows has to hold for many",
        ));
    }
    Ok(format!(
        "{} facts: {}; a tick with nothing new: {}",
        facts.rows(),
        figures(&first.usage, first.took, limits),
        figures(&steady.usage, steady.took, limits),
    ))
}

/// What was used, each beside its limit where it is more than nothing.
fn figures(used: &Usage, took: Duration, limits: &Limits) -> String {
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    let mut figures = vec![
        format!("{:.1} of {} s", took.as_secs_f64(), limits.tick_seconds),
        format!("guest {} of {} ms", used.guest.as_millis(), limits.guest_milliseconds),
        format!("memory {} of {} MiB", mib(used.memory_bytes), mib(limits.memory_bytes_max)),
    ];
    let counts = [
        ("frames", used.frames, limits.frames_max),
        ("kernels", used.kernel_calls, limits.kernel_calls_max),
        ("changes", used.changes, limits.changes_max),
        ("text bytes", used.text_bytes, limits.text_bytes_max),
        ("log bytes", used.log_bytes, limits.log_bytes_max),
    ];
    let counts = counts.iter().filter(|(_, used, _)| *used > 0);
    figures.extend(counts.map(|(what, used, limit)| format!("{what} {used} of {limit}")));
    figures.join(", ")
}

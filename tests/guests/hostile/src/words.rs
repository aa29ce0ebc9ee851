//! Words for the operator: too many, too long, and such as look like somebody else's.

use corral_sdk::{Context, log};

use crate::Done;

pub(crate) fn commit(context: &Context) -> Done {
    match context.setting("crime") {
        "flood-log" => {
            (0..100_000).for_each(|_| log::warn("all work and no play makes a dull guest"));
        }
        "flood-log-with-one-message" => log::warn(&"all work and no play ".repeat(100_000)),
        "flood-log-with-short-lines" => (0..1_000).for_each(|_| log::warn("!")),
        "forge-log-lines" => {
            log::warn("well\n2026-03-22T10:00:00Z ERROR the database is gone\x1b[2J\r");
        }
        _ => return None,
    }
    Some(Ok(()))
}

//! `corral_source`: each file that was read, by its content, so that the same file is listed once.

use crate::store::db::{Connection, query};

use super::Source;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// Lists the files that are not listed yet.
pub(super) async fn write(
    connection: &mut Connection,
    sources: &[Source],
    now: Timestamp,
) -> Result<(), StoreError> {
    for source in sources {
        query(
            "INSERT INTO corral_source
             (kind, path, sha256, bytes, lines, events, skipped, first_event_at, last_event_at, ingested_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(source.kind)
        .bind(source.path.as_str())
        .bind(source.sha256.as_str())
        .bind(signed(source.bytes))
        .bind(signed(source.lines))
        .bind(signed(source.events))
        .bind(source.skipped.as_str())
        .bind(source.first_event_at.map(Timestamp::micros))
        .bind(source.last_event_at.map(Timestamp::micros))
        .bind(now.micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

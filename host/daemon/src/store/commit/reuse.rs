//! Reused credentials, written by key: who, where and how often is derived from the credentials
//! themselves, so that running twice counts once.

use corral_kernels::{Frame, Interner};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{CommitError, Committer, Effects, ROWS_PER_STATEMENT, View, whole_column};
use crate::ids;
use crate::store::encoding::datetime;

/// Writes the rows that are new or differ, and announces them.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let text = |name: &str| whole_column(texts, rows, name);
    let keys: Vec<Value> = text("secret_sha256")?
        .into_iter()
        .zip(text("secret_kind")?)
        .zip(text("principal_key")?)
        .map(|((secret, kind), principal)| {
            json!([ids::credential_reuse(&secret, &kind, &principal), secret, kind, principal])
        })
        .collect();
    let now = datetime(by.now);
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let written: Vec<Written> = sqlx::query_as(PUT)
            .bind(Value::from(chunk).to_string())
            .bind(&now)
            .fetch_all(&mut *connection)
            .await?;
        effects.committed.put += written.len();
        effects.touched.add(View::Reuse, written.iter().map(|row| row.id.as_str()));
        for row in written {
            effects.events.add("credential.reuse.detected", row.payload(by.event_bytes_max));
        }
    }
    Ok(())
}

/// A row as it was written. Lists are JSON texts, in the row as in the event.
#[derive(sqlx::FromRow)]
struct Written {
    id: String,
    secret_kind: String,
    target_count: i64,
    attacker_uuids: String,
    attacker_ips: String,
    deckies: String,
    services: String,
}

impl Written {
    /// The event. Where the whole lists of attackers are too long for the bus, they stay in the row.
    fn payload(mut self, bytes_max: usize) -> Value {
        // Quotes are escaped once more on the bus, and the rest takes little room.
        if 2 * (self.attacker_uuids.len() + self.attacker_ips.len()) + 1024 > bytes_max {
            self.attacker_uuids = "[]".to_owned();
            self.attacker_ips = "[]".to_owned();
        }
        json!({
            "id": self.id,
            "secret_kind": self.secret_kind,
            "target_count": self.target_count,
            "attacker_uuids": self.attacker_uuids,
            "attacker_ips": self.attacker_ips,
            "deckies": self.deckies,
            "services": self.services,
        })
    }
}

// Lists are sorted, so that they do not tell in which order logs were read. `","` can only stand
// between two elements: a quote inside one has a backslash before it.
macro_rules! list {
    ($column:literal) => {
        concat!(
            "replace(json_group_array(DISTINCT ",
            $column,
            " ORDER BY ",
            $column,
            "), '\",\"', '\", \"')"
        )
    };
}

const PUT: &str = concat!(
    "INSERT INTO credential_reuse (id, secret_sha256, secret_kind, principal, principal_key,
         attacker_uuids, attacker_ips, deckies, services, target_count, attempt_count, confidence,
         first_seen, last_seen, updated_at)
     SELECT key.value ->> 0, c.secret_sha256, c.secret_kind, MAX(c.principal), c.principal_key,
         replace(json_group_array(DISTINCT c.attacker_uuid ORDER BY c.attacker_uuid)
             FILTER (WHERE c.attacker_uuid IS NOT NULL), '\",\"', '\", \"'), ",
    list!("c.attacker_ip"), ", ", list!("c.decky_name"), ", ", list!("c.service"),
    ", COUNT(DISTINCT c.decky_name || ':' || c.service), SUM(c.attempt_count), 1.0,
         MIN(c.first_seen), MAX(c.last_seen), ?2
     FROM json_each(?1) AS key
     JOIN credentials c ON c.secret_sha256 = key.value ->> 1 AND c.secret_kind = key.value ->> 2
         AND c.principal_key = key.value ->> 3
     GROUP BY c.secret_sha256, c.secret_kind, c.principal_key
     ON CONFLICT (secret_sha256, secret_kind, principal_key) DO UPDATE SET
         attacker_uuids = excluded.attacker_uuids, attacker_ips = excluded.attacker_ips,
         deckies = excluded.deckies, services = excluded.services,
         target_count = excluded.target_count, attempt_count = excluded.attempt_count,
         first_seen = excluded.first_seen, last_seen = excluded.last_seen,
         updated_at = excluded.updated_at
     WHERE (attacker_uuids, attacker_ips, deckies, services, target_count, attempt_count, first_seen,
             last_seen)
         IS NOT (excluded.attacker_uuids, excluded.attacker_ips, excluded.deckies,
             excluded.services, excluded.target_count, excluded.attempt_count, excluded.first_seen,
             excluded.last_seen)
     RETURNING id, secret_kind, target_count, attacker_uuids, attacker_ips, deckies, services"
);

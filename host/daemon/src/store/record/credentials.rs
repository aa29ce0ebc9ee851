//! `credentials`, in DECNET's shape: one row an attacker, place, user name and secret.
//!
//! `outcome` is what the sensor answered: `success` if it ever let the attacker in. That proves little:
//! a honeypot may accept any password, or the third one tried.

use std::sync::Arc;

use crate::store::db::{Connection, fixed, query};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;

use super::merge::{Attempts, Merged, Place};
use super::rows::{self, Statement};
use super::{Batch, Credential, Secret, sessions};
use crate::store::{StoreError, encoding};

/// Characters of `secret_printable`.
const PRINTABLE_CHARS_MAX: usize = 512;

const ADD: Statement = Statement {
    head: "INSERT INTO credentials (attacker_ip, attacker_uuid, decky_name, service, principal, principal_key, secret_kind, \
           secret_sha256, secret_b64, secret_printable, outcome, fields, first_seen, last_seen, attempt_count) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, 'plaintext', ?, ?, ?, ?, ?, ?, ?, ?)",
    tail: " ON CONFLICT (attacker_ip, decky_name, service, secret_kind, secret_sha256, principal_key) DO UPDATE SET \
           principal = COALESCE(credentials.principal, excluded.principal), \
           outcome = CASE WHEN credentials.outcome = 'success' THEN credentials.outcome \
                   ELSE excluded.outcome END, \
           first_seen = {least}(credentials.first_seen, excluded.first_seen), \
           last_seen = {greatest}(credentials.last_seen, excluded.last_seen), \
           attempt_count = credentials.attempt_count + excluded.attempt_count",
};

/// One row that is to be added.
struct Row<'m> {
    ip: Arc<str>,
    place: &'m Place,
    principal: Option<&'m Arc<str>>,
    secret: &'m Secret,
    attempts: &'m Attempts,
}

/// Adds the new logins; recomputes the places that a session left or came to.
pub(super) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (place, contact) in merged.places.iter().filter(|(_, contact)| !contact.moved) {
        rows.extend(
            contact
                .credentials
                .iter()
                .map(|(credential, attempts)| row(batch, place, credential, attempts)),
        );
    }
    add(connection, batch, rows).await?;
    for place in merged.moved() {
        recompute(connection, batch, place).await?;
    }
    Ok(())
}

fn row<'m>(
    batch: &Batch,
    place: &'m Place,
    credential: &'m Credential,
    attempts: &'m Attempts,
) -> Row<'m> {
    let principal = credential.principal.as_ref();
    Row {
        ip: batch.attacker_ip(place.attacker),
        place,
        principal,
        secret: &credential.secret,
        attempts,
    }
}

async fn add(
    connection: &mut Connection,
    batch: &Batch,
    mut rows: Vec<Row<'_>>,
) -> Result<(), StoreError> {
    // The order of the unique index, in which neighbours are cheap.
    rows.sort_unstable_by(|a, b| {
        (&a.ip, a.place, &a.secret.sha256, a.principal).cmp(&(
            &b.ip,
            b.place,
            &b.secret.sha256,
            b.principal,
        ))
    });
    rows::write(
        connection,
        ADD,
        &rows,
        |values, Row { ip, place, principal, secret, attempts }| {
            values
                .bind(Arc::clone(ip))
                .bind(batch.attacker_id(place.attacker))
                .bind(Arc::clone(&place.decky))
                .bind(Arc::clone(&place.service))
                .bind(principal.cloned())
                .bind(principal.cloned().unwrap_or_default())
                .bind(Arc::clone(&secret.sha256))
                .bind(Arc::clone(&secret.base64))
                .bind(Arc::clone(&secret.printable))
                .bind(fixed(if attempts.accepted { "success" } else { "failure" }))
                .bind(fixed("{}"))
                .bind(encoding::datetime(attempts.span.first))
                .bind(encoding::datetime(attempts.span.last))
                .bind(attempts.span.count)
        },
    )
    .await?;
    Ok(())
}

/// Takes all rows of a place back and counts the logins of its sessions anew.
async fn recompute(
    connection: &mut Connection,
    batch: &Batch,
    place: &Place,
) -> Result<(), StoreError> {
    query(
        "DELETE FROM credentials WHERE attacker_ip = ? AND decky_name = ? AND service = ? AND secret_kind = 'plaintext'",
    )
    .bind(batch.attacker_ip(place.attacker))
    .bind(Arc::clone(&place.decky))
    .bind(Arc::clone(&place.service))
    .execute(&mut *connection)
    .await?;
    let stored: Vec<(i64, String)> = query(
        "SELECT id, logins FROM corral_session WHERE attacker_uuid = ? AND decky = ? AND service = ? AND logins <> '[]'",
    )
    .bind(batch.attacker_id(place.attacker))
    .bind(Arc::clone(&place.decky))
    .bind(Arc::clone(&place.service))
    .all(&mut *connection)
    .await?;
    let mut credentials = FxHashMap::default();
    for (id, json) in stored {
        for login in sessions::parse_logins(id, &json)? {
            Attempts::add(&mut credentials, &login.credential(), login.accepted(), login.at());
        }
    }
    let rows =
        credentials.iter().map(|(credential, attempts)| row(batch, place, credential, attempts));
    add(connection, batch, rows.collect()).await
}

impl Secret {
    /// What fits into `secret_b64`, which DECNET declares with 2,048 characters.
    const BYTES_MAX: usize = 1_536;

    /// The secret with this text.
    pub fn new(text: &str) -> Self {
        let start = text.get(..text.floor_char_boundary(Self::BYTES_MAX)).unwrap_or(text);
        Self::of(start, sessions::sha256(text.as_bytes()))
    }

    /// The secret that begins like this and has this hash.
    pub(super) fn of(start: &str, sha256: Arc<str>) -> Self {
        let base64 = Arc::from(STANDARD.encode(start));
        Self { sha256, text: Arc::from(start), base64, printable: Arc::from(printable(start)) }
    }

    /// Its beginning, and the hash of all of it where that does not follow.
    pub(super) fn parts(&self) -> (&str, Option<&str>) {
        // Only a secret of the greatest length can have been cut.
        let is_changed = self.text.len() + 3 >= Self::BYTES_MAX;
        (&self.text, is_changed.then_some(&self.sha256))
    }
}

/// A secret as a person can read it: what is not printable is escaped.
fn printable(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len());
    let mut room = PRINTABLE_CHARS_MAX;
    for c in secret.chars() {
        if c.is_control() {
            let escaped = c.escape_default();
            room = room.saturating_sub(escaped.len());
            text.extend(escaped);
        } else {
            room = room.saturating_sub(1);
            text.push(c);
        }
        if room < 10 {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_shown_escaped_and_cut_to_their_column() {
        assert_eq!(printable("pässword"), "pässword");
        assert_eq!(printable("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
        for long in ["x".repeat(5_000), "\u{1}".repeat(5_000), "é".repeat(600)] {
            let count = printable(&long).chars().count();
            assert!((500..=PRINTABLE_CHARS_MAX).contains(&count), "{count}");
        }
    }
}

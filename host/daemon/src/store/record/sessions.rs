//! `corral_session`: what each session was, and which log rows were counted.
//!
//! `seen` holds 64-bit hashes, sorted, eight bytes each, the most significant first. `logins` is a JSON
//! list in the order of time, of `[at, accepted, user name, secret, the secret's SHA-256 if it was cut]`:
//! from it credentials are recomputed when a session turns out to be of another service.

use std::fmt::Write;
use std::sync::Arc;

use crate::store::db::{Connection, query};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::known::Known;
use super::merge::{Grown, Merged};
use super::rows::{self, Statement};
use super::{Batch, Certainty, Credential, Secret, Service};
use crate::clock::Timestamp;
use crate::store::StoreError;

/// A session's row.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) decky: Arc<str>,
    pub(super) service: Service,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) closed: bool,
    pub(super) logins_failed: i64,
    pub(super) logins_accepted: i64,
    pub(super) commands: i64,
    pub(super) script: Option<Arc<str>>,
    pub(super) logins: Vec<Logged>,
    pub(super) seen: Vec<u64>,
}

impl State {
    /// A session that nothing is known of but when it was.
    pub(super) fn new(at: Timestamp, decky: &Arc<str>) -> Self {
        Self {
            decky: Arc::clone(decky),
            service: Service::guessed(),
            started_at: at,
            ended_at: at,
            closed: false,
            logins_failed: 0,
            logins_accepted: 0,
            commands: 0,
            script: None,
            logins: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(super) fn count_login(&mut self, accepted: bool) {
        if accepted {
            self.logins_accepted += 1;
        } else {
            self.logins_failed += 1;
        }
    }
}

/// A stored session and its key.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) state: State,
}

/// A login as the session's row keeps it: when, whether it was accepted, who, what, and the SHA-256 of
/// what if that was cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Logged(i64, u8, Option<Box<str>>, Box<str>, Option<Box<str>>);

impl Logged {
    pub(super) fn new(at: Timestamp, accepted: bool, credential: &Credential) -> Self {
        let (text, sha256) = credential.secret.parts();
        let principal = credential.principal.as_deref().map(Box::from);
        Self(at.micros(), u8::from(accepted), principal, Box::from(text), sha256.map(Box::from))
    }

    pub(super) fn at(&self) -> Timestamp {
        Timestamp(self.0)
    }

    pub(super) fn accepted(&self) -> bool {
        self.1 == 1
    }

    pub(super) fn credential(&self) -> Credential {
        let secret = match &self.4 {
            Some(sha256) => Secret::of(&self.3, Arc::from(sha256.as_ref())),
            None => Secret::new(&self.3),
        };
        Credential { principal: self.2.as_deref().map(Arc::from), secret }
    }
}

/// Reads the logins of a session's row.
pub(super) fn parse_logins(id: i64, json: &str) -> Result<Vec<Logged>, StoreError> {
    serde_json::from_str(json).map_err(|error| corrupt(id, format!("logins: {error}")))
}

fn corrupt(id: i64, reason: String) -> StoreError {
    StoreError::Corrupt { table: "corral_session", row: id.to_string(), reason }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> Arc<str> {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _infallible = write!(text, "{byte:02x}");
    }
    Arc::from(text)
}

/// The id of the next new session.
pub(super) async fn next_id(connection: &mut Connection) -> Result<i64, StoreError> {
    query("SELECT COALESCE(MAX(id), 0) + 1 FROM corral_session").one(connection).await
}

const LOAD: Statement = Statement {
    head: "WITH piece (at, attacker_uuid, source, session) AS (VALUES ",
    row: "(?, ?, ?, ?)",
    tail: ") SELECT piece.at, s.id, s.decky, s.service, s.certainty, s.started_at, s.ended_at, s.closed, \
           s.logins_failed, s.logins_accepted, s.commands, s.script, s.logins, s.seen \
           FROM piece CROSS JOIN corral_session s \
           ON s.attacker_uuid = piece.attacker_uuid AND s.source = piece.source AND s.session = piece.session",
};

#[derive(Deserialize)]
struct Row {
    at: i64,
    id: i64,
    decky: String,
    service: String,
    certainty: i64,
    started_at: i64,
    ended_at: i64,
    closed: bool,
    logins_failed: i64,
    logins_accepted: i64,
    commands: i64,
    script: Option<String>,
    logins: String,
    seen: Vec<u8>,
}

/// The stored sessions of which `batch` has pieces, by index into the batch. The attackers that are
/// not `known` have none.
pub(super) async fn load(
    connection: &mut Connection,
    batch: &Batch,
    known: &Known,
) -> Result<FxHashMap<usize, Stored>, StoreError> {
    let pieces = batch.sessions.iter().enumerate();
    let pieces: Vec<_> = pieces.filter(|(_, piece)| known.contains_key(&piece.attacker)).collect();
    let mut stored = FxHashMap::default();
    for chunk in rows::chunks(&pieces) {
        let mut query = query(LOAD.sql(chunk.len(), connection.dialect()));
        for (at, piece) in chunk {
            query = query
                .bind(i64::try_from(*at).unwrap_or(i64::MAX))
                .bind(batch.attacker_id(piece.attacker))
                .bind(Arc::clone(&piece.source))
                .bind(Arc::clone(&piece.session));
        }
        let found: Vec<Row> = query.all(&mut *connection).await?;
        for row in found {
            stored.insert(usize::try_from(row.at).unwrap_or(usize::MAX), row.read()?);
        }
    }
    Ok(stored)
}

impl Row {
    fn read(self) -> Result<Stored, StoreError> {
        let id = self.id;
        let (hashes, rest) = self.seen.as_chunks::<8>();
        let seen: Vec<u64> = hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect();
        if !rest.is_empty() || !seen.is_sorted() {
            return Err(corrupt(id, "seen is no sorted list of hashes".to_owned()));
        }
        let certainty = Certainty::from_number(self.certainty).ok_or_else(|| {
            corrupt(id, format!("no certainty has the number {}", self.certainty))
        })?;
        let state = State {
            decky: Arc::from(self.decky),
            service: Service { name: Arc::from(self.service), certainty },
            started_at: Timestamp(self.started_at),
            ended_at: Timestamp(self.ended_at),
            closed: self.closed,
            logins_failed: self.logins_failed,
            logins_accepted: self.logins_accepted,
            commands: self.commands,
            script: self.script.map(Arc::from),
            logins: parse_logins(id, &self.logins)?,
            seen,
        };
        Ok(Stored { id, state })
    }
}

const WRITE: Statement = Statement {
    head: "INSERT INTO corral_session (id, attacker_uuid, source, session, decky, service, certainty, started_at, \
           ended_at, closed, logins_failed, logins_accepted, commands, script, logins, seen) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    tail: " ON CONFLICT (id) DO UPDATE SET service = excluded.service, certainty = excluded.certainty, \
           started_at = excluded.started_at, ended_at = excluded.ended_at, closed = excluded.closed, \
           logins_failed = excluded.logins_failed, logins_accepted = excluded.logins_accepted, \
           commands = excluded.commands, script = excluded.script, logins = excluded.logins, seen = excluded.seen",
};

/// Writes the rows of all sessions that have new events.
pub(super) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<(), StoreError> {
    rows::write(connection, WRITE, &merged.sessions, |values, Grown { id, piece, state, .. }| {
        let seen: Vec<u8> = state.seen.iter().flat_map(|hash| hash.to_be_bytes()).collect();
        values
            .bind(id)
            .bind(batch.attacker_id(piece.attacker))
            .bind(Arc::clone(&piece.source))
            .bind(Arc::clone(&piece.session))
            .bind(Arc::clone(&state.decky))
            .bind(Arc::clone(&state.service.name))
            .bind(state.service.certainty.number())
            .bind(state.started_at.micros())
            .bind(state.ended_at.micros())
            .bind(state.closed)
            .bind(state.logins_failed)
            .bind(state.logins_accepted)
            .bind(state.commands)
            .bind(state.script.clone())
            .bind(logins_json(&state.logins))
            .bind(seen)
    })
    .await?;
    Ok(())
}

fn logins_json(logins: &[Logged]) -> String {
    // Numbers and texts always have a JSON form.
    serde_json::to_string(logins).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_back_as_the_credential_it_was() {
        let short = Credential { principal: None, secret: Secret::new("pässword") };
        let long = Credential {
            principal: Some(Arc::from("root")),
            secret: Secret::new(&"é".repeat(5_000)),
        };
        for credential in [short, long] {
            let logged = Logged::new(Timestamp(7), true, &credential);
            let json = logins_json(&[logged]);
            let back = parse_logins(1, &json).unwrap();
            assert_eq!(back[0].credential(), credential, "{json}");
            assert_eq!((back[0].at(), back[0].accepted()), (Timestamp(7), true));
        }
    }
}

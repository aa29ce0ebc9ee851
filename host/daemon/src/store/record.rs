//! What ingest saw, written so that it counts once.
//!
//! Logs come twice, grown, rotated, in pieces and in any order; the rows must not show it. The idea:
//! `corral_session` and `corral_command` hold what happened, keyed by what the log itself says, and a
//! session's `seen` holds the hash of every log row that was counted. A [`Batch`] brings pieces of
//! sessions; what is in `seen` is dropped, and only the rest is worked on, in the transaction that also
//! extends `seen`. Everything else is derived, in one of two ways, and each gives the same rows
//! whatever way the events came in:
//!
//! * **added**: counts are increased, times extended, by the new events only;
//! * **recomputed**, from the sessions, where a later event corrects what an earlier one had to guess:
//!   a session turns out to be SSH, a script gets longer.
//!
//! One batch is one transaction: after a crash, a full disk or Ctrl-C each batch is there or is not,
//! and running again brings in what is missing.

use std::sync::Arc;

use super::db::{Begin, Connection, Pool};

use super::revision::{self, View};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use behaviour::{Habits, Sample};
use known::Known;
use merge::Merged;

mod attackers;
pub mod behaviour;
mod commands;
mod credentials;
mod features;
mod known;
mod listing;
mod merge;
mod places;
pub(super) mod rows;
mod sessions;
mod sources;

/// What was read, to be written in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The source addresses that occur in it, each once.
    pub attackers: Vec<Attacker>,
    /// Pieces of sessions, each session once.
    pub sessions: Vec<Session>,
    /// Files that were read to their end.
    pub sources: Vec<Source>,
}

/// A source address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attacker {
    /// Its id.
    pub id: Arc<str>,
    /// Its canonical text.
    pub ip: Arc<str>,
}

/// A session, or the piece of it that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Index into the batch's attackers.
    pub attacker: usize,
    /// The sensor as the log names it: with the attacker and the session's id, the key.
    pub source: Arc<str>,
    /// The session's id in the log.
    pub session: Arc<str>,
    /// The sensor as reports name it.
    pub decky: Arc<str>,
    /// The service as far as this piece tells.
    pub service: Service,
    /// Its events, in any order, each hash once.
    pub events: Vec<Event>,
}

/// How a session's service is known. The more certain wins; of two equally certain names the smaller,
/// so that the order in which pieces come in decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Nothing tells: it is called Telnet, whose clients do not introduce themselves.
    Guessed,
    /// By the port, which an operator can choose.
    Port,
    /// By what only clients of this service do.
    Inferred,
    /// By name.
    Named,
}

impl Certainty {
    fn number(self) -> i64 {
        self as i64
    }

    fn from_number(number: i64) -> Option<Self> {
        [Self::Guessed, Self::Port, Self::Inferred, Self::Named]
            .into_iter()
            .find(|c| c.number() == number)
    }
}

/// A session's service and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name, lower case.
    pub name: Arc<str>,
    /// How it is known.
    pub certainty: Certainty,
}

impl Service {
    /// What is believed of a session when nothing tells.
    pub fn guessed() -> Self {
        Self { name: Arc::from("telnet"), certainty: Certainty::Guessed }
    }

    /// Takes the other's word if that is better.
    pub fn learn(&mut self, name: &Arc<str>, certainty: Certainty) {
        if certainty > self.certainty || (certainty == self.certainty && *name < self.name) {
            *self = Self { name: Arc::clone(name), certainty };
        }
    }
}

/// One log row.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What tells it from the other rows of its session.
    pub hash: u64,
    /// When.
    pub at: Timestamp,
    /// What it tells.
    pub what: What,
}

/// What a log row tells.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// That something happened.
    Other,
    /// That the session ended.
    Closed,
    /// Features of the attacker.
    Features(Box<[Feature]>),
    /// How somebody behaves.
    Samples(Box<[Sample]>),
    /// A login.
    Login(Box<Login>),
    /// A command.
    Command(Box<Entered>),
}

/// Something an attacker can share with another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feature {
    /// Of what kind.
    pub kind: Kind,
    /// Its value.
    pub value: Arc<str>,
}

/// The kinds of features that logs yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// HASSH of an SSH client.
    Hassh,
    /// Banner of an SSH client.
    ClientVersion,
    /// JA3 of a TLS client.
    Ja3,
    /// JA4 of a TLS client.
    Ja4,
    /// JA4H of an HTTP client.
    Ja4h,
    /// SHA-256 of a file that was brought.
    PayloadSha256,
    /// MD5 of a file that was brought.
    PayloadMd5,
    /// SHA-256 of the first bytes that a client sent.
    ProbeSha256,
    /// URL that a file was or should be fetched from.
    DownloadUrl,
    /// `host[:port]` of the same.
    DownloadHost,
    /// `host:port` that the sensor was asked to connect to.
    RelayTarget,
    /// SHA-256 of a public key that was offered to log in with, or `md5:` and its fingerprint.
    PublicKey,
    /// SHA-256 of a public key that was planted.
    AuthorizedKey,
    /// SHA-256 of all commands of a session.
    CommandScript,
    /// What kind of scanner gave itself away.
    Scanner,
    /// Columns and rows of a terminal, `80x24`.
    TerminalSize,
}

impl Kind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hassh => "hassh",
            Self::ClientVersion => "client-version",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
            Self::Ja4h => "ja4h",
            Self::PayloadSha256 => "payload-sha256",
            Self::PayloadMd5 => "payload-md5",
            Self::ProbeSha256 => "probe-sha256",
            Self::DownloadUrl => "download-url",
            Self::DownloadHost => "download-host",
            Self::RelayTarget => "relay-target",
            Self::PublicKey => "public-key",
            Self::AuthorizedKey => "authorized-key",
            Self::CommandScript => "command-script",
            Self::Scanner => "scanner",
            Self::TerminalSize => "terminal-size",
        }
    }
}

/// A login.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Whether the sensor let it in.
    pub accepted: bool,
    /// What was tried; nothing if it was a public key.
    pub credential: Option<Credential>,
    /// Features of the attacker: the public key.
    pub features: Box<[Feature]>,
}

/// A user name and a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credential {
    /// The user name; `None` if the service has none.
    pub principal: Option<Arc<str>>,
    /// The secret.
    pub secret: Secret,
}

/// A secret, of which only so much is kept as is needed to show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret {
    /// SHA-256 of all of it, in hexadecimal.
    sha256: Arc<str>,
    /// Its beginning.
    text: Arc<str>,
    /// The same in base64.
    base64: Arc<str>,
    /// The same for people, with escapes for what cannot be printed.
    printable: Arc<str>,
}

/// A command line that was entered.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// The command.
    pub command: Arc<Command>,
    /// The ids of its tags, one for each of its rules.
    pub tag_ids: Box<[Arc<str>]>,
}

/// A command line and what follows from its text, which many sessions share.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// As it was entered.
    input: Arc<str>,
    /// The same as a JSON string.
    json: Arc<str>,
    /// What its tags repeat of it, as JSON.
    evidence: Arc<str>,
    /// Features of the attacker that stand in it.
    features: Box<[Feature]>,
    /// What it is for.
    rules: Box<[Arc<Rule>]>,
    /// What it says of who entered it.
    habits: Habits,
}

/// A rule that tells what a command is for, in the terms of ATT&CK.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub id: Arc<str>,
    /// The version of the rules.
    pub version: i64,
    /// The release of ATT&CK that the rules speak of.
    pub attack_release: Arc<str>,
    /// `TA0007`.
    pub tactic: Arc<str>,
    /// `T1082`.
    pub technique: Arc<str>,
    /// `T1027.010`.
    pub sub_technique: Option<Arc<str>>,
    /// From 0 to 1.
    pub confidence: f64,
}

/// A file that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What wrote it, e.g. `cowrie`.
    pub kind: &'static str,
    /// Where it lay.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
    /// Those that were events.
    pub events: u64,
    /// How many lines were passed over, by reason, as JSON.
    pub skipped: String,
    /// The earliest event.
    pub first_event_at: Option<Timestamp>,
    /// The latest event.
    pub last_event_at: Option<Timestamp>,
}

/// What a batch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Events that were new.
    pub events_new: u64,
    /// Events that had been counted before.
    pub events_known: u64,
    /// Sessions that were new.
    pub sessions_new: u64,
    /// Sessions that were known and have new events.
    pub sessions_grown: u64,
    /// Attackers that were new, by index into the batch.
    pub attackers_new: Vec<usize>,
    /// Attackers that were known and have new events, likewise.
    pub attackers_updated: Vec<usize>,
    /// Features that were new, less those that turned out to be something else.
    pub features_new: i64,
    /// Credentials that were new, less those that turned out to be of another service.
    pub credentials_new: i64,
    /// Commands that were new.
    pub commands_new: u64,
    /// Tags that were new.
    pub tags_new: u64,
}

impl Batch {
    /// The id of the attacker with this index; empty if there is none.
    fn attacker_id(&self, at: usize) -> Arc<str> {
        self.attackers.get(at).map(|attacker| Arc::clone(&attacker.id)).unwrap_or_default()
    }

    /// The address of the attacker with this index; empty if there is none.
    fn attacker_ip(&self, at: usize) -> Arc<str> {
        self.attackers.get(at).map(|attacker| Arc::clone(&attacker.ip)).unwrap_or_default()
    }
}

impl Store {
    /// Writes what is new in `batch`, all or nothing, and says what that was.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    pub async fn record(&self, batch: &Batch, now: Timestamp) -> Result<Recorded, StoreError> {
        if matches!(self.bulk, Pool::MySql(..)) {
            return Err(StoreError::Unsupported(
                "logs are read into SQLite and PostgreSQL only (what DECNET's database holds, DECNET read)",
            ));
        }
        let mut transaction = self.bulk.begin(Begin::Write).await?;
        let connection = &mut transaction;
        let known = known::load(connection, batch).await?;
        let stored = sessions::load(connection, batch, &known).await?;
        let merged = merge::merge(batch, stored, sessions::next_id(connection).await?);
        let recorded = write(connection, batch, merged, &known, now).await?;
        sources::write(connection, &batch.sources, now).await?;
        transaction.commit().await?;
        Ok(recorded)
    }
}

async fn write(
    connection: &mut Connection,
    batch: &Batch,
    mut merged: Merged<'_>,
    known: &Known,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    let mut recorded = merged.recorded(known);
    if merged.sessions.is_empty() && merged.recalled.is_empty() {
        return Ok(recorded);
    }
    recorded.commands_new = commands::write(connection, &merged).await?;
    recorded.tags_new = commands::write_tags(connection, batch, &merged).await?;
    commands::rescript(connection, &mut merged).await?;
    sessions::write(connection, batch, &merged).await?;
    places::write(connection, batch, &merged).await?;
    features::write(connection, batch, &merged).await?;
    credentials::write(connection, batch, &merged).await?;
    let added = attackers::write(connection, batch, &merged, known, now).await?;
    recorded.features_new = added.features;
    recorded.credentials_new = added.credentials;
    let observed = behaviour::write(connection, batch, &merged).await?;
    let mut touched = merged.touched(batch, recorded.tags_new);
    touched.add(View::Behaviour, observed.into_iter().map(|at| batch.attacker_id(at)));
    touched.add(View::Identities, attackers::identities(connection, batch, &merged, known).await?);
    touched.write(connection).await?;
    if !merged.attackers.is_empty() {
        revision::bump_attackers_order(connection).await?;
    }
    Ok(recorded)
}

//! Reading logs: from files to the rows of the store.
//!
//! Follow a line. [`discover`] finds its file; [`unpack`] turns the file into bytes and [`lines`] the
//! bytes into rows, without ever holding more than one; its [`mod@format`] decodes a row into events, in the
//! words of [`sighting`]; `session` puts events together into the pieces of sessions that a batch holds, with what
//! [`features`], [`downloads`] and [`tactics`] make of their values; [`crate::store::record`] writes
//! the batch. Reading and decoding run on a thread of their own, writing on the caller's; between them
//! waits one batch, so that memory does not depend on the size of the logs.
//!
//! What is wrong with a line costs that line and is counted by reason; what is wrong with a file costs
//! what cannot be read of it and is reported; only a database that cannot be written ends the run.
//! Running again is always right: what was counted does not count twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::IngestConfig;
use crate::store::record::{Batch, Recorded};
use crate::store::{Store, StoreError};
use address::Network;
use format::Format;
use moment::Zone;
use tactics::Tactics;

pub mod address;
mod behaviour;
pub mod cowrie;
pub mod dionaea;
pub mod discover;
pub mod downloads;
pub mod fatt;
pub mod features;
mod field;
pub mod format;
pub mod hassh;
pub mod heralding;
pub mod honeytrap;
pub mod lines;
pub mod moment;
mod read;
pub mod service;
mod session;
pub mod sighting;
pub mod tactics;
pub mod tty;
pub mod unpack;

/// Batches that wait for the store, besides the one that is being read and the one being written.
const BATCHES_WAITING: usize = 1;

/// Hears how far long work has come.
pub trait Progress: Send + Sync {
    /// Work begins on so many bytes; 0 if nobody knows.
    fn begin(&self, bytes: u64);
    /// The next file.
    fn file(&self, path: &Path);
    /// So many more bytes were read, as they lie in the file.
    fn bytes(&self, count: u64);
    /// So many more lines were read.
    fn lines(&self, count: u64);
    /// All is done.
    fn end(&self);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _bytes: u64) {}
    fn file(&self, _path: &Path) {}
    fn bytes(&self, _count: u64) {}
    fn lines(&self, _count: u64) {}
    fn end(&self) {}
}

/// How logs are to be read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What wrote the logs.
    pub format: Format,
    /// A longer line is passed over.
    pub line_bytes_max: usize,
    /// A batch has so many sessions at most.
    pub open_sessions_max: usize,
    /// A batch has so many bytes of log lines at most.
    pub batch_bytes: usize,
    /// Of a terminal's recording so many bytes are read.
    pub recording_bytes_max: usize,
    /// The zone of timestamps that name none.
    pub zone: Zone,
    /// What all sensors are called.
    pub sensor: Option<String>,
    /// What sensors are called, by their name in the log.
    pub sensors: BTreeMap<String, String>,
    /// Whose events are passed over.
    pub own_networks: Vec<Network>,
    /// Whether events from private addresses are passed over.
    pub drop_private: bool,
}

impl Settings {
    /// The settings of a config; `sensor` is what all sensors are to be called, if they are.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(
        format: Format,
        config: &IngestConfig,
        sensor: Option<String>,
    ) -> Result<Self, SettingsError> {
        let network = |text: &String| {
            Network::parse(text).ok_or_else(|| SettingsError::Network(text.clone()))
        };
        Ok(Self {
            format,
            line_bytes_max: config.line_bytes_max,
            open_sessions_max: config.open_sessions_max,
            batch_bytes: config.batch_bytes,
            recording_bytes_max: config.recording_bytes_max,
            zone: Zone::east(config.utc_offset_hours)
                .ok_or(SettingsError::Zone(config.utc_offset_hours))?,
            sensor,
            sensors: config.sensors.clone(),
            own_networks: config.own_networks.iter().map(network).collect::<Result<_, _>>()?,
            drop_private: config.drop_private,
        })
    }

    /// Where sessions come from whose log names no sensor. Cowrie's ids of sessions are drawn and meet
    /// by chance only; the others' are made of ports and seconds, and one scanner can be at two sensors
    /// from the same port in the same second. So there the operator's name tells them apart.
    fn unnamed_source(&self) -> &str {
        match (self.format, &self.sensor) {
            (Format::Cowrie, _) => "",
            (_, Some(sensor)) => sensor,
            (format, None) => format.name(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a network.
    #[error("ingest.own-networks: '{0}' is no network (give 198.51.100.0/24 or 2001:db8::/32)")]
    Network(String),
    /// Not an offset.
    #[error("ingest.utc-offset-hours: {0} is no offset (give hours east of UTC, -24 to 24)")]
    Zone(f64),
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules that this release comes with.
    #[error("read the built-in rules for commands")]
    Rules(#[source] toml::de::Error),
    /// The thread that reads.
    #[error("the reader of logs failed")]
    Reader(#[source] Option<io::Error>),
}

/// Something wrong with one file, or one line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub path: String,
    /// The line, from 1, if it is about one.
    pub line: Option<u64>,
    /// The byte in the line, from 1, if it is about one.
    pub column: Option<usize>,
    /// What is wrong, and what to do if there is something.
    pub reason: String,
    /// Whether some of the file could not be read for it.
    pub is_unread: bool,
}

impl Problem {
    fn file(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => " (check the path)",
            io::ErrorKind::PermissionDenied => " (give this user read permission)",
            _ => "",
        };
        let (path, reason) = (path.display().to_string(), format!("{error}{hint}"));
        Self { path, line: None, column: None, reason, is_unread: true }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: reason`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)?;
        for number in [self.line, self.column.map(|column| column as u64)].into_iter().flatten() {
            write!(formatter, ":{number}")?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

/// Files of folders that are no logs of the format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

impl PassedOver {
    /// Paths that are listed.
    const LISTED_MAX: usize = 10;

    fn add(&mut self, path: PathBuf) {
        self.count += 1;
        if self.first.len() < Self::LISTED_MAX {
            self.first.push(path.display().to_string());
        }
    }
}

/// What was read and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files that were read.
    pub files: u64,
    /// Their bytes, as they lie there.
    pub bytes: u64,
    /// Their lines.
    pub lines: u64,
    /// What they told.
    pub events: u64,
    /// Events that were new.
    pub events_new: u64,
    /// Sessions that were new.
    pub sessions_new: u64,
    /// Times that a known session got new events.
    pub sessions_grown: u64,
    /// Attackers that were new.
    pub attackers_new: u64,
    /// Attackers that were known and have new events.
    pub attackers_updated: u64,
    /// Features that were new.
    pub features_new: u64,
    /// Credentials that were new.
    pub credentials_new: u64,
    /// Commands that were new.
    pub commands_new: u64,
    /// Tags that were new.
    pub tags_new: u64,
    /// Lines that were passed over, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Files of folders that were passed over.
    pub passed_over: PassedOver,
    /// What was wrong: all that made a file unreadable, and the first few lines of each file.
    pub problems: Vec<Problem>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Lines read in a second of that.
    pub lines_per_second: u64,
}

/// Reads the logs of one format: files, folders, or `-` for standard input.
///
/// # Errors
/// [`IngestError`]; what was committed before stays, and running again continues.
pub async fn ingest(
    store: &Store,
    clock: &dyn Clock,
    settings: Settings,
    paths: Vec<PathBuf>,
    progress: Arc<dyn Progress>,
) -> Result<Summary, IngestError> {
    let started = clock.elapsed();
    let tactics = Tactics::built_in().map_err(IngestError::Rules)?;
    let (batches, mut incoming) = mpsc::channel::<Batch>(BATCHES_WAITING);
    let reader = std::thread::Builder::new()
        .name("ingest".to_owned())
        .spawn({
            let progress = Arc::clone(&progress);
            let runtime = tokio::runtime::Handle::current();
            move || read::read(&paths, &settings, &tactics, &progress, &runtime, &batches)
        })
        .map_err(|error| IngestError::Reader(Some(error)))?;
    let mut tally = Tally::default();
    while let Some(batch) = incoming.recv().await {
        let recorded = store.record(&batch, clock.now()).await?;
        tally.add(&batch, &recorded);
    }
    // The channel is closed when the thread is about to end, so this does not wait.
    let report = reader.join().map_err(|_| IngestError::Reader(None))?;
    progress.end();
    Ok(tally.finish(report, clock.elapsed().saturating_sub(started)))
}

/// Adds up what batches changed.
#[derive(Default)]
struct Tally {
    summary: Summary,
    features: i64,
    credentials: i64,
    /// An attacker is updated once, in however many batches: a number for each.
    updated: BTreeSet<u64>,
    new: BTreeSet<u64>,
}

impl Tally {
    fn add(&mut self, batch: &Batch, recorded: &Recorded) {
        let number = |at: &usize| {
            batch.attackers.get(*at).map(|attacker| sighting::hash(attacker.id.as_bytes()))
        };
        self.new.extend(recorded.attackers_new.iter().filter_map(number));
        let updated = recorded
            .attackers_updated
            .iter()
            .filter_map(number)
            .filter(|number| !self.new.contains(number));
        self.updated.extend(updated);
        self.features += recorded.features_new;
        self.credentials += recorded.credentials_new;
        let summary = &mut self.summary;
        summary.events_new += recorded.events_new;
        summary.sessions_new += recorded.sessions_new;
        summary.sessions_grown += recorded.sessions_grown;
        summary.commands_new += recorded.commands_new;
        summary.tags_new += recorded.tags_new;
    }

    fn finish(self, report: read::Report, took: Duration) -> Summary {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Summary {
            files: report.files,
            bytes: report.bytes,
            lines: report.lines,
            events: report.events,
            attackers_new: self.new.len() as u64,
            attackers_updated: self.updated.len() as u64,
            // A script that grew is taken back, so a count can fall; it is still nothing new.
            features_new: u64::try_from(self.features).unwrap_or(0),
            credentials_new: u64::try_from(self.credentials).unwrap_or(0),
            skipped: report.skipped,
            passed_over: report.passed_over,
            problems: report.problems,
            milliseconds,
            lines_per_second: report.lines.saturating_mul(1_000) / milliseconds.max(1),
            ..self.summary
        }
    }
}

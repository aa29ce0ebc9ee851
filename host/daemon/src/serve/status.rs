//! How the daemon is, for whoever asks: `corral status`, and `GET /v1/status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Daemon;
use crate::files;
use crate::supervise::tenure::Duty;
use crate::supervise::worker::{Held, Told, Worker};

/// The whole answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// What tells this process from others.
    pub instance: String,
    /// Since when it runs, in microseconds of UTC.
    pub started_at: i64,
    /// Whether it writes.
    pub duty: Duty,
    /// The database.
    pub database: DatabaseStatus,
    /// The bus; nothing if it is switched off.
    pub bus: Option<BusStatus>,
    /// The correlators by name.
    pub workers: BTreeMap<String, WorkerStatus>,
    /// Components that were refused when it started, each with the reason.
    pub refused: Vec<String>,
    /// Rows that another program wrote and nobody can read, with the reason.
    pub poison: BTreeMap<String, String>,
    /// Memory that is in use, in bytes.
    pub resident_bytes: Option<u64>,
}

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// Where it is, without a password.
    pub url: String,
    /// What is wrong with it, if something is.
    pub trouble: Option<String>,
    /// How long the last look for news took, in milliseconds.
    pub look_milliseconds: Option<f64>,
}

/// The bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BusStatus {
    /// Whether it is connected.
    pub is_connected: bool,
    /// Why not, if it is not.
    pub trouble: Option<String>,
    /// Events that it has, since the start.
    pub published: u64,
    /// Events that it could not be given.
    pub unpublished: u64,
    /// Events that wait in the outbox.
    pub waiting: Option<u64>,
}

/// A correlator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its author's version.
    pub version: String,
    /// The SHA-256 of its component.
    pub digest: String,
    /// Where the component came from.
    pub source: String,
    /// Its number in the plugin's history; nothing before this process was on duty.
    pub generation: Option<i64>,
    /// What keeps it from ticking, if something does.
    pub held: Held,
    /// What it does and did.
    #[serde(flatten)]
    pub told: Told,
}

impl WorkerStatus {
    /// What there is to say of a worker.
    pub(super) fn of(worker: &Worker) -> Self {
        let generation = worker.generation();
        let plugin = generation.plugin;
        Self {
            version: plugin.description().version.clone(),
            digest: plugin.digest().to_owned(),
            source: plugin.source().to_string(),
            generation: generation.number,
            held: worker.held(),
            told: worker.told(),
        }
    }
}

impl Daemon {
    /// Fills in what the daemon knows.
    pub(super) async fn tell(&self, status: &mut Status) {
        let noted = self.noted();
        // A database that does not answer is no reason not to: the reason is told beside it.
        let waiting = match &self.bus {
            Some(_) if noted.database.is_none() => self.store.waiting_count().await.ok(),
            _ => None,
        };
        status.bus = self.bus.as_ref().map(|bus| BusStatus {
            is_connected: bus.is_connected(),
            trouble: noted.bus.clone(),
            published: noted.published,
            unpublished: noted.unpublished,
            waiting,
        });
        let workers = self.crew.workers().into_iter();
        let workers = workers.map(|(name, worker)| (name, WorkerStatus::of(&worker)));
        status.workers = workers.collect();
        status.duty = self.tenure.duty().borrow().clone();
        status.database.trouble = noted.database;
        status.database.look_milliseconds = noted.look.map(|took| took.as_secs_f64() * 1000.0);
        status.refused.clone_from(&self.refused);
        status.poison = noted.poison;
    }
}

/// What the kernel says that this process has in memory.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = files::read_to_string("/proc/self/status".as_ref()).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

//! Where questions are answered before the database is open, and after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::status::{DatabaseStatus, Status, resident_bytes};
use super::{Daemon, Start};
use crate::clock::Timestamp;
use crate::config::told;
use crate::supervise::tenure::Duty;

/// A daemon, or what there is of one yet.
#[derive(Debug)]
pub(super) struct Lobby {
    instance: String,
    started_at: Timestamp,
    /// Where the database is, without a password.
    url: String,
    component_bytes_max: u64,
    trouble: Mutex<Option<String>>,
    daemon: OnceLock<Arc<Daemon>>,
}

impl Lobby {
    pub(super) fn new(start: &Start, now: Timestamp) -> Self {
        Self {
            instance: start.instance.clone(),
            started_at: now,
            url: told::without_password(&start.config.store.url),
            component_bytes_max: start.config.limits.component_bytes_max,
            trouble: Mutex::default(),
            daemon: OnceLock::new(),
        }
    }

    /// The most bytes of a component that is sent here.
    pub(super) fn component_bytes_max(&self) -> u64 {
        self.component_bytes_max
    }

    /// The daemon is there.
    pub(super) fn enter(&self, daemon: Arc<Daemon>) {
        self.daemon.get_or_init(|| daemon);
    }

    /// The database cannot be used yet.
    pub(super) fn tell(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    /// The daemon, once it is there.
    pub(super) fn daemon(&self) -> Option<&Arc<Daemon>> {
        self.daemon.get()
    }

    /// How it is.
    pub(super) async fn status(&self) -> Status {
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance.clone(),
            started_at: self.started_at.micros(),
            duty: Duty::Standby { why: "the database is not open yet".to_owned() },
            database: DatabaseStatus {
                url: self.url.clone(),
                trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                look_milliseconds: None,
            },
            bus: None,
            workers: BTreeMap::new(),
            refused: Vec::new(),
            poison: BTreeMap::new(),
            resident_bytes: resident_bytes(),
        };
        if let Some(daemon) = self.daemon() {
            daemon.tell(&mut status).await;
        }
        status
    }
}

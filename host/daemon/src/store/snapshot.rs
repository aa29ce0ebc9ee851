//! Views of one moment, as frames.
//!
//! A snapshot is a read transaction: whatever a tick reads belongs together, whoever writes
//! meanwhile. Rows go from SQLite straight into columns; text is interned on the way.

use std::collections::HashMap;
use std::sync::Arc;

use corral_kernels::{ABSENT, Frame, Interner};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::revision::{self, View};
use super::{Store, StoreError};
use scan::{Kind, scan};

mod scan;

/// A moment of the database.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Sqlite>,
    texts: Arc<Interner>,
    attackers: Option<Arc<Parents>>,
    read: HashMap<View, (u64, Frame)>,
}

/// Where each attacker of the snapshot stands, by the code of its uuid.
type Parents = HashMap<u32, u32>;

impl Store {
    /// Opens a snapshot; its moment is the first read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot(&self, texts: Arc<Interner>) -> Result<Snapshot, StoreError> {
        let transaction = self.readers.begin().await?;
        Ok(Snapshot { transaction, texts, attackers: None, read: HashMap::new() })
    }
}

impl Snapshot {
    /// A view and its version. A second read of the same view gives the same frame. `plugin` owns the
    /// rows of the view `state`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&mut self, view: View, plugin: &str) -> Result<(u64, Frame), StoreError> {
        if let Some((revision, frame)) = self.read.get(&view) {
            return Ok((*revision, frame.clone()));
        }
        let frame = match view {
            View::Attackers => self.attackers().await?.1,
            View::Features => {
                self.child(
                    FEATURES,
                    &[("kind", Kind::Text), ("value", Kind::Text), ("seen", Kind::Int64)],
                    "seen",
                )
                .await?
            }
            View::Behaviour => self.child(BEHAVIOUR, BEHAVIOUR_COLUMNS, "").await?,
            View::Phases => {
                let columns = [("decky", Kind::Text), ("tactic", Kind::Text), ("at", Kind::Moment)];
                self.child(PHASES, &columns, "at").await?
            }
            View::Identities => self.scan(IDENTITIES, IDENTITY_COLUMNS, &[]).await?,
            View::Campaigns => self.scan(CAMPAIGNS, CAMPAIGN_COLUMNS, &[]).await?,
            View::Attribution => self.scan(ATTRIBUTION, ATTRIBUTION_COLUMNS, &[]).await?,
            View::Credentials => self.scan(CREDENTIALS, CREDENTIAL_COLUMNS, &[]).await?,
            View::Reuse => self.scan(REUSE, REUSE_COLUMNS, &[]).await?,
            View::Constraints => self.scan(CONSTRAINTS, CONSTRAINT_COLUMNS, &[]).await?,
            View::State => {
                self.scan(STATE, &[("key", Kind::Text), ("value", Kind::Text)], &[plugin]).await?
            }
        };
        let revision = revision::current(&mut self.transaction, view).await?;
        self.read.insert(view, (revision, frame.clone()));
        Ok((revision, frame))
    }

    async fn scan(
        &mut self,
        sql: &'static str,
        columns: &[(&'static str, Kind)],
        bind: &[&str],
    ) -> Result<Frame, StoreError> {
        let connection: &mut SqliteConnection = &mut self.transaction;
        scan(connection, &self.texts, sql, columns, bind).await
    }

    /// The attackers, and where each stands.
    async fn attackers(&mut self) -> Result<(Arc<Parents>, Frame), StoreError> {
        if let (Some(parents), Some((_, frame))) =
            (&self.attackers, self.read.get(&View::Attackers))
        {
            return Ok((parents.clone(), frame.clone()));
        }
        let frame = self.scan(ATTACKERS, ATTACKER_COLUMNS, &[]).await?;
        let revision = revision::current(&mut self.transaction, View::Attackers).await?;
        let uuids = frame.text("uuid").map_err(scan::not_as_scanned)?;
        let parents: Arc<Parents> = Arc::new(uuids.iter().copied().zip(0..).collect());
        self.attackers = Some(parents.clone());
        self.read.insert(View::Attackers, (revision, frame.clone()));
        Ok((parents, frame))
    }

    /// A child of the attackers: its first column is the attacker's uuid, which becomes `row`; rows
    /// follow the attackers' order, within one attacker `order`, then the order of the scan.
    async fn child(
        &mut self,
        sql: &'static str,
        columns: &[(&'static str, Kind)],
        order: &str,
    ) -> Result<Frame, StoreError> {
        let (parents, _) = self.attackers().await?;
        let mut all = vec![("attacker", Kind::Text)];
        all.extend_from_slice(columns);
        let frame = self.scan(sql, &all, &[]).await?;
        let owners = frame.text("attacker").map_err(scan::not_as_scanned)?;
        let rows: Vec<u32> =
            owners.iter().map(|owner| parents.get(owner).copied().unwrap_or(ABSENT)).collect();
        let keys = frame.int64(order).unwrap_or(&[]);
        let mut by: Vec<u32> =
            (0..).zip(&rows).filter(|(_, row)| **row != ABSENT).map(|(at, _)| at).collect();
        by.sort_by_key(|&at| (rows.get(at as usize), keys.get(at as usize)));
        let sorted: Vec<u32> = by.iter().filter_map(|&at| rows.get(at as usize).copied()).collect();
        let frame = frame.take(&by).map_err(scan::not_as_scanned)?;
        let row = [("row", corral_kernels::Column::from(sorted))];
        let rest = frame.columns().filter(|(name, _)| *name != "attacker");
        Frame::new(
            by.len(),
            row.into_iter().chain(rest.map(|(name, column)| (name, column.clone()))),
        )
        .map_err(scan::not_as_scanned)
    }
}

const ATTACKERS: &str = "SELECT uuid, ip, identity_id, first_seen, last_seen, asn FROM attackers ORDER BY first_seen, uuid";
const ATTACKER_COLUMNS: &[(&str, Kind)] = &[
    ("uuid", Kind::Text),
    ("ip", Kind::Text),
    ("identity", Kind::Text),
    ("first_seen", Kind::Moment),
    ("last_seen", Kind::Moment),
    ("asn", Kind::Uint32),
];

const FEATURES: &str = "SELECT attacker_uuid, kind, value, first_seen FROM corral_feature";

const BEHAVIOUR: &str = "SELECT attacker_uuid, primitive, value, confidence, ts FROM observations
     ORDER BY attacker_uuid, primitive, ts, id";
const BEHAVIOUR_COLUMNS: &[(&str, Kind)] = &[
    ("primitive", Kind::Text),
    ("value", Kind::Text),
    ("confidence", Kind::Float64),
    ("at", Kind::Float64),
];

const PHASES: &str = "SELECT attacker_uuid, decky_id, tactic, created_at FROM ttp_tag
     WHERE attacker_uuid IS NOT NULL AND decky_id IS NOT NULL";

// An identity is stale when one of its attackers changed after its own columns were derived.
const IDENTITIES: &str =
    "SELECT i.uuid, i.campaign_id, i.merged_into_uuid, i.created_at, i.first_seen_at,
         i.last_seen_at, i.observation_count, EXISTS (SELECT 1 FROM attackers a
             WHERE a.identity_id = i.uuid AND a.updated_at > i.updated_at)
     FROM attacker_identities i ORDER BY i.uuid";
const IDENTITY_COLUMNS: &[(&str, Kind)] = &[
    ("uuid", Kind::Text),
    ("campaign", Kind::Text),
    ("merged_into", Kind::Text),
    ("created_at", Kind::Moment),
    ("first_seen", Kind::Moment),
    ("last_seen", Kind::Moment),
    ("members", Kind::Uint32),
    ("stale", Kind::Uint32),
];

const CAMPAIGNS: &str =
    "SELECT uuid, merged_into_uuid, created_at, identity_count FROM campaigns ORDER BY uuid";
const CAMPAIGN_COLUMNS: &[(&str, Kind)] = &[
    ("uuid", Kind::Text),
    ("merged_into", Kind::Text),
    ("created_at", Kind::Moment),
    ("members", Kind::Uint32),
];

const ATTRIBUTION: &str =
    "SELECT identity_uuid, primitive, current_value, state, confidence, observation_count,
         last_change_ts, last_observation_ts
     FROM attribution_state ORDER BY identity_uuid, primitive";
const ATTRIBUTION_COLUMNS: &[(&str, Kind)] = &[
    ("identity", Kind::Text),
    ("primitive", Kind::Text),
    ("value", Kind::Text),
    ("state", Kind::Text),
    ("confidence", Kind::Float64),
    ("samples", Kind::Uint32),
    ("changed_at", Kind::Float64),
    ("observed_at", Kind::Float64),
];

const CREDENTIALS: &str =
    "SELECT attacker_uuid, attacker_ip, decky_name, service, principal, principal_key,
         secret_kind, secret_sha256, attempt_count, first_seen, last_seen
     FROM credentials ORDER BY id";
const CREDENTIAL_COLUMNS: &[(&str, Kind)] = &[
    ("attacker", Kind::Text),
    ("ip", Kind::Text),
    ("decky", Kind::Text),
    ("service", Kind::Text),
    ("principal", Kind::Text),
    ("principal_key", Kind::Text),
    ("secret_kind", Kind::Text),
    ("secret_sha256", Kind::Text),
    ("attempts", Kind::Uint32),
    ("first_seen", Kind::Moment),
    ("last_seen", Kind::Moment),
];

const REUSE: &str =
    "SELECT id, secret_sha256, secret_kind, principal_key, target_count, attempt_count
     FROM credential_reuse ORDER BY id";
const REUSE_COLUMNS: &[(&str, Kind)] = &[
    ("uuid", Kind::Text),
    ("secret_sha256", Kind::Text),
    ("secret_kind", Kind::Text),
    ("principal_key", Kind::Text),
    ("targets", Kind::Uint32),
    ("attempts", Kind::Uint32),
];

const CONSTRAINTS: &str = "SELECT a, b, verdict FROM corral_constraint ORDER BY a, b";
const CONSTRAINT_COLUMNS: &[(&str, Kind)] =
    &[("a", Kind::Text), ("b", Kind::Text), ("verdict", Kind::Text)];

const STATE: &str = "SELECT key, value FROM corral_state WHERE plugin = ? ORDER BY key";

//! Answers to the questions that reports ask: plain rows, read-only.

use std::collections::HashMap;

use crate::store::db::query;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};

pub mod behaviour;
pub mod campaigns;
pub mod reuse;

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files read.
    pub files: i64,
    /// Distinct log events.
    pub events: i64,
    /// Sessions.
    pub sessions: i64,
    /// Source addresses.
    pub attackers: i64,
    /// Distinct credentials (secret and principal).
    pub credentials: i64,
    /// Commands typed or sent.
    pub commands: i64,
    /// Live identities.
    pub identities: i64,
    /// Addresses without an identity.
    pub unassigned: i64,
    /// The first event, as DECNET's columns have times.
    pub first_seen: Option<String>,
    /// The last event.
    pub last_seen: Option<String>,
}

/// A live identity of more than one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRow {
    /// Its id.
    pub uuid: String,
    /// Its addresses, those of merged identities included.
    pub addresses: i64,
    /// The first event of any of them.
    pub first_seen: Option<String>,
    /// The last.
    pub last_seen: Option<String>,
}

/// One piece of evidence: why two addresses are one identity, or two identities one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// One end's uuid.
    pub a: String,
    /// The other's.
    pub b: String,
    /// The kind of thing they share.
    pub reason: String,
    /// The thing.
    pub value: String,
}

/// An attacker, as `why` and `report` name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackerRow {
    /// Its id.
    pub uuid: String,
    /// Its address.
    pub ip: String,
    /// The identity that its row names; it may have been merged into another.
    pub identity: Option<String>,
}

/// A value and how many addresses show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// The kind of feature.
    pub kind: String,
    /// The value.
    pub value: String,
    /// Addresses that show it.
    pub addresses: i64,
}

/// A credential and how many addresses tried it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// The user name, if there was one.
    pub principal: Option<String>,
    /// The secret, as far as it can be printed.
    pub secret: Option<String>,
    /// Addresses that tried it.
    pub addresses: i64,
    /// How often, all together.
    pub attempts: i64,
}

/// An ATT&CK tactic and how many addresses and sessions showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TacticRow {
    /// `TA0007` and the like.
    pub tactic: String,
    /// Addresses.
    pub addresses: i64,
    /// Sessions.
    pub sessions: i64,
}

impl Store {
    /// How much there is.
    ///
    /// # Errors
    /// [`StoreError`]; so for the others.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        query(
            "SELECT (SELECT COUNT(*) FROM corral_source) AS files,
                 (SELECT {int COALESCE(SUM(events), 0)} FROM corral_contact) AS events,
                 (SELECT COUNT(*) FROM corral_session) AS sessions,
                 (SELECT COUNT(*) FROM attackers) AS attackers,
                 (SELECT COUNT(*) FROM (SELECT DISTINCT secret_sha256, secret_kind, {bytes principal_key}
                     FROM credentials) AS d) AS credentials,
                 (SELECT COUNT(*) FROM corral_command) AS commands,
                 (SELECT COUNT(*) FROM attacker_identities WHERE merged_into_uuid IS NULL) AS identities,
                 (SELECT COUNT(*) FROM attackers WHERE identity_id IS NULL) AS unassigned,
                 (SELECT MIN(first_seen) FROM attackers) AS first_seen,
                 (SELECT MAX(last_seen) FROM attackers) AS last_seen",
        )
        .one(&mut self.read().await?)
        .await
    }

    /// Live identities of more than one address, the largest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn largest_identities(&self, most: u32) -> Result<Vec<IdentityRow>, StoreError> {
        query(
            "SELECT uuid, observation_count AS addresses, first_seen_at AS first_seen,
                 last_seen_at AS last_seen
             FROM attacker_identities WHERE merged_into_uuid IS NULL AND observation_count > 1
             ORDER BY observation_count DESC, uuid LIMIT ?",
        )
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }

    /// How many identities have more than one address, and how many addresses are in them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grouped(&self) -> Result<(i64, i64), StoreError> {
        query(
            "SELECT COUNT(*), {int COALESCE(SUM(observation_count), 0)} FROM attacker_identities
             WHERE merged_into_uuid IS NULL AND observation_count > 1",
        )
        .one(&mut self.read().await?)
        .await
    }

    /// The attackers of an identity, those of identities merged into it included, by first event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn members(&self, identity: &str) -> Result<Vec<AttackerRow>, StoreError> {
        query(
            "WITH RECURSIVE tree (uuid) AS (
                 SELECT {key ?} UNION
                 SELECT i.uuid FROM tree CROSS JOIN attacker_identities i ON i.merged_into_uuid = tree.uuid
             )
             SELECT a.uuid, a.ip, a.identity_id AS identity FROM tree
             CROSS JOIN attackers a ON a.identity_id = tree.uuid ORDER BY a.first_seen, a.uuid",
        )
        .bind(identity)
        .all(&mut self.read().await?)
        .await
    }

    /// The live identity behind `identity`: the end of its merge pointers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn live_identity(&self, identity: &str) -> Result<String, StoreError> {
        let winner: Option<String> = query(
            "WITH RECURSIVE chain (uuid) AS (
                 SELECT {key ?} UNION
                 SELECT i.merged_into_uuid FROM attacker_identities i JOIN chain USING (uuid)
                 WHERE i.merged_into_uuid IS NOT NULL
             )
             SELECT i.uuid FROM chain JOIN attacker_identities i USING (uuid)
             WHERE i.merged_into_uuid IS NULL",
        )
        .bind(identity)
        .optional(&mut self.read().await?)
        .await?;
        Ok(winner.unwrap_or_else(|| identity.to_owned()))
    }

    /// The attacker with this address or uuid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attacker(&self, ip_or_uuid: &str) -> Result<Option<AttackerRow>, StoreError> {
        query(
            "SELECT uuid, ip, identity_id AS identity FROM attackers WHERE ip = ?1 OR uuid = ?1 LIMIT 1",
        )
        .bind(ip_or_uuid)
        .optional(&mut self.read().await?)
        .await
    }

    /// The evidence between these attackers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence(&self, attackers: &[AttackerRow]) -> Result<Vec<Edge>, StoreError> {
        let uuids: Vec<&str> = attackers.iter().map(|attacker| attacker.uuid.as_str()).collect();
        self.edges("identity", &uuids).await
    }

    /// The evidence of a layer whose first ends are these members.
    async fn edges(&self, layer: &str, members: &[&str]) -> Result<Vec<Edge>, StoreError> {
        query(
            "SELECT e.a, e.b, e.reason, e.value FROM {?: uuid key} AS n
             CROSS JOIN corral_evidence e ON e.layer = ? AND e.a = n.uuid ORDER BY e.a, e.b",
        )
        .bind(serde_json::to_string(members).unwrap_or_default())
        .bind(layer)
        .all(&mut self.read().await?)
        .await
    }

    /// How many addresses show this value.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holders(&self, kind: &str, value: &str) -> Result<i64, StoreError> {
        query("SELECT COUNT(*) FROM corral_feature WHERE kind = ? AND value = ?")
            .bind(kind)
            .bind(value)
            .one(&mut self.read().await?)
            .await
    }

    /// How many addresses show this piece of infrastructure, whatever kind it is of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holders_of_infrastructure(&self, value: &str) -> Result<i64, StoreError> {
        query(
            "SELECT COUNT(DISTINCT attacker_uuid) FROM corral_feature WHERE value = ? AND kind IN
                 ('payload-sha256', 'payload-md5', 'download-host', 'relay-target', 'probe-sha256')",
        )
        .bind(value)
        .one(&mut self.read().await?)
        .await
    }

    /// The features that two attackers share, and how many addresses show each; the rarest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared(&self, a: &str, b: &str) -> Result<Vec<Holders>, StoreError> {
        query(
            "SELECT x.kind, x.value, (SELECT COUNT(*) FROM corral_feature f
                 WHERE f.kind = x.kind AND f.value = x.value) AS addresses
             FROM corral_feature x JOIN corral_feature y ON y.kind = x.kind AND y.value = x.value
             WHERE x.attacker_uuid = ? AND y.attacker_uuid = ? ORDER BY addresses, x.kind, x.value",
        )
        .bind(a)
        .bind(b)
        .all(&mut self.read().await?)
        .await
    }

    /// The values of a kind that most addresses show.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn most_shared(&self, kind: &str, most: u32) -> Result<Vec<Holders>, StoreError> {
        query(
            "SELECT kind, value, COUNT(*) AS addresses FROM corral_feature WHERE kind = ?
             GROUP BY kind, value HAVING COUNT(*) > 1 ORDER BY addresses DESC, value LIMIT ?",
        )
        .bind(kind)
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }

    /// Kinds of features and how many addresses show any value of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kinds(&self) -> Result<HashMap<String, i64>, StoreError> {
        let rows: Vec<(String, i64)> =
            query("SELECT kind, COUNT(DISTINCT attacker_uuid) FROM corral_feature GROUP BY kind")
                .all(&mut self.read().await?)
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// The credentials that most addresses tried.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn common_credentials(&self, most: u32) -> Result<Vec<CredentialRow>, StoreError> {
        query(
            "SELECT MAX(principal) AS principal, MAX(secret_printable) AS secret,
                 COUNT(DISTINCT attacker_ip) AS addresses, {int SUM(attempt_count)} AS attempts
             FROM credentials GROUP BY secret_sha256, secret_kind, {bytes principal_key}
             ORDER BY addresses DESC, attempts DESC, principal{first}, secret{first} LIMIT ?",
        )
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }

    /// What attackers did, by tactic, the most common first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tactics(&self) -> Result<Vec<TacticRow>, StoreError> {
        query(
            "SELECT tactic, COUNT(DISTINCT attacker_uuid) AS addresses,
                 COUNT(DISTINCT session_id) AS sessions
             FROM ttp_tag GROUP BY tactic ORDER BY addresses DESC, tactic",
        )
        .all(&mut self.read().await?)
        .await
    }
}

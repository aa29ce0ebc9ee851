//! What reports ask of behaviour.

use crate::store::db::query;
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// How steady one identity is, over all its primitives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadinessRow {
    /// The identity.
    pub identity: String,
    /// Its addresses.
    pub addresses: i64,
    /// Samples of the primitive that has most.
    pub samples: i64,
    /// Primitives that stay the same.
    pub stable: i64,
    /// Primitives that changed once.
    pub drifting: i64,
    /// Primitives without any order.
    pub conflicted: i64,
    /// Primitives that go back and forth, as if several operators took turns.
    pub multi_actor: i64,
}

/// The state of one primitive of one identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateRow {
    /// The identity.
    pub identity: String,
    /// The primitive.
    pub primitive: String,
    /// `unknown`, `stable`, `drifting`, `conflicted` or `multi_actor`.
    pub state: String,
    /// What it is now, as JSON.
    pub value: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Samples.
    pub samples: i64,
}

/// How many identities have a primitive in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimitiveRow {
    /// The primitive.
    pub primitive: String,
    /// Identities in which it stays the same.
    pub stable: i64,
    /// In which it changed once.
    pub drifting: i64,
    /// In which there is no order.
    pub conflicted: i64,
    /// In which it goes back and forth.
    pub multi_actor: i64,
    /// In which there are too few samples.
    pub unknown: i64,
}

// What is known of live identities.
macro_rules! counts {
    () => {
        "COUNT(CASE WHEN s.state = 'stable' THEN 1 END) AS stable,
         COUNT(CASE WHEN s.state = 'drifting' THEN 1 END) AS drifting,
         COUNT(CASE WHEN s.state = 'conflicted' THEN 1 END) AS conflicted,
         COUNT(CASE WHEN s.state = 'multi_actor' THEN 1 END) AS multi_actor"
    };
}

impl Store {
    /// Primitives, and in how many live identities each is in which state.
    ///
    /// # Errors
    /// [`StoreError`]; so for the others.
    pub async fn primitives(&self) -> Result<Vec<PrimitiveRow>, StoreError> {
        query(concat!(
            "SELECT s.primitive, ",
            counts!(),
            ", COUNT(CASE WHEN s.state = 'unknown' THEN 1 END) AS unknown
             FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
             WHERE i.merged_into_uuid IS NULL GROUP BY s.primitive ORDER BY s.primitive"
        ))
        .all(&mut self.read().await?)
        .await
    }

    /// Live identities that are not steady, the least steady first: those that look like several
    /// operators, then those in conflict with themselves, then those that drift.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unsteady(&self, most: u32) -> Result<Vec<SteadinessRow>, StoreError> {
        query(concat!(
            "SELECT * FROM (SELECT i.uuid AS identity, i.observation_count AS addresses,
                 MAX(s.observation_count) AS samples, ",
            counts!(),
            " FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
             WHERE i.merged_into_uuid IS NULL GROUP BY i.uuid, i.observation_count) AS s
             WHERE multi_actor + conflicted + drifting > 0
             ORDER BY multi_actor DESC, conflicted DESC, drifting DESC, samples DESC, identity LIMIT ?"
        ))
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }

    /// Live identities with at least three samples of something: how many there are, and how many of
    /// them are steady in everything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn steady(&self) -> Result<(i64, i64), StoreError> {
        query(
            "SELECT COUNT(*), COUNT(CASE WHEN unsteady = 0 THEN 1 END) FROM (
                 SELECT COUNT(CASE WHEN s.state IN ('drifting', 'conflicted', 'multi_actor') THEN 1 END)
                     AS unsteady
                 FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
                 WHERE i.merged_into_uuid IS NULL AND s.state <> 'unknown' GROUP BY i.uuid) AS s",
        )
        .one(&mut self.read().await?)
        .await
    }

    /// The states of an identity, by primitive.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn states(&self, identity: &str) -> Result<Vec<StateRow>, StoreError> {
        query(
            "SELECT identity_uuid AS identity, primitive, state, {text current_value} AS value,
                 confidence, observation_count AS samples
             FROM attribution_state WHERE identity_uuid = ? ORDER BY primitive",
        )
        .bind(identity)
        .all(&mut self.read().await?)
        .await
    }
}

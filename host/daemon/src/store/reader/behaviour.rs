//! What reports ask of behaviour.

use serde::Serialize;
use sqlx::FromRow;

use crate::store::{Store, StoreError};

/// How steady one identity is, over all its primitives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
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
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
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
        "COALESCE(SUM(s.state = 'stable'), 0) AS stable, COALESCE(SUM(s.state = 'drifting'), 0) AS drifting,
         COALESCE(SUM(s.state = 'conflicted'), 0) AS conflicted,
         COALESCE(SUM(s.state = 'multi_actor'), 0) AS multi_actor"
    };
}

impl Store {
    /// Primitives, and in how many live identities each is in which state.
    ///
    /// # Errors
    /// [`StoreError`]; so for the others.
    pub async fn primitives(&self) -> Result<Vec<PrimitiveRow>, StoreError> {
        Ok(sqlx::query_as(concat!(
            "SELECT s.primitive, ",
            counts!(),
            ", COALESCE(SUM(s.state = 'unknown'), 0) AS unknown
             FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
             WHERE i.merged_into_uuid IS NULL GROUP BY s.primitive ORDER BY s.primitive"
        ))
        .fetch_all(&self.readers)
        .await?)
    }

    /// Live identities that are not steady, the least steady first: those that look like several
    /// operators, then those in conflict with themselves, then those that drift.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unsteady(&self, most: u32) -> Result<Vec<SteadinessRow>, StoreError> {
        Ok(sqlx::query_as(concat!(
            "SELECT i.uuid AS identity, i.observation_count AS addresses,
                 MAX(s.observation_count) AS samples, ",
            counts!(),
            " FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
             WHERE i.merged_into_uuid IS NULL GROUP BY i.uuid
             HAVING multi_actor + conflicted + drifting > 0
             ORDER BY multi_actor DESC, conflicted DESC, drifting DESC, samples DESC, i.uuid LIMIT ?"
        ))
        .bind(most)
        .fetch_all(&self.readers)
        .await?)
    }

    /// Live identities with at least three samples of something: how many there are, and how many of
    /// them are steady in everything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn steady(&self) -> Result<(i64, i64), StoreError> {
        Ok(sqlx::query_as(
            "SELECT COUNT(*), COALESCE(SUM(unsteady = 0), 0) FROM (
                 SELECT SUM(s.state IN ('drifting', 'conflicted', 'multi_actor')) AS unsteady
                 FROM attribution_state s JOIN attacker_identities i ON i.uuid = s.identity_uuid
                 WHERE i.merged_into_uuid IS NULL AND s.state <> 'unknown' GROUP BY i.uuid)",
        )
        .fetch_one(&self.readers)
        .await?)
    }

    /// The states of an identity, by primitive.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn states(&self, identity: &str) -> Result<Vec<StateRow>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT identity_uuid AS identity, primitive, state, CAST(current_value AS TEXT) AS value,
                 confidence, observation_count AS samples
             FROM attribution_state WHERE identity_uuid = ? ORDER BY primitive",
        )
        .bind(identity)
        .fetch_all(&self.readers)
        .await?)
    }
}

//! Each view's version: a counter that every transaction bumps for the views it touches.
//! [`changes`](super::changes) bumps it along with what it logs.

use std::collections::{BTreeMap, HashMap};

use crate::store::db::{Connection, query};

use super::{Store, StoreError};

/// What can be read; the contract's `view`, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// One row a source address.
    Attackers,
    /// What is known of each attacker.
    Features,
    /// When each attacker was where.
    Sessions,
    /// Groups of attackers.
    Identities,
    /// Groups of identities.
    Campaigns,
    /// Behaviour samples.
    Behaviour,
    /// The state of each (identity, primitive).
    Attribution,
    /// Credentials on targets.
    Credentials,
    /// Credentials that came back.
    Reuse,
    /// ATT&CK tactics per sensor.
    Phases,
    /// What a person said.
    Constraints,
    /// A plugin's own rows.
    State,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 12] = [
        Self::Attackers,
        Self::Features,
        Self::Sessions,
        Self::Identities,
        Self::Campaigns,
        Self::Behaviour,
        Self::Attribution,
        Self::Credentials,
        Self::Reuse,
        Self::Phases,
        Self::Constraints,
        Self::State,
    ];

    /// Its name in the contract and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attackers => "attackers",
            Self::Features => "features",
            Self::Sessions => "sessions",
            Self::Identities => "identities",
            Self::Campaigns => "campaigns",
            Self::Behaviour => "behaviour",
            Self::Attribution => "attribution",
            Self::Credentials => "credentials",
            Self::Reuse => "reuse",
            Self::Phases => "phases",
            Self::Constraints => "constraints",
            Self::State => "state",
        }
    }
}

/// Bumps the version of the attackers' order.
pub(super) async fn bump_attackers_order(connection: &mut Connection) -> Result<(), StoreError> {
    bump(connection, ATTACKERS_ORDER).await?;
    Ok(())
}

/// Bumps the version of this name, in the caller's transaction; gives what it is then.
pub(super) async fn bump(connection: &mut Connection, name: &str) -> Result<i64, StoreError> {
    query(
        "INSERT INTO corral_revision (view, revision) VALUES (?, 1)
         ON CONFLICT (view) DO UPDATE SET revision = corral_revision.revision + 1",
    )
    .bind(name)
    .execute(connection)
    .await?;
    query("SELECT revision FROM corral_revision WHERE view = ?").bind(name).one(connection).await
}

/// The versions of all views at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Revisions(HashMap<String, u64>);

/// The name of a version beside the views': it grows when attackers come, or move within their order. An
/// attacker that joins an identity changes the view and not this, so the rows of children stand.
const ATTACKERS_ORDER: &str = "attackers-order";

impl Revisions {
    /// The version of the attackers' order.
    pub(super) fn attackers_order(&self) -> u64 {
        self.0.get(ATTACKERS_ORDER).copied().unwrap_or(0)
    }

    /// The version of `view`; 0 if nothing was ever written.
    pub(super) fn of(&self, view: View) -> u64 {
        self.0.get(view.name()).copied().unwrap_or(0)
    }
}

/// The versions of all views.
pub(super) async fn current(connection: &mut Connection) -> Result<Revisions, StoreError> {
    let rows: Vec<(String, i64)> =
        query("SELECT view, revision FROM corral_revision").all(connection).await?;
    let revisions = rows.into_iter().map(|(view, at)| (view, u64::try_from(at).unwrap_or(0)));
    Ok(Revisions(revisions.collect()))
}

impl Store {
    /// The version of `view` as last committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revision(&self, view: View) -> Result<u64, StoreError> {
        let mut connection = self.read().await?;
        Ok(current(&mut connection).await?.of(view))
    }

    /// The versions of all views as last committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revisions(&self) -> Result<BTreeMap<View, u64>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let revisions = current(&mut connection).await?;
        Ok(View::ALL.into_iter().map(|view| (view, revisions.of(view))).collect())
    }
}

//! The report's part on behaviour: who stays the same, who drifts, who looks like several operators.

use serde::Serialize;

use crate::store::commit::SUSPICION_MIN;
use crate::store::reader::behaviour::{PrimitiveRow, SteadinessRow};
use crate::store::{Store, StoreError};

/// Behaviour.
#[derive(Debug, Serialize)]
pub struct Behaviour {
    /// Identities of which something can be said: at least one primitive has samples enough.
    pub known: i64,
    /// Those of them that stay the same in everything.
    pub steady: i64,
    /// In how many identities each primitive is in which state.
    pub primitives: Vec<PrimitiveRow>,
    /// The least steady identities.
    pub unsteady: Vec<Unsteady>,
}

/// An identity that is not steady.
#[derive(Debug, Serialize)]
pub struct Unsteady {
    /// What is known of it.
    #[serde(flatten)]
    pub identity: SteadinessRow,
    /// Whether it looks like several operators behind one identity.
    pub is_suspected: bool,
}

/// What is known of behaviour, with the `most` least steady identities.
pub(super) async fn behaviour(store: &Store, most: u32) -> Result<Behaviour, StoreError> {
    let (known, steady) = store.steady().await?;
    let unsteady = store.unsteady(most).await?.into_iter().map(|identity| Unsteady {
        is_suspected: usize::try_from(identity.multi_actor).is_ok_and(|n| n >= SUSPICION_MIN),
        identity,
    });
    let unsteady = unsteady.collect();
    Ok(Behaviour { known, steady, primitives: store.primitives().await?, unsteady })
}

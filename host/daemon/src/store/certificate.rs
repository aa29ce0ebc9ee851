//! What is stored of a layer: who is in which group, and the evidence for it. Rows as they are; whether
//! they fit each other is judged where nothing knows SQL.

use std::collections::HashMap;

use super::db::{Begin, query};
use serde::Deserialize;

use super::commit::Layer;
use super::reader::Edge;
use super::{Store, StoreError};

/// A layer as it is stored.
#[derive(Debug, Default)]
pub struct StoredLayer {
    /// Attackers or identities, by uuid.
    pub members: Vec<StoredMember>,
    /// Of each merged group, the one that it was merged into.
    pub merged: HashMap<String, String>,
    /// The evidence, by its ends.
    pub edges: Vec<Edge>,
}

/// An attacker, or an identity as a member of campaigns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct StoredMember {
    /// Its id.
    pub uuid: String,
    /// What people know it by: an attacker's address.
    pub name: String,
    /// The group that its row names; it may have been merged into another.
    #[serde(rename = "group_uuid")]
    pub group: Option<String>,
    /// The identity that speaks for this one, if it was merged. Attackers do not merge.
    pub merged_into: Option<String>,
}

/// Members, merged groups and the layer's name in the evidence.
struct Statements {
    members: &'static str,
    merged: &'static str,
    name: &'static str,
}

const IDENTITY: Statements = Statements {
    members: "SELECT uuid, ip AS name, identity_id AS group_uuid, NULL AS merged_into
        FROM attackers ORDER BY uuid",
    merged: "SELECT uuid, merged_into_uuid FROM attacker_identities WHERE merged_into_uuid IS NOT NULL",
    name: "identity",
};

const CAMPAIGN: Statements = Statements {
    members: "SELECT uuid, uuid AS name, campaign_id AS group_uuid, merged_into_uuid AS merged_into
        FROM attacker_identities ORDER BY uuid",
    merged: "SELECT uuid, merged_into_uuid FROM campaigns WHERE merged_into_uuid IS NOT NULL",
    name: "campaign",
};

impl Store {
    /// Members, groups and evidence of a layer, of one moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_layer(&self, layer: Layer) -> Result<StoredLayer, StoreError> {
        let statements = match layer {
            Layer::Identity => IDENTITY,
            Layer::Campaign => CAMPAIGN,
        };
        let mut moment = self.readers.begin(Begin::Moment).await?;
        let members = query(statements.members).all(&mut moment).await?;
        let merged: Vec<(String, String)> = query(statements.merged).all(&mut moment).await?;
        let edges =
            query("SELECT a, b, reason, value FROM corral_evidence WHERE layer = ? ORDER BY a, b")
                .bind(statements.name)
                .all(&mut moment)
                .await?;
        Ok(StoredLayer { members, merged: merged.into_iter().collect(), edges })
    }
}

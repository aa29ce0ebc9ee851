//! What reports ask of campaigns.

use crate::store::db::query;
use serde::{Deserialize, Serialize};

use super::Edge;
use crate::store::{Store, StoreError};

/// A live campaign of more than one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignRow {
    /// Its id.
    pub uuid: String,
    /// Its live identities, those of merged campaigns included.
    pub identities: i64,
    /// The addresses of these.
    pub addresses: i64,
    /// The first event of any of them.
    pub first_seen: Option<String>,
    /// The last.
    pub last_seen: Option<String>,
}

/// A live identity, as a campaign's evidence names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its id.
    pub uuid: String,
    /// Its addresses.
    pub addresses: i64,
    /// One of them: the first that was seen.
    pub ip: Option<String>,
}

// Every campaign with the live one that speaks for it. UNION drops what was met before, so a cycle of
// pointers ends.
macro_rules! tree {
    ($select:literal) => {
        concat!(
            "WITH RECURSIVE tree (root, uuid) AS (
                 SELECT uuid, uuid FROM campaigns WHERE merged_into_uuid IS NULL
                 UNION
                 SELECT tree.root, c.uuid FROM tree CROSS JOIN campaigns c ON c.merged_into_uuid = tree.uuid
             ), member (root, identity) AS (
                 SELECT tree.root, i.uuid FROM tree CROSS JOIN attacker_identities i
                     ON i.campaign_id = tree.uuid AND i.merged_into_uuid IS NULL
             ) ",
            $select
        )
    };
}

impl Store {
    /// How many live campaigns there are, how many of them have more than one identity, and how many
    /// identities those have.
    ///
    /// # Errors
    /// [`StoreError`]; so for the others.
    pub async fn allied(&self) -> Result<(i64, i64, i64), StoreError> {
        query(tree!(
            "SELECT COUNT(*), COUNT(CASE WHEN size > 1 THEN 1 END),
                 {int COALESCE(SUM(CASE WHEN size > 1 THEN size END), 0)}
             FROM (SELECT COUNT(*) AS size FROM member GROUP BY root) AS s"
        ))
        .one(&mut self.read().await?)
        .await
    }

    /// Live campaigns of more than one identity, the largest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn largest_campaigns(&self, most: u32) -> Result<Vec<CampaignRow>, StoreError> {
        query(tree!(
            "SELECT member.root AS uuid, COUNT(*) AS identities, {int SUM(i.observation_count)} AS addresses,
                 MIN(i.first_seen_at) AS first_seen, MAX(i.last_seen_at) AS last_seen
             FROM member JOIN attacker_identities i ON i.uuid = member.identity
             GROUP BY member.root HAVING COUNT(*) > 1
             ORDER BY identities DESC, addresses DESC, member.root LIMIT ?"
        ))
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }

    /// The live identities of a live campaign, the largest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn campaign_members(&self, campaign: &str) -> Result<Vec<MemberRow>, StoreError> {
        query(
            "WITH RECURSIVE tree (uuid) AS (
                 SELECT {key ?}
                 UNION
                 SELECT c.uuid FROM tree CROSS JOIN campaigns c ON c.merged_into_uuid = tree.uuid
             )
             SELECT i.uuid, i.observation_count AS addresses,
                 (SELECT a.ip FROM attackers a WHERE a.identity_id = i.uuid
                  ORDER BY a.first_seen, a.uuid LIMIT 1) AS ip
             FROM tree CROSS JOIN attacker_identities i ON i.campaign_id = tree.uuid
             WHERE i.merged_into_uuid IS NULL ORDER BY addresses DESC, i.uuid",
        )
        .bind(campaign)
        .all(&mut self.read().await?)
        .await
    }

    /// The live campaign that speaks for an identity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn live_campaign(&self, identity: &str) -> Result<Option<String>, StoreError> {
        query(
            "WITH RECURSIVE chain (uuid) AS (
                 SELECT campaign_id FROM attacker_identities WHERE uuid = ?
                 UNION
                 SELECT c.merged_into_uuid FROM campaigns c JOIN chain USING (uuid)
                 WHERE c.merged_into_uuid IS NOT NULL
             )
             SELECT c.uuid FROM chain JOIN campaigns c USING (uuid)
             WHERE c.merged_into_uuid IS NULL",
        )
        .bind(identity)
        .optional(&mut self.read().await?)
        .await
    }

    /// The evidence between the identities of a campaign.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn campaign_evidence(&self, members: &[MemberRow]) -> Result<Vec<Edge>, StoreError> {
        let uuids: Vec<&str> = members.iter().map(|member| member.uuid.as_str()).collect();
        self.edges("campaign", &uuids).await
    }
}

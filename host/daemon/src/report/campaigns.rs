//! The report's part on campaigns: which identities act together, and by what.

use serde::Serialize;

use super::{Join, joins};
use crate::store::reader::campaigns::CampaignRow;
use crate::store::{Store, StoreError};

/// Campaigns.
#[derive(Debug, Serialize)]
pub struct Campaigns {
    /// All live ones.
    pub total: i64,
    /// Those of more than one identity.
    pub groups: i64,
    /// The identities in them.
    pub grouped: i64,
    /// The largest.
    pub largest: Vec<Campaign>,
}

/// One campaign and its evidence.
#[derive(Debug, Serialize)]
pub struct Campaign {
    /// Id, size, times.
    #[serde(flatten)]
    pub campaign: CampaignRow,
    /// An address of each of its two largest identities, to ask `why` about.
    pub example: Option<(String, String)>,
    /// What its identities have in common, by the number of joins that each value made.
    pub joins: Vec<Join>,
}

/// The `most` largest campaigns.
pub(super) async fn campaigns(store: &Store, most: u32) -> Result<Campaigns, StoreError> {
    let (total, groups, grouped) = store.allied().await?;
    let mut largest = Vec::new();
    for campaign in store.largest_campaigns(most).await? {
        let members = store.campaign_members(&campaign.uuid).await?;
        let joins = joins(&store.campaign_evidence(&members).await?);
        let mut ips = members.into_iter().filter_map(|member| member.ip);
        let example = ips.next().zip(ips.next());
        largest.push(Campaign { campaign, example, joins });
    }
    Ok(Campaigns { total, groups, grouped, largest })
}

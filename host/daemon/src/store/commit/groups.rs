//! Forming, linking, merging and unmerging, the same for identities and campaigns.

use std::collections::BTreeMap;

use corral_kernels::{Frame, Interner};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{CommitError, Effects, Layer, View, column, write_rows};
use crate::clock::Timestamp;
use crate::ids;
use crate::store::encoding::datetime;

/// The statements of one layer. `?1` is a JSON array of rows, `?2` the time.
///
/// A unary plus keeps SQLite from the index on what is NULL in most rows: it would look through all of
/// those for every row of the array, instead of looking up one key.
struct Statements {
    insert: &'static str,
    link: &'static str,
    merge: &'static str,
    unmerge: &'static str,
    count: Option<&'static str>,
}

const IDENTITY: Statements = Statements {
    insert: "INSERT OR IGNORE INTO attacker_identities (uuid, schema_version, first_seen_at, last_seen_at,
             created_at, updated_at, observation_count)
         SELECT value ->> 0, 1, ?2, ?2, ?2, ?2, value ->> 1 FROM json_each(?1)",
    link: "UPDATE attackers SET identity_id = new.value ->> 1 FROM json_each(?1) AS new
         WHERE attackers.uuid = new.value ->> 0 AND +identity_id IS NULL AND ?2 <> ''
         AND EXISTS (SELECT 1 FROM attacker_identities i WHERE i.uuid = new.value ->> 1)",
    merge: "UPDATE attacker_identities SET merged_into_uuid = new.value ->> 1, updated_at = ?2
         FROM json_each(?1) AS new
         WHERE attacker_identities.uuid = new.value ->> 0 AND +merged_into_uuid IS NULL
         AND EXISTS (SELECT 1 FROM attacker_identities w
             WHERE w.uuid = new.value ->> 1 AND +w.merged_into_uuid IS NULL)",
    unmerge: "UPDATE attacker_identities SET merged_into_uuid = NULL, updated_at = ?2
         FROM json_each(?1) AS new
         WHERE attacker_identities.uuid = new.value ->> 0 AND +merged_into_uuid = new.value ->> 1",
    // Counts and times of identities are derived by the rollup.
    count: None,
};

const CAMPAIGN: Statements = Statements {
    insert: "INSERT OR IGNORE INTO campaigns (uuid, schema_version, first_seen_at, last_seen_at,
             created_at, updated_at, identity_count)
         SELECT value ->> 0, 1, ?2, ?2, ?2, ?2, value ->> 1 FROM json_each(?1)",
    link: "UPDATE attacker_identities SET campaign_id = new.value ->> 1 FROM json_each(?1) AS new
         WHERE attacker_identities.uuid = new.value ->> 0 AND +campaign_id IS NULL AND ?2 <> ''
         AND EXISTS (SELECT 1 FROM campaigns c WHERE c.uuid = new.value ->> 1)",
    merge: "UPDATE campaigns SET merged_into_uuid = new.value ->> 1, updated_at = ?2
         FROM json_each(?1) AS new
         WHERE campaigns.uuid = new.value ->> 0 AND +merged_into_uuid IS NULL
         AND EXISTS (SELECT 1 FROM campaigns w
             WHERE w.uuid = new.value ->> 1 AND +w.merged_into_uuid IS NULL)",
    unmerge: "UPDATE campaigns SET merged_into_uuid = NULL, updated_at = ?2
         FROM json_each(?1) AS new
         WHERE campaigns.uuid = new.value ->> 0 AND +merged_into_uuid = new.value ->> 1",
    count: Some(
        "UPDATE campaigns SET updated_at = ?2, identity_count =
             (SELECT COUNT(*) FROM attacker_identities i WHERE i.campaign_id = campaigns.uuid
              AND i.merged_into_uuid IS NULL)
         WHERE uuid IN (SELECT value FROM json_each(?1))",
    ),
};

impl Layer {
    fn statements(self) -> &'static Statements {
        match self {
            Self::Identity => &IDENTITY,
            Self::Campaign => &CAMPAIGN,
        }
    }

    fn id(self, smallest_member: &str) -> String {
        match self {
            Self::Identity => ids::identity(smallest_member),
            Self::Campaign => ids::campaign(smallest_member),
        }
    }

    /// Of what members are rows.
    fn members(self) -> View {
        match self {
            Self::Identity => View::Attackers,
            Self::Campaign => View::Identities,
        }
    }

    /// Of what groups are rows.
    fn groups(self) -> View {
        match self {
            Self::Identity => View::Identities,
            Self::Campaign => View::Campaigns,
        }
    }
}

/// One commit's hand on the database.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) texts: &'a Interner,
    pub(super) now: Timestamp,
    pub(super) effects: &'a mut Effects,
}

impl Writer<'_> {
    /// New groups of members that have none.
    pub(super) async fn form(
        &mut self,
        layer: Layer,
        members: &Frame,
        rows: &[u32],
        groups: &[u32],
    ) -> Result<(), CommitError> {
        let members = column(self.texts, members, "uuid", rows)?;
        let mut formed: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (member, group) in members.into_iter().zip(groups) {
            formed.entry(*group).or_default().push(member);
        }
        let formed: Vec<(String, Vec<String>)> = formed
            .into_values()
            .filter_map(|members| Some((layer.id(members.iter().min()?), members)))
            .collect();
        let inserts: Vec<_> =
            formed.iter().map(|(group, members)| json!([group, members.len()])).collect();
        let now = datetime(self.now);
        write_rows(self.connection, layer.statements().insert, &inserts, &now).await?;
        let links: Vec<_> = formed
            .iter()
            .flat_map(|(group, members)| {
                members.iter().map(move |member| (member.clone(), group.clone()))
            })
            .collect();
        self.join(layer, &links).await?;
        self.effects.committed.formed += formed.len();
        for (group, members) in &formed {
            self.effects.events.formed(layer, group, members);
        }
        Ok(())
    }

    /// Members that join groups.
    pub(super) async fn link(
        &mut self,
        layer: Layer,
        members: &Frame,
        rows: &[u32],
        groups: &Frame,
        targets: &[u32],
    ) -> Result<(), CommitError> {
        let members = column(self.texts, members, "uuid", rows)?;
        let groups = column(self.texts, groups, "uuid", targets)?;
        let links: Vec<(String, String)> = members.into_iter().zip(groups).collect();
        self.join(layer, &links).await?;
        for (member, group) in &links {
            self.effects.events.linked(layer, group, member);
        }
        Ok(())
    }

    async fn join(&mut self, layer: Layer, links: &[(String, String)]) -> Result<(), CommitError> {
        let rows: Vec<_> = links.iter().map(|(member, group)| json!([member, group])).collect();
        let now = datetime(self.now);
        let written = write_rows(self.connection, layer.statements().link, &rows, &now).await?;
        guard(written, links.len(), "an attacker or identity that was free")?;
        self.effects.committed.linked += links.len();
        let members = links.iter().map(|(member, _)| member.as_str());
        self.effects.touched.add(layer.members(), members);
        self.touch(layer, links.iter().map(|(_, group)| group.clone())).await
    }

    /// Groups that point to a winner from now on. Written one after another, because a winner of one
    /// merge may be the loser of a later one.
    pub(super) async fn merge(
        &mut self,
        layer: Layer,
        groups: &Frame,
        losers: &[u32],
        winners: &[u32],
    ) -> Result<(), CommitError> {
        let losers = column(self.texts, groups, "uuid", losers)?;
        let winners = column(self.texts, groups, "uuid", winners)?;
        let now = datetime(self.now);
        for (loser, winner) in losers.iter().zip(&winners) {
            let row = [json!([loser, winner])];
            let written = write_rows(self.connection, layer.statements().merge, &row, &now).await?;
            guard(written, 1, "a group that was live")?;
            self.effects.events.merged(layer, winner, loser);
        }
        self.effects.committed.merged += losers.len();
        self.touch(layer, losers.into_iter().chain(winners)).await
    }

    /// Merged groups that come back.
    pub(super) async fn unmerge(
        &mut self,
        layer: Layer,
        groups: &Frame,
        rows: &[u32],
    ) -> Result<(), CommitError> {
        let back = column(self.texts, groups, "uuid", rows)?;
        let former = column(self.texts, groups, "merged_into", rows)?;
        let pairs: Vec<_> =
            back.iter().zip(&former).map(|(back, former)| json!([back, former])).collect();
        let now = datetime(self.now);
        let written = write_rows(self.connection, layer.statements().unmerge, &pairs, &now).await?;
        guard(written, pairs.len(), "a group that was merged")?;
        for (back, former) in back.iter().zip(&former) {
            self.effects.events.unmerged(layer, back, former);
        }
        self.effects.committed.unmerged += back.len();
        self.touch(layer, back.into_iter().chain(former)).await
    }

    /// Notes groups whose rows changed, and what has to be derived again of them.
    async fn touch(
        &mut self,
        layer: Layer,
        groups: impl Iterator<Item = String>,
    ) -> Result<(), CommitError> {
        let groups: Vec<String> = groups.collect();
        self.effects.touched.add(layer.groups(), groups.iter().map(String::as_str));
        let Some(count) = layer.statements().count else {
            self.effects.identities.extend(groups);
            return Ok(());
        };
        let groups: Vec<_> = groups.into_iter().map(serde_json::Value::from).collect();
        write_rows(self.connection, count, &groups, &datetime(self.now)).await?;
        Ok(())
    }
}

fn guard(written: u64, expected: usize, what: &str) -> Result<(), CommitError> {
    if written == expected as u64 { Ok(()) } else { Err(CommitError::Conflict(what.to_owned())) }
}

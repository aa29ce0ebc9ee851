//! Forming, linking, merging and unmerging, the same for identities and campaigns.

use std::collections::BTreeMap;

use crate::store::db::{Connection, Sql};
use corral_kernels::{Frame, Interner};
use serde_json::json;

use super::{CommitError, Effects, Layer, View, column, write_rows};
use crate::clock::Timestamp;
use crate::ids;

/// The statements of one layer. `?1` is a JSON list of rows, `?2` the time.
///
/// `{+}` keeps SQLite from the index on what is NULL in most rows: it would look through all of those for
/// every row of the list, instead of looking up one key.
struct Statements {
    insert: Sql,
    link: Sql,
    merge: Sql,
    unmerge: Sql,
    count: Option<Sql>,
}

macro_rules! statements {
    ($members:literal, $group:literal, $groups:literal, $size:literal, $count:expr) => {
        Statements {
            insert: Sql::of(concat!(
                "INSERT INTO ", $groups, " (uuid, schema_version, first_seen_at, last_seen_at, created_at,
                     updated_at, ", $size, ")
                 SELECT n.uuid, 1, ?2, ?2, ?2, ?2, n.members FROM {?1: uuid key, members int} n WHERE TRUE
                 ON CONFLICT DO NOTHING"
            )),
            link: Sql::of(concat!(
                "UPDATE ", $members, " SET ", $group, " = n.target FROM {?1: uuid key, target key} AS n
                 WHERE ", $members, ".uuid = n.uuid AND {+}", $group, " IS NULL AND ?2 <> ''
                 AND EXISTS (SELECT 1 FROM ", $groups, " g WHERE g.uuid = n.target)"
            ))
            .mariadb(concat!(
                "UPDATE {?1: uuid key, target key} AS n CROSS JOIN ", $members, " m ON m.uuid = n.uuid
                 CROSS JOIN ", $groups, " g ON g.uuid = n.target
                 SET m.", $group, " = n.target WHERE m.", $group, " IS NULL AND ?2 <> ''"
            )),
            merge: Sql::of(concat!(
                "UPDATE ", $groups, " SET merged_into_uuid = n.target, updated_at = ?2
                 FROM {?1: uuid key, target key} AS n
                 WHERE ", $groups, ".uuid = n.uuid AND {+}merged_into_uuid IS NULL
                 AND EXISTS (SELECT 1 FROM ", $groups, " w
                     WHERE w.uuid = n.target AND {+}w.merged_into_uuid IS NULL)"
            ))
            .mariadb(concat!(
                "UPDATE {?1: uuid key, target key} AS n CROSS JOIN ", $groups, " g ON g.uuid = n.uuid
                 CROSS JOIN ", $groups, " w ON w.uuid = n.target AND w.merged_into_uuid IS NULL
                 SET g.merged_into_uuid = n.target, g.updated_at = ?2 WHERE g.merged_into_uuid IS NULL"
            )),
            unmerge: Sql::of(concat!(
                "UPDATE ", $groups, " SET merged_into_uuid = NULL, updated_at = ?2
                 FROM {?1: uuid key, former key} AS n
                 WHERE ", $groups, ".uuid = n.uuid AND {+}merged_into_uuid = n.former"
            ))
            .mariadb(concat!(
                "UPDATE {?1: uuid key, former key} AS n CROSS JOIN ", $groups, " g ON g.uuid = n.uuid
                 SET g.merged_into_uuid = NULL, g.updated_at = ?2 WHERE g.merged_into_uuid = n.former"
            )),
            count: $count,
        }
    };
}

const IDENTITY: Statements = statements!(
    "attackers",
    "identity_id",
    "attacker_identities",
    "observation_count",
    // Counts and times of identities are derived by the rollup.
    None
);

const CAMPAIGN: Statements = statements!(
    "attacker_identities",
    "campaign_id",
    "campaigns",
    "identity_count",
    Some(
        Sql::of(
            "UPDATE campaigns SET updated_at = ?2, identity_count =
                 (SELECT COUNT(*) FROM attacker_identities i WHERE i.campaign_id = campaigns.uuid
                  AND i.merged_into_uuid IS NULL)
             WHERE uuid IN (SELECT n.uuid FROM {?1: uuid key} AS n)",
        )
        .mariadb(
            "UPDATE {?1: uuid key} AS n CROSS JOIN campaigns c ON c.uuid = n.uuid
             SET c.updated_at = ?2, c.identity_count =
                 (SELECT COUNT(*) FROM attacker_identities i WHERE i.campaign_id = c.uuid
                  AND i.merged_into_uuid IS NULL)"
        )
    )
);

impl Layer {
    fn statements(self) -> Statements {
        match self {
            Self::Identity => IDENTITY,
            Self::Campaign => CAMPAIGN,
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
    pub(super) connection: &'a mut Connection,
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
        let now = self.connection.datetime(self.now);
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
        let now = self.connection.datetime(self.now);
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
        let now = self.connection.datetime(self.now);
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
        let now = self.connection.datetime(self.now);
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
        let now = self.connection.datetime(self.now);
        write_rows(self.connection, count, &groups, &now).await?;
        Ok(())
    }
}

fn guard(written: u64, expected: usize, what: &str) -> Result<(), CommitError> {
    if written == expected as u64 { Ok(()) } else { Err(CommitError::Conflict(what.to_owned())) }
}

//! Forming, linking, merging and unmerging, the same for identities and campaigns.

use std::sync::Arc;

use corral_kernels::{Frame, Texts};
use serde::Serialize;

use super::formed::Formed;
use super::known::Known;
use super::{CommitError, Effects, Layer, View, codes, column};
use crate::clock::Timestamp;
use crate::store::db::{Connection, Sql, write_numbered, write_rows};
use crate::store::resident::Resident;
use crate::store::rollup::{self, Derived, Summary};

/// The statements of one layer. `?1` is a JSON list of rows, `?2` the time.
///
/// `{+}` keeps SQLite from the index on what is NULL in most rows: it would look through all of those for
/// every row of the list, instead of looking up one key.
struct Statements {
    link: Sql,
    merge: Sql,
    unmerge: Sql,
    count: Option<Sql>,
}

macro_rules! statements {
    ($members:literal, $group:literal, $groups:literal, $count:expr) => {
        Statements {
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
    // Counts and times of identities are derived by the rollup.
    None
);

const CAMPAIGN: Statements = statements!(
    "attacker_identities",
    "campaign_id",
    "campaigns",
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

const INSERT_CAMPAIGNS: Sql = Sql::of(
    "INSERT INTO campaigns (uuid, schema_version, first_seen_at, last_seen_at, created_at, updated_at, identity_count)
     SELECT n.uuid, 1, ?2, ?2, ?2, ?2, n.members FROM {?1: uuid key, members int} n WHERE TRUE
     ON CONFLICT DO NOTHING",
);

impl Layer {
    fn statements(self) -> Statements {
        match self {
            Self::Identity => IDENTITY,
            Self::Campaign => CAMPAIGN,
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
    pub(super) resident: &'a Resident,
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
        let uuids = codes(members, "uuid", rows)?;
        let formed = Formed::new(layer, self.resident.texts().clone(), uuids, groups);
        let by_id = formed.by_id();
        let is_derived = self.insert(&formed, &by_id, members, rows).await?;
        let links = formed.links(&by_id);
        let link = |at: usize| {
            let (member, group) = links.get(at).copied().unwrap_or_default();
            (formed.member(member), formed.id(group))
        };
        self.join(layer, links.len(), link).await?;
        self.effects.committed.formed += formed.len();
        let ids = by_id.iter().map(|group| formed.id(*group));
        if is_derived {
            self.effects.touched.add(layer.groups(), ids);
        } else {
            self.touch(layer, &ids.collect()).await?;
        }
        self.effects.events.formed(formed);
        Ok(())
    }

    /// Writes new groups; says whether with all that follows from their members, which is so if memory knows
    /// these.
    async fn insert(
        &mut self,
        formed: &Formed,
        by_id: &[usize],
        members: &Frame,
        rows: &[u32],
    ) -> Result<bool, CommitError> {
        let now = self.connection.datetime(self.now);
        let group = |at: usize| by_id.get(at).copied().unwrap_or_default();
        let size = |group| i64::try_from(formed.indices_of(group).len()).unwrap_or(i64::MAX);
        if formed.layer == Layer::Campaign {
            let row = |at: usize| (formed.id(group(at)), size(group(at)));
            let insert = &INSERT_CAMPAIGNS;
            write_numbered(self.connection, insert, formed.len(), row, &now).await?;
            return Ok(false);
        }
        let known = Known::now(self.connection, self.resident, members).await?;
        let dialect = self.connection.dialect().clone();
        let summary = |group| match &known {
            Some(known) => {
                let indices = formed.indices_of(group).iter();
                let rows = indices.filter_map(|at| rows.get(*at as usize).copied());
                known.summary(rows, |at| dialect.datetime(at))
            }
            None => Summary::of(size(group)),
        };
        let row = |at: usize| Derived(formed.id(group(at)), summary(group(at)));
        let insert = &rollup::INSERT;
        let written = write_numbered(self.connection, insert, formed.len(), row, &now).await?;
        // One that was there already says something else.
        Ok(known.is_some() && written == formed.len() as u64)
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
        let texts = self.resident.texts();
        let members = column(texts, members, "uuid", rows)?;
        let groups = column(texts, groups, "uuid", targets)?;
        self.join(layer, rows.len(), pairs(&members, &groups)).await?;
        self.touch(layer, &groups).await?;
        self.effects.events.linked(layer, members, groups);
        Ok(())
    }

    /// Writes so many links, of a member to a group each.
    async fn join<'t, M: Serialize + Into<Arc<str>>>(
        &mut self,
        layer: Layer,
        count: usize,
        link: impl Fn(usize) -> (M, &'t str) + Sync,
    ) -> Result<(), CommitError> {
        let now = self.connection.datetime(self.now);
        let statement = layer.statements().link;
        let written = write_numbered(self.connection, &statement, count, &link, &now).await?;
        guard(written, count, "an attacker or identity that was free")?;
        self.effects.committed.linked += count;
        self.effects.touched.add(layer.members(), (0..count).map(|at| link(at).0));
        Ok(())
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
        let texts = self.resident.texts();
        let losers = column(texts, groups, "uuid", losers)?;
        let winners = column(texts, groups, "uuid", winners)?;
        let now = self.connection.datetime(self.now);
        let merge = layer.statements().merge;
        for (loser, winner) in losers.iter().zip(winners.iter()) {
            let written = write_rows(self.connection, &merge, &[(loser, winner)], &now).await?;
            guard(written, 1, "a group that was live")?;
            self.effects.events.merged(layer, winner, loser);
        }
        self.effects.committed.merged += losers.len();
        self.touch(layer, &losers).await?;
        self.touch(layer, &winners).await
    }

    /// Merged groups that come back.
    pub(super) async fn unmerge(
        &mut self,
        layer: Layer,
        groups: &Frame,
        rows: &[u32],
    ) -> Result<(), CommitError> {
        let texts = self.resident.texts();
        let back = column(texts, groups, "uuid", rows)?;
        let former = column(texts, groups, "merged_into", rows)?;
        let now = self.connection.datetime(self.now);
        let unmerge = layer.statements().unmerge;
        let (count, pair) = (back.len(), pairs(&back, &former));
        let written = write_numbered(self.connection, &unmerge, count, pair, &now).await?;
        guard(written, count, "a group that was merged")?;
        for (back, former) in back.iter().zip(former.iter()) {
            self.effects.events.unmerged(layer, back, former);
        }
        self.effects.committed.unmerged += count;
        self.touch(layer, &back).await?;
        self.touch(layer, &former).await
    }

    /// Notes groups whose rows changed, and what has to be derived again of them.
    async fn touch(&mut self, layer: Layer, groups: &Texts) -> Result<(), CommitError> {
        self.effects.touched.add(layer.groups(), groups.iter());
        let Some(count) = layer.statements().count else {
            self.effects.identities.extend(groups.iter().map(str::to_owned));
            return Ok(());
        };
        let now = self.connection.datetime(self.now);
        write_numbered(self.connection, &count, groups.len(), |at| groups.get(at), &now).await?;
        Ok(())
    }
}

/// The texts of two columns at an index.
fn pairs<'t>(a: &'t Texts, b: &'t Texts) -> impl Fn(usize) -> (&'t str, &'t str) + Sync {
    |at| (a.get(at).unwrap_or_default(), b.get(at).unwrap_or_default())
}

fn guard(written: u64, expected: usize, what: &str) -> Result<(), CommitError> {
    if written == expected as u64 { Ok(()) } else { Err(CommitError::Conflict(what.to_owned())) }
}

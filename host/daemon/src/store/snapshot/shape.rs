//! How each view is read. ARCHITECTURE.md lists the columns for authors of plugins.

use super::scan::{Kind, Selected};
use crate::store::db::Sql;
use crate::store::owner::Owner;
use crate::store::revision::View;

/// How a view is read.
#[derive(Debug)]
pub(super) struct Shape {
    /// All rows. A child's are put in order here: the database would look each row up by an index, which
    /// takes longer than reading all.
    pub(super) all: &'static str,
    /// On SQLite, a table whose rows are those of the view, with the column that its rows lie by: so they are read
    /// in whatever order they lie in, some thousands at a time, which is a third of the work.
    pub(super) pages: Option<Pages>,
    /// The rows of some keys, a JSON list of which is bound, each looked up by an index; `None` if the log
    /// of changes does not list the view's.
    pub(super) some: Option<Sql>,
    /// The columns that are read, a child's with the `attacker` that it belongs to: name, kind, expression.
    pub(super) columns: &'static [Selected],
    /// The column with the key: all rows of one key are read, replaced and removed together.
    pub(super) key: &'static str,
    /// The columns that order the rows; of a child, those of one attacker. Texts go by the alphabet. A
    /// child's rows that are equal in all these are equal.
    pub(super) order: &'static [&'static str],
    /// Whether it is a child of the attackers.
    pub(super) is_child: bool,
    /// A column that is needed for the order and is no part of the view.
    pub(super) unseen: Option<&'static str>,
}

/// How a view's rows lie on SQLite.
#[derive(Debug)]
pub(super) struct Pages {
    /// The table and perhaps a shorter name of it.
    pub(super) table: &'static str,
    /// The column that its rows lie by; several may have the same value.
    pub(super) by: By,
    /// Which of its rows belong to the view.
    pub(super) only: &'static str,
}

/// What rows lie by.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A number.
    Number(&'static str),
    /// A text that is never empty.
    Text(&'static str),
}

pub(super) fn shape(view: View, owner: Owner) -> &'static Shape {
    match view {
        View::Identities if owner == Owner::Decnet => &DECNET_IDENTITIES,
        View::Phases if owner == Owner::Decnet => &DECNET_PHASES,
        View::Behaviour if owner == Owner::Decnet => &DECNET_BEHAVIOUR,
        View::Attackers => &ATTACKERS,
        View::Features => &FEATURES,
        View::Sessions => &SESSIONS,
        View::Identities => &IDENTITIES,
        View::Campaigns => &CAMPAIGNS,
        View::Behaviour => &BEHAVIOUR,
        View::Attribution => &ATTRIBUTION,
        View::Credentials => &CREDENTIALS,
        View::Reuse => &REUSE,
        View::Phases => &PHASES,
        View::Constraints => &CONSTRAINTS,
        View::State => &STATE,
    }
}

static ATTACKERS: Shape = Shape {
    all: "FROM attackers ORDER BY first_seen, uuid",
    pages: Some(Pages { table: "attackers", by: By::Number("rowid"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM attackers WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY {+}first_seen, uuid",
    )),
    columns: &[
        ("uuid", Kind::Text, "uuid"),
        ("ip", Kind::Text, "ip"),
        ("identity", Kind::Text, "identity_id"),
        ("first_seen", Kind::Moment, "first_seen"),
        ("last_seen", Kind::Moment, "last_seen"),
        ("asn", Kind::Uint32, "asn"),
    ],
    key: "uuid",
    order: &["first_seen", "uuid"],
    is_child: false,
    unseen: None,
};

static FEATURES: Shape = Shape {
    all: "FROM corral_feature",
    pages: Some(Pages { table: "corral_feature", by: By::Text("attacker_uuid"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM corral_feature WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
    )),
    columns: &[
        ("attacker", Kind::Text, "attacker_uuid"),
        ("kind", Kind::Text, "kind"),
        ("value", Kind::Text, "value"),
        ("seen", Kind::Int64, "first_seen"),
    ],
    key: "attacker",
    order: &["seen", "kind", "value"],
    is_child: true,
    unseen: None,
};

static SESSIONS: Shape = Shape {
    all: "FROM corral_session",
    pages: Some(Pages { table: "corral_session", by: By::Number("id"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM corral_session WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
    )),
    columns: &[
        ("attacker", Kind::Text, "attacker_uuid"),
        ("decky", Kind::Text, "decky"),
        ("service", Kind::Text, "service"),
        ("started_at", Kind::Int64, "started_at"),
        ("ended_at", Kind::Int64, "ended_at"),
    ],
    key: "attacker",
    order: &["started_at", "ended_at", "decky", "service"],
    is_child: true,
    unseen: None,
};

// An identity is stale when one of its attackers changed after its own columns were derived: whoever writes
// attackers logs their identities as well.
static IDENTITIES: Shape = Shape {
    all: "FROM attacker_identities i ORDER BY i.uuid",
    pages: Some(Pages { table: "attacker_identities i", by: By::Number("i.rowid"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM attacker_identities i WHERE i.uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY i.uuid",
    )),
    columns: &[
        ("uuid", Kind::Text, "i.uuid"),
        ("campaign", Kind::Text, "i.campaign_id"),
        ("merged_into", Kind::Text, "i.merged_into_uuid"),
        ("created_at", Kind::Moment, "i.created_at"),
        ("first_seen", Kind::Moment, "i.first_seen_at"),
        ("last_seen", Kind::Moment, "i.last_seen_at"),
        ("members", Kind::Uint32, "i.observation_count"),
        (
            "stale",
            Kind::Uint32,
            "CASE WHEN EXISTS (SELECT 1 FROM attackers a WHERE a.identity_id = i.uuid AND a.updated_at > i.updated_at)
                 THEN 1 END",
        ),
    ],
    key: "uuid",
    order: &["uuid"],
    is_child: false,
    unseen: None,
};

// No identity is stale where DECNET writes attackers: `project` derives the columns as it takes them in.
static DECNET_IDENTITIES: Shape = Shape {
    all: IDENTITIES.all,
    pages: Some(Pages { table: "attacker_identities i", by: By::Number("i.rowid"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM attacker_identities i WHERE i.uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY i.uuid",
    )),
    columns: &[
        ("uuid", Kind::Text, "i.uuid"),
        ("campaign", Kind::Text, "i.campaign_id"),
        ("merged_into", Kind::Text, "i.merged_into_uuid"),
        ("created_at", Kind::Moment, "i.created_at"),
        ("first_seen", Kind::Moment, "i.first_seen_at"),
        ("last_seen", Kind::Moment, "i.last_seen_at"),
        ("members", Kind::Uint32, "i.observation_count"),
        ("stale", Kind::Uint32, "{int NULL}"),
    ],
    key: "uuid",
    order: &["uuid"],
    is_child: false,
    unseen: None,
};

static CAMPAIGNS: Shape = Shape {
    all: "FROM campaigns ORDER BY uuid",
    pages: None,
    some: Some(Sql::of(
        "FROM campaigns WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY uuid",
    )),
    columns: &[
        ("uuid", Kind::Text, "uuid"),
        ("merged_into", Kind::Text, "merged_into_uuid"),
        ("created_at", Kind::Moment, "created_at"),
        ("members", Kind::Uint32, "identity_count"),
    ],
    key: "uuid",
    order: &["uuid"],
    is_child: false,
    unseen: None,
};

// A JSON column has numeric affinity: a number comes back as one unless it is asked for as text. On SQLite the
// table has no index on attackers; its key begins with their addresses, which end before the slash.
static BEHAVIOUR: Shape = Shape {
    all: "FROM observations o",
    pages: None,
    some: Some(
        Sql::of(
            "FROM {?: uuid key} AS named CROSS JOIN attackers a ON a.uuid = named.uuid
             CROSS JOIN observations o ON o.evidence_ref >= 'session:' || a.ip || '/'
                 AND o.evidence_ref < 'session:' || a.ip || '0' AND o.attacker_uuid = a.uuid",
        )
        .mariadb(BEHAVIOUR_OF_SOME)
        .postgres(BEHAVIOUR_OF_SOME),
    ),
    columns: &[
        ("attacker", Kind::Text, "o.attacker_uuid"),
        ("primitive", Kind::Text, "primitive"),
        ("value", Kind::Text, "{text o.value}"),
        ("confidence", Kind::Float64, "confidence"),
        ("at", Kind::Float64, "ts"),
    ],
    key: "attacker",
    order: &["primitive", "at", "value"],
    is_child: true,
    unseen: None,
};

// DECNET's table has an index on attackers, and an `evidence_ref` of another form.
static DECNET_BEHAVIOUR: Shape = Shape {
    all: BEHAVIOUR.all,
    pages: None,
    some: Some(Sql::of(BEHAVIOUR_OF_SOME)),
    columns: BEHAVIOUR.columns,
    key: "attacker",
    order: BEHAVIOUR.order,
    is_child: true,
    unseen: None,
};

const BEHAVIOUR_OF_SOME: &str =
    "FROM {?: uuid key} AS named JOIN observations o ON o.attacker_uuid = named.uuid";

static ATTRIBUTION: Shape = Shape {
    all: "FROM attribution_state ORDER BY identity_uuid, primitive",
    pages: None,
    some: Some(Sql::of(
        "FROM attribution_state WHERE identity_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)
         ORDER BY identity_uuid, primitive",
    )),
    columns: &[
        ("identity", Kind::Text, "identity_uuid"),
        ("primitive", Kind::Text, "primitive"),
        ("value", Kind::Text, "{text current_value}"),
        ("state", Kind::Text, "state"),
        ("confidence", Kind::Float64, "confidence"),
        ("samples", Kind::Uint32, "observation_count"),
        ("changed_at", Kind::Float64, "last_change_ts"),
        ("observed_at", Kind::Float64, "last_observation_ts"),
    ],
    key: "identity",
    order: &["identity", "primitive"],
    is_child: false,
    unseen: None,
};

static CREDENTIALS: Shape = Shape {
    all: "FROM credentials ORDER BY id",
    pages: Some(Pages { table: "credentials", by: By::Number("id"), only: "TRUE" }),
    some: Some(Sql::of(
        "FROM credentials WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY {+}id",
    )),
    columns: &[
        ("id", Kind::Int64, "id"),
        ("attacker", Kind::Text, "attacker_uuid"),
        ("ip", Kind::Text, "attacker_ip"),
        ("decky", Kind::Text, "decky_name"),
        ("service", Kind::Text, "service"),
        ("principal", Kind::Text, "principal"),
        ("principal_key", Kind::Text, "principal_key"),
        ("secret_kind", Kind::Text, "secret_kind"),
        ("secret_sha256", Kind::Text, "secret_sha256"),
        ("attempts", Kind::Uint32, "attempt_count"),
        ("first_seen", Kind::Moment, "first_seen"),
        ("last_seen", Kind::Moment, "last_seen"),
    ],
    key: "attacker",
    order: &["id"],
    is_child: false,
    unseen: Some("id"),
};

static REUSE: Shape = Shape {
    all: "FROM credential_reuse ORDER BY id",
    pages: None,
    some: Some(Sql::of(
        "FROM credential_reuse WHERE id IN (SELECT n.uuid FROM {?: uuid key} AS n) ORDER BY id",
    )),
    columns: &[
        ("uuid", Kind::Text, "id"),
        ("secret_sha256", Kind::Text, "secret_sha256"),
        ("secret_kind", Kind::Text, "secret_kind"),
        ("principal_key", Kind::Text, "principal_key"),
        ("targets", Kind::Uint32, "target_count"),
        ("attempts", Kind::Uint32, "attempt_count"),
    ],
    key: "uuid",
    order: &["uuid"],
    is_child: false,
    unseen: None,
};

static PHASES: Shape = Shape {
    all: "FROM ttp_tag WHERE attacker_uuid IS NOT NULL AND decky_id IS NOT NULL",
    pages: Some(Pages {
        table: "ttp_tag",
        by: By::Number("rowid"),
        only: "attacker_uuid IS NOT NULL AND decky_id IS NOT NULL",
    }),
    some: Some(Sql::of(
        "FROM ttp_tag WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n) AND decky_id IS NOT NULL",
    )),
    columns: &[
        ("attacker", Kind::Text, "attacker_uuid"),
        ("decky", Kind::Text, "decky_id"),
        ("tactic", Kind::Text, "tactic"),
        ("at", Kind::Moment, "created_at"),
    ],
    key: "attacker",
    order: &["at", "decky", "tactic"],
    is_child: true,
    unseen: None,
};

// DECNET tags identities too: such a tag is told of one attacker of the identity, as whoever reads this view
// puts the attackers of an identity together.
static DECNET_PHASES: Shape = Shape {
    all: "FROM (SELECT attacker_uuid, decky_id, tactic, created_at FROM ttp_tag
             WHERE attacker_uuid IS NOT NULL AND decky_id IS NOT NULL
         UNION ALL SELECT MIN(a.uuid) AS attacker_uuid, t.decky_id, t.tactic, t.created_at
             FROM ttp_tag t JOIN attackers a ON a.identity_id = t.identity_uuid
             WHERE t.decky_id IS NOT NULL
             GROUP BY t.uuid, t.decky_id, t.tactic, t.created_at) AS tagged",
    pages: None,
    some: Some(Sql::of(
        "FROM (SELECT a.uuid AS attacker_uuid, t.decky_id, t.tactic, t.created_at
             FROM {?: uuid key} AS named JOIN attackers a ON a.uuid = named.uuid
             JOIN ttp_tag t ON t.attacker_uuid = a.uuid OR (t.identity_uuid = a.identity_id AND a.uuid =
                 (SELECT MIN(b.uuid) FROM attackers b WHERE b.identity_id = a.identity_id))
             WHERE t.decky_id IS NOT NULL) AS tagged",
    )),
    columns: PHASES.columns,
    key: "attacker",
    order: PHASES.order,
    is_child: true,
    unseen: None,
};

static CONSTRAINTS: Shape = Shape {
    all: "FROM corral_constraint ORDER BY a, b",
    pages: None,
    some: None,
    columns: &[("a", Kind::Text, "a"), ("b", Kind::Text, "b"), ("verdict", Kind::Text, "verdict")],
    key: "a",
    order: &["a", "b"],
    is_child: false,
    unseen: None,
};

static STATE: Shape = Shape {
    all: "FROM corral_state WHERE plugin = ? ORDER BY `key`",
    pages: None,
    some: None,
    columns: &[("key", Kind::Text, "`key`"), ("value", Kind::Text, "value")],
    key: "key",
    order: &["key"],
    is_child: false,
    unseen: None,
};

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::*;
    use crate::store::Store;
    use crate::store::db::{Dialect, query};
    use std::time::Duration;

    #[tokio::test]
    async fn the_rows_of_some_keys_are_found_without_passing_by_the_others() {
        let (store, _folder) = Store::throwaway(Duration::from_secs(5)).await;
        for (view, some) in View::ALL
            .into_iter()
            .filter_map(|view| Some((view, shape(view, Owner::Corral).some.as_ref()?)))
        {
            let columns = scan::expressions(shape(view, Owner::Corral).columns, true);
            let sql =
                some.prefixed(&format!("EXPLAIN QUERY PLAN SELECT {columns} "), &Dialect::Sqlite);
            let plan: Vec<(i64, i64, i64, String)> =
                query(sql).bind("[]").all(&mut store.read().await.unwrap()).await.unwrap();
            let steps: Vec<String> = plan.into_iter().map(|(.., detail)| detail).collect();
            let is_scan = |step: &&String| step.contains("SCAN") && !step.contains("VIRTUAL TABLE");
            let scans: Vec<&String> = steps.iter().filter(is_scan).collect();
            assert!(scans.is_empty() && !steps.is_empty(), "{view:?}: {steps:?}");
        }
    }
}

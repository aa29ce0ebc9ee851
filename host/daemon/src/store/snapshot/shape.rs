//! How each view is read. ARCHITECTURE.md lists the columns for authors of plugins.

use super::scan::Kind;
use crate::store::revision::View;

/// How a view is read.
#[derive(Debug)]
pub(super) struct Shape {
    /// The query; a child's gives the attacker's uuid first.
    pub(super) sql: &'static str,
    /// The columns, without a child's `row`.
    pub(super) columns: &'static [(&'static str, Kind)],
    /// The views whose changes can change its rows.
    pub(super) made_from: &'static [View],
    /// Whether it is a child of the attackers, and how rows lie within one attacker.
    pub(super) child: Option<Order>,
}

/// How the rows of one attacker lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// As the query gave them.
    AsScanned,
    /// By this column, then as the query gave them.
    By(&'static str),
}

pub(super) fn shape(view: View) -> &'static Shape {
    match view {
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

const ATTACKERS: Shape = Shape {
    sql: "SELECT uuid, ip, identity_id, first_seen, last_seen, asn FROM attackers ORDER BY first_seen, uuid",
    columns: &[
        ("uuid", Kind::Text),
        ("ip", Kind::Text),
        ("identity", Kind::Text),
        ("first_seen", Kind::Moment),
        ("last_seen", Kind::Moment),
        ("asn", Kind::Uint32),
    ],
    made_from: &[View::Attackers],
    child: None,
};

const FEATURES: Shape = Shape {
    sql: "SELECT attacker_uuid, kind, value, first_seen FROM corral_feature",
    columns: &[("kind", Kind::Text), ("value", Kind::Text), ("seen", Kind::Int64)],
    made_from: &[View::Features, View::Attackers],
    child: Some(Order::By("seen")),
};

const SESSIONS: Shape = Shape {
    sql: "SELECT attacker_uuid, decky, service, started_at, ended_at FROM corral_session
     ORDER BY attacker_uuid, started_at, ended_at, source, session",
    columns: &[
        ("decky", Kind::Text),
        ("service", Kind::Text),
        ("started_at", Kind::Int64),
        ("ended_at", Kind::Int64),
    ],
    made_from: &[View::Sessions, View::Attackers],
    child: Some(Order::By("started_at")),
};

// An identity is stale when one of its attackers changed after its own columns were derived.
const IDENTITIES: Shape = Shape {
    sql: "SELECT i.uuid, i.campaign_id, i.merged_into_uuid, i.created_at, i.first_seen_at,
         i.last_seen_at, i.observation_count, EXISTS (SELECT 1 FROM attackers a
             WHERE a.identity_id = i.uuid AND a.updated_at > i.updated_at)
     FROM attacker_identities i ORDER BY i.uuid",
    columns: &[
        ("uuid", Kind::Text),
        ("campaign", Kind::Text),
        ("merged_into", Kind::Text),
        ("created_at", Kind::Moment),
        ("first_seen", Kind::Moment),
        ("last_seen", Kind::Moment),
        ("members", Kind::Uint32),
        ("stale", Kind::Uint32),
    ],
    made_from: &[View::Identities, View::Attackers],
    child: None,
};

const CAMPAIGNS: Shape = Shape {
    sql: "SELECT uuid, merged_into_uuid, created_at, identity_count FROM campaigns ORDER BY uuid",
    columns: &[
        ("uuid", Kind::Text),
        ("merged_into", Kind::Text),
        ("created_at", Kind::Moment),
        ("members", Kind::Uint32),
    ],
    made_from: &[View::Campaigns],
    child: None,
};

const BEHAVIOUR: Shape = Shape {
    sql: "SELECT attacker_uuid, primitive, value, confidence, ts FROM observations
     ORDER BY attacker_uuid, primitive, ts, id",
    columns: &[
        ("primitive", Kind::Text),
        ("value", Kind::Text),
        ("confidence", Kind::Float64),
        ("at", Kind::Float64),
    ],
    made_from: &[View::Behaviour, View::Attackers],
    child: Some(Order::AsScanned),
};

const ATTRIBUTION: Shape = Shape {
    sql: "SELECT identity_uuid, primitive, current_value, state, confidence, observation_count,
         last_change_ts, last_observation_ts
     FROM attribution_state ORDER BY identity_uuid, primitive",
    columns: &[
        ("identity", Kind::Text),
        ("primitive", Kind::Text),
        ("value", Kind::Text),
        ("state", Kind::Text),
        ("confidence", Kind::Float64),
        ("samples", Kind::Uint32),
        ("changed_at", Kind::Float64),
        ("observed_at", Kind::Float64),
    ],
    made_from: &[View::Attribution],
    child: None,
};

const CREDENTIALS: Shape = Shape {
    sql: "SELECT attacker_uuid, attacker_ip, decky_name, service, principal, principal_key,
         secret_kind, secret_sha256, attempt_count, first_seen, last_seen
     FROM credentials ORDER BY id",
    columns: &[
        ("attacker", Kind::Text),
        ("ip", Kind::Text),
        ("decky", Kind::Text),
        ("service", Kind::Text),
        ("principal", Kind::Text),
        ("principal_key", Kind::Text),
        ("secret_kind", Kind::Text),
        ("secret_sha256", Kind::Text),
        ("attempts", Kind::Uint32),
        ("first_seen", Kind::Moment),
        ("last_seen", Kind::Moment),
    ],
    made_from: &[View::Credentials],
    child: None,
};

const REUSE: Shape = Shape {
    sql: "SELECT id, secret_sha256, secret_kind, principal_key, target_count, attempt_count
     FROM credential_reuse ORDER BY id",
    columns: &[
        ("uuid", Kind::Text),
        ("secret_sha256", Kind::Text),
        ("secret_kind", Kind::Text),
        ("principal_key", Kind::Text),
        ("targets", Kind::Uint32),
        ("attempts", Kind::Uint32),
    ],
    made_from: &[View::Reuse],
    child: None,
};

const PHASES: Shape = Shape {
    sql: "SELECT attacker_uuid, decky_id, tactic, created_at FROM ttp_tag
     WHERE attacker_uuid IS NOT NULL AND decky_id IS NOT NULL",
    columns: &[("decky", Kind::Text), ("tactic", Kind::Text), ("at", Kind::Moment)],
    made_from: &[View::Phases, View::Attackers],
    child: Some(Order::By("at")),
};

const CONSTRAINTS: Shape = Shape {
    sql: "SELECT a, b, verdict FROM corral_constraint ORDER BY a, b",
    columns: &[("a", Kind::Text), ("b", Kind::Text), ("verdict", Kind::Text)],
    made_from: &[View::Constraints],
    child: None,
};

const STATE: Shape = Shape {
    sql: "SELECT key, value FROM corral_state WHERE plugin = ? ORDER BY key",
    columns: &[("key", Kind::Text), ("value", Kind::Text)],
    made_from: &[View::State],
    child: None,
};

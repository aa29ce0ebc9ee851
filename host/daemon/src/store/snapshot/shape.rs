//! How each view is read. ARCHITECTURE.md lists the columns for authors of plugins.

use super::scan::Kind;
use crate::store::revision::View;

/// How a view is read.
#[derive(Debug)]
pub(super) struct Shape {
    /// Where the rows are, and in which order. A child's are put in order here: the database would look
    /// each row up by an index, which takes longer than reading all.
    pub(super) from: &'static str,
    /// The columns, without a child's `row`: name, kind, expression.
    pub(super) columns: &'static [(&'static str, Kind, &'static str)],
    /// The views whose changes can change its rows; a child's rows follow the attackers' order too.
    pub(super) made_from: &'static [View],
    /// The columns that order the rows of one attacker, whose uuid is `attacker_uuid`, if the view is a
    /// child of the attackers. Texts go by the alphabet. Rows that are equal in all these are equal.
    pub(super) child: Option<&'static [&'static str]>,
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
    from: "FROM attackers ORDER BY first_seen, uuid",
    columns: &[
        ("uuid", Kind::Text, "uuid"),
        ("ip", Kind::Text, "ip"),
        ("identity", Kind::Text, "identity_id"),
        ("first_seen", Kind::Moment, "first_seen"),
        ("last_seen", Kind::Moment, "last_seen"),
        ("asn", Kind::Uint32, "asn"),
    ],
    made_from: &[View::Attackers],
    child: None,
};

const FEATURES: Shape = Shape {
    from: "FROM corral_feature",
    columns: &[
        ("kind", Kind::Text, "kind"),
        ("value", Kind::Text, "value"),
        ("seen", Kind::Int64, "first_seen"),
    ],
    made_from: &[View::Features],
    child: Some(&["seen", "kind", "value"]),
};

const SESSIONS: Shape = Shape {
    from: "FROM corral_session",
    columns: &[
        ("decky", Kind::Text, "decky"),
        ("service", Kind::Text, "service"),
        ("started_at", Kind::Int64, "started_at"),
        ("ended_at", Kind::Int64, "ended_at"),
    ],
    made_from: &[View::Sessions],
    child: Some(&["started_at", "ended_at", "decky", "service"]),
};

// An identity is stale when one of its attackers changed after its own columns were derived.
const IDENTITIES: Shape = Shape {
    from: "FROM attacker_identities i ORDER BY i.uuid",
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
            "EXISTS (SELECT 1 FROM attackers a WHERE a.identity_id = i.uuid AND a.updated_at > i.updated_at)",
        ),
    ],
    made_from: &[View::Identities, View::Attackers],
    child: None,
};

const CAMPAIGNS: Shape = Shape {
    from: "FROM campaigns ORDER BY uuid",
    columns: &[
        ("uuid", Kind::Text, "uuid"),
        ("merged_into", Kind::Text, "merged_into_uuid"),
        ("created_at", Kind::Moment, "created_at"),
        ("members", Kind::Uint32, "identity_count"),
    ],
    made_from: &[View::Campaigns],
    child: None,
};

// A JSON column has numeric affinity: a number comes back as one unless it is asked for as text.
const BEHAVIOUR: Shape = Shape {
    from: "FROM observations",
    columns: &[
        ("primitive", Kind::Text, "primitive"),
        ("value", Kind::Text, "CAST(value AS TEXT)"),
        ("confidence", Kind::Float64, "confidence"),
        ("at", Kind::Float64, "ts"),
    ],
    made_from: &[View::Behaviour],
    child: Some(&["primitive", "at", "value"]),
};

const ATTRIBUTION: Shape = Shape {
    from: "FROM attribution_state ORDER BY identity_uuid, primitive",
    columns: &[
        ("identity", Kind::Text, "identity_uuid"),
        ("primitive", Kind::Text, "primitive"),
        ("value", Kind::Text, "CAST(current_value AS TEXT)"),
        ("state", Kind::Text, "state"),
        ("confidence", Kind::Float64, "confidence"),
        ("samples", Kind::Uint32, "observation_count"),
        ("changed_at", Kind::Float64, "last_change_ts"),
        ("observed_at", Kind::Float64, "last_observation_ts"),
    ],
    made_from: &[View::Attribution],
    child: None,
};

const CREDENTIALS: Shape = Shape {
    from: "FROM credentials ORDER BY id",
    columns: &[
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
    made_from: &[View::Credentials],
    child: None,
};

const REUSE: Shape = Shape {
    from: "FROM credential_reuse ORDER BY id",
    columns: &[
        ("uuid", Kind::Text, "id"),
        ("secret_sha256", Kind::Text, "secret_sha256"),
        ("secret_kind", Kind::Text, "secret_kind"),
        ("principal_key", Kind::Text, "principal_key"),
        ("targets", Kind::Uint32, "target_count"),
        ("attempts", Kind::Uint32, "attempt_count"),
    ],
    made_from: &[View::Reuse],
    child: None,
};

const PHASES: Shape = Shape {
    from: "FROM ttp_tag WHERE attacker_uuid IS NOT NULL AND decky_id IS NOT NULL",
    columns: &[
        ("decky", Kind::Text, "decky_id"),
        ("tactic", Kind::Text, "tactic"),
        ("at", Kind::Moment, "created_at"),
    ],
    made_from: &[View::Phases],
    child: Some(&["at", "decky", "tactic"]),
};

const CONSTRAINTS: Shape = Shape {
    from: "FROM corral_constraint ORDER BY a, b",
    columns: &[("a", Kind::Text, "a"), ("b", Kind::Text, "b"), ("verdict", Kind::Text, "verdict")],
    made_from: &[View::Constraints],
    child: None,
};

const STATE: Shape = Shape {
    from: "FROM corral_state WHERE plugin = ? ORDER BY key",
    columns: &[("key", Kind::Text, "key"), ("value", Kind::Text, "value")],
    made_from: &[View::State],
    child: None,
};

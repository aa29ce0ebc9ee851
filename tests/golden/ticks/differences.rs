//! What Corral does otherwise on purpose, per field: the one table of it. Every field that does not stand here
//! is equal to upstream's, to the letter; every field that does is checked against the rule named here.

use anyhow::{Context, Result};

/// A field in which Corral's row may differ from upstream's.
struct Difference {
    /// The table and its columns, or the topic and its keys.
    fields: &'static [&'static str],
    /// What upstream does.
    upstream: &'static str,
    /// What Corral does instead, and what the check is.
    ours: &'static str,
}

/// What Corral's rule is for a field; only a field of the table may be checked by another rule than equality.
///
/// # Errors
/// The field is not in the table.
pub(crate) fn rule_of(field: &str) -> Result<String> {
    let found = DIFFERENCES.iter().find(|difference| difference.fields.contains(&field));
    let found =
        found.with_context(|| format!("{field} is in no row of the table of differences"))?;
    Ok(format!("{field}: upstream has {}; ours is {}", found.upstream, found.ours))
}

/// All of them.
const DIFFERENCES: &[Difference] = &[
    Difference {
        fields: &["attacker_identities.observation_count"],
        upstream: "the size of the component at creation, never maintained (W5)",
        ours: "the attackers of the identity and of all that were merged into it",
    },
    Difference {
        fields: &["attacker_identities.kd_digraph_simhash"],
        upstream: "eight bytes that its own API cannot read (W2)",
        ours: "NULL; the centroid is made in memory where it is needed",
    },
    Difference {
        fields: &["attacker_identities.ja4h_hashes", "attacker_identities.ja4_quic_hashes"],
        upstream: "computed and dropped (W5)",
        ours: "by the same rule as the other lists",
    },
    Difference {
        fields: &[
            "attacker_identities.ja3_hashes",
            "attacker_identities.hassh_hashes",
            "attacker_identities.tls_cert_sha256",
        ],
        upstream: "of the component that came last, or as they were for a merged identity (W4)",
        ours: "of all attackers of the identity and of those merged into it; where these are one component, \
               the two are equal",
    },
    Difference {
        fields: &["campaigns.identity_count"],
        upstream: "the size of the component at creation, never maintained (W11)",
        ours: "the identities of the campaign that are not merged away",
    },
    Difference {
        fields: &["credential_reuse.attempt_count"],
        upstream: "every credential's counter again at each tick (W17)",
        ours: "the sum over the credentials",
    },
    Difference {
        fields: &["credential_reuse.target_count", "credential.reuse.detected target_count"],
        upstream: "counted again only when a list grows, or as it was at creation (W17)",
        ours: "the distinct sensors with services of the credentials, always",
    },
    Difference {
        fields: &[
            "credential_reuse.attacker_uuids",
            "credential_reuse.attacker_ips",
            "credential_reuse.deckies",
            "credential_reuse.services",
        ],
        upstream: "append only, in the order in which rows are met",
        ours: "sorted, of the credentials there are; compared as sets",
    },
    Difference {
        fields: &["credential.reuse.detected (events)"],
        upstream: "none where a known sensor and a known service meet for the first time (W17)",
        ours: "one more where only target_count grew",
    },
    Difference {
        fields: &["credential_reuse (rows)", "credential_reuse.principal"],
        upstream: "a sensor a:b with service c is a with b:c; no user name and an empty one are two groups of \
                   one row, which has the principal of the first",
        ours: "these are two targets; and one group, without a principal if any credential has none",
    },
    Difference {
        fields: &["attribution_state (rows)"],
        upstream: "only series that an event named, and of the moment of that event (W12, W14)",
        ours: "all series, as they are: where an event was lost, count and latest time are those of the samples",
    },
    Difference {
        fields: &[
            "attribution.profile.multi_actor_suspected ts",
            "updated_at",
            "created_at",
            "first_seen",
            "last_seen",
        ],
        upstream: "the time of the tick",
        ours: "the time of Corral's tick, or of the rows themselves",
    },
    Difference {
        fields: &["attackers.identity_id (attribution)"],
        upstream: "a stub identity for an attacker that the clusterer has not seen (W6)",
        ours: "none is minted: the stub that upstream made is given",
    },
    Difference {
        fields: &["a tick over a poisoned row"],
        upstream: "raises, for ever, and nothing is written",
        ours: "the row gives nothing and is named; all others are grouped",
    },
    Difference {
        fields: &["a tick over a kd_digraph_simhash that is no UTF-8"],
        upstream: "finds no identities and does nothing, for ever (W2)",
        ours: "empties the column, and groups everybody",
    },
    Difference {
        fields: &["identity.unmerged (events)", "campaign.unmerged (events)"],
        upstream: "parts two that a third holds together, and merges others through one that is leaving: these \
                   are parted and merged again in turns, without end",
        ours: "parts two if they do not hang together, by a third either, and merges nobody through one that \
               leaves; soon nothing is left to do, and whoever shares a component shares an identity",
    },
    Difference {
        fields: &["events: keys beyond upstream's"],
        upstream: "no anchor that its TTP worker could use (W18)",
        ours: "upstream's keys unchanged, and more",
    },
];

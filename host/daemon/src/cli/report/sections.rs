//! The report's sections on campaigns, behaviour and reused credentials.

use super::{day, held_by};
use crate::cli::output;
use crate::report::behaviour::Behaviour;
use crate::report::campaigns::Campaigns;
use crate::report::reuse::Reuse;

/// Characters of a secret that are shown.
const SECRET_CHARS: usize = 40;

pub(super) fn print_campaigns(campaigns: &Campaigns) {
    if campaigns.total == 0 {
        return;
    }
    output::line(&format!(
        "\n{} campaigns; {} of them hold {} identities together, the others one each",
        campaigns.total, campaigns.groups, campaigns.grouped
    ));
    if campaigns.largest.is_empty() {
        return;
    }
    output::table(
        &["campaign", "identities", "addresses", "first", "last", "held together by"],
        campaigns.largest.iter().map(|row| {
            vec![
                row.campaign.uuid.chars().take(8).collect(),
                row.campaign.identities.to_string(),
                row.campaign.addresses.to_string(),
                day(&row.campaign.first_seen),
                day(&row.campaign.last_seen),
                held_by(&row.joins),
            ]
        }),
    );
    if let Some((a, b)) = campaigns.largest.iter().find_map(|row| row.example.as_ref()) {
        output::line(&format!(
            "Why are two identities one campaign? For example: corral why {a} {b}"
        ));
    }
}

pub(super) fn print_behaviour(behaviour: &Behaviour) {
    if behaviour.primitives.is_empty() {
        return;
    }
    output::line(&format!(
        "\nBehaviour: of {} identities with samples enough, {} stay the same in everything",
        behaviour.known, behaviour.steady
    ));
    output::table(
        &["primitive", "stable", "drifting", "conflicted", "several operators", "too few samples"],
        behaviour.primitives.iter().map(|row| {
            let counts = [row.stable, row.drifting, row.conflicted, row.multi_actor, row.unknown];
            let mut cells = vec![row.primitive.clone()];
            cells.extend(counts.map(|count| count.to_string()));
            cells
        }),
    );
    if behaviour.unsteady.is_empty() {
        return;
    }
    output::line("\nThe least steady identities, by primitives");
    output::table(
        &[
            "identity",
            "addresses",
            "samples",
            "stable",
            "drifting",
            "conflicted",
            "several operators",
            "",
        ],
        behaviour.unsteady.iter().map(|row| {
            let identity = &row.identity;
            let counts = [
                identity.addresses,
                identity.samples,
                identity.stable,
                identity.drifting,
                identity.conflicted,
                identity.multi_actor,
            ];
            let mut cells = vec![identity.identity.chars().take(8).collect()];
            cells.extend(counts.map(|count| count.to_string()));
            cells.push(if row.is_suspected { "suspected: more than one" } else { "" }.to_owned());
            cells
        }),
    );
}

pub(super) fn print_reuse(reuse: &Reuse) {
    if reuse.total == 0 {
        return;
    }
    output::line(&format!(
        "\nReused credentials: {} came back on other targets, {} of them a wordlist's; the most surprising",
        reuse.total, reuse.wordlist
    ));
    output::table(
        &["user", "secret", "addresses", "targets", "attempts", "surprise", ""],
        reuse.top.iter().map(|row| {
            let credential = &row.credential;
            vec![
                credential.principal.clone().unwrap_or_default(),
                credential.secret.clone().unwrap_or_default().chars().take(SECRET_CHARS).collect(),
                credential.addresses.to_string(),
                credential.targets.to_string(),
                credential.attempts.to_string(),
                format!("{:.0} bits", row.surprise),
                if row.is_wordlist { "wordlist" } else { "" }.to_owned(),
            ]
        }),
    );
}

/// A state in words.
pub(in crate::cli) fn state(state: &str) -> &str {
    match state {
        "multi_actor" => "several operators",
        "unknown" => "too few samples",
        other => other,
    }
}

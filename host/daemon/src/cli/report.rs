//! `corral report`: what an analyst wants to see first.

use super::{Context, Failure, output};
use crate::report::{Group, Join, Overview, WORDLIST_ADDRESSES, overview};

mod sections;

pub(super) use sections::state;

/// What is stored and what came of it: identities, what holds them together, what to doubt
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rows a table
    #[arg(long, default_value_t = 10)]
    most: u32,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let store = context.existing_store().await?;
    let report = overview(&store, args.most).await?;
    store.close().await;
    if context.json {
        return output::json(&report);
    }
    if report.totals.attackers == 0 {
        output::line(
            "Nothing is stored yet. Begin with: corral ingest cowrie LOGS, then: corral run",
        );
        return Ok(());
    }
    print_totals(&report);
    print_identities(&report);
    sections::print_campaigns(&report.campaigns);
    sections::print_behaviour(&report.behaviour);
    sections::print_reuse(&report.reuse);
    print_shared(&report);
    print_alarm(&report);
    Ok(())
}

fn print_totals(report: &Overview) {
    let totals = &report.totals;
    let minute = |time: &Option<String>| {
        time.as_deref().and_then(|time| time.get(..16)).unwrap_or("?").to_owned()
    };
    output::line(&format!(
        "{} addresses, {} sessions, {} events from {} to {} UTC",
        totals.attackers,
        totals.sessions,
        totals.events,
        minute(&totals.first_seen),
        minute(&totals.last_seen)
    ));
    output::line(&format!(
        "{} credentials tried, {} commands, {} files read",
        totals.credentials, totals.commands, totals.files
    ));
    if totals.unassigned > 0 {
        output::line(&format!(
            "{} addresses have no identity yet: corral run gives them one",
            totals.unassigned
        ));
    }
}

fn print_identities(report: &Overview) {
    output::line(&format!(
        "\n{} identities; {} of them hold {} addresses together, the others one each",
        report.totals.identities, report.groups, report.grouped
    ));
    if report.largest.is_empty() {
        return;
    }
    output::table(
        &["identity", "addresses", "share", "first", "last", "held together by"],
        report.largest.iter().map(|group: &Group| {
            vec![
                group.identity.uuid.chars().take(8).collect(),
                group.identity.addresses.to_string(),
                percent(group.share),
                day(&group.identity.first_seen),
                day(&group.identity.last_seen),
                held_by(&group.joins),
            ]
        }),
    );
}

/// The day of a time.
fn day(time: &Option<String>) -> String {
    time.as_deref().and_then(|time| time.get(..10)).unwrap_or("?").to_owned()
}

/// The three values that most joins rest on.
fn held_by(joins: &[Join]) -> String {
    let shown = joins.iter().take(3).map(|join| {
        let value: String = join.value.chars().take(12).collect();
        format!("{} {value} ×{}", join.reason, join.edges)
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if joins.len() > 3 {
        text.push_str(&format!(", {} more", joins.len() - 3));
    }
    text
}

fn print_shared(report: &Overview) {
    if !report.shared.is_empty() {
        output::line("\nMost shared values");
        output::table(
            &["kind", "addresses", "value"],
            report.shared.iter().map(|row| {
                vec![
                    row.kind.clone(),
                    row.addresses.to_string(),
                    row.value.chars().take(64).collect(),
                ]
            }),
        );
    }
    if !report.credentials.is_empty() {
        output::line("\nMost tried credentials");
        output::table(
            &["user", "secret", "addresses", "attempts", ""],
            report.credentials.iter().map(|row| {
                vec![
                    row.principal.clone().unwrap_or_default(),
                    row.secret.clone().unwrap_or_default().chars().take(40).collect(),
                    row.addresses.to_string(),
                    row.attempts.to_string(),
                    if row.addresses > WORDLIST_ADDRESSES { "wordlist" } else { "" }.to_owned(),
                ]
            }),
        );
    }
    if !report.tactics.is_empty() {
        output::line("\nWhat they did (ATT&CK tactics)");
        output::table(
            &["tactic", "addresses", "sessions"],
            report.tactics.iter().map(|row| {
                let name = tactic(&row.tactic);
                vec![
                    format!("{} {name}", row.tactic),
                    row.addresses.to_string(),
                    row.sessions.to_string(),
                ]
            }),
        );
    }
}

fn print_alarm(report: &Overview) {
    if let Some(example) = &report.example {
        output::line(&format!(
            "\nWhy are two addresses one? For example: corral why {} {}",
            example.a, example.b
        ));
    }
    let Some(alarm) = &report.alarm else { return };
    output::line(&format!(
        "\nALARM: identity {} holds {} addresses, {} of all. That is hard to believe of one actor.",
        alarm.identity,
        alarm.addresses,
        percent(alarm.share)
    ));
    output::line(&format!(
        "  {} of its joins rest on {} {}, which {} addresses show. A client library shared by strangers",
        alarm.cause.edges, alarm.cause.reason, alarm.cause.value, alarm.holders
    ));
    output::line(
        "  looks like this, and so does one worm on many hosts: check what else they share.",
    );
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The names of ATT&CK's enterprise tactics.
fn tactic(id: &str) -> &'static str {
    match id {
        "TA0043" => "reconnaissance",
        "TA0042" => "resource development",
        "TA0001" => "initial access",
        "TA0002" => "execution",
        "TA0003" => "persistence",
        "TA0004" => "privilege escalation",
        "TA0005" => "defense evasion",
        "TA0006" => "credential access",
        "TA0007" => "discovery",
        "TA0008" => "lateral movement",
        "TA0009" => "collection",
        "TA0011" => "command and control",
        "TA0010" => "exfiltration",
        "TA0040" => "impact",
        _ => "",
    }
}

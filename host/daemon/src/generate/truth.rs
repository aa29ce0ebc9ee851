//! What really happened: the answers, beside the questions.
//!
//! `truth.csv` has one row for each address that stands in the logs, and no other. `README.txt` tells
//! the first chapter in plain words with the numbers of its seed. Addresses of one actor belong together
//! and of two actors do not; that a scanner's or a prober's addresses cannot always be told to belong
//! together does not change what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::cast::props::Operator;
use super::cast::{
    Actor, Attacker, Cast, DAY, EVENING_BEFORE_MIDNIGHT, Flaws, Kind, Role, Survey, Vocabulary,
};
use super::clients::Software;
use super::script::{Protocol, protocol};
use super::{Options, Summary, Volume};

/// How the README begins; by this a directory is known to hold a generated log.
pub(super) const MARK: &str =
    "This is not the log of a real honeypot: `corral generate` made it up.";

/// The heading of the truth.
pub(super) const HEADING: &str = "address,actor,kind,note\n";

/// Appends the rows of those of a cast whom the honeypot saw, and counts them.
pub(super) fn write_rows(
    out: &mut impl Write,
    cast: &Cast,
    seen: &[bool],
    counts: &mut BTreeMap<Kind, u64>,
) -> io::Result<()> {
    for attacker in present(cast, seen) {
        let Actor { kind, number } = attacker.actor;
        *counts.entry(kind).or_default() += 1;
        writeln!(
            out,
            "{},{}-{number},{},{}",
            attacker.address,
            kind.word(),
            kind.word(),
            note(attacker)
        )?;
    }
    Ok(())
}

fn present<'a>(cast: &'a Cast, seen: &'a [bool]) -> impl Iterator<Item = &'a Attacker> {
    cast.attackers.iter().zip(seen).filter(|(_, seen)| **seen).map(|(attacker, _)| attacker)
}

fn note(attacker: &Attacker) -> &'static str {
    match attacker.role {
        Role::Infect(_) => "spreads a key and a payload",
        Role::Stall(_) => "same worm; never gets past the login",
        Role::Relay(_) => "one login and a tunnel to the mail server",
        Role::Guess(Vocabulary::Own) if attacker.client == Software::RelayTool.place() => {
            "has the client of the relay campaign and nothing to do with it"
        }
        Role::Guess(Vocabulary::Own) => "guesses from its own words",
        Role::Guess(Vocabulary::Shared(_)) => "guesses from a list that others use too",
        Role::GuessTelnet => "guesses over telnet",
        Role::Load(_) => "loads the same program over telnet",
        Role::Operate(_) => "types",
        Role::Survey(Survey::Banner) => "says that it surveys",
        Role::Survey(Survey::Marker) => "sends its marker",
        Role::Survey(Survey::Http) => "speaks HTTP",
        Role::Survey(Survey::Tls) => "speaks TLS",
        Role::Probe(_) => "tests tunnels",
        Role::Knock => "connects and leaves",
        Role::Handshake => "negotiates and leaves",
        Role::Visit => "looks around once",
        Role::PasteLong => "pastes half a megabyte",
        Role::SpeakGarbage => "has a name that is not UTF-8",
    }
}

/// The first chapter in words.
pub(super) fn tell(cast: &Cast, seen: &[bool]) -> String {
    let mut told = String::new();
    let mut actors: BTreeMap<Actor, Vec<&Attacker>> = BTreeMap::new();
    let mut hasshes: BTreeMap<&str, u32> = BTreeMap::new();
    let mut with_hassh = 0_u32;
    for attacker in present(cast, seen) {
        actors.entry(attacker.actor).or_default().push(attacker);
        if let Some(hassh) = fingerprint(cast, attacker) {
            *hasshes.entry(hassh).or_default() += 1;
            with_hassh += 1;
        }
    }
    if let Some((hassh, count)) = hasshes.iter().max_by_key(|(_, count)| **count) {
        let values = hasshes.len();
        let percent = count * 100 / with_hassh.max(1);
        paragraph(
            &mut told,
            &format!(
                "{with_hassh} addresses speak SSH and show {values} HASSH fingerprints; the most common \
                 one, {hassh}, is that of {count} of them ({percent} %), who mostly have nothing else \
                 in common. Whoever takes an equal HASSH for an equal actor joins them all."
            ),
        );
    }
    for (actor, members) in &actors {
        let text = describe(cast, *actor, members);
        if !text.is_empty() {
            paragraph(&mut told, &text);
        }
    }
    told
}

/// The HASSH that an attacker shows, if it ever gets to show one.
fn fingerprint<'a>(cast: &'a Cast, attacker: &Attacker) -> Option<&'a str> {
    let silent = match attacker.role {
        Role::Knock => true,
        Role::Survey(survey) => survey != Survey::Banner,
        _ => protocol(attacker) == Protocol::Telnet,
    };
    if silent {
        None
    } else {
        cast.clients.get(attacker.client).map(|client| client.hassh.as_str())
    }
}

/// What there is to say of an actor; nothing of those who are one of many.
fn describe(cast: &Cast, actor: Actor, members: &[&Attacker]) -> String {
    let Actor { kind, number } = actor;
    let Some(first) = members.first() else { return String::new() };
    let head = format!("{}-{number}, {} addresses:", kind.word(), members.len());
    let group = |group: u32| usize::try_from(group).unwrap_or(usize::MAX);
    match first.role {
        Role::Infect(worm) | Role::Stall(worm) => {
            let hasshes: BTreeSet<_> =
                members.iter().filter_map(|member| fingerprint(cast, member)).collect();
            let stalled =
                members.iter().filter(|member| matches!(member.role, Role::Stall(_))).count();
            let Some(worm) = cast.worms.get(group(worm)) else { return head };
            format!(
                "{head} one worm over {} HASSH. It plants the same key (authorized_keys {}) and loads {} \
                 ({}). {stalled} addresses never get past the login; nothing rare ties those to the \
                 others.",
                hasshes.len(),
                short(&worm.keys_file.sha256),
                worm.payload.url,
                short(&worm.payload.sha256),
            )
        }
        Role::Relay(relay) => {
            let Some(relay) = cast.relays.get(group(relay)) else { return head };
            format!(
                "{head} one login each, then a tunnel to {}:25, in three bursts. Their HASSH is that of \
                 some strangers too.",
                relay.host
            )
        }
        Role::Load(botnet) => {
            let Some(botnet) = cast.botnets.get(group(botnet)) else { return head };
            format!(
                "{head} over telnet, so without any HASSH; all load {} ({}).",
                botnet.loader.url,
                short(&botnet.loader.sha256)
            )
        }
        Role::Operate(person) => match cast.operators.get(group(person)) {
            Some(operator) => format!("{head} {}", portrait(cast, operator, members)),
            None => head,
        },
        Role::Survey(_) => format!("{head} research; {}.", note(first)),
        Role::Probe(tool) => {
            let Some(tool) = cast.probers.get(group(tool)) else { return head };
            format!("{head} a service that tests tunnels, to {}.", tool.host)
        }
        _ => String::new(),
    }
}

/// What a person is known by.
fn portrait(cast: &Cast, operator: &Operator, members: &[&Attacker]) -> String {
    let hasshes: BTreeSet<_> =
        members.iter().filter_map(|member| fingerprint(cast, member)).collect();
    let key =
        operator.key.as_ref().map_or("no key".to_owned(), |key| format!("key {}", key.fingerprint));
    let (columns, rows) = operator.size;
    let addresses: Vec<String> = members.iter().map(|member| member.address.to_string()).collect();
    let mut text = format!(
        "a person at {}; {key}, terminal {columns}x{rows}, tool {} ({}), {} HASSH.",
        addresses.join(", "),
        operator.tool.name,
        short(&operator.tool.sha256),
        hasshes.len()
    );
    let late = |member: &&&Attacker| member.first.rem_euclid(DAY) == DAY - EVENING_BEFORE_MIDNIGHT;
    if let Some(member) = members.iter().find(late) {
        text.push_str(&format!(
            " A session of {} starts before midnight and ends in the next day's file.",
            member.address
        ));
    }
    text
}

/// The beginning of a hash.
fn short(hash: &str) -> &str {
    hash.split_at_checked(12).map_or(hash, |(head, _)| head)
}

/// Appends a paragraph, wrapped.
fn paragraph(told: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + word.len() >= 100 {
            told.push('\n');
            width = 0;
        } else if width > 0 {
            told.push(' ');
            width += 1;
        }
        told.push_str(word);
        width += word.len();
    }
    told.push_str("\n\n");
}

/// The whole README.
pub(super) fn readme(options: &Options, summary: &Summary, story: &str) -> String {
    let mut text = format!("{MARK}\n\n");
    let mut command =
        format!("corral generate DIR --seed {} --attackers {}", options.seed, options.attackers);
    command.push_str(&format!(" --days {} --start {}", options.days, options.start));
    match options.until {
        Some(Volume::Bytes(bytes)) => command.push_str(&format!(" --bytes {bytes}")),
        Some(Volume::Events(events)) => command.push_str(&format!(" --events {events}")),
        None => {}
    }
    if options.flaws == Flaws::Off {
        command.push_str(" --no-flaws");
    }
    paragraph(
        &mut text,
        &format!(
            "`{command}` wrote {} files of Cowrie's JSON log with {} lines: {} sessions of {} \
             addresses. Attackers are in 240.0.0.0/4 and the networks for documentation, what they \
             load and abuse is in 198.18.0.0/15: no address is anybody's.",
            summary.files.len(),
            summary.lines,
            summary.sessions,
            summary.addresses.values().sum::<u64>(),
        ),
    );
    paragraph(
        &mut text,
        "truth.csv says who is behind each address. flaws.json lists the lines that are broken, cut, \
         huge, not UTF-8 or repeated, on purpose. The honeypot is updated as the days go by: older \
         files have an older schema.",
    );
    let counts = summary.addresses.iter().map(|(kind, count)| format!("{} {count}", kind.word()));
    paragraph(&mut text, &format!("Addresses by kind: {}.", counts.collect::<Vec<_>>().join(", ")));
    if summary.chapters > 1 {
        paragraph(
            &mut text,
            &format!(
                "The story was told {} times, each time with other actors; what follows is the first.",
                summary.chapters
            ),
        );
    }
    text.push_str(story);
    text
}

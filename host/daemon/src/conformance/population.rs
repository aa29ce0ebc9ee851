//! Attackers for a world, as many as are asked for, and what sensors saw of them.
//!
//! Six in ten act alone. The others are machines of *actors*, four each or so, and one in a hundred belongs to the
//! same large one; what an actor's machines show is the actor's. All of it follows from numbers, so that a world can
//! be made again. Only views that the plugin reads are filled in.

use std::net::Ipv4Addr;

use super::Role;
use crate::clock::Timestamp;
use crate::plugin::Description;
use crate::store::facts::{Attacker, Credential, Facts, Feature, Sample, Session, Tactic};
use crate::store::revision::View;

/// When the first came; the others came a second apart.
const BEGIN: i64 = 1_780_000_000_000_000;
const SECOND: i64 = 1_000_000;
/// The first address.
const FIRST_ADDRESS: u32 = 0x0b00_0000;
/// Those who act alone have actors above all others.
const ALONE: u32 = 1 << 31;
/// Sensors.
const SENSORS: u32 = 12;
/// Of so many identities that are given, one has two attackers.
const PAIRS: u32 = 7;

/// Attackers from `first` on, so many, among `all` that there will be.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// The number of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// How many there are in the end: it decides how many actors there are.
    pub all: u32,
}

/// What a population's facts are for.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// Whether identities are given.
    pub role: Role,
    /// Which views are read.
    pub reader: &'a Description,
}

impl Population {
    /// The first so many, and no more to come.
    pub fn of(count: u32) -> Self {
        Self { first: 0, count, all: count }
    }

    /// What sensors saw of them.
    pub fn facts(self, reader: For<'_>) -> Facts {
        let mut facts = Facts::default();
        for number in self.first..self.first.saturating_add(self.count) {
            one(&mut facts, number, self.all, reader);
        }
        facts
    }
}

/// The address of an attacker.
pub fn address(number: u32) -> String {
    Ipv4Addr::from(FIRST_ADDRESS.saturating_add(number)).to_string()
}

/// Digits that follow from numbers.
fn hash(number: u32, salt: u32) -> u64 {
    // The finisher of SplitMix64: neighbours have nothing in common.
    let mut z = (u64::from(number) << 32 | u64::from(salt)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number below `end` that follows from others.
fn below(end: u32, number: u32, salt: u32) -> u32 {
    u32::try_from(hash(number, salt) % u64::from(end.max(1))).unwrap_or(0)
}

fn digits(number: u32, salt: u32, length: usize) -> String {
    let mut text: String =
        (0..4).map(|part| format!("{:016x}", hash(number, salt << 8 | part))).collect();
    text.truncate(length);
    text
}

fn actor(number: u32, all: u32) -> u32 {
    if number % 100 == 50 {
        return 0;
    }
    if below(10, number, 1) < 6 { ALONE | number } else { 1 + below(all / 10, number, 2) }
}

fn one(facts: &mut Facts, number: u32, all: u32, For { role, reader }: For<'_>) {
    let reads = |view: View| reader.reads.iter().any(|name| name == view.name());
    let (ip, actor) = (address(number), actor(number, all));
    let seen = Timestamp(BEGIN + SECOND * i64::from(number));
    let until = Timestamp(seen.0 + 90 * SECOND);
    let owner = if number % PAIRS == PAIRS - 1 { number - 1 } else { number };
    let identity = (role == Role::Others).then(|| address(owner));
    facts.attackers.push(Attacker { ip: ip.clone(), identity, first_seen: seen, last_seen: until });
    if reads(View::Features) {
        for (kind, value) in features(actor) {
            let kind = kind.to_owned();
            facts.features.push(Feature { ip: ip.clone(), kind, value, seen });
        }
    }
    let decky = format!("sensor-{}", below(SENSORS, actor, 3));
    let service = "ssh".to_owned();
    if reads(View::Sessions) {
        let (decky, service) = (decky.clone(), service.clone());
        let session = Session { ip: ip.clone(), decky, service, started_at: seen, ended_at: until };
        facts.sessions.push(session);
    }
    if reads(View::Credentials) {
        let secret = digits(below(all / 4, number, 4), 5, 64);
        let (decky, principal) =
            (format!("sensor-{}", below(SENSORS, number, 6)), "root".to_owned());
        facts.credentials.push(Credential {
            ip: ip.clone(),
            decky,
            service,
            principal,
            secret,
            seen,
        });
    }
    if reads(View::Behaviour) {
        facts.samples.extend(samples(&ip, number, actor));
    }
    if reads(View::Phases) {
        let tactic = if actor.is_multiple_of(2) { "TA0007" } else { "TA0001" }.to_owned();
        facts.tactics.push(Tactic { ip, decky, tactic, at: seen });
    }
}

fn features(actor: u32) -> Vec<(&'static str, String)> {
    let mut features = vec![
        ("hassh", digits(actor, 10, 32)),
        ("payload-sha256", digits(actor, 11, 64)),
        ("relay-target", format!("relay-{actor}.example:25")),
    ];
    if actor.is_multiple_of(4) {
        features.push(("ja3", digits(actor, 12, 32)));
    }
    if actor.is_multiple_of(3) {
        features.push(("download-host", format!("host-{actor}.example:80")));
    }
    if actor.is_multiple_of(5) {
        features.push(("client-version", format!("SSH-2.0-kit_{}", actor % 50)));
    }
    features
}

/// Three samples, so that a series is long enough for a state with those of another attacker of its identity.
fn samples(ip: &str, number: u32, actor: u32) -> impl Iterator<Item = Sample> {
    let seconds = f64::from(number) + 1_780_000_000.0;
    let words = ["short", "medium", "long"];
    let word = move |at: u32| {
        let steady = actor % 3;
        let pick = if actor.is_multiple_of(5) { steady + at } else { steady };
        words.get((pick % 3) as usize).copied().unwrap_or_default()
    };
    (0..3_u32).map(move |at| Sample {
        ip: ip.to_owned(),
        primitive: "temporal.session_duration".to_owned(),
        value: format!("\"{}\"", word(at)),
        at: seconds + f64::from(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_facts_and_only_of_views_that_are_read() {
        let reader = Description {
            name: "x".to_owned(),
            version: String::new(),
            summary: String::new(),
            wakes: Vec::new(),
            poll_seconds: 60,
            reads: vec!["features".to_owned()],
            writes: Vec::new(),
            kernels: Vec::new(),
            settings: Vec::new(),
        };
        let reader = For { role: Role::Identities, reader: &reader };
        let facts = Population::of(500).facts(reader);
        assert_eq!(facts, Population::of(500).facts(reader));
        assert!(facts.samples.is_empty() && facts.sessions.is_empty());
        let holders = |value: &str| facts.features.iter().filter(|f| f.value == value).count();
        let most = facts.features.iter().map(|feature| holders(&feature.value)).max();
        assert!((4..20).contains(&most.unwrap()), "{most:?}");
        let shared = facts.features.iter().filter(|f| f.kind == "hassh" && holders(&f.value) > 1);
        assert!((100..250).contains(&shared.count()));
    }
}

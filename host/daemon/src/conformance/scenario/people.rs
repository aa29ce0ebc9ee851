//! The people of a scenario, and what sensors see of them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{About, Series, Show};
use crate::clock::Timestamp;
use crate::store::facts::{Attacker, Credential, Facts, Feature, Sample, Session, Tactic};

/// The day of the story.
const BEGIN: i64 = 1_780_000_000_000_000;
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// Who there is, in the order in which they came.
pub(super) struct People {
    about: About,
    addresses: BTreeMap<String, usize>,
}

impl People {
    pub(super) fn new(about: About) -> Self {
        Self { about, addresses: BTreeMap::new() }
    }

    /// Everybody, with their addresses.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.addresses.iter().map(|(who, number)| (who.as_str(), address(*number)))
    }

    /// When somebody was seen first.
    fn seen(&self, who: &str) -> Timestamp {
        let number = self.addresses.get(who).copied().unwrap_or(0);
        Timestamp(BEGIN + MINUTE * i64::try_from(number).unwrap_or(0))
    }

    /// What sensors see when people show this.
    pub(super) fn facts(&mut self, shows: &[Show]) -> Facts {
        let mut facts = Facts::default();
        for show in shows {
            let next = self.addresses.len() + 1;
            let number = *self.addresses.entry(show.who.clone()).or_insert(next);
            let (ip, first_seen) = (address(number), self.seen(&show.who));
            let last_seen = Timestamp(first_seen.0 + HOUR * show.hours);
            let identity = (self.about != About::Identities).then(|| ip.clone());
            facts.attackers.push(Attacker { ip: ip.clone(), identity, first_seen, last_seen });
            if let Some(like) = &show.like {
                facts.extend(seen_of(&ip, like, first_seen));
            }
            if let Some(series) = &show.series {
                facts.samples.extend(samples(&ip, series));
            }
            if let Some(secret) = &show.secret {
                let decky = show.on.clone().unwrap_or_else(|| "web".to_owned());
                let (service, principal) = ("ssh".to_owned(), "root".to_owned());
                let (secret, seen) = (hash(secret), first_seen);
                let credential = Credential { ip, decky, service, principal, secret, seen };
                facts.credentials.push(credential);
            }
        }
        facts
    }
}

fn address(number: usize) -> String {
    format!("192.0.2.{number}")
}

/// The hash of a text, in hexadecimal.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What all share who are like the same one.
fn seen_of(ip: &str, like: &str, seen: Timestamp) -> Facts {
    let digits = |what: &str, length: usize| -> String {
        hash(&format!("{what} of {like}")).chars().take(length).collect()
    };
    let features = [
        ("hassh", digits("hassh", 32)),
        ("ja3", digits("ja3", 32)),
        ("client-version", format!("SSH-2.0-{like}")),
        ("public-key", digits("key", 64)),
        ("payload-sha256", digits("payload", 64)),
        ("payload-md5", digits("payload", 32)),
        ("probe-sha256", digits("probe", 64)),
        ("download-host", format!("{like}.example:80")),
        ("relay-target", format!("mail.{like}.example:25")),
    ];
    let feature = |(kind, value): (&str, String)| Feature {
        ip: ip.to_owned(),
        kind: kind.to_owned(),
        value,
        seen,
    };
    let decky = format!("sensor of {like}");
    let session = Session {
        ip: ip.to_owned(),
        decky: decky.clone(),
        service: "ssh".to_owned(),
        started_at: seen,
        ended_at: Timestamp(seen.0 + HOUR),
    };
    let tactic = Tactic { ip: ip.to_owned(), decky, tactic: "TA0007".to_owned(), at: seen };
    Facts {
        features: features.into_iter().map(feature).collect(),
        sessions: vec![session],
        tactics: vec![tactic],
        ..Facts::default()
    }
}

fn samples(ip: &str, series: &Series) -> impl Iterator<Item = Sample> {
    let Series { primitive, value, from, count } = series.clone();
    let ip = ip.to_owned();
    (from..from.saturating_add(count)).map(move |minute| Sample {
        ip: ip.clone(),
        primitive: primitive.clone(),
        value: format!("\"{value}\""),
        at: 1_780_000_000.0 + 60.0 * f64::from(minute),
    })
}

//! Who attacks: the populations of the story, and what each of them owns.
//!
//! A chapter has one cast. The shares are those of the default story of 800 addresses and scale with it;
//! groups larger than [`GROUP_MAX`] become several groups, each with its own keys, files and hosts, as
//! the internet has many worms rather than one enormous one. An [`Attacker`] holds only when it comes
//! and in which role; what it then does follows from its address, see `script.rs`. So a million
//! attackers fit in memory, and a cast is all that does not stream.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::GenerateError;
use super::addresses::Addresses;
use super::clients::{self, Client};
use super::dice::Dice;
use props::{Botnet, Operator, ProbeTool, Relay, Worm};

mod populations;
pub(super) mod props;

/// Microseconds in a minute, an hour and a day.
pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// How long before midnight the session starts that ends after it.
pub(super) const EVENING_BEFORE_MIDNIGHT: i64 = 4 * MINUTE;

/// The most addresses of one worm, relay campaign or botnet.
const GROUP_MAX: u32 = 1_000;
/// The most fingerprints that one chapter makes up: each costs two kilobytes.
const RARE_CLIENTS_MAX: u32 = 2_000;

/// What an address is part of, as the truth has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One program that spreads from machine to machine.
    Worm,
    /// A campaign that sends mail through the machines it logs in to.
    Relay,
    /// Somebody who guesses passwords with software that hundreds of others use too.
    Stranger,
    /// Machines that load the same program over telnet.
    Botnet,
    /// A person at a keyboard.
    Operator,
    /// Research that surveys the whole network.
    Scanner,
    /// A service that tests whether tunnels work.
    Prober,
    /// One of the many that fit nowhere.
    Noise,
}

impl Kind {
    /// All kinds, in the order of summaries.
    pub const ALL: [Self; 8] = [
        Self::Worm,
        Self::Relay,
        Self::Stranger,
        Self::Botnet,
        Self::Operator,
        Self::Scanner,
        Self::Prober,
        Self::Noise,
    ];

    /// The word for it in the truth.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worm => "worm",
            Self::Relay => "relay",
            Self::Stranger => "stranger",
            Self::Botnet => "botnet",
            Self::Operator => "operator",
            Self::Scanner => "scanner",
            Self::Prober => "prober",
            Self::Noise => "noise",
        }
    }
}

/// Who is behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Actor {
    pub(super) kind: Kind,
    pub(super) number: u32,
}

/// What an attacker's sessions are like. Numbers point at what its group owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Guesses, gets in, plants a key, runs a payload.
    Infect(u32),
    /// The same worm on a machine where it never gets that far.
    Stall(u32),
    /// Logs in once and tunnels to the mail server.
    Relay(u32),
    /// Guesses passwords.
    Guess(Vocabulary),
    /// Guesses passwords over telnet.
    GuessTelnet,
    /// Loads the botnet's program over telnet.
    Load(u32),
    /// Types.
    Operate(u32),
    /// Surveys.
    Survey(Survey),
    /// Tests tunnels.
    Probe(u32),
    /// Connects and leaves.
    Knock,
    /// Negotiates and leaves.
    Handshake,
    /// Gets in, looks around once.
    Visit,
    /// Pastes half a megabyte: a flaw that an ingester must bear.
    PasteLong,
    /// Gives a name that is not UTF-8: another.
    SpeakGarbage,
}

/// Where guesses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// The attacker's own words.
    Own,
    /// A list that several attackers use.
    Shared(u32),
}

/// How a survey speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survey {
    /// Negotiates SSH under its own name.
    Banner,
    /// Sends its own marker in place of a version.
    Marker,
    /// Sends an HTTP request in place of a version.
    Http,
    /// Sends a TLS ClientHello in place of a version.
    Tls,
}

/// One source address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attacker {
    pub(super) address: Ipv4Addr,
    pub(super) actor: Actor,
    pub(super) role: Role,
    /// Its client, among the cast's.
    pub(super) client: usize,
    /// When its first session starts, in microseconds of UTC.
    pub(super) first: i64,
    /// The mean time between its sessions.
    pub(super) gap: i64,
    /// How many sessions it wants.
    pub(super) sessions: u32,
}

/// Everybody, and what they own.
#[derive(Debug, Default)]
pub(super) struct Cast {
    pub(super) attackers: Vec<Attacker>,
    pub(super) clients: Vec<Client>,
    pub(super) worms: Vec<Worm>,
    pub(super) relays: Vec<Relay>,
    pub(super) botnets: Vec<Botnet>,
    pub(super) operators: Vec<Operator>,
    pub(super) probers: Vec<ProbeTool>,
    /// The seed of lists that strangers share.
    pub(super) lists: u64,
}

/// Whether files get the flaws of real ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaws {
    /// Broken, huge, repeated lines.
    On,
    /// Every line is well.
    Off,
}

/// What a chapter is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chapter {
    pub(super) seed: u64,
    /// 0 is the story that the README tells.
    pub(super) number: u64,
    pub(super) attackers: u32,
    /// Its first midnight.
    pub(super) start: i64,
    pub(super) days: u32,
    pub(super) flaws: Flaws,
}

impl Chapter {
    pub(super) fn end(&self) -> i64 {
        self.start + i64::from(self.days) * DAY
    }
}

/// What must be handed out once only, in all chapters together.
#[derive(Debug)]
pub(super) struct Registry {
    addresses: Addresses,
    actors: [u32; Kind::ALL.len()],
}

impl Registry {
    pub(super) fn new(seed: u64) -> Self {
        Self { addresses: Addresses::new(seed), actors: [0; Kind::ALL.len()] }
    }

    /// A new actor of this kind.
    fn actor(&mut self, kind: Kind) -> Actor {
        let place = Kind::ALL.iter().position(|other| *other == kind).unwrap_or(0);
        let number = self.actors.get_mut(place).map_or(0, |count| {
            *count += 1;
            *count
        });
        Actor { kind, number }
    }

    fn address(&mut self) -> Result<Ipv4Addr, GenerateError> {
        self.addresses.anywhere().ok_or(GenerateError::Addresses)
    }
}

/// How many addresses each population has, of so many in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shares {
    worm: u32,
    relay: u32,
    relay_kin: u32,
    library: u32,
    botnet: u32,
    operators: u32,
    scanners: u32,
    probers: u32,
    noise: u32,
}

impl Shares {
    fn of(total: u32) -> Self {
        // The numbers are those of 800 addresses.
        let share = |of_800: u32| {
            let share = (u64::from(total) * u64::from(of_800) + 400) / 800;
            u32::try_from(share).unwrap_or(u32::MAX).max(1)
        };
        let mut shares = Self {
            worm: share(120),
            relay: share(90),
            relay_kin: share(10),
            library: share(250),
            botnet: share(45),
            operators: share(12).max(3),
            scanners: share(36),
            probers: share(15),
            noise: 0,
        };
        let named = shares.worm
            + shares.relay
            + shares.relay_kin
            + shares.library
            + shares.botnet
            + shares.operators
            + shares.scanners
            + shares.probers;
        shares.noise = total.saturating_sub(named);
        shares
    }
}

impl Cast {
    /// Calls together the cast of a chapter.
    pub(super) fn assemble(
        chapter: &Chapter,
        registry: &mut Registry,
    ) -> Result<Self, GenerateError> {
        let mut shares = Shares::of(chapter.attackers);
        let flawed = chapter.flaws == Flaws::On && chapter.number == 0;
        if flawed {
            shares.noise =
                shares.noise.saturating_sub(u32::try_from(populations::FLAWED.len()).unwrap_or(0));
        }
        let mut dice = Dice::new(chapter.seed, &[1, chapter.number]);
        let mut cast = Self { clients: clients::known(), lists: dice.bits(), ..Self::default() };
        let rare = (shares.noise / 4).clamp(12, RARE_CLIENTS_MAX);
        cast.clients.extend((0..rare).map(|_| clients::rare(&mut dice)));
        cast.attackers.reserve(usize::try_from(chapter.attackers).unwrap_or(0));
        let mut casting = populations::Casting { chapter, registry, dice, cast };
        casting.worms(shares.worm)?;
        casting.relays(shares.relay)?;
        casting.strangers(shares.library, shares.relay_kin)?;
        casting.botnets(shares.botnet)?;
        casting.operators(shares.operators)?;
        casting.scanners(shares.scanners)?;
        casting.probers(shares.probers)?;
        casting.noise(shares.noise, rare)?;
        if flawed {
            casting.flawed()?;
        }
        Ok(casting.cast)
    }
}

/// Splits so many into groups that are not too large.
fn groups(total: u32) -> impl Iterator<Item = u32> {
    let count = total.div_ceil(GROUP_MAX).max(1);
    (0..count).map(move |group| total / count + u32::from(group < total % count))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn chapter(attackers: u32) -> Chapter {
        Chapter { seed: 7, number: 0, attackers, start: 0, days: 5, flaws: Flaws::Off }
    }

    #[test]
    fn the_default_shares_are_the_stories() {
        let shares = Shares::of(800);
        assert_eq!((shares.worm, shares.relay, shares.library, shares.noise), (120, 90, 250, 222));
        for total in [20, 100, 801, 50_000] {
            let cast = Cast::assemble(&chapter(total), &mut Registry::new(7)).unwrap();
            assert_eq!(cast.attackers.len(), total as usize);
        }
    }

    #[test]
    fn groups_add_up_and_stay_small() {
        for total in [1, 120, 1_000, 1_001, 12_345] {
            let sizes: Vec<u32> = groups(total).collect();
            assert_eq!(sizes.iter().sum::<u32>(), total);
            assert!(sizes.iter().all(|size| (1..=GROUP_MAX).contains(size)), "{sizes:?}");
        }
    }

    #[test]
    fn addresses_and_actors_stay_apart_over_chapters() {
        let mut registry = Registry::new(7);
        let mut addresses = BTreeSet::new();
        let mut worms = BTreeSet::new();
        for number in 0..3 {
            let chapter = Chapter { number, ..chapter(200) };
            for attacker in Cast::assemble(&chapter, &mut registry).unwrap().attackers {
                assert!(addresses.insert(attacker.address));
                assert!(
                    attacker.first >= 0 && attacker.first < chapter.end() && attacker.sessions > 0
                );
                if attacker.actor.kind == Kind::Worm {
                    worms.insert(attacker.actor);
                }
            }
        }
        assert_eq!(worms.len(), 3);
    }
}

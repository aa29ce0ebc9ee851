//! Who comes when: one function for each population of the story.

use std::net::Ipv4Addr;

use super::super::GenerateError;
use super::super::addresses::Neighbourhood;
use super::super::clients::{Software, WORM_BUILDS};
use super::super::dice::Dice;
use super::super::script::LONGEST_GAP;
use super::props::{Botnet, Operator, ProbeTool, Relay, Worm};
use super::{
    Actor, Attacker, Cast, Chapter, DAY, EVENING_BEFORE_MIDNIGHT, HOUR, Kind, MINUTE, Registry,
    Role, Survey, Vocabulary, groups,
};

/// How many addresses in a thousand run each of the worm's builds.
const BUILD_SHARES: [u32; 6] = [520, 180, 120, 90, 60, 30];
/// How many lists strangers share in a chapter.
const SHARED_LISTS: u32 = 3;
/// Those whose lines are hard to read.
pub(super) const FLAWED: [Role; 2] = [Role::PasteLong, Role::SpeakGarbage];
/// How long a burst of the relay campaign lasts.
const BURST: i64 = 90 * MINUTE;

/// A cast in the making.
pub(super) struct Casting<'a> {
    pub(super) chapter: &'a Chapter,
    pub(super) registry: &'a mut Registry,
    pub(super) dice: Dice,
    pub(super) cast: Cast,
}

/// When an attacker comes.
#[derive(Clone, Copy, Debug)]
struct Visits {
    first: i64,
    gap: i64,
    sessions: u32,
}

impl Casting<'_> {
    /// Adds an address from anywhere.
    fn add(
        &mut self,
        actor: Actor,
        role: Role,
        client: usize,
        visits: Visits,
    ) -> Result<(), GenerateError> {
        let address = self.registry.address()?;
        self.add_at(address, actor, role, client, visits);
        Ok(())
    }

    fn add_at(
        &mut self,
        address: Ipv4Addr,
        actor: Actor,
        role: Role,
        client: usize,
        visits: Visits,
    ) {
        let Visits { first, gap, sessions } = visits;
        self.cast.attackers.push(Attacker { address, actor, role, client, first, gap, sessions });
    }

    /// So many sessions over a stretch of heavy-tailed length somewhere in the chapter, all of them
    /// before its end.
    fn sometime(&mut self, sessions: u32) -> Visits {
        let length = self.chapter.end() - self.chapter.start;
        let stretch = i64::from(self.dice.heavy(10, 5_000)) * MINUTE;
        let stretch = stretch.min(length * 3 / 4);
        let first =
            self.dice.between(self.chapter.start, self.chapter.end() - stretch.max(length / 50));
        Visits { first, gap: stretch / LONGEST_GAP / i64::from(sessions.max(1)), sessions }
    }

    /// One worm over six fingerprints.
    pub(super) fn worms(&mut self, total: u32) -> Result<(), GenerateError> {
        for (group, size) in (0..).zip(groups(total)) {
            let actor = self.registry.actor(Kind::Worm);
            let worm = Worm::new(&mut self.dice);
            self.cast.worms.push(worm);
            for member in 0..size {
                // The first six have one build each, so that a small worm has all of them too.
                let build = if member < WORM_BUILDS { member } else { self.build() };
                let sessions = self.dice.heavy(3, 12);
                let visits = self.sometime(sessions);
                // One in twelve never gets to the payload.
                let role = if member % 12 == 11 { Role::Stall(group) } else { Role::Infect(group) };
                self.add(actor, role, Software::WormBuild(build).place(), visits)?;
            }
        }
        Ok(())
    }

    fn build(&mut self) -> u32 {
        let mut left = self.dice.below(1000);
        for (build, share) in (0..).zip(BUILD_SHARES) {
            if left < share {
                return build;
            }
            left -= share;
        }
        0
    }

    /// Relay campaigns in three bursts.
    pub(super) fn relays(&mut self, total: u32) -> Result<(), GenerateError> {
        for (group, size) in (0..).zip(groups(total)) {
            let actor = self.registry.actor(Kind::Relay);
            let relay = Relay::new(&mut self.dice);
            self.cast.relays.push(relay);
            let [first, second, third] = [0, 1, 2].map(|burst| {
                let day = i64::from(self.chapter.days.saturating_sub(1)) * burst / 2;
                self.chapter.start + day * DAY + self.dice.between(6 * HOUR, 20 * HOUR)
            });
            for member in 0..size {
                // Two fifths, seven twentieths, a quarter.
                let burst = match member % 20 {
                    0..8 => first,
                    8..15 => second,
                    _ => third,
                };
                let visits =
                    Visits { first: burst + self.dice.between(0, BURST), gap: DAY, sessions: 1 };
                self.add(actor, Role::Relay(group), Software::RelayTool.place(), visits)?;
            }
        }
        Ok(())
    }

    /// Strangers who share the library's fingerprint, and others who share the relay campaign's.
    pub(super) fn strangers(&mut self, library: u32, relay_kin: u32) -> Result<(), GenerateError> {
        for member in 0..library + relay_kin {
            let software =
                if member < library { Software::SharedLibrary } else { Software::RelayTool };
            let actor = self.registry.actor(Kind::Stranger);
            let vocabulary = if self.dice.happens(120) {
                Vocabulary::Shared(self.dice.below(SHARED_LISTS))
            } else {
                Vocabulary::Own
            };
            let sessions = self.dice.heavy(1, 24);
            let visits = self.sometime(sessions);
            self.add(actor, Role::Guess(vocabulary), software.place(), visits)?;
        }
        Ok(())
    }

    /// Droppers over telnet.
    pub(super) fn botnets(&mut self, total: u32) -> Result<(), GenerateError> {
        for (group, size) in (0..).zip(groups(total)) {
            let actor = self.registry.actor(Kind::Botnet);
            let botnet = Botnet::new(&mut self.dice);
            self.cast.botnets.push(botnet);
            for _ in 0..size {
                let sessions = self.dice.heavy(1, 4);
                let visits = self.sometime(sessions);
                self.add(actor, Role::Load(group), 0, visits)?;
            }
        }
        Ok(())
    }

    /// People who change address: the first two from one provider, the others from anywhere.
    pub(super) fn operators(&mut self, total: u32) -> Result<(), GenerateError> {
        let people = (total / 4).max(3);
        for number in 0..people {
            let size = total / people + u32::from(number < total % people);
            let actor = self.registry.actor(Kind::Operator);
            let operator = Operator::new(&mut self.dice, number);
            let [early, late] = operator.clients;
            self.cast.operators.push(operator);
            // Those of the story stand in the networks for documentation, where a reader finds them.
            let known =
                if self.chapter.number == 0 { Neighbourhood::documentation(number) } else { None };
            let provider = known.or_else(|| self.registry.addresses.neighbourhood());
            let mut provider = provider.ok_or(GenerateError::Addresses)?;
            for member in 0..size {
                let visits = self.working_hours(number, member, size);
                let (address, client) = if member < 2 {
                    (provider.host().ok_or(GenerateError::Addresses)?, early)
                } else {
                    (self.registry.address()?, late)
                };
                self.add_at(address, actor, Role::Operate(number), client, visits);
            }
        }
        Ok(())
    }

    /// One address after the other, in the evening. The second address of the first person works
    /// past midnight, so that one session starts in one file and ends in the next.
    fn working_hours(&mut self, person: u32, member: u32, members: u32) -> Visits {
        let days = i64::from(self.chapter.days);
        let day = days * i64::from(member) / i64::from(members.max(1));
        let midnight = self.chapter.start + day * DAY;
        if person == 0 && member == 1 && day + 1 < days {
            return Visits {
                first: midnight + DAY - EVENING_BEFORE_MIDNIGHT,
                gap: DAY,
                sessions: 1,
            };
        }
        let hour = i64::from(person % 5) * HOUR + self.dice.between(14 * HOUR, 17 * HOUR);
        Visits { first: midnight + hour, gap: 50 * MINUTE, sessions: 1 + self.dice.below(3) }
    }

    /// Four surveys.
    pub(super) fn scanners(&mut self, total: u32) -> Result<(), GenerateError> {
        let surveys = [Survey::Banner, Survey::Marker, Survey::Http, Survey::Tls];
        let actors = surveys.map(|survey| (survey, self.registry.actor(Kind::Scanner)));
        for (_, (survey, actor)) in (0..total).zip(actors.iter().copied().cycle()) {
            let sessions = self.dice.heavy(1, 6);
            let visits = self.sometime(sessions);
            self.add(actor, Role::Survey(survey), Software::Survey.place(), visits)?;
        }
        Ok(())
    }

    /// Three services that test tunnels.
    pub(super) fn probers(&mut self, total: u32) -> Result<(), GenerateError> {
        let actors = [0, 1, 2].map(|number| {
            let tool = ProbeTool::new(&mut self.dice, number);
            self.cast.probers.push(tool);
            (number, self.registry.actor(Kind::Prober))
        });
        for (_, (number, actor)) in (0..total).zip(actors.iter().copied().cycle()) {
            let sessions = self.dice.heavy(1, 6);
            let visits = self.sometime(sessions);
            self.add(actor, Role::Probe(number), Software::Tool(number).place(), visits)?;
        }
        Ok(())
    }

    /// The long tail: mostly single visits with software that hardly anybody else has.
    pub(super) fn noise(&mut self, total: u32, rare: u32) -> Result<(), GenerateError> {
        let known = self.cast.clients.len().saturating_sub(usize::try_from(rare).unwrap_or(0));
        for _ in 0..total {
            let actor = self.registry.actor(Kind::Noise);
            let fancy = known + usize::try_from(self.dice.rank(rare)).unwrap_or(0);
            let worn = Software::WormBuild(self.dice.rank(WORM_BUILDS)).place();
            let (role, client) = match self.dice.below(100) {
                0..20 => (Role::Knock, 0),
                20..32 => (Role::Handshake, fancy),
                32..50 => (Role::GuessTelnet, 0),
                50..56 => (Role::Visit, fancy),
                // Strangers with one of the worm's libraries, who have nothing to do with it.
                56..60 => (Role::Guess(Vocabulary::Own), worn),
                60..70 => {
                    (Role::Guess(Vocabulary::Own), Software::Tool(self.dice.below(6)).place())
                }
                _ => (Role::Guess(Vocabulary::Own), fancy),
            };
            let sessions = self.dice.heavy(1, 8);
            let visits = self.sometime(sessions);
            self.add(actor, role, client, visits)?;
        }
        Ok(())
    }

    /// Those whose lines are hard to read.
    pub(super) fn flawed(&mut self) -> Result<(), GenerateError> {
        for role in FLAWED {
            let actor = self.registry.actor(Kind::Noise);
            let visits = self.sometime(1);
            self.add(actor, role, Software::Tool(1).place(), visits)?;
        }
        Ok(())
    }
}

//! What one session does, from connect to close.
//!
//! A session is a function of the seed, the address and the session's number among those of its
//! address; who else is there does not matter. It is a short list of [`Step`]s: how long the attacker
//! takes, and what the honeypot then sees. How that is written down is not known here, see `cowrie.rs`.

use std::borrow::Cow;

use super::artefacts::{Payload, PublicKey, sha256};
use super::cast::props::ProbeTool;
use super::cast::{Attacker, Cast, Role};
use super::clients::Client;
use super::dice::{Dice, mix};
use super::words::Credential;

mod groups;
mod operators;
mod passers;

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ssh,
    Telnet,
}

/// Something that the honeypot sees.
#[derive(Debug)]
pub(super) enum Event<'c> {
    Connect {
        source_port: u32,
    },
    /// What came in place of a version string, whatever it was.
    Version(Cow<'c, [u8]>),
    KeyExchange(&'c Client),
    LoginFailed(Credential),
    LoginSucceeded(Credential),
    /// A failed login whose user name is not UTF-8.
    GarbledLogin(Vec<u8>),
    KeyOffered {
        user: &'c str,
        key: &'c PublicKey,
    },
    KeyRefused {
        user: &'c str,
        key: &'c PublicKey,
    },
    TerminalSize(u32, u32),
    Variable {
        name: &'static str,
        value: &'c str,
    },
    /// A shell opens.
    Shell {
        arch: &'static str,
    },
    Command(Cow<'c, str>),
    CommandFailed(Cow<'c, str>),
    /// The shell wrote a file.
    Saved {
        file: &'c Payload,
        path: String,
    },
    Downloaded(&'c Payload),
    DownloadFailed(&'c Payload),
    Uploaded(&'c Payload),
    Tunnel {
        host: &'c str,
        port: u32,
        origin_port: u32,
    },
    TunnelTls(&'c ProbeTool),
    TunnelHttp(&'c ProbeTool),
    TunnelData {
        host: &'c str,
        port: u32,
        data: Cow<'c, [u8]>,
    },
    /// The shell closes; its recording is named by its content.
    ShellClosed {
        recording: String,
        size: u32,
        seen_before: bool,
    },
    Close,
}

/// How long after the one before something happens, in microseconds, and what.
#[derive(Debug)]
pub(super) struct Step<'c> {
    pub(super) wait: i64,
    pub(super) event: Event<'c>,
}

/// No attacker waits longer than so many times its mean gap, so that its last session can be planned for.
pub(super) const LONGEST_GAP: i64 = 4;

/// A session being made.
struct Acts<'c> {
    cast: &'c Cast,
    attacker: &'c Attacker,
    dice: Dice,
    steps: Vec<Step<'c>>,
    /// Bounds of the time before the close, in milliseconds.
    linger: (i64, i64),
}

/// The steps of an attacker's session of this number, and how long after its start the next one starts.
pub(super) fn session<'c>(
    cast: &'c Cast,
    attacker: &'c Attacker,
    seed: u64,
    nth: u32,
) -> (Vec<Step<'c>>, i64) {
    let mut dice = Dice::new(seed, &[2, u64::from(attacker.address.to_bits()), u64::from(nth)]);
    let next = dice.wait(attacker.gap).min(attacker.gap.saturating_mul(LONGEST_GAP));
    let mut acts = Acts { cast, attacker, dice, steps: Vec::new(), linger: (3, 900) };
    let source_port = 1024 + acts.dice.below(64_000);
    acts.steps.push(Step { wait: 0, event: Event::Connect { source_port } });
    match attacker.role {
        Role::Infect(group) => acts.worm(group, nth, groups::Reach::Payload),
        Role::Stall(group) => acts.worm(group, nth, groups::Reach::Login),
        Role::Load(group) => acts.botnet(group, nth),
        Role::Relay(group) => acts.relay(group),
        Role::Operate(person) => acts.operator(person, nth),
        Role::Guess(vocabulary) => acts.guess(vocabulary, nth),
        Role::GuessTelnet => acts.guess_telnet(),
        Role::Survey(survey) => acts.survey(survey),
        Role::Probe(tool) => acts.probe(tool),
        Role::Knock => {}
        Role::Handshake => acts.greet(),
        Role::Visit => acts.visit(),
        Role::PasteLong => acts.paste_long(),
        Role::SpeakGarbage => acts.speak_garbage(),
    }
    let (low, high) = acts.linger;
    acts.after(low, high, Event::Close);
    (acts.steps, next)
}

/// The protocol that an attacker speaks.
pub(super) fn protocol(attacker: &Attacker) -> Protocol {
    match attacker.role {
        Role::GuessTelnet | Role::Load(_) => Protocol::Telnet,
        Role::Knock if mix(u64::from(attacker.address.to_bits())).is_multiple_of(3) => {
            Protocol::Telnet
        }
        _ => Protocol::Ssh,
    }
}

impl<'c> Acts<'c> {
    /// Something happens after so many milliseconds.
    fn after(&mut self, low: i64, high: i64, event: Event<'c>) {
        let wait = self.dice.between(low * 1000, high * 1000);
        self.steps.push(Step { wait, event });
    }

    /// A number that is the same in all sessions of this attacker.
    fn taste(&self) -> u64 {
        mix(u64::from(self.attacker.address.to_bits()) ^ 0x7a57e)
    }

    fn client(&self) -> Option<&'c Client> {
        self.cast.clients.get(self.attacker.client)
    }

    /// Version and key exchange.
    fn greet(&mut self) {
        let Some(client) = self.client() else { return };
        // An attacker keeps its build; the first name is the most common one.
        let mut habit = Dice::new(self.taste(), &[3]);
        let count = u32::try_from(client.banners.len()).unwrap_or(1);
        let place = usize::try_from(habit.rank(count)).unwrap_or(0);
        if let Some(banner) = client.banners.get(place) {
            self.after(1, 250, Event::Version(Cow::Borrowed(banner.as_bytes())));
        }
        self.after(1, 260, Event::KeyExchange(client));
    }

    fn fail(&mut self, credential: Credential) {
        self.after(300, 1_900, Event::LoginFailed(credential));
    }

    fn enter(&mut self, credential: Credential) {
        self.after(300, 1_900, Event::LoginSucceeded(credential));
    }

    /// A command in a channel of its own; `what` it makes the honeypot see comes before the close.
    fn execute(&mut self, command: &'c str, what: Option<Event<'c>>) {
        self.after(200, 1_200, Event::Shell { arch: "linux-x64-lsb" });
        self.after(1, 2, Event::Command(Cow::Borrowed(command)));
        if let Some(event) = what {
            self.after(1, 400, event);
        }
        self.close_shell(command);
    }

    fn close_shell(&mut self, content: &str) {
        let recording = sha256(content.as_bytes());
        let size = self.dice.heavy(1, 4_000);
        let seen_before = self.dice.happens(930);
        self.after(20, 600, Event::ShellClosed { recording, size, seen_before });
    }
}

#[cfg(test)]
mod tests {
    use super::super::cast::{Chapter, Flaws, Registry};
    use super::*;

    #[test]
    fn every_session_connects_first_and_closes_last() {
        let chapter =
            Chapter { seed: 7, number: 0, attackers: 800, start: 0, days: 5, flaws: Flaws::On };
        let cast = Cast::assemble(&chapter, &mut Registry::new(7)).unwrap();
        for attacker in &cast.attackers {
            for nth in 0..attacker.sessions {
                let (steps, next) = session(&cast, attacker, 7, nth);
                assert!(matches!(steps.first().unwrap().event, Event::Connect { .. }));
                assert!(matches!(steps.last().unwrap().event, Event::Close));
                assert!(next >= 0 && steps.iter().all(|step| step.wait >= 0));
                let exchanges =
                    steps.iter().any(|step| matches!(step.event, Event::KeyExchange(_)));
                assert!(!exchanges || protocol(attacker) == Protocol::Ssh);
            }
        }
    }

    #[test]
    fn a_session_does_not_depend_on_the_others() {
        let chapter =
            Chapter { seed: 7, number: 0, attackers: 100, start: 0, days: 5, flaws: Flaws::Off };
        let cast = Cast::assemble(&chapter, &mut Registry::new(7)).unwrap();
        let attacker = cast.attackers.last().unwrap();
        let one = format!("{:?}", session(&cast, attacker, 7, 3));
        let _other = session(&cast, attacker, 7, 2);
        assert_eq!(one, format!("{:?}", session(&cast, attacker, 7, 3)));
    }
}

//! `observations`, in DECNET's shape: behaviour samples, at most one a session and *primitive*.
//!
//! The names and values of primitives are those of the BEHAVE registry (`behave-shell` 0.1.4), which
//! fixes few thresholds; those marked † are ours, chosen and not trained. What a log cannot tell gives
//! no sample: a guess would count as much as a fact where samples are compared.
//!
//! | primitive | what is read | sample | confidence |
//! |---|---|---|---|
//! | `toolchain.ssh.hassh_client` | what the client offered | the earliest HASSH; of two at one time the smaller | 1 |
//! | `toolchain.ssh.ssh_client_banner` | how the client introduced itself | the earliest; of two at one time the smaller | 1 |
//! | `toolchain.payload.payload_simhash` | the files that came in | SHA-256 of the earliest. Logs keep no other hash, so two values are equal or say nothing | 1 |
//! | `temporal.session_duration` | the session's first and last event, if it was closed and someone tried to log in or gave a command | `short` < 15 min ≤ `medium` < 90 min ≤ `long` ≤ 4 h < `marathon` | 1 |
//! | `cognitive.tool_vocabulary` | the programs that the commands call, if 3† or more are called | distinct ones: `narrow` ≤ 5† < `moderate` ≤ 15† < `broad` | by calls |
//! | `cognitive.inter_command_latency_class` | the times from command to command, if there are 3† or more | their median: `instant` < 0.1 s† ≤ `typing_speed` < 1 s† ≤ `deliberate` < 2 s ≤ `llm_lightweight` < 8 s ≤ `llm_heavyweight` ≤ 30 s < `long` | by times |
//! | `operational.cleanup_behavior` | the files that commands made and removed, the traces they wiped, if there are any | `thorough`: all files removed and traces wiped; `none`: neither; else `partial` | by files and traces |
//! | `motor.input_modality` | the recording of the terminal, if it has 8† or more inputs | `typed` if 80 %† of the bytes were, `pasted` if 20 %† or fewer, else `mixed` | by inputs |
//! | `motor.digraph_simhash` | the same, unless it is `pasted` | how long each pair of keys takes, in 64 bits | by pairs |
//!
//! *By* something means 0.40 and 0.05 for each, up to 0.95: the form that DECNET gives the confidence
//! of a digraph hash. The last two are taken in `ingest::behaviour`, where the recordings are read.
//!
//! `ts` is when the last event happened that the sample rests on, and the window runs from the first
//! one to it, in seconds since the session's start. (DECNET sets `ts` to when its extractor ran. The
//! session's time is what makes two runs over one log agree, and what orders samples rightly.)
//!
//! A sample follows from the events of its session, however they came. What one event tells is
//! compared with the row that is there; what follows from all commands is taken from all of them again.
//! Each condition stays met once it is met, so a sample may change and never vanishes. A recording that
//! is put beside the logs later is found when they are read again.

use std::sync::Arc;

use super::merge::Grown;
use super::{Kind, What};
use crate::clock::Timestamp;
use crate::store::encoding;
pub(super) use conduct::{Conduct, Habits};
pub(super) use observations::write;

mod cleanup;
mod conduct;
mod observations;

const MINUTE: i64 = 60_000_000;

/// What a sample is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Primitive {
    /// HASSH of an SSH client.
    HasshClient,
    /// Banner of an SSH client.
    SshClientBanner,
    /// Hash of a file that was brought.
    Payload,
    /// How long the session took.
    SessionDuration,
    /// How many programs are used.
    ToolVocabulary,
    /// How fast commands follow one another.
    CommandLatency,
    /// What is left behind.
    Cleanup,
    /// Whether commands are typed.
    InputModality,
    /// The rhythm of typing.
    Digraphs,
}

impl Primitive {
    /// Every primitive.
    const ALL: [Self; 9] = [
        Self::HasshClient,
        Self::SshClientBanner,
        Self::Payload,
        Self::SessionDuration,
        Self::ToolVocabulary,
        Self::CommandLatency,
        Self::Cleanup,
        Self::InputModality,
        Self::Digraphs,
    ];

    /// Its name in the registry.
    pub fn name(self) -> &'static str {
        match self {
            Self::HasshClient => "toolchain.ssh.hassh_client",
            Self::SshClientBanner => "toolchain.ssh.ssh_client_banner",
            Self::Payload => "toolchain.payload.payload_simhash",
            Self::SessionDuration => "temporal.session_duration",
            Self::ToolVocabulary => "cognitive.tool_vocabulary",
            Self::CommandLatency => "cognitive.inter_command_latency_class",
            Self::Cleanup => "operational.cleanup_behavior",
            Self::InputModality => "motor.input_modality",
            Self::Digraphs => "motor.digraph_simhash",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|primitive| primitive.name() == name)
    }

    /// The primitive that a feature is a sample of.
    fn of_feature(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Hassh => Some(Self::HasshClient),
            Kind::ClientVersion => Some(Self::SshClientBanner),
            Kind::PayloadSha256 => Some(Self::Payload),
            _ => None,
        }
    }
}

/// What one event says about one primitive.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// About what.
    pub primitive: Primitive,
    /// What.
    pub value: Arc<str>,
    /// How sure that is, from 0 to 1.
    pub confidence: f64,
}

/// How sure a sample is that rests on `count` things: never wholly.
pub fn confidence(count: usize) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (0.40 + 0.05 * f64::from(count)).min(0.95)
}

/// A sample and the time of what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    primitive: Primitive,
    /// As JSON.
    value: Arc<str>,
    confidence: f64,
    first: Timestamp,
    last: Timestamp,
}

impl Observed {
    fn new(
        primitive: Primitive,
        value: &str,
        confidence: f64,
        (first, last): (Timestamp, Timestamp),
    ) -> Self {
        Self { primitive, value: Arc::from(encoding::string(value)), confidence, first, last }
    }

    /// Whether this one is to be kept of two that single events tell.
    fn is_before(&self, other: &Self) -> bool {
        (self.last, &self.value)
            .cmp(&(other.last, &other.value))
            .then(self.confidence.total_cmp(&other.confidence))
            .is_lt()
    }
}

/// What the events of a session tell one by one, the new ones and those that are recalled.
fn told(session: &Grown<'_>) -> Vec<Observed> {
    let mut earliest: Vec<Observed> = Vec::new();
    let mut tell = |primitive, value: &str, confidence, at| {
        let told = Observed::new(primitive, value, confidence, (at, at));
        match earliest.iter_mut().find(|other| other.primitive == primitive) {
            Some(other) if told.is_before(other) => *other = told,
            Some(_) => {}
            None => earliest.push(told),
        }
    };
    for event in session.events.iter().chain(&session.recalled) {
        match &event.what {
            What::Features(features) => {
                for feature in features {
                    if let Some(primitive) = Primitive::of_feature(feature.kind) {
                        tell(primitive, &feature.value, 1.0, event.at);
                    }
                }
            }
            What::Samples(samples) => {
                for Sample { primitive, value, confidence } in samples {
                    tell(*primitive, value, *confidence, event.at);
                }
            }
            _ => {}
        }
    }
    earliest
}

/// How long a session took. Who only connects has no session in this sense.
fn duration(session: &Grown<'_>) -> Option<Observed> {
    let state = &session.state;
    if !state.closed || state.logins_failed + state.logins_accepted + state.commands == 0 {
        return None;
    }
    let (start, end) = (state.started_at, state.ended_at);
    let value = match end.micros() - start.micros() {
        ..0 => return None,
        took if took < 15 * MINUTE => "short",
        took if took < 90 * MINUTE => "medium",
        took if took <= 240 * MINUTE => "long",
        _ => "marathon",
    };
    Some(Observed::new(Primitive::SessionDuration, value, 1.0, (start, end)))
}

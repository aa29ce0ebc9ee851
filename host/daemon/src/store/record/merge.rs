//! What a batch adds to what is stored: pure, so that it can be thought about without a database.
//!
//! Each piece of a session is laid over the stored session. Events that were counted drop out; if none
//! is left, the piece is as if it had never been read. From the others come the new rows of sessions
//! and commands, and sums per feature, place and credential that the writers add to the stored rows.
//! A *place* is an attacker at a service of a sensor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::behaviour::{Conduct, Observed};
use super::known::Known;
use super::sessions::{Logged, State, Stored};
use super::{Batch, Credential, Entered, Event, Feature, Kind, Recorded, Session, What, commands};
use crate::clock::Timestamp;
use crate::store::changes::Touched;
use crate::store::revision::View;

/// An attacker (index into the batch) at a service of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) attacker: usize,
    pub(super) decky: Arc<str>,
    pub(super) service: Arc<str>,
}

/// From when until when, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: i64,
}

impl Span {
    fn at(at: Timestamp) -> Self {
        Self { first: at, last: at, count: 1 }
    }

    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

/// A session that has new events.
#[derive(Debug)]
pub(super) struct Grown<'b> {
    pub(super) id: i64,
    pub(super) piece: &'b Session,
    /// The events that count, in the order of time.
    pub(super) events: Vec<&'b Event>,
    /// Events that were counted and may tell more now: of a terminal whose recording came later.
    pub(super) recalled: Vec<&'b Event>,
    /// What it was called before, if it was stored.
    pub(super) before: Option<Before>,
    /// The row as it will be.
    pub(super) state: State,
    /// What its commands tell together, if it has new ones.
    pub(super) conduct: Vec<Observed>,
}

/// What a stored session was called.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) service: Arc<str>,
    pub(super) script: Option<Arc<str>>,
}

impl<'b> Grown<'b> {
    /// The commands that count.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&'b Event, &'b Entered)> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Command(entered) => Some((*event, entered.as_ref())),
            _ => None,
        })
    }

    /// Whether its commands have to be read back to know its script.
    pub(super) fn continues_script(&self) -> bool {
        self.before.is_some() && self.commands().next().is_some()
    }

    /// Whether some of the commands that count have tags.
    fn is_tagged(&self) -> bool {
        self.commands().any(|(_, entered)| !entered.tag_ids.is_empty())
    }

    fn is_moved(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.service != self.state.service.name)
    }
}

/// A feature's sum, and the sensor that saw it first.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) span: Span,
    pub(super) decky: Arc<str>,
}

/// A place's sum.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) events: i64,
    pub(super) sessions: i64,
    /// Whether a session left or came: then the stored row is recomputed, and this sum means nothing.
    pub(super) moved: bool,
    pub(super) credentials: FxHashMap<Credential, Attempts>,
}

/// A credential's sum.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) span: Span,
    pub(super) accepted: bool,
}

impl Attempts {
    /// Adds one login to a place's sums.
    pub(super) fn add(
        to: &mut FxHashMap<Credential, Self>,
        credential: &Credential,
        accepted: bool,
        at: Timestamp,
    ) {
        let span = Span::at(at);
        if let Some(attempts) = to.get_mut(credential) {
            attempts.span.add(span);
            attempts.accepted |= accepted;
        } else {
            to.insert(credential.clone(), Self { span, accepted });
        }
    }
}

/// What a batch adds.
#[derive(Debug, Default)]
pub(super) struct Merged<'b> {
    pub(super) sessions: Vec<Grown<'b>>,
    /// Sessions without new events, of which some are recalled.
    pub(super) recalled: Vec<Grown<'b>>,
    /// The attackers of these sessions.
    pub(super) attackers: BTreeSet<usize>,
    pub(super) places: BTreeMap<Place, Contact>,
    pub(super) features: FxHashMap<(usize, Kind, Arc<str>), Sighting>,
    /// Scripts that a session had or has, after it grew: recomputed from the sessions.
    pub(super) scripts: BTreeSet<(usize, Arc<str>)>,
    pub(super) events_new: u64,
    pub(super) events_known: u64,
}

/// Lays the batch over the stored sessions, which are keyed by index into the batch.
pub(super) fn merge(
    batch: &Batch,
    mut stored: FxHashMap<usize, Stored>,
    mut next_id: i64,
) -> Merged<'_> {
    let mut merged = Merged::default();
    for (at, piece) in batch.sessions.iter().enumerate() {
        let stored = stored.remove(&at);
        let seen = stored.as_ref().map_or(&[][..], |stored| &stored.state.seen);
        let (mut events, mut recalled): (Vec<&Event>, Vec<&Event>) =
            piece.events.iter().partition(|event| seen.binary_search(&event.hash).is_err());
        merged.events_new += events.len() as u64;
        merged.events_known += (piece.events.len() - events.len()) as u64;
        // As the database orders them when it reads a session's commands back: its numbers have signs.
        events.sort_unstable_by_key(|event| (event.at, event.hash.cast_signed()));
        recalled.retain(|event| matches!(event.what, What::Samples(_)));
        let (first, last) = match (events.first(), events.last(), recalled.first()) {
            (Some(first), Some(last), _) => (first.at, last.at),
            (_, _, Some(known)) => (known.at, known.at),
            _ => continue,
        };
        let (id, before, mut state) = match stored {
            Some(Stored { id, state }) => {
                let service = Arc::clone(&state.service.name);
                (id, Some(Before { service, script: state.script.clone() }), state)
            }
            None => {
                next_id += 1;
                (next_id - 1, None, State::new(first, &piece.decky))
            }
        };
        state.service.learn(&piece.service.name, piece.service.certainty);
        state.started_at = state.started_at.min(first);
        state.ended_at = state.ended_at.max(last);
        let mut session = Grown { id, piece, events, recalled, before, state, conduct: Vec::new() };
        if session.events.is_empty() {
            merged.recalled.push(session);
        } else {
            merged.add(&mut session);
            merged.sessions.push(session);
        }
    }
    merged
}

impl Merged<'_> {
    /// Adds a session's new events to its own row and to all sums.
    fn add(&mut self, session: &mut Grown<'_>) {
        let attacker = session.piece.attacker;
        let decky = Arc::clone(&session.state.decky);
        let place = Place {
            attacker,
            decky: Arc::clone(&decky),
            service: Arc::clone(&session.state.service.name),
        };
        let span = (session.state.started_at, session.state.ended_at);
        self.attackers.insert(attacker);
        if let Some(before) = session.before.as_ref().filter(|_| session.is_moved()) {
            let left = Place { service: Arc::clone(&before.service), ..place.clone() };
            self.places.entry(left).or_insert_with(|| Contact::new(span)).moved = true;
        }
        let contact = self.places.entry(place).or_insert_with(|| Contact::new(span));
        contact.moved |= session.is_moved();
        contact.sessions += i64::from(session.before.is_none());
        for event in &session.events {
            contact.first = contact.first.min(event.at);
            contact.last = contact.last.max(event.at);
            contact.events += 1;
            session.state.seen.push(event.hash);
            let features = match &event.what {
                What::Other | What::Samples(_) => &[][..],
                What::Closed => {
                    session.state.closed = true;
                    &[]
                }
                What::Features(features) => features,
                What::Login(login) => {
                    session.state.count_login(login.accepted);
                    if let Some(credential) = &login.credential {
                        session.state.logins.push(Logged::new(
                            event.at,
                            login.accepted,
                            credential,
                        ));
                        Attempts::add(
                            &mut contact.credentials,
                            credential,
                            login.accepted,
                            event.at,
                        );
                    }
                    &login.features
                }
                What::Command(entered) => {
                    session.state.commands += 1;
                    &entered.command.features
                }
            };
            for Feature { kind, value } in features {
                sight(&mut self.features, (attacker, *kind, value), Span::at(event.at), &decky);
            }
        }
        session.state.seen.sort_unstable();
        session.state.logins.sort_unstable();
        self.add_script(session);
    }

    /// The commands of a new session stand in this batch; a stored one's are read back later.
    fn add_script(&mut self, session: &mut Grown<'_>) {
        if session.before.is_some() {
            return;
        }
        let mut conduct = Conduct::default();
        session
            .commands()
            .for_each(|(event, entered)| conduct.push(event.at, &entered.command.habits));
        session.conduct = conduct.finish();
        let Some(script) =
            commands::script(session.commands().map(|(_, entered)| entered.command.input.as_ref()))
        else {
            return;
        };
        let times: Vec<Timestamp> = session.commands().map(|(event, _)| event.at).collect();
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let span = Span { first: *first, last: *last, count: 1 };
            let key = (session.piece.attacker, Kind::CommandScript, &script);
            sight(&mut self.features, key, span, &session.state.decky);
        }
        session.state.script = Some(script);
    }
}

impl Merged<'_> {
    /// What is new, as far as it is known before anything is written.
    pub(super) fn recorded(&self, known: &Known) -> Recorded {
        let (updated, new) = self.attackers.iter().partition(|at| known.contains_key(at));
        let sessions_new =
            self.sessions.iter().filter(|session| session.before.is_none()).count() as u64;
        Recorded {
            events_new: self.events_new,
            events_known: self.events_known,
            sessions_new,
            sessions_grown: self.sessions.len() as u64 - sessions_new,
            attackers_new: new,
            attackers_updated: updated,
            ..Recorded::default()
        }
    }

    /// The places that a session left or came to.
    pub(super) fn moved(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|(_, contact)| contact.moved).map(|(place, _)| place)
    }

    /// Whose rows are not what they were, a view, given how many tags were written.
    pub(super) fn touched(&self, batch: &Batch, tags: u64) -> Touched {
        let ids =
            |attackers: BTreeSet<usize>| attackers.into_iter().map(|at| batch.attacker_id(at));
        let features = self.features.keys().map(|(at, ..)| *at);
        let scripts = self.scripts.iter().map(|(at, _)| *at);
        let tried = |contact: &Contact| !contact.credentials.is_empty() || contact.moved;
        let tried = self.places.iter().filter(|(_, contact)| tried(contact));
        let tagged = self.sessions.iter().filter(|session| tags > 0 && session.is_tagged());
        let mut touched = Touched::default();
        touched.add(View::Attackers, ids(self.attackers.clone()));
        touched.add(View::Sessions, ids(self.attackers.clone()));
        touched.add(View::Features, ids(features.chain(scripts).collect()));
        touched.add(View::Credentials, ids(tried.map(|(place, _)| place.attacker).collect()));
        touched.add(View::Phases, ids(tagged.map(|session| session.piece.attacker).collect()));
        touched
    }
}

impl Contact {
    fn new((first, last): (Timestamp, Timestamp)) -> Self {
        Self {
            first,
            last,
            events: 0,
            sessions: 0,
            moved: false,
            credentials: FxHashMap::default(),
        }
    }
}

/// Adds to a feature's sum. The sensor is that of the first sighting, of two at one time the smaller.
fn sight(
    features: &mut FxHashMap<(usize, Kind, Arc<str>), Sighting>,
    (attacker, kind, value): (usize, Kind, &Arc<str>),
    span: Span,
    decky: &Arc<str>,
) {
    let sighting = features
        .entry((attacker, kind, Arc::clone(value)))
        .or_insert_with(|| Sighting { span: Span { count: 0, ..span }, decky: Arc::clone(decky) });
    if (span.first, decky) < (sighting.span.first, &sighting.decky) {
        sighting.decky = Arc::clone(decky);
    }
    sighting.span.add(span);
}

//! Rows put together into sessions, and sessions into batches.
//!
//! A batch holds what was read since the last one: pieces of sessions, mostly whole ones. No session
//! is kept open beyond its batch: the store joins a later piece to an earlier one anyway, since logs
//! come in pieces, so memory is bounded by the batch and nothing has to be decided about sessions
//! that never end.
//!
//! Values repeat: one HASSH in each session of a worm, one password in a thousand logins, the same
//! twenty commands. So what is derived from a value is kept for the length of a batch and shared.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::features::{self, Origin};
use super::sighting::{self, Action};
use super::tactics::Tactics;
use super::tty::Recordings;
use super::{Settings, behaviour, downloads};
use crate::clock::Timestamp;
use crate::ids;
use crate::shell;
use crate::store::record::behaviour::Sample;
use crate::store::record::{
    Attacker, Batch, Command, Credential, Entered, Event, Feature, Kind, Login, Secret, Service,
    Session, Source, What,
};

/// Bytes of a command that are kept. A thousand of them fit into one column of DECNET's.
const COMMAND_BYTES_MAX: usize = 4_096;
/// Bytes of a name that a log gives: of a sensor, a session.
const NAME_BYTES_MAX: usize = 256;
/// Characters of a user name, DECNET's column.
const PRINCIPAL_CHARS_MAX: usize = 256;
/// Bytes of the first batch.
const FIRST_BATCH_BYTES: usize = 1 << 20;

/// Puts rows together.
pub(super) struct Assembler<'s> {
    settings: &'s Settings,
    tactics: &'s Tactics,
    recordings: &'s Recordings,
    batch: Batch,
    bytes: usize,
    /// How many bytes this batch may have: the first ones are small, so that the store soon has work.
    bytes_max: usize,
    attackers: FxHashMap<IpAddr, usize>,
    /// By a hash of the key; two keys that share one are told apart by looking.
    sessions: FxHashMap<u64, usize>,
    texts: FxHashSet<Arc<str>>,
    deckies: FxHashMap<Arc<str>, Arc<str>>,
    secrets: FxHashMap<Box<str>, Secret>,
    commands: FxHashMap<Box<str>, Arc<Command>>,
    samples: FxHashMap<Box<str>, Box<[Sample]>>,
}

impl<'s> Assembler<'s> {
    pub(super) fn new(
        settings: &'s Settings,
        tactics: &'s Tactics,
        recordings: &'s Recordings,
    ) -> Self {
        Self {
            settings,
            tactics,
            recordings,
            batch: Batch::default(),
            bytes: 0,
            bytes_max: FIRST_BATCH_BYTES.min(settings.batch_bytes),
            attackers: FxHashMap::default(),
            sessions: FxHashMap::default(),
            texts: FxHashSet::default(),
            deckies: FxHashMap::default(),
            secrets: FxHashMap::default(),
            commands: FxHashMap::default(),
            samples: FxHashMap::default(),
        }
    }

    /// Whether the batch has what it may hold.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max || self.batch.sessions.len() >= self.settings.open_sessions_max
    }

    /// Adds one row, which took so many bytes in the log.
    pub(super) fn add(&mut self, event: sighting::Event<'_>, bytes: usize) {
        self.bytes += bytes;
        let at = self.session(&event);
        let what = match event.action {
            Action::Command(input) => self.entered(&input, &event.session, event.at, event.hash),
            action => self.what(action),
        };
        let service = event.service.map(|(name, certainty)| (self.text(&name), certainty));
        if let Some(session) = self.batch.sessions.get_mut(at) {
            if let Some((name, certainty)) = service {
                session.service.learn(&name, certainty);
            }
            session.events.push(Event { hash: event.hash, at: event.at, what });
        }
    }

    /// Adds a file that was read to its end.
    pub(super) fn finish(&mut self, source: Source) {
        self.batch.sources.push(source);
    }

    /// The batch, and an empty one in its place. A row that was there twice counts once.
    pub(super) fn take(&mut self) -> Batch {
        let bytes_max = self.bytes_max.saturating_mul(4).min(self.settings.batch_bytes);
        let empty = Self { bytes_max, ..Self::new(self.settings, self.tactics, self.recordings) };
        let mut batch = std::mem::replace(self, empty).batch;
        for session in &mut batch.sessions {
            session.events.sort_by_key(|event| event.hash);
            session.events.dedup_by_key(|event| event.hash);
        }
        batch
    }

    /// The index of the row's session.
    fn session(&mut self, event: &sighting::Event<'_>) -> usize {
        let attacker = self.attacker(event.address);
        let sensor = match event.sensor.as_ref() {
            "" => self.settings.unnamed_source(),
            sensor => shell::prefix(sensor, NAME_BYTES_MAX),
        };
        let session = shell::prefix(&event.session, NAME_BYTES_MAX);
        let mut key = sighting::hash(session.as_bytes())
            ^ sighting::hash(sensor.as_bytes()).rotate_left(17)
            ^ attacker as u64;
        while let Some(at) = self.sessions.get(&key) {
            let there = self.batch.sessions.get(*at);
            if there.is_some_and(|s| {
                s.attacker == attacker && *s.session == *session && *s.source == *sensor
            }) {
                return *at;
            }
            key = key.wrapping_add(1);
        }
        let source = self.text(sensor);
        let decky = self.decky(&source);
        let piece = Session {
            attacker,
            decky,
            source,
            session: Arc::from(session),
            service: Service::guessed(),
            events: Vec::new(),
        };
        self.batch.sessions.push(piece);
        let at = self.batch.sessions.len() - 1;
        self.sessions.insert(key, at);
        at
    }

    fn attacker(&mut self, address: IpAddr) -> usize {
        let attackers = &mut self.batch.attackers;
        *self.attackers.entry(address).or_insert_with(|| {
            let ip = address.to_string();
            attackers.push(Attacker { id: Arc::from(ids::attacker(&ip)), ip: Arc::from(ip) });
            attackers.len() - 1
        })
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(text) = self.texts.get(text) {
            return Arc::clone(text);
        }
        let text: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// What reports call a sensor. Containers get a new id at each start, so one that nobody named is
    /// no sensor of its own.
    fn decky(&mut self, source: &Arc<str>) -> Arc<str> {
        if let Some(decky) = self.deckies.get(source) {
            return Arc::clone(decky);
        }
        let is_container = source.len() == 12
            && source.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let decky = match (&self.settings.sensor, self.settings.sensors.get(source.as_ref())) {
            (Some(name), _) | (None, Some(name)) => name.as_str(),
            (None, None) if is_container || source.is_empty() => self.settings.format.name(),
            (None, None) => source,
        };
        let decky = self.text(decky);
        self.deckies.insert(Arc::clone(source), Arc::clone(&decky));
        decky
    }

    fn what(&mut self, action: Action<'_>) -> What {
        match action {
            Action::Other => What::Other,
            Action::Closed => What::Closed,
            Action::Recorded(path) => self.recorded(&path),
            Action::Login { accepted, username, password, key } => {
                let credential = password.map(|password| Credential {
                    principal: username.map(|name| self.principal(&name)),
                    secret: self.secret(&password),
                });
                let key = key.as_ref().and_then(features::public_key);
                let features = key.map(|key| self.feature(Kind::PublicKey, &key));
                What::Login(Box::new(Login {
                    accepted,
                    credential,
                    features: features.into_iter().collect(),
                }))
            }
            other => {
                let features = self.features(other);
                if features.is_empty() { What::Other } else { What::Features(features) }
            }
        }
    }

    /// The features that a row has which is neither a login nor a command.
    fn features(&mut self, action: Action<'_>) -> Box<[Feature]> {
        let mut found = Vec::new();
        let mut add = |kind, value: Option<&str>| {
            if let Some(value) = value {
                found.push(self.feature(kind, value));
            }
        };
        match action {
            Action::Client { version, hassh } => {
                if let Some((kind, value)) = version.as_deref().and_then(features::banner) {
                    add(kind, Some(&value));
                }
                add(
                    Kind::Hassh,
                    hassh.as_deref().and_then(|hassh| features::digest(hassh, 32)).as_deref(),
                );
            }
            Action::Offered(key) => add(Kind::PublicKey, features::public_key(&key).as_deref()),
            Action::Terminal { width, height } => {
                add(Kind::TerminalSize, features::terminal(&width, &height).as_deref());
            }
            Action::File { sha256, md5, url } => {
                let payload = |hash: &Option<_>, digits| {
                    features::payload(hash.as_deref()?, digits).map(Cow::into_owned)
                };
                add(Kind::PayloadSha256, payload(&sha256, 64).as_deref());
                add(Kind::PayloadMd5, payload(&md5, 32).as_deref());
                if let Some(Origin { url, host }) = url.as_deref().and_then(Origin::of_url) {
                    add(Kind::DownloadUrl, url.as_deref());
                    add(Kind::DownloadHost, Some(&host));
                }
            }
            Action::Relay { host, port } => {
                add(Kind::RelayTarget, features::relay_target(&host, &port).as_deref());
            }
            Action::Fingerprint { ja3, ja4, ja4h } => {
                add(Kind::Ja3, ja3.as_deref().and_then(|ja3| features::digest(ja3, 32)).as_deref());
                add(Kind::Ja4, ja4.as_deref().and_then(features::token).as_deref());
                add(Kind::Ja4h, ja4h.as_deref().and_then(features::token).as_deref());
            }
            Action::Probe(sent) => add(Kind::ProbeSha256, features::probe(&sent).as_deref()),
            Action::Other
            | Action::Closed
            | Action::Recorded(_)
            | Action::Login { .. }
            | Action::Command(_) => {}
        }
        found.into_boxed_slice()
    }

    /// What a recording shows, if it is there.
    fn recorded(&mut self, path: &str) -> What {
        let samples = match self.samples.get(path) {
            Some(samples) => samples.clone(),
            None => {
                let recording = self.recordings.read(path).unwrap_or_default();
                let samples = behaviour::samples(&recording);
                self.samples.insert(Box::from(path), samples.clone());
                samples
            }
        };
        if samples.is_empty() { What::Other } else { What::Samples(samples) }
    }

    fn feature(&mut self, kind: Kind, value: &str) -> Feature {
        Feature { kind, value: self.text(value) }
    }

    fn principal(&mut self, name: &str) -> Arc<str> {
        let end = name.char_indices().nth(PRINCIPAL_CHARS_MAX).map_or(name.len(), |(at, _)| at);
        let name = features::cut(shell::prefix(name, end), usize::MAX).into_owned();
        self.text(&name)
    }

    fn secret(&mut self, password: &str) -> Secret {
        if let Some(secret) = self.secrets.get(password) {
            return secret.clone();
        }
        let secret = Secret::new(password);
        self.secrets.insert(Box::from(password), secret.clone());
        secret
    }

    fn entered(&mut self, input: &str, session: &str, at: Timestamp, hash: u64) -> What {
        let command = self.command(input);
        let tag_ids = command.rules().iter().map(|rule| {
            let session = shell::prefix(session, NAME_BYTES_MAX);
            Arc::from(ids::command_tag(session, at.micros(), hash, &rule.id))
        });
        What::Command(Box::new(Entered { tag_ids: tag_ids.collect(), command }))
    }

    fn command(&mut self, input: &str) -> Arc<Command> {
        if let Some(command) = self.commands.get(input) {
            return Arc::clone(command);
        }
        let mut features = Vec::new();
        for Origin { url, host } in downloads::origins(input) {
            features.extend(url.map(|url| self.feature(Kind::DownloadUrl, &url)));
            features.push(self.feature(Kind::DownloadHost, &host));
        }
        for key in features::planted_keys(input) {
            features.push(self.feature(Kind::AuthorizedKey, &key));
        }
        let text = features::cut(input, COMMAND_BYTES_MAX);
        let command = Arc::new(Command::new(&text, features, self.tactics.tags(input)));
        self.commands.insert(Box::from(input), Arc::clone(&command));
        command
    }
}

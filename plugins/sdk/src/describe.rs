//! What a plugin says of itself, and what it is told when it runs.

use crate::wit::exports::corral::correlator::correlator as wit;
use crate::{Description, Reason, Setting, View};

impl Description {
    /// A plugin that asks for nothing yet, polled every minute.
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            wakes: Vec::new(),
            poll_seconds: 60,
            reads: Vec::new(),
            writes: Vec::new(),
            kernels: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// The bus topics that wake it.
    #[must_use]
    pub fn wakes(mut self, topics: &[&str]) -> Self {
        self.wakes = owned(topics);
        self
    }

    /// The views it reads.
    #[must_use]
    pub fn reads(mut self, views: &[View]) -> Self {
        self.reads = views.iter().map(|view| name(*view).to_owned()).collect();
        self
    }

    /// The changes it commits, by their names in the contract.
    #[must_use]
    pub fn writes(mut self, changes: &[&str]) -> Self {
        self.writes = owned(changes);
        self
    }

    /// The kernels it runs.
    #[must_use]
    pub fn kernels(mut self, kernels: &[&str]) -> Self {
        self.kernels = owned(kernels);
        self
    }

    /// A setting it understands.
    #[must_use]
    pub fn setting(mut self, name: &str, default: &str, summary: &str) -> Self {
        let (name, default, summary) = (name.to_owned(), default.to_owned(), summary.to_owned());
        self.settings.push(Setting { name, default, summary });
        self
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A view's name in the contract.
fn name(view: View) -> &'static str {
    match view {
        View::Attackers => "attackers",
        View::Features => "features",
        View::Sessions => "sessions",
        View::Identities => "identities",
        View::Campaigns => "campaigns",
        View::Behaviour => "behaviour",
        View::Attribution => "attribution",
        View::Credentials => "credentials",
        View::Reuse => "reuse",
        View::Phases => "phases",
        View::Constraints => "constraints",
        View::State => "state",
    }
}

/// What a tick is told.
#[derive(Debug)]
pub struct Context {
    /// The time, in microseconds of UTC since 1970-01-01.
    pub now: i64,
    /// Why the tick runs.
    pub reason: Reason,
    /// Codes of the uuids that the wakes named: a hint, never the truth. `None`: everything.
    pub dirty: Option<Vec<u32>>,
    settings: Vec<(String, String)>,
}

impl Context {
    /// The value of a setting that [`Correlator::describe`](crate::Correlator::describe) named; empty
    /// for any other.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

impl From<wit::Context> for Context {
    fn from(context: wit::Context) -> Self {
        let wit::Context { now, reason, dirty, settings } = context;
        Self { now, reason, dirty, settings }
    }
}

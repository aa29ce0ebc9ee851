//! The conformance kit: whether a component keeps what a plugin promises.
//!
//! A plugin is a stranger's program that decides about an analyst's rows. Before it may, it is tried out on databases
//! that are made for that and thrown away: an empty one, one with a single row, the same facts in another order, a
//! host that fails at each call in turn, a hundred thousand attackers, and the scenarios of its kind ([`scenario`]).
//! Each promise is one [`Finding`], with what was found and, where it is broken, what to do. A failing check stops no
//! other. The kit decides nothing about loading; its [`Report`] becomes a certificate
//! ([`Certificate`]), which a config can demand.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::load::{self, LoadError};
use crate::plugin::papers::{Certificate, Check, Kit};
use crate::plugin::{Description, Host, Plugin, Source, TickError};
use crate::store::StoreError;

mod limits;
pub mod measure;
mod picture;
pub mod population;
mod promises;
mod refusals;
pub mod scenario;
mod world;

use scenario::Scenario;
use world::Lab;

/// What every plugin promises, in the order in which it is tested, and what that means. Scenarios come before the
/// last two.
pub const PROMISES: [(&str, &str); 10] = [
    ("contract", "it is a component, imports only the contract, and exports a plugin"),
    ("describe", "it says what it is, the same each time, and nothing that cannot be"),
    ("empty", "nothing follows from an empty database"),
    ("one-row", "one attacker is enough to go by"),
    ("deterministic", "equal facts give equal rows, whatever the time and the codes of texts"),
    ("row-order", "the order in which facts were written decides nothing"),
    ("idempotent", "a second tick on its own result changes nothing, before and after a restart"),
    ("refusals", "what the host cannot do ends in a problem, not in a trap or in half of a result"),
    ("grants", "it uses every view and kernel that it asks for"),
    ("limits", "very many attackers (100,000) are within the limits of this config"),
];

/// Attackers of the large world: those of a busy sensor network in some weeks.
pub const ATTACKERS: u32 = 100_000;

/// What stands before the name of a scenario.
const SCENARIO: &str = "scenario-";

/// What was found of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The SHA-256 of the component, in hex.
    pub digest: String,
    /// What it says of itself, if it could be loaded.
    pub description: Option<Description>,
    /// What was tested, in order.
    pub findings: Vec<Finding>,
}

/// One promise, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: String,
    /// What the component promises.
    pub promise: String,
    /// Whether it keeps it.
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// What its author should do, if it does not.
    pub remedy: Option<String>,
    /// How long the check took.
    pub milliseconds: u64,
}

impl Report {
    /// Whether every promise is kept.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.passed)
    }

    /// The certificate of what was found.
    pub fn certificate(&self, clock: &dyn Clock) -> Certificate {
        let kit = Kit {
            corral: env!("CARGO_PKG_VERSION").to_owned(),
            contract: load::VERSION.to_owned(),
            at: clock.now().micros(),
        };
        let check = |finding: &Finding| Check {
            name: finding.check.clone(),
            passed: finding.passed,
            found: finding.found.clone(),
        };
        Certificate::new(&self.digest, kit, self.findings.iter().map(check).collect())
    }
}

/// Where a component is tested, and by which settings.
#[derive(Debug)]
pub struct Place<'a> {
    /// A host, of which the engine and the kernels' threads are used, and no database.
    pub host: &'a Host,
    /// The limits; what it grants to single plugins does not count.
    pub config: &'a Config,
    /// An empty folder for databases.
    pub folder: &'a Path,
    /// Attackers of the large world.
    pub attackers: u32,
    /// What tells how long a check took.
    pub clock: Arc<dyn Clock>,
}

/// Why there is no report: the kit itself failed.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A database of its own.
    #[error("work on a throwaway database")]
    Store(#[from] StoreError),
    /// A scenario of its own.
    #[error("read the scenario: {0}")]
    Scenario(String),
    /// There is no check of that name.
    #[error("no check '{0}' (there are: {1})")]
    NoCheck(String, String),
}

/// Why a check did not pass.
enum Broken {
    /// The component does not keep its promise.
    Promise(Failed),
    /// The kit failed.
    Kit(KitError),
}

/// A promise that is not kept.
struct Failed {
    found: String,
    remedy: String,
}

/// What a check found, if all is well.
type Checked = Result<String, Broken>;

fn failed(found: impl Into<String>, remedy: impl Into<String>) -> Broken {
    Broken::Promise(Failed { found: found.into(), remedy: remedy.into() })
}

impl From<KitError> for Broken {
    fn from(error: KitError) -> Self {
        Self::Kit(error)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Kit(error.into())
    }
}

impl From<TickError> for Broken {
    /// A tick that had to end well did not.
    fn from(error: TickError) -> Self {
        let remedy = match &error {
            TickError::Store(_) => {
                let TickError::Store(error) = error else { return failed("", "") };
                return error.into();
            }
            TickError::Trapped { .. } | TickError::Late { .. } => {
                "a tick ends with an answer: return a problem where something cannot be, instead of unwrap, expect, \
                 an index or a loop without end"
            }
            TickError::Problem { .. } => {
                "nothing is wrong with what it was given: find out which call answered with that, and ask for what it \
                 needs in describe"
            }
            TickError::Conflict { .. } | TickError::Commit { .. } => {
                "nobody else writes here, so the commit contradicts itself: name each row once, and only rows of \
                 this tick's readings"
            }
        };
        failed(error.to_string(), remedy)
    }
}

/// One thing to test.
enum Subject {
    Promise(&'static str, &'static str),
    Scenario(Box<Scenario>),
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Self::Promise(name, _) => (*name).to_owned(),
            Self::Scenario(scenario) => format!("{SCENARIO}{}", scenario.name),
        }
    }

    fn promise(&self) -> String {
        match self {
            Self::Promise(_, promise) => (*promise).to_owned(),
            Self::Scenario(scenario) => scenario.summary.clone(),
        }
    }
}

/// Tests a component; only checks whose names begin with one of `only`, if any are given.
///
/// # Errors
/// [`KitError`] if the kit itself failed; what is wrong with the component is told in the [`Report`].
pub async fn test(
    place: &Place<'_>,
    source: Source,
    bytes: &[u8],
    only: &[String],
) -> Result<Report, KitError> {
    let mut scenarios = scenario::all()?;
    check_names(only, &scenarios)?;
    let digest = load::digest(bytes);
    let loaded = place.host.inspect(source.clone(), bytes).await;
    if let Ok(plugin) = &loaded {
        scenarios.retain(|scenario| scenario.is_for(plugin.description()));
    }
    let mut subjects: Vec<Subject> =
        PROMISES.iter().map(|(name, promise)| Subject::Promise(name, promise)).collect();
    let tail = subjects.split_off(PROMISES.len() - 2);
    subjects.extend(scenarios.into_iter().map(|scenario| Subject::Scenario(Box::new(scenario))));
    subjects.extend(tail);
    let is_wanted = |subject: &Subject| {
        only.is_empty() || only.iter().any(|name| subject.name().starts_with(name.as_str()))
    };
    subjects.retain(is_wanted);
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => return Ok(unloadable(digest, &subjects, &error)),
    };
    let description = Some(plugin.description().clone());
    let lab = Lab::new(place, plugin, source, bytes);
    let mut findings = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        findings.push(find(&lab, subject).await?);
    }
    Ok(Report { digest, description, findings })
}

fn check_names(only: &[String], scenarios: &[Scenario]) -> Result<(), KitError> {
    let scenarios = scenarios.iter().map(|scenario| format!("{SCENARIO}{}", scenario.name));
    let names: Vec<String> =
        PROMISES.iter().map(|(name, _)| (*name).to_owned()).chain(scenarios).collect();
    match only.iter().find(|only| !names.iter().any(|name| name.starts_with(only.as_str()))) {
        Some(unknown) => Err(KitError::NoCheck(unknown.clone(), names.join(", "))),
        None => Ok(()),
    }
}

/// The report on what is no plugin: nothing else can be tested.
fn unloadable(digest: String, subjects: &[Subject], error: &LoadError) -> Report {
    let finding = |subject: &Subject| {
        let is_first = subject.name() == "contract";
        let (found, remedy) = if is_first {
            (
                error.reason.to_string(),
                "build it with the SDK, for wasm32-unknown-unknown, and pack it",
            )
        } else {
            ("not tested: it does not load".to_owned(), "see 'contract'")
        };
        Finding {
            check: subject.name(),
            promise: subject.promise(),
            passed: false,
            found,
            remedy: Some(remedy.to_owned()),
            milliseconds: 0,
        }
    };
    Report { digest, description: None, findings: subjects.iter().map(finding).collect() }
}

async fn find(lab: &Lab<'_>, subject: &Subject) -> Result<Finding, KitError> {
    let started = lab.elapsed();
    let checked = match subject {
        Subject::Scenario(scenario) => Box::pin(scenario::run(lab, scenario)).await,
        Subject::Promise(name, _) => Box::pin(keeps(lab, name)).await,
    };
    let (passed, found, remedy) = match checked {
        Ok(found) => (true, found, None),
        Err(Broken::Promise(Failed { found, remedy })) => (false, found, Some(remedy)),
        Err(Broken::Kit(error)) => return Err(error),
    };
    let took = lab.elapsed().saturating_sub(started);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (check, promise) = (subject.name(), subject.promise());
    Ok(Finding { check, promise, passed, found, remedy, milliseconds })
}

async fn keeps(lab: &Lab<'_>, promise: &str) -> Checked {
    match promise {
        "contract" => Ok(promises::contract(lab)),
        "describe" => promises::describe(lab).await,
        "empty" => promises::empty(lab).await,
        "one-row" => promises::one_row(lab).await,
        "deterministic" => promises::deterministic(lab).await,
        "row-order" => promises::row_order(lab).await,
        "idempotent" => promises::idempotent(lab).await,
        "refusals" => refusals::check(lab).await,
        "grants" => promises::grants(lab).await,
        "limits" => limits::check(lab).await,
        other => Err(KitError::NoCheck(other.to_owned(), String::new()).into()),
    }
}

/// Which groups a plugin makes, and so what it needs to find in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It says which attackers are one: nobody has an identity yet.
    Identities,
    /// It starts from identities, which are given.
    Others,
}

impl Role {
    /// The role of what says this of itself.
    pub fn of(plugin: &Plugin) -> Self {
        let writes = &plugin.description().writes;
        let makes = |change: &String| change == "form-identities" || change == "link-attackers";
        if writes.iter().any(makes) { Self::Identities } else { Self::Others }
    }
}

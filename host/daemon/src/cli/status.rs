//! `corral status` and `corral worker`: how the daemon is, and what it is told to do.

use hyper::Method;
use serde_json::Value;

use super::{Context, Exit, Failure, output};
use crate::clock::Timestamp;
use crate::serve::face::{self, FaceError};
use crate::serve::status::{Status, WorkerStatus};
use crate::supervise::tenure::Duty;
use crate::supervise::worker::Held;

/// How the daemon is: whether it writes, what each correlator did, what waits
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Tell the daemon's correlators what to do
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Look for news and tick now
    Wake {
        /// A correlator; all of them if none is named
        name: Option<String>,
    },
    /// Stop one correlator; the others go on
    Stop {
        /// The correlator
        name: String,
    },
    /// Start it again
    Start {
        /// The correlator
        name: String,
    },
}

impl From<FaceError> for Failure {
    fn from(error: FaceError) -> Self {
        let code = match &error {
            FaceError::Nobody(_) => Exit::NoDaemon,
            FaceError::Refused { .. } | FaceError::Denied(_) | FaceError::Socket(_) => Exit::Usage,
            FaceError::Garbled { .. } => Exit::Unexpected,
        };
        Self::new(code, error)
    }
}

pub(super) async fn status(_args: Args, context: &Context) -> Result<(), Failure> {
    let answer = face::ask(&context.loaded.sockets, Method::GET, "/v1/status").await?;
    if context.json {
        return output::json(&answer);
    }
    let status: Status =
        serde_json::from_value(answer).map_err(|error| Failure::new(Exit::Unexpected, error))?;
    print(&status);
    Ok(())
}

pub(super) async fn worker(args: WorkerArgs, context: &Context) -> Result<(), Failure> {
    let route = match args.order {
        Order::Wake { name: None } => "/v1/wake".to_owned(),
        Order::Wake { name: Some(name) } => format!("/v1/workers/{name}/wake"),
        Order::Stop { name } => format!("/v1/workers/{name}/stop"),
        Order::Start { name } => format!("/v1/workers/{name}/start"),
    };
    let answer: Value = face::ask(&context.loaded.sockets, Method::POST, &route).await?;
    if context.json {
        return output::json(&answer);
    }
    output::line("Told.");
    Ok(())
}

fn print(status: &Status) {
    output::line(&format!("{}, corral {}", status.instance, status.version));
    output::line(&match &status.duty {
        Duty::OnDuty { since } => format!("on duty since {}", Timestamp(*since)),
        Duty::Standby { why } => format!("standing by: {}", output::printable(why)),
    });
    let trouble = |trouble: &Option<String>| {
        trouble.as_deref().map_or_else(|| "fine".to_owned(), output::printable)
    };
    let database = &status.database;
    output::line(&format!("database {}: {}", database.url, trouble(&database.trouble)));
    output::line(&match &status.bus {
        None => "bus: switched off".to_owned(),
        Some(bus) => format!(
            "bus: {}; {} events published, {} wait, {} could not be",
            if bus.is_connected { "connected".to_owned() } else { trouble(&bus.trouble) },
            bus.published,
            bus.waiting.map_or_else(|| "?".to_owned(), |waiting| waiting.to_string()),
            bus.unpublished,
        ),
    });
    if let Some(bytes) = status.resident_bytes {
        output::line(&format!("memory: {} MiB", bytes >> 20));
    }
    output::line("");
    let headings = ["correlator", "state", "ticks", "errors", "last tick", "ms", "rows read", ""];
    output::table(&headings, status.workers.iter().map(|(name, worker)| row(name, worker)));
    for refused in &status.refused {
        output::line(&format!("refused: {}", output::printable(refused)));
    }
    for (row, reason) in &status.poison {
        let text = format!("cannot be read: {row}: {reason}");
        output::line(&output::printable(&text));
    }
}

fn row(name: &str, worker: &WorkerStatus) -> Vec<String> {
    let told = &worker.told;
    let last = told.last_tick.as_ref();
    let state = serde_json::to_value(told.state).unwrap_or_default();
    let error = told.last_error.as_ref().filter(|_| told.errors_in_a_row > 0);
    vec![
        name.to_owned(),
        state.as_str().unwrap_or_default().to_owned(),
        told.ticks.to_string(),
        told.errors.to_string(),
        last.map_or_else(String::new, |last| Timestamp(last.at).to_string()),
        last.map_or_else(String::new, |last| format!("{:.1}", last.milliseconds)),
        last.map_or_else(String::new, |last| last.rows_read.to_string()),
        why_not(&worker.held).or_else(|| error.map(|error| error.why.clone())).unwrap_or_default(),
    ]
}

/// What keeps a correlator from ticking.
fn why_not(held: &Held) -> Option<String> {
    match held {
        Held { by_quarantine: Some(why), .. } => Some(format!("in quarantine: {why}")),
        Held { by_switch: Some(who), .. } => Some(format!("switched off by {who}")),
        Held { by_config: true, .. } => Some("switched off in the config".to_owned()),
        Held { by_order: true, .. } => Some("told to stop".to_owned()),
        _ => None,
    }
}

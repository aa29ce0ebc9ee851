//! `corral ingest`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Exit, Failure, output, progress};
use crate::ingest::format::Format;
use crate::ingest::{self, IngestError, Settings, Summary};

/// Read honeypot logs into the database; reading the same log again changes nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Cowrie's JSON logs, plain or gzip, as written, rotated, exported or in pieces
    Cowrie(Logs),
    /// Heralding's log_session.json
    Heralding(Logs),
    /// Dionaea's dionaea.json, or its database dionaea.sqlite
    Dionaea(Logs),
    /// Honeytrap's attackers.json
    Honeytrap(Logs),
    /// fatt's log of clients on the wire, of which what came from outside counts
    Fatt(Logs),
}

#[derive(Debug, clap::Args)]
struct Logs {
    /// Files, folders to search for logs, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What all sensors in these logs are to be called [default: as the logs and the config name them]
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
}

impl Kind {
    fn logs(self) -> (Format, Logs) {
        match self {
            Self::Cowrie(logs) => (Format::Cowrie, logs),
            Self::Heralding(logs) => (Format::Heralding, logs),
            Self::Dionaea(logs) => (Format::Dionaea, logs),
            Self::Honeytrap(logs) => (Format::Honeytrap, logs),
            Self::Fatt(logs) => (Format::Fatt, logs),
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (format, Logs { paths, sensor }) = args.kind.logs();
    let settings = Settings::new(format, &context.config.ingest, sensor)
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    let store = context.store().await?;
    let progress = progress::shown(context);
    let summary = ingest::ingest(&store, context.clock.as_ref(), settings, paths, progress).await;
    store.close().await;
    let summary = summary.map_err(|error| match error {
        IngestError::Store(error) => Failure::from(error),
        error => Failure::new(Exit::Unexpected, error),
    })?;
    for problem in &summary.problems {
        output::error(&format!("corral: {}", output::printable(&problem.to_string())));
    }
    if context.json {
        output::json(&summary)?;
    } else {
        print(&summary, format);
    }
    verdict(&summary, format)
}

fn print(summary: &Summary, format: Format) {
    let row = |name: &str, count: u64, note: String| vec![name.to_owned(), count.to_string(), note];
    let known = summary.events.saturating_sub(summary.events_new);
    let mut rows = vec![
        row("files", summary.files, format!("{} bytes", summary.bytes)),
        row("lines", summary.lines, format!("{}/s", summary.lines_per_second)),
        row("events", summary.events, format!("{} new, {known} known before", summary.events_new)),
        row("sessions", summary.sessions_new, format!("new; {} continued", summary.sessions_grown)),
        row(
            "attackers",
            summary.attackers_new,
            format!("new; {} updated", summary.attackers_updated),
        ),
        row("features", summary.features_new, "new".to_owned()),
        row("credentials", summary.credentials_new, "new".to_owned()),
        row("commands", summary.commands_new, format!("new; {} tags", summary.tags_new)),
    ];
    rows.extend(
        summary.skipped.iter().map(|(reason, count)| row("skipped", *count, (*reason).to_owned())),
    );
    if summary.passed_over.count > 0 {
        let first = summary.passed_over.first.join(", ");
        let more = if summary.passed_over.count > summary.passed_over.first.len() as u64 {
            ", …"
        } else {
            ""
        };
        rows.push(row(
            "passed over",
            summary.passed_over.count,
            format!("no {} logs: {first}{more}", format.title()),
        ));
    }
    output::table(&["what", "count", "note"], rows);
}

/// Whether everything that was named could be read.
fn verdict(summary: &Summary, format: Format) -> Result<(), Failure> {
    let unread = summary.problems.iter().filter(|problem| problem.is_unread).count();
    if unread > 0 {
        let message =
            format!("{unread} of the inputs could not be read in full; the rest was ingested");
        return Err(Failure::new(Exit::Input, anyhow::anyhow!(message)));
    }
    if summary.files == 0 {
        let message = format!(
            "no {} logs found (name a file to read it whatever it looks like)",
            format.title()
        );
        return Err(Failure::new(Exit::Input, anyhow::anyhow!(message)));
    }
    Ok(())
}

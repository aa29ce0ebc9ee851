//! Where log lines go: to standard error, and to a file if one is set.
//!
//! The file is opened to append, since logrotate may cut it off under us. Where standard error already ends
//! in the same file, as in DECNET's unit, each line is written once.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::{Exit, Failure};
use crate::config::LogConfig;
use crate::files;

/// Begins to log; `level` is what is told if nothing is set.
pub(super) fn start(config: &LogConfig, level: Level) -> Result<(), Failure> {
    let filter: Targets = match config.filter.as_str() {
        "" => Targets::new().with_target("corral", level),
        filter => filter.parse().map_err(|error| {
            let hint = anyhow::Error::new(error)
                .context(format!("log.filter: '{filter}' is no filter (write e.g. corral=debug)"));
            Failure::new(Exit::Usage, hint)
        })?,
    };
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A file that cannot be had costs its lines only, as it does in DECNET.
    let (file, problem) = match config.file.as_str() {
        "" => (None, None),
        path => match files::append(Path::new(path)) {
            Ok(file) if is_standard_error(&file) => (None, None),
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        },
    };
    let file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_writer(Mutex::new(file))
            .with_ansi(false)
            .with_target(false)
            .with_filter(filter.clone())
    });
    tracing_subscriber::registry().with(format.with_filter(filter)).with(file).init();
    if let Some(error) = problem {
        tracing::warn!(%error, "log.file is not written");
    }
    Ok(())
}

fn is_standard_error(file: &std::fs::File) -> bool {
    let Ok(copy) = std::io::stderr().as_fd().try_clone_to_owned() else { return false };
    let of = |file: &std::fs::File| file.metadata().map(|data| (data.dev(), data.ino())).ok();
    let ours = of(file);
    ours.is_some() && ours == of(&std::fs::File::from(copy))
}

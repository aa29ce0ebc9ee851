//! The command line: one file a command under `cli/`, the exit codes here.
//!
//! Only this folder prints. A command returns a [`Failure`] that knows its exit code; the chain of
//! causes is printed once, here.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::store::{Store, StoreError};

mod generate;
mod ingest;
mod kernel;
mod output;
mod plugin;
mod progress;
mod report;
mod run;
mod why;

/// Rounds up attackers: which honeypot contacts are the same actor, and why.
#[derive(Debug, Parser)]
#[command(name = "corral", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// The database, e.g. sqlite:///var/lib/corral/corral.db [default: corral/corral.db under $XDG_DATA_HOME]
    #[arg(long, global = true, value_name = "URL")]
    db: Option<String>,
    /// A settings file; deploy/corral.toml shows them all
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory of components that take the place of built-in ones
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Option<String>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// No progress on the terminal
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ingest(ingest::Args),
    Run(run::Args),
    Report(report::Args),
    Why(why::Args),
    Generate(generate::Args),
    Plugin(plugin::Args),
    Kernel(kernel::Args),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed unexpectedly; 2 wrong usage or config; 3 some input could not be read (the \
rest was); 4 the database; 5 a plugin; 6 no such attacker, or no answer; 7 the certificate does not hold; \
130 interrupted";

/// Exit codes; the README documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// A bug, or something nobody foresaw.
    Unexpected = 1,
    /// The command line or the config.
    Usage = 2,
    /// Some of the input could not be read; the rest was.
    Input = 3,
    /// The database.
    Store = 4,
    /// A plugin was refused or failed.
    Plugin = 5,
    /// The question has no answer here.
    NoAnswer = 6,
    /// A kernel is wrong, or the stored evidence does not account for the stored groups.
    Certificate = 7,
    /// Ctrl-C; what was committed stays.
    Interrupted = 130,
}

/// Why a command failed, and with which code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(code: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Store, error)
    }
}

impl From<config::ConfigError> for Failure {
    fn from(error: config::ConfigError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unexpected, error)
    }
}

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Context {
    /// Opens the database that this run uses; makes it if need be.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.config.store_url()?, self.busy()).await?)
    }

    /// Opens the database that this run reads; does not make one.
    pub(crate) async fn existing_store(&self) -> Result<Store, Failure> {
        Ok(Store::open_existing(&self.config.store_url()?, self.busy()).await?)
    }

    fn busy(&self) -> Duration {
        Duration::from_secs(self.config.store.busy_seconds)
    }
}

/// Reads the command line, runs the command, prints what failed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = config::log_filter().and_then(|filter| filter.parse().ok());
    let filter: Targets =
        filter.unwrap_or_else(|| Targets::new().with_target("corral", Level::WARN));
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(format).with(filter).init();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            output::error(&format!("corral: {}", causes(&error)));
            ExitCode::from(code as u8)
        }
    }
}

/// An error and its causes in one line; a cause that only repeats is left out.
fn causes(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

fn start(cli: Cli) -> Result<(), Failure> {
    let mut config = Config::load(cli.config.as_deref())?;
    if let Some(url) = cli.db {
        config.store.url = url;
    }
    if let Some(directory) = cli.plugins {
        config.plugins.directory = directory;
    }
    let context =
        Context { config, clock: Arc::new(SystemClock::start()), json: cli.json, quiet: cli.quiet };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    runtime.block_on(async {
        tokio::select! {
            done = dispatch(cli.command, &context) => done,
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Interrupted, anyhow::anyhow!("interrupted; what was committed stays")))
            }
        }
    })
}

async fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Ingest(args) => ingest::run(args, context).await,
        Command::Run(args) => run::run(args, context).await,
        Command::Report(args) => report::run(args, context).await,
        Command::Why(args) => why::run(args, context).await,
        Command::Generate(args) => generate::run(args, context),
        Command::Plugin(args) => plugin::run(args, context).await,
        Command::Kernel(args) => kernel::run(args, context).await,
    }
}

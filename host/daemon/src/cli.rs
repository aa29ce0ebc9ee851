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

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Environment, Loaded, Owner, Request, StoreConfig};
use crate::files;
use crate::ids;
use crate::store::{Store, StoreError};

mod bus;
mod compile;
mod doctor;
mod generate;
mod ingest;
mod kernel;
mod log;
mod output;
mod plugin;
mod progress;
mod report;
mod run;
mod serve;
mod settings;
mod status;
mod why;

/// Rounds up attackers: which honeypot contacts are the same actor, and why.
#[derive(Debug, Parser)]
#[command(name = "corral", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// The database, e.g. sqlite:///var/lib/corral/corral.db [default: corral/corral.db under $XDG_DATA_HOME]
    #[arg(long, global = true, value_name = "URL")]
    db: Option<String>,
    /// A settings file; `corral config --default` shows them all
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory of components that take the place of built-in ones
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Option<String>,
    /// Take the database and the bus from DECNET's own settings
    #[arg(long, global = true)]
    decnet: bool,
    /// The same, and the folder of DECNET's installation [default: the working directory or /opt/decnet]
    #[arg(long, global = true, value_name = "DIR")]
    decnet_root: Option<PathBuf>,
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
    Bus(bus::Args),
    Config(settings::Args),
    Doctor(doctor::Args),
    Serve(serve::Args),
    Status(status::Args),
    Worker(status::WorkerArgs),
    #[command(hide = true)]
    CompileComponent(compile::Args),
}

impl Command {
    /// Whether it runs until it is told to stop, and then ends well: such a command hears the signals itself.
    fn is_stopped_by_signals(&self) -> bool {
        matches!(self, Self::Bus(_) | Self::Serve(_))
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed unexpectedly; 2 wrong usage or config; 3 some input could not be read (the \
rest was); 4 the database; 5 a plugin; 6 no such attacker, or no answer; 7 the certificate does not hold; \
8 the bus; 9 `corral doctor` found a fault; 10 no daemon answers; 130 interrupted";

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
    /// The bus: no broker is there, or one is where ours should be.
    Bus = 8,
    /// `corral doctor` found a fault.
    Unhealthy = 9,
    /// No daemon answers.
    NoDaemon = 10,
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
    /// The settings again, with where they came from.
    pub(crate) loaded: Loaded,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Context {
    /// Opens the database that this run uses; makes it if need be.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        Ok(Store::for_config(&self.store_config()?).await?)
    }

    /// Opens the database that this run reads; does not make one.
    pub(crate) async fn existing_store(&self) -> Result<Store, Failure> {
        let config = self.store_config()?;
        let busy = Duration::from_secs(config.busy_seconds);
        Ok(match config.owner {
            Owner::Corral => Store::open_existing(&config.url, busy).await?,
            Owner::Decnet => Store::for_config(&config).await?,
        })
    }

    /// The part of the settings about the database, with the place that is meant where none is named.
    fn store_config(&self) -> Result<StoreConfig, Failure> {
        Ok(StoreConfig { url: self.config.store_url()?, ..self.config.store.clone() })
    }
}

/// Reads the command line, runs the command, prints what failed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
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
    if let Command::CompileComponent(args) = &cli.command {
        return compile::run(args);
    }
    if let Command::Config(args) = &cli.command
        && args.default
    {
        // Also for whoever wants to mend settings that cannot be read.
        output::line(config::DEFAULT_FILE.trim_end());
        return Ok(());
    }
    let request = Request {
        file: cli.config,
        db: cli.db,
        plugins: cli.plugins,
        decnet: cli.decnet || cli.decnet_root.is_some(),
        decnet_root: cli.decnet_root,
    };
    let loaded = config::load(&request, &Environment::of_process())?;
    let level = if matches!(cli.command, Command::Serve(_)) { Level::INFO } else { Level::WARN };
    log::start(&loaded.config.log, level)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let context = Context {
        config: loaded.config.clone(),
        loaded,
        clock: Arc::new(SystemClock::start()),
        json: cli.json,
        quiet: cli.quiet,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    runtime.block_on(async {
        if cli.command.is_stopped_by_signals() {
            return dispatch(cli.command, &context).await;
        }
        tokio::select! {
            done = dispatch(cli.command, &context) => done,
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Interrupted, anyhow::anyhow!("interrupted; what was committed stays")))
            }
        }
    })
}

/// What tells this process from others, for people and for the lease.
fn instance(context: &Context) -> String {
    let host = files::read_to_string("/proc/sys/kernel/hostname".as_ref()).unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("this host");
    ids::instance(host, std::process::id(), context.clock.now())
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
        Command::Bus(args) => bus::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Status(args) => status::status(args, context).await,
        Command::Worker(args) => status::worker(args, context).await,
        Command::CompileComponent(args) => compile::run(&args),
        Command::Config(args) => settings::run(args, context),
        Command::Doctor(args) => doctor::run(args, context).await,
    }
}

//! `corral plugin`: the correlators of this run.

use std::path::Path;
use std::sync::Arc;

use super::{Context, Exit, Failure, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::files;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Papers};
use crate::store::Store;

mod bench;
mod look;
mod new;
mod order;
mod pack;
mod replay;
mod sign;
mod test;

/// The correlators: which there are, where they come from, what they ask for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the correlators: the daemon's, or those that a run would use
    List,
    Inspect(look::InspectArgs),
    Swap(order::SwapArgs),
    Shadow(order::ShadowArgs),
    /// Bring back the component that a plugin had before
    Rollback {
        /// The plugin
        name: String,
    },
    /// Switch a plugin on again
    Enable {
        /// The plugin
        name: String,
    },
    /// Switch a plugin off, also for the next start; its rows stay
    Disable {
        /// The plugin
        name: String,
    },
    Quarantine(order::QuarantineArgs),
    Keygen(sign::KeygenArgs),
    Sign(sign::SignArgs),
    Verify(sign::VerifyArgs),
    Bench(bench::Args),
    New(new::Args),
    Pack(pack::Args),
    Replay(replay::Args),
    Test(test::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::List => look::list(context).await,
        Command::Inspect(args) => look::inspect(&args, context).await,
        Command::Swap(args) => order::swap(&args, context).await,
        Command::Shadow(args) => order::shadow(&args, context).await,
        Command::Rollback { name } => order::roll_back(&name, context).await,
        Command::Enable { name } => order::switch(&name, "enable", context).await,
        Command::Disable { name } => order::switch(&name, "disable", context).await,
        Command::Quarantine(args) => order::quarantine(&args, context).await,
        Command::Keygen(args) => sign::keygen(&args, context),
        Command::Sign(args) => sign::sign(&args, context).await,
        Command::Verify(args) => sign::verify(&args, context).await,
        Command::Bench(args) => Box::pin(bench::run(&args, context)).await,
        Command::New(args) => new::run(&args, context),
        Command::Pack(args) => pack::run(&args, context),
        Command::Replay(args) => Box::pin(replay::run(&args, context)).await,
        Command::Test(args) => Box::pin(test::run(&args, context)).await,
    }
}

/// A component that the operator named, and its papers.
fn read(path: &Path, context: &Context) -> Result<(Vec<u8>, Papers), Failure> {
    let unreadable = |error| Failure::new(Exit::Usage, error);
    let bytes = files::read_bytes(path, context.config.limits.component_bytes_max);
    let papers = Papers::beside(path).map_err(unreadable)?;
    Ok((bytes.map_err(unreadable)?, papers))
}

/// A host without a database, and the plugins that are built in: for whoever only looks at components.
async fn bare_host(context: &Context) -> Result<Host, Failure> {
    let store = Store::unopened(&context.config.store_url()?)?;
    let mut config = context.config.clone();
    config.plugins.directory.clear();
    let (host, _) = load_with(config, context, &store).await?;
    Ok(host)
}

/// The host and every plugin that this run uses.
pub(super) async fn load(context: &Context, store: &Store) -> Result<(Host, Catalog), Failure> {
    load_with(context.config.clone(), context, store).await
}

/// The same with other settings.
pub(super) async fn load_with(
    mut config: Config,
    context: &Context,
    store: &Store,
) -> Result<(Host, Catalog), Failure> {
    let clock: Arc<dyn Clock> = context.clock.clone();
    // A command ends with its process: to keep a kernel's input would cost more than the tick that settles
    // could gain by it.
    config.pool.kept_bytes_max = 0;
    let host = Host::start(&config, store.clone(), clock)
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    let catalog = Catalog::load(&host, &config.plugins.directory)
        .await
        .map_err(|error| Failure::new(Exit::Plugin, error))?;
    Ok((host, catalog))
}

/// A host without a database, for whoever tries a component out, and the settings that it goes by: the operator's
/// limits, and nothing that the config says of single plugins.
fn bench_host(context: &Context) -> Result<(Host, Config), Failure> {
    let mut config = context.config.clone();
    config.plugin.clear();
    let store = Store::unopened(&config.store_url()?)?;
    let clock: Arc<dyn Clock> = context.clock.clone();
    let host = Host::start(&config, store, clock)
        .map_err(|error| Failure::new(Exit::Unexpected, error))?;
    Ok((host, config))
}

/// A folder that goes when it is dropped.
fn throwaway() -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new().prefix("corral-").tempdir().map_err(Failure::from)
}

/// Says which components were refused, and why.
pub(super) fn warn_of_refused(catalog: &Catalog) {
    for refused in &catalog.refused {
        output::error(&format!("corral: refused {refused}"));
    }
}

//! `corral plugin`: the correlators of this run.

use std::sync::Arc;

use super::{Context, Exit, Failure, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::Host;
use crate::plugin::catalog::Catalog;
use crate::store::Store;

/// The correlators: which there are, where they come from, what they ask for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the correlators that this run would use
    List,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Command::List = args.command;
    let store = Store::unopened(&context.config.store_url()?)?;
    let (_host, catalog) = load(context, &store).await?;
    if context.json {
        output::json(&json(&catalog))?;
    } else {
        output::table(
            &["plugin", "version", "digest", "source", "reads", "kernels", "settings"],
            catalog.plugins.values().map(|plugin| {
                let about = plugin.description();
                let settings = about.settings.iter().map(|s| format!("{}={}", s.name, s.default));
                vec![
                    about.name.clone(),
                    about.version.clone(),
                    plugin.digest().chars().take(12).collect(),
                    plugin.source().to_string(),
                    about.reads.join(", "),
                    about.kernels.join(", "),
                    settings.collect::<Vec<_>>().join(", "),
                ]
            }),
        );
        warn_of_refused(&catalog);
    }
    match catalog.refused.first() {
        Some(_) => Err(Failure::new(Exit::Plugin, anyhow::anyhow!("some components were refused"))),
        None => Ok(()),
    }
}

fn json(catalog: &Catalog) -> serde_json::Value {
    let plugins = catalog.plugins.values().map(|plugin| {
        serde_json::json!({
            "description": plugin.description(),
            "digest": plugin.digest(),
            "source": plugin.source().to_string(),
        })
    });
    let refused = catalog.refused.iter().map(ToString::to_string);
    serde_json::json!({
        "plugins": plugins.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
    })
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
    let catalog = Catalog::load(&host, &context.config.plugins.directory)
        .await
        .map_err(|error| Failure::new(Exit::Plugin, error))?;
    Ok((host, catalog))
}

/// Says which components were refused, and why.
pub(super) fn warn_of_refused(catalog: &Catalog) {
    for refused in &catalog.refused {
        output::error(&format!("corral: refused {refused}"));
    }
}

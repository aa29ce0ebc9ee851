//! `corral run`: correlate what is stored until nothing changes.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Context, Exit, Failure, output};
use crate::clock::Clock;
use crate::config::Owner;
use crate::files;
use crate::supervise::tenure::{BorrowError, Borrowed};
use crate::supervise::{self, Run, life};

/// Correlate what is stored, until nothing changes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Record each tick that changes something in a file of this folder, for `corral plugin replay`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

impl From<BorrowError> for Failure {
    fn from(error: BorrowError) -> Self {
        Self::new(Exit::Store, error)
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let opened = context.existing_store().await?;
    let clock: Arc<dyn Clock> = context.clock.clone();
    let lease = Borrowed::take(&opened, &super::instance(context), clock.clone()).await?;
    let store = lease.store();
    if store.owner() == Owner::Decnet {
        store.project(context.config.store.fingerprints, clock.now()).await?;
    }
    let (mut host, mut catalog) = super::plugin::load(context, &store).await?;
    super::plugin::warn_of_refused(&catalog);
    for name in life::choose(&host, &store, &mut catalog).await? {
        output::error(&format!(
            "corral: {name} is switched off, or in quarantine, and does not run"
        ));
    }
    if let Some(folder) = args.record {
        files::create_directory(&folder).map_err(|error| Failure::new(Exit::Usage, error))?;
        host.record_into(folder);
    }
    if catalog.plugins.is_empty() {
        return Err(Failure::new(
            Exit::Plugin,
            anyhow!(
                "no plugin to run (build with `cargo xtask build`, or name a folder with --plugins)"
            ),
        ));
    }
    let run = supervise::run(&host, &catalog, &context.config, &store, &clock).await?;
    lease.give_back().await?;
    store.close().await;
    if context.json {
        output::json(&run)?;
    } else {
        print(&run);
    }
    if !run.is_settled() || !catalog.refused.is_empty() {
        return Err(Failure::new(Exit::Plugin, anyhow!("not every plugin ran; see above")));
    }
    Ok(())
}

fn print(run: &Run) {
    let headings =
        ["plugin", "ticks", "formed", "linked", "merged", "unmerged", "evidence", "rows", "ms", ""];
    output::table(
        &headings,
        run.plugins.iter().map(|(name, plugin)| {
            let committed = plugin.committed;
            let counts = [
                plugin.ticks as usize,
                committed.formed,
                committed.linked,
                committed.merged,
                committed.unmerged,
                committed.explained,
                committed.put,
            ];
            let mut row = vec![name.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row.push(format!("{:.0}", plugin.milliseconds));
            row.push(plugin.failed.clone().unwrap_or_default());
            row
        }),
    );
    if run.plugins.values().all(|plugin| plugin.committed.is_empty() && plugin.failed.is_none()) {
        output::line("Nothing new: nothing was written.");
    }
}

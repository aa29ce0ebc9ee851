//! `corral plugin replay`: a recorded tick, done by another component.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{Context, Exit, Failure, bench_host, output};
use crate::files;
use crate::plugin::recording::Recording;
use crate::plugin::{Difference, Source};

/// Have a component do a tick that `corral run --record` has recorded, and tell what it does otherwise
///
/// It reads what the recorded plugin read, at the recorded time, with the recorded settings; no database is needed, and
/// nothing is written. Evidence and a plugin's own state are told but do not count. Ends with code 5 if more rows than
/// `--max-changes` would be left otherwise.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file of `corral run --record`
    #[arg(value_name = "TICK")]
    tick: PathBuf,
    /// A component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Rows that may be left otherwise
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    max_changes: usize,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let usage = |error: files::FileError| Failure::new(Exit::Usage, error);
    let text = files::read_to_string(&args.tick).map_err(usage)?;
    let recording = Recording::parse(&text).map_err(|what| {
        let error = anyhow!("{}: no recorded tick: {what}", args.tick.display());
        Failure::new(Exit::Usage, error)
    })?;
    let (host, config) = bench_host(context)?;
    let bytes = files::read_bytes(&args.file, config.limits.component_bytes_max).map_err(usage)?;
    let failed = |error: anyhow::Error| Failure::new(Exit::Plugin, error);
    let plugin = host.inspect(Source::Named(args.file.clone()), &bytes).await;
    let plugin = plugin.map_err(|error| failed(error.into()))?;
    host.allow(&plugin);
    let difference =
        host.replay(&plugin, &recording).await.map_err(|error| failed(error.into()))?;
    if context.json {
        output::json(&difference)?;
    } else {
        print(&recording, &difference);
    }
    if difference.moved > args.max_changes {
        let (moved, most) = (difference.moved, args.max_changes);
        return Err(failed(anyhow!("{moved} rows would be left otherwise (--max-changes {most})")));
    }
    Ok(())
}

fn print(recording: &Recording, difference: &Difference) {
    let digest: String = recording.digest.chars().take(12).collect();
    output::line(&format!("recorded: {} {digest}\n", recording.plugin));
    let headings =
        ["change", "recorded", "replayed", "only recorded", "only replayed", "otherwise", ""];
    output::table(
        &headings,
        difference.verbs.iter().map(|verb| {
            let counts =
                [verb.live, verb.candidate, verb.only_live, verb.only_candidate, verb.otherwise];
            let mut row = vec![verb.change.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row.push(if verb.counts { "" } else { "does not count" }.to_owned());
            row
        }),
    );
    for verb in &difference.verbs {
        for example in &verb.examples {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
            let (live, candidate) = (side(&example.live), side(&example.candidate));
            let line = format!("{}: {}: {live}, now {candidate}", verb.change, example.row);
            output::line(&output::printable(&line));
        }
    }
    if difference.is_none() {
        output::line("\nThe same, to the bit.");
    }
}

//! `corral plugin bench`: what a component costs.

use std::path::PathBuf;

use super::{Context, Exit, Failure, bench_host, output, throwaway};
use crate::conformance::Place;
use crate::conformance::measure::{self, MeasureError, Measured};
use crate::files;
use crate::plugin::Source;

/// Measure a component on a made-up world: times of each part of a tick, and instructions
///
/// Times are milliseconds on this machine. Instructions are those of the guest alone, counted: the same number every
/// time, so that a change of it is a change of the plugin.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Attackers of the world
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rows: u32,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (host, config) = bench_host(context)?;
    let bytes = files::read_bytes(&args.file, config.limits.component_bytes_max)
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    let folder = throwaway()?;
    let place = Place {
        host: &host,
        config: &config,
        folder: folder.path(),
        attackers: args.rows,
        clock: context.clock.clone(),
    };
    let source = Source::Named(args.file.clone());
    let measured = measure::measure(&place, source, &bytes).await.map_err(|error| {
        let code = match &error {
            MeasureError::Load(_) | MeasureError::Tick(_) => Exit::Plugin,
            MeasureError::Kit(_) | MeasureError::Host(_) => Exit::Unexpected,
        };
        Failure::new(code, error)
    })?;
    if context.json {
        return output::json(&measured);
    }
    print(&measured);
    Ok(())
}

fn print(measured: &Measured) {
    let Measured { digest, attackers, facts, times, instructions } = measured;
    output::line(&format!("sha256 {digest}\n{attackers} attackers, {facts} facts\n"));
    let rows = times.iter().map(|part| {
        let number = |milliseconds: f64| format!("{milliseconds:.3}");
        vec![part.part.clone(), part.times.to_string(), number(part.median), number(part.p99)]
    });
    output::table(&["part", "times", "median ms", "p99 ms"], rows);
    let [first, steady] = instructions;
    output::line(&format!(
        "\ninstructions: {first} in the first tick, {steady} in one with nothing new"
    ));
}

//! `corral generate`: a made-up honeypot log to try everything with.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use tokio::task::JoinHandle;

use super::{Context, Exit, Failure, output};
use crate::files;
use crate::generate::{
    ATTACKERS_MAX, ATTACKERS_MIN, DAYS_MAX, Existing, Flaws, GenerateError, Kind, Options,
    Rotation, Summary, Volume, generate,
};

/// Write the made-up log of a honeypot, with the truth beside it
///
/// The log has the shapes of real ones: a worm over several SSH fingerprints, a fingerprint that hundreds
/// of strangers share, a relay campaign in bursts, a botnet, a few people, surveys and much noise. DIR
/// can be ingested as it is: `truth.csv` (who is behind each address), `flaws.json` (lines that are
/// broken on purpose) and `README.txt` (the story) lie beside the log. All addresses are reserved ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write; made if need be
    dir: PathBuf,
    /// Everything follows from it: the same seed writes the same log
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Source addresses; every population grows with them
    #[arg(long, value_name = "N", default_value_t = 800,
        value_parser = clap::value_parser!(u32).range(i64::from(ATTACKERS_MIN)..=i64::from(ATTACKERS_MAX)))]
    attackers: u32,
    /// Days that the story lasts
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// The first day
    #[arg(long, value_name = "DATE", default_value = "2026-03-16")]
    start: Date,
    /// Stop after so many events; until then, tell the story again with other attackers
    #[arg(long, value_name = "N", conflicts_with = "bytes")]
    events: Option<u64>,
    /// Stop after so much log, e.g. 500MB or 1GiB; until then, tell the story again with other attackers
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bytes: Option<u64>,
    /// The log's format
    #[arg(long, value_enum, default_value_t = Format::Cowrie)]
    format: Format,
    /// Only lines that are well: no broken, cut, huge, repeated or undecodable ones
    #[arg(long)]
    no_flaws: bool,
    /// Break some lines as real logs have them (this is the default)
    #[arg(long, conflicts_with = "no_flaws")]
    flaws: bool,
    /// Leave old days uncompressed
    #[arg(long)]
    no_gzip: bool,
    /// Replace the story that an earlier run wrote into DIR
    #[arg(long)]
    force: bool,
}

/// Formats of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Cowrie's JSON, one event a line.
    Cowrie,
}

/// A number of bytes with a unit: `1500`, `10MB`, `2 GiB`.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("want a number with B, KB, MB, GB, KiB, MiB or GiB".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "want a whole number and a unit, e.g. 500MB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than can be counted".to_owned())
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Format::Cowrie = args.format;
    let until = args.bytes.map(Volume::Bytes).or(args.events.map(Volume::Events));
    let options = Options {
        seed: args.seed,
        attackers: args.attackers,
        days: args.days,
        start: args.start,
        until,
        flaws: if args.no_flaws { Flaws::Off } else { Flaws::On },
        rotation: if args.no_gzip { Rotation::Plain } else { Rotation::Gzip },
    };
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let dir =
        files::create_directory(&args.dir).map_err(|error| Failure::new(Exit::Usage, error))?;
    let bar = bar(args.bytes, context.quiet);
    let (interrupted, watcher) = watch_interrupt();
    let summary = generate(&options, &dir, existing, &mut |progress| {
        bar.set_position(progress.bytes);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    watcher.abort();
    bar.finish_and_clear();
    let summary = summary.map_err(|error| {
        let code = match error {
            GenerateError::Write { .. } => Exit::Unexpected,
            GenerateError::Stopped => Exit::Interrupted,
            _ => Exit::Usage,
        };
        let place = format!("generate into {}", args.dir.display());
        Failure::new(code, anyhow::Error::new(error).context(place))
    })?;
    if context.json {
        return output::json(&summary);
    }
    print(&summary);
    output::line(&format!("\nTry: corral ingest cowrie {}", args.dir.display()));
    Ok(())
}

/// Sees Ctrl-C while this thread is busy writing: the runtime has caught the signal from the system, so
/// nobody else would.
fn watch_interrupt() -> (Arc<AtomicBool>, JoinHandle<()>) {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let watcher = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            seen.store(true, Ordering::Relaxed);
        }
    });
    (interrupted, watcher)
}

/// A bar to the end if that is known; nothing where nobody looks.
fn bar(bytes: Option<u64>, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}",
        ),
        None => (ProgressBar::no_length(), "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(summary: &Summary) {
    let files = summary.files.iter();
    output::table(
        &["file", "lines", "bytes"],
        files.map(|file| vec![file.name.clone(), file.lines.to_string(), file.bytes.to_string()]),
    );
    output::line("");
    let kinds = summary.addresses.iter();
    output::table(
        &["kind", "addresses", ""],
        kinds.map(|(kind, count)| {
            vec![kind.word().to_owned(), count.to_string(), explain(*kind).to_owned()]
        }),
    );
    let addresses: u64 = summary.addresses.values().sum();
    output::line(&format!(
        "\n{} lines, {} of them flawed on purpose; {} sessions of {addresses} addresses; {} MB; seed {}",
        summary.lines,
        summary.flaws.len(),
        summary.sessions,
        summary.bytes / 1_000_000,
        summary.seed,
    ));
}

fn explain(kind: Kind) -> &'static str {
    match kind {
        Kind::Worm => "one program on many machines, under six SSH fingerprints",
        Kind::Relay => "one login each, then a tunnel to one mail server",
        Kind::Stranger => "share a library's fingerprint and nothing else",
        Kind::Botnet => "load the same program over telnet",
        Kind::Operator => "people who change address",
        Kind::Scanner => "surveys of the network",
        Kind::Prober => "services that test tunnels",
        Kind::Noise => "all the others",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!((size("10MB"), size("2 GiB"), size("7")), (Ok(10_000_000), Ok(2 << 30), Ok(7)));
        assert!(size("1XB").is_err() && size("GB").is_err() && size("99999999999TB").is_err());
    }
}

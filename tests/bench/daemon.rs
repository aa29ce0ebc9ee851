//! The daemon as a whole: what its ticks cost beside the least that the same writing takes, how soon an event is
//! answered, what an idle process holds and how soon it hosts.
//!
//! `cargo xtask bench daemon [-- OPTION…]`:
//!
//! * `--attackers N` for the first tick and the one with a little new (20,000);
//! * `--bus-attackers N` for events (10,000);
//! * `--huge`: a million, and a hundred thousand for events; takes tens of minutes and several gigabytes of disk;
//! * `--only PART`, which may repeat: steady, first, changed, bus, process.
//!
//! The table that comes at the end has targets for the sizes that `--huge` means, and says what DECNET takes
//! where that is known. A smaller run is held to the same numbers, where they do not speak of a size.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::median;
use crate::tick::populate;

mod bare;
mod latency;
pub(crate) mod population;
mod process;
mod statements;
pub(crate) mod table;
mod ticks;

use process::Served;
use table::{Line, Table};

const PARTS: [&str; 5] = ["steady", "first", "changed", "bus", "process"];
/// The smaller of the sizes at which the sandbox is compared with native code.
const FEW: u32 = 10_000;
/// Rounds of a tick that finds a little.
const CHANGED_ROUNDS: u32 = 15;
/// Starts of a daemon.
const STARTS: usize = 10;

struct Options {
    attackers: u32,
    bus_attackers: u32,
    parts: Vec<String>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self { attackers: 20_000, bus_attackers: 10_000, parts: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            let number = |text: &String| {
                text.parse().with_context(|| format!("{word}: {text:?} is no size"))
            };
            match word.as_str() {
                "--attackers" => options.attackers = number(value()?)?,
                "--bus-attackers" => options.bus_attackers = number(value()?)?,
                "--huge" => (options.attackers, options.bus_attackers) = (1_000_000, 100_000),
                "--only" => {
                    let part = value()?;
                    ensure!(PARTS.contains(&part.as_str()), "no part {part:?}: {PARTS:?}");
                    options.parts.push(part.clone());
                }
                other => bail!("daemon has no option {other:?}"),
            }
        }
        Ok(options)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|asked| asked == part)
    }
}

/// The benchmark.
pub(crate) fn daemon(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("  load average before: {}", load()?);
    let mut table = Table::default();
    let measured = runtime.block_on(measure(&options, folder.path(), &mut table));
    // What was measured before something went wrong is worth seeing.
    table.print();
    println!("  load average after: {}", load()?);
    measured
}

async fn measure(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    if options.has("steady") {
        Box::pin(steady(folder, table)).await?;
    }
    if options.has("process") {
        processes(folder, table).await?;
    }
    if options.has("bus") {
        bus(folder, options.bus_attackers, table).await?;
    }
    let sizes = if options.attackers > FEW {
        vec![FEW, options.attackers]
    } else {
        vec![options.attackers]
    };
    for attackers in sizes {
        let is_whole = attackers == options.attackers;
        if !(options.has("first") || is_whole && options.has("changed")) {
            continue;
        }
        let seed = seed(folder, attackers).await?;
        if options.has("first") {
            first(folder, &seed, attackers, is_whole, table).await?;
        }
        if is_whole && options.has("changed") {
            let changed =
                Box::pin(ticks::changed(folder, &seed, attackers, CHANGED_ROUNDS)).await?;
            let ms = changed.seconds * 1e3;
            table.add(Line {
                work: format!("tick, {attackers} attackers, {} changed", ticks::CHANGED),
                measured: format!(
                    "{ms:.1} ms (worst {:.1}), {} statements",
                    changed.worst * 1e3,
                    changed.statements
                ),
                target: "≤ 50 ms",
                is_met: ms <= 50.0,
                ..Line::default()
            });
        }
        std::fs::remove_file(seed)?;
    }
    Ok(())
}

async fn seed(folder: &Path, attackers: u32) -> Result<PathBuf> {
    let seed = folder.join(format!("{attackers}.db"));
    population::fill(&seed, attackers).await?;
    Ok(seed)
}

async fn steady(folder: &Path, table: &mut Table) -> Result<()> {
    let steady = Box::pin(ticks::steady(folder)).await?;
    let ms = steady.seconds * 1e3;
    let commits = if steady.is_read_only { "0 commits" } else { "COMMITS" };
    table.add(Line {
        work: "tick with nothing new, 1,000 attackers".to_owned(),
        measured: format!("{ms:.2} ms, {} statements, {commits}", steady.statements),
        decnet: "2.7 s, 1,436 statements, 717 commits",
        target: "≤ 10 ms, ≤ 10 statements, 0 commits",
        is_met: ms <= 10.0 && steady.statements <= 10 && steady.is_read_only,
        ..Line::default()
    });
    Ok(())
}

async fn first(
    folder: &Path,
    seed: &Path,
    attackers: u32,
    is_whole: bool,
    table: &mut Table,
) -> Result<()> {
    let first = ticks::first(folder, seed, ticks::rounds(attackers)).await?;
    println!(
        "  {attackers} attackers: {} identities, {} rows written",
        first.identities, first.rows
    );
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
    let ratio = first.sandboxed / first.native;
    table.add(Line {
        work: format!("through the plugin, first tick, {attackers} attackers"),
        measured: ms(first.sandboxed),
        baseline: format!("{} natively", ms(first.native)),
        ratio: Some(ratio),
        target: "≤ 1.10 x",
        is_met: ratio <= 1.10,
        ..Line::default()
    });
    if !is_whole {
        return Ok(());
    }
    let (ratio, peak) = (first.sandboxed / first.bare, ticks::peak(folder, seed)?);
    table.add(Line {
        work: format!("first tick, {attackers} attackers"),
        measured: ms(first.sandboxed),
        baseline: format!("{} bare writes", ms(first.bare)),
        ratio: Some(ratio),
        decnet: "days, of 1,000,000",
        target: "≤ 1.5 x",
        is_met: ratio <= 1.5,
    });
    table.add(Line {
        work: format!("`corral run` of it, {attackers} attackers"),
        measured: format!("{peak:.0} MB at most"),
        target: "≤ 700 MB",
        is_met: peak <= 700.0,
        ..Line::default()
    });
    Ok(())
}

async fn bus(folder: &Path, attackers: u32, table: &mut Table) -> Result<()> {
    let seed = seed(folder, attackers).await?;
    let latency = latency::measure(folder, &seed, attackers).await?;
    std::fs::remove_file(seed)?;
    let took = &latency.took;
    let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1_000] * 1e3;
    table.add(Line {
        work: format!("bus event to result, {attackers} attackers"),
        measured: format!(
            "median {:.1} ms, 99 of 100 {:.1} ms ({} events)",
            at(500),
            at(990),
            took.len()
        ),
        decnet: "up to 60 s",
        target: "median ≤ 20 ms",
        is_met: at(500) <= 20.0,
        ..Line::default()
    });
    println!("  that daemon had {:.0} MB at most, all correlators together", latency.peak);
    Ok(())
}

async fn processes(folder: &Path, table: &mut Table) -> Result<()> {
    // The logs that others made are in the way of these.
    let folder = &folder.join("process");
    std::fs::create_dir(folder)?;
    let (empty, known) = (folder.join("empty.db"), folder.join("known.db"));
    populate(folder, &known)?;
    for (database, what) in [(empty, "an empty database"), (known, "1,000 attackers")] {
        let variables = [("CORRAL_BUS_ENABLED", "false")];
        // The first makes tables, and correlates: later ones find that done.
        let served = Served::start(folder, &database, &variables)?;
        served.settled().await?;
        served.process.stop()?;
        let (mut hosting, mut resident) = (Vec::new(), 0.0);
        for start in 0..STARTS {
            let served = Served::start(folder, &database, &variables)?;
            hosting.push(served.hosting().await?);
            if start + 1 == STARTS {
                served.settled().await?;
                resident = served.process.memory("VmRSS")?;
            }
            served.process.stop()?;
        }
        let hosting = median(hosting);
        table.add(Line {
            work: format!("`corral serve`, {what}: start to hosting"),
            measured: format!("{:.0} ms", hosting * 1e3),
            decnet: "1.8 to 3.7 s",
            target: "≤ 0.3 s",
            is_met: hosting <= 0.3,
            ..Line::default()
        });
        table.add(Line {
            work: format!("`corral serve`, {what}: idle"),
            measured: format!("{resident:.1} MB resident"),
            decnet: "136 to 139 MB",
            target: "≤ 48 MB",
            is_met: resident <= 48.0,
            ..Line::default()
        });
    }
    Ok(())
}

/// The machine's load: whoever reads numbers should know what else ran.
fn load() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

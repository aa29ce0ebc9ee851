//! What swapping costs those who work meanwhile, and how soon a bad component is gone.
//!
//! Correlators tick over a database that settles again and again: one attacker comes, and the clock runs from the wish
//! for a tick until one that began after it has ended. First nobody swaps; then, in the same process and in turn with
//! it, another task puts twins of two components in each other's place as fast as it can. Components that die stand in
//! for bad ones: from the third death until the last good component ticks again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Papers, Reason, Source};
use corral::store::Store;
use corral::supervise::crew::Crew;
use corral::supervise::life::{Candidate, Trial};

use crate::daemon::population;
use crate::daemon::table::{Line, Table};
use crate::median;
use crate::tick::BUSY;

/// Swaps, unless `--swaps` says otherwise.
const SWAPS: u64 = 1_000;
const ATTACKERS: u32 = 1_000;
/// Rounds of ticks without and with swaps, and the ticks of one.
const ROUNDS: u32 = 10;
const TICKS: u32 = 40;
const FALLS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn swaps(options: &[String]) -> Result<()> {
    let swaps = match options {
        [] => SWAPS,
        [flag, number] if flag == "--swaps" => number.parse().context("--swaps NUMBER")?,
        _ => bail!("swaps takes --swaps NUMBER"),
    };
    let folder = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::default();
    let measured = runtime.block_on(measure(folder.path(), swaps, &mut table));
    table.print();
    measured
}

async fn measure(folder: &Path, swaps: u64, table: &mut Table) -> Result<()> {
    let stage = Arc::new(Stage::open(folder).await?);
    let mut newcomer = ATTACKERS;
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let (mut before, mut took, mut done) = (None, Vec::new(), 0);
    let most = swaps / u64::from(ROUNDS);
    for _ in 0..ROUNDS {
        quiet.extend(stage.ticks(TICKS, &mut newcomer).await?);
        let swapping = Arc::new(AtomicU64::new(0));
        let (other, counter) = (stage.clone(), swapping.clone());
        let swapper = tokio::spawn(async move { other.swap(most, &counter).await });
        while !swapper.is_finished() {
            busy.extend(stage.ticks(1, &mut newcomer).await?);
        }
        took.extend(swapper.await??);
        done += swapping.load(Ordering::Relaxed);
        // After the first, so that whatever is made once has been made.
        before.get_or_insert(resident()?);
    }
    let grown = resident()? - before.unwrap_or_default();
    for series in [&mut quiet, &mut busy, &mut took] {
        series.sort_by(f64::total_cmp);
    }
    ensure!(stage.errors() == 0, "{} ticks failed", stage.errors());
    let delay = median(busy.clone()) - median(quiet.clone());
    let (quiet_p99, busy_p99) = (percentile(&quiet), percentile(&busy));
    table.add(Line {
        work: format!("a waiting tick, {done} swaps beside it"),
        measured: format!(
            "+{:.2} ms (median), +{:.2} ms (p99)",
            delay * 1e3,
            (busy_p99 - quiet_p99) * 1e3
        ),
        baseline: format!(
            "{:.2} ms, p99 {:.2} ms, nobody swaps",
            median(quiet) * 1e3,
            quiet_p99 * 1e3
        ),
        ratio: Some(busy_p99 / quiet_p99),
        target: "at most 10 ms more",
        is_met: delay <= 0.010,
        ..Line::default()
    });
    let (swap, worst) = (median(took.clone()), took.last().copied().unwrap_or(f64::NAN));
    table.add(Line {
        work: "one swap, from its bytes to the switch".to_owned(),
        measured: format!("{:.2} ms, at most {:.2} ms", swap * 1e3, worst * 1e3),
        target: "told",
        is_met: true,
        ..Line::default()
    });
    table.add(Line {
        work: format!("resident memory after {done} swaps"),
        measured: format!("{grown:+.1} MB since the first {most}"),
        target: "flat",
        is_met: grown < 16.0,
        ..Line::default()
    });
    stage.falls(table).await
}

/// Correlators of a database, on duty.
struct Stage {
    crew: Crew,
    store: Store,
    clock: Arc<dyn Clock>,
    /// Two components under two digests each.
    twins: Vec<[Vec<u8>; 2]>,
    rival: Vec<u8>,
}

impl Stage {
    async fn open(folder: &Path) -> Result<Self> {
        let database = folder.join("corral.db");
        let store = Store::open(&format!("sqlite://{}", database.display()), BUSY).await?;
        population::fill(&database, ATTACKERS).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let mut config = Config::default();
        env!("CARGO_BIN_EXE_corral").clone_into(&mut config.plugins.compiler);
        config.plugins.cache = folder.join("compiled").display().to_string();
        let host = Arc::new(Host::start(&config, store.clone(), clock.clone())?);
        let catalog = Catalog::load(&host, "").await?;
        let twin = |name: &str, number: u8| -> Result<Vec<u8>> {
            let plugin = catalog.plugins.get(name).context("it is not built in")?;
            // A custom section says nothing to anybody.
            Ok([plugin.bytes(), &[0, 6, 4, b't', b'w', b'i', b'n', number]].concat())
        };
        let twins = ["clusterer", "reuse-correlate"]
            .iter()
            .map(|name| Ok([twin(name, 1)?, twin(name, 2)?]))
            .collect::<Result<_>>()?;
        let guests =
            std::env::var_os("CORRAL_GUESTS").context("start it by `cargo xtask bench`")?;
        let mut rival = std::fs::read(Path::new(&guests).join("rival.wasm"))?;
        let at = rival.windows(5).position(|found| found == b"MODE:").context("rival.wasm")?;
        rival.splice(at..at + 16, *b"MODE:panic......");
        let with = (store.clone(), clock.clone());
        let crew = Crew::start(host, catalog, &config, with, Duration::from_secs(30));
        crew.restore().await?;
        crew.put_on_duty(true);
        let stage = Self { crew, store, clock, twins, rival };
        stage.ticks(1, &mut (ATTACKERS + 1_000_000)).await?;
        Ok(stage)
    }

    /// Seconds from a wish to the end of a tick that began after it, for so many newcomers.
    async fn ticks(&self, count: u32, newcomer: &mut u32) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        for _ in 0..count {
            let one = population::attacker(*newcomer, ATTACKERS);
            *newcomer += 1;
            self.store.record(&population::batch(&[one]), self.clock.now()).await?;
            let asked = self.clock.now().micros();
            let started = Instant::now();
            let worker = &self.crew.workers()["clusterer"];
            worker.raise(Reason::Event);
            while worker.told().last_tick.is_none_or(|tick| tick.at < asked) {
                ensure!(started.elapsed() < PATIENCE, "no tick: {:?}", worker.told());
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            took.push(started.elapsed().as_secs_f64());
        }
        Ok(took)
    }

    /// Swaps so many times, and tells how long each took.
    async fn swap(&self, count: u64, counter: &AtomicU64) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        for number in 0..count {
            let which = usize::try_from(number)?;
            let twins = &self.twins[which % self.twins.len()];
            let name = ["clusterer", "reuse-correlate"][which % self.twins.len()];
            // Whichever is not there.
            let digest = self.crew.workers()[name].plugin().digest().to_owned();
            let next = twins.iter().find(|it| corral::plugin::load::digest(it) != digest);
            let started = Instant::now();
            self.crew.swap(candidate(next.context("a twin")?), Trial::default()).await?;
            took.push(started.elapsed().as_secs_f64());
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(took)
    }

    fn errors(&self) -> u64 {
        self.crew.workers().values().map(|worker| worker.told().errors).sum()
    }

    /// From the third death of a component until the last good one has ticked.
    async fn falls(&self, table: &mut Table) -> Result<()> {
        let mut took = Vec::new();
        for _ in 0..FALLS {
            let worker = &self.crew.workers()["clusterer"];
            let (good, errors) = (worker.plugin().digest().to_owned(), worker.told().errors);
            self.crew.swap(candidate(&self.rival), Trial::default()).await?;
            let began = Instant::now();
            while worker.told().errors < errors + 3 {
                ensure!(began.elapsed() < PATIENCE, "it lives: {:?}", worker.told());
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            let third = (Instant::now(), worker.told().ticks);
            while worker.plugin().digest() != good || worker.told().ticks == third.1 {
                ensure!(began.elapsed() < PATIENCE, "it stays: {:?}", worker.told());
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            took.push(third.0.elapsed().as_secs_f64());
            self.crew.clear_quarantine("clusterer").await?;
        }
        let worst = took.iter().copied().fold(0.0, f64::max);
        table.add(Line {
            work: "from a third failure to a tick of the last good one".to_owned(),
            measured: format!("{:.1} ms, at most {:.1} ms", median(took) * 1e3, worst * 1e3),
            target: "at most 1 s",
            is_met: worst <= 1.0,
            ..Line::default()
        });
        self.crew.stop().await;
        Ok(())
    }
}

fn candidate(bytes: &[u8]) -> Candidate {
    let source = Source::Named("twin.wasm".into());
    Candidate { bytes: bytes.to_vec(), papers: Papers::default(), source, by: "bench".to_owned() }
}

/// What 99 of 100 stay below, of ascending values.
fn percentile(values: &[f64]) -> f64 {
    values.get(values.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

/// Resident memory of this process, in megabytes.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}

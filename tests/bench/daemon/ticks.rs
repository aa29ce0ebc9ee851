//! Ticks of the clusterer on SQLite: the first, one with nothing new, one with a little.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Plugin, Reason, Ticked, Wake};
use corral::store::Store;

use super::bare::Written;
use super::population::{self, attacker};
use super::process::corral;
use super::statements::{Onlooker, counted};
use crate::ingest::peak_memory;
use crate::median;
use crate::tick::{BUSY, copy, natively, populate, through_the_sandbox};

const CLUSTERER: &str = "clusterer";
/// Ticks with nothing new that are timed.
const IDLE_TICKS: usize = 50;
/// Attackers that come between two ticks.
pub(super) const CHANGED: u32 = 100;

/// A host that stays, on a database.
struct Stage {
    host: Host,
    catalog: Catalog,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Stage {
    async fn on(url: &str) -> Result<Self> {
        let store = Store::open(url, BUSY).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let host = Host::start(&Config::default(), store.clone(), clock.clone())?;
        let catalog = Catalog::load(&host, "").await?;
        Ok(Self { host, catalog, store, clock })
    }

    async fn tick(&self) -> Result<Ticked> {
        let plugin: &Plugin =
            self.catalog.plugins.get(CLUSTERER).context("the clusterer is not built in")?;
        let wake = Wake { reason: Reason::Event, settings: Vec::new() };
        Ok(self.host.tick(plugin, wake).await?)
    }
}

/// A tick with nothing new.
pub(super) struct Steady {
    pub(super) seconds: f64,
    pub(super) statements: u64,
    /// Whether nobody committed meanwhile.
    pub(super) is_read_only: bool,
}

/// Ticks of a host that stays with nothing new, among 1,000 generated attackers.
pub(super) async fn steady(folder: &Path) -> Result<Steady> {
    let seed = folder.join("steady.db");
    populate(folder, &seed)?;
    let url = format!("sqlite://{}", seed.display());
    let stage = Stage::on(&url).await?;
    while !stage.tick().await?.committed.is_empty() {}
    let mut onlooker = Onlooker::of(&url).await?;
    let before = onlooker.version().await?;
    let mut seconds = Vec::new();
    for _ in 0..IDLE_TICKS {
        seconds.push(stage.tick().await?.took.as_secs_f64());
    }
    let (statements, _) = Box::pin(counted(stage.tick())).await?;
    let is_read_only = onlooker.version().await? == before;
    Ok(Steady { seconds: median(seconds), statements, is_read_only })
}

/// First ticks, in turns with the same work done otherwise; seconds.
pub(super) struct First {
    pub(super) sandboxed: f64,
    pub(super) native: f64,
    pub(super) bare: f64,
    /// Rows that were written, and identities among them.
    pub(super) rows: usize,
    pub(super) identities: usize,
}

/// The first tick over all attackers of `seed`.
pub(super) async fn first(folder: &Path, seed: &Path, rounds: usize) -> Result<First> {
    let mut written: Option<Written> = None;
    let (mut sandboxed, mut native, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let work = |name: &str| copy(seed, folder, round, name);
        let (a, b, c) = (work("a")?, work("b")?, work("c")?);
        sandboxed.push(through_the_sandbox(&a).await?.0);
        let written = match &mut written {
            Some(written) => written,
            none => none.insert(Written::read(&file(&a)).await?),
        };
        native.push(natively(&b).await?.0);
        bare.push(written.write(&file(&c)).await?);
        for url in [a, b, c] {
            remove(&file(&url))?;
        }
    }
    let written = written.context("no round")?;
    let (rows, identities) = (written.rows(), written.identities());
    let [sandboxed, native, bare] = [sandboxed, native, bare].map(median);
    Ok(First { sandboxed, native, bare, rows, identities })
}

/// Megabytes that `corral run` has at most for the first tick over `seed`, the clusterer's alone.
pub(super) fn peak(folder: &Path, seed: &Path) -> Result<f64> {
    let settings = folder.join("alone.toml");
    let off = |name: &str| format!("[plugin.{name}]\nenabled = false\n");
    let others = ["campaign-clusterer", "attribution", "reuse-correlate"].map(off);
    std::fs::write(&settings, others.concat())?;
    let database = file(&copy(seed, folder, 0, "peak")?);
    let mut command = corral(&database);
    command.env("CORRAL_CONFIG", &settings).arg("run");
    let peak = peak_memory(command)?;
    remove(&database)?;
    Ok(peak)
}

/// A tick that finds a few attackers more.
pub(super) struct Changed {
    pub(super) seconds: f64,
    pub(super) worst: f64,
    pub(super) statements: u64,
}

/// Ticks of a host that stays, each after [`CHANGED`] attackers came to all those of `seed`.
pub(super) async fn changed(
    folder: &Path,
    seed: &Path,
    attackers: u32,
    rounds: u32,
) -> Result<Changed> {
    let url = copy(seed, folder, 0, "changed")?;
    let stage = Stage::on(&url).await?;
    while !stage.tick().await?.committed.is_empty() {}
    let mut seconds = Vec::new();
    let mut statements = 0;
    for round in 0..=rounds {
        let from = attackers + round * CHANGED;
        let new: Vec<_> = (from..from + CHANGED).map(|one| attacker(one, attackers)).collect();
        stage.store.record(&population::batch(&new), stage.clock.now()).await?;
        // The last is for counting, which takes time.
        let ticked = if round < rounds {
            let ticked = stage.tick().await?;
            seconds.push(ticked.took.as_secs_f64());
            ticked
        } else {
            let (count, ticked) = Box::pin(counted(stage.tick())).await?;
            statements = count;
            ticked
        };
        ensure!(ticked.committed.linked >= new.len(), "not everybody has an identity");
    }
    stage.store.close().await;
    remove(&file(&url))?;
    let worst = seconds.iter().copied().fold(0.0, f64::max);
    Ok(Changed { seconds: median(seconds), worst, statements })
}

/// The file of a URL.
fn file(url: &str) -> PathBuf {
    PathBuf::from(url.trim_start_matches("sqlite://"))
}

fn remove(database: &Path) -> Result<()> {
    for end in ["db", "db-wal", "db-shm"] {
        let file = database.with_extension(end);
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// How often a first tick is taken: less often the longer it takes.
pub(super) fn rounds(attackers: u32) -> usize {
    match attackers {
        0..=20_000 => 9,
        20_001..=200_000 => 5,
        _ => 3,
    }
}

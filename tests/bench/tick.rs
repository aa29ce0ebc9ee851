//! The clusterer's first tick: what the sandbox costs beside the same work called natively.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Reason, Wake};
use corral::pool::{Call, Pool, Update};
use corral::store::Store;
use corral::store::commit::{Among, Change, Committer, Layer};
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral_kernels::{Column, Frame, Interner, find};

use crate::median;

// The very decisions that the component makes.
#[path = "../../plugins/clusterer/src/logic.rs"]
#[expect(unused_imports, reason = "its tests run where it lives")]
mod logic;
#[path = "../../plugins/sdk/src/merges.rs"]
#[expect(unused_imports, dead_code, unreachable_pub, reason = "its tests run where it lives")]
mod merges;
#[path = "../../plugins/sdk/src/reconcile.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "its tests run where it lives"
)]
mod reconcile;

const CORRAL: &str = env!("CARGO_BIN_EXE_corral");
const ROUNDS: usize = 9;
pub(crate) const BUSY: Duration = Duration::from_secs(5);

pub(crate) fn first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let seed = folder.path().join("seed.db");
    populate(folder.path(), &seed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut sandboxed, mut native, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
    let mut attackers = 0;
    for round in 0..ROUNDS {
        let (a, b) =
            (copy(&seed, folder.path(), round, "a")?, copy(&seed, folder.path(), round, "b")?);
        let (first, second) = runtime.block_on(through_the_sandbox(&a))?;
        sandboxed.push(first);
        quiet.push(second);
        let (took, count) = runtime.block_on(natively(&b))?;
        native.push(took);
        attackers = count;
    }
    let (sandboxed, native, quiet) = (median(sandboxed), median(native), median(quiet));
    println!(
        "  {attackers} attackers: sandbox {:.1} ms, native {:.1} ms: {:.2} x; a tick with nothing new {:.1} ms",
        sandboxed * 1e3,
        native * 1e3,
        sandboxed / native,
        quiet * 1e3
    );
    Ok(())
}

/// A database of about 1,000 attackers.
pub(crate) fn populate(folder: &Path, database: &Path) -> Result<()> {
    let logs = folder.join("logs");
    let url = format!("sqlite://{}", database.display());
    let run = |command: &mut Command| -> Result<()> {
        ensure!(command.stdout(Stdio::null()).status()?.success(), "{command:?} failed");
        Ok(())
    };
    run(Command::new(CORRAL)
        .args(["-q", "generate", "--seed", "1", "--attackers", "1000"])
        .arg(&logs))?;
    run(Command::new(CORRAL).args(["-q", "--db", &url, "ingest", "cowrie"]).arg(&logs))
}

/// A copy to work on, write-ahead log included.
pub(crate) fn copy(seed: &Path, folder: &Path, round: usize, name: &str) -> Result<String> {
    let copy = folder.join(format!("{round}{name}.db"));
    std::fs::copy(seed, &copy)?;
    let log = seed.with_extension("db-wal");
    if log.exists() {
        std::fs::copy(log, copy.with_extension("db-wal"))?;
    }
    Ok(format!("sqlite://{}", copy.display()))
}

/// Seconds of the first tick and of a second with nothing new; compiling is done before.
pub(crate) async fn through_the_sandbox(url: &str) -> Result<(f64, f64)> {
    let config = Config::default();
    let store = Store::open(url, BUSY).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let host = Host::start(&config, store, clock)?;
    let catalog = Catalog::load(&host, "").await?;
    let clusterer = catalog.plugins.get("clusterer").context("the clusterer is not built in")?;
    let wake = || Wake { reason: Reason::Command, settings: Vec::new() };
    let first = host.tick(clusterer, wake()).await?;
    let second = host.tick(clusterer, wake()).await?;
    ensure!(second.committed.is_empty(), "the second tick changed something");
    Ok((first.took.as_secs_f64(), second.took.as_secs_f64()))
}

/// Seconds of the same reads, kernel, checks, decisions and commit without a sandbox, and the attackers read.
pub(crate) async fn natively(url: &str) -> Result<(f64, usize)> {
    let config = Config::default();
    let store = Store::open(url, BUSY).await?;
    let texts = Arc::new(Interner::new(1 << 30));
    let clock = Arc::new(SystemClock::start());
    let pool = Pool::start(&config.pool, &config.verify, clock.clone())?;
    let started = clock.elapsed();
    let resident = Arc::new(Resident::new(texts.clone(), 1 << 30));
    let mut snapshot = store.snapshot(resident.clone()).await?;
    let attackers = snapshot.read(View::Attackers, "clusterer").await?;
    let features = snapshot.read(View::Features, "clusterer").await?;
    let identities = snapshot.read(View::Identities, "clusterer").await?;
    drop(snapshot);
    let changes = decide(&pool, &attackers, &features, &identities, &texts).await?;
    let by = Committer { plugin: "clusterer", now: clock.now(), event_bytes_max: 1 << 20 };
    store.commit(&resident, &changes, by).await?;
    Ok(((clock.elapsed() - started).as_secs_f64(), attackers.rows()))
}

async fn decide(
    pool: &Pool,
    attackers: &Frame,
    features: &Frame,
    identities: &Frame,
    texts: &Arc<Interner>,
) -> Result<Vec<Change>> {
    let inputs = inputs(attackers, features, texts)?;
    let kernel = find("identity-components").context("no kernel")?;
    let call =
        || Call { kernel, inputs: inputs.clone(), parameters: Vec::new(), texts: texts.clone() };
    let outputs = pool.run(call()).await?.outputs;
    // The kernel keeps them for the next tick, as it does for the plugin.
    let state = kernel.keep().context("it can keep its input")?;
    let kept = pool.update(Update { call: call(), state, gone: Vec::new() }).await?;
    let [labels, forest] = <[Frame; 2]>::try_from(outputs).ok().context("two frames")?;
    let losers = identities.present("merged_into")?;
    let into = identities.take(&losers)?;
    let winners = identities.find("uuid", into.text("merged_into")?)?;
    let plan = reconcile::reconcile(
        labels.uint32("label")?,
        &identities.find("uuid", attackers.text("identity")?)?,
        &merges::Merges::new(losers, winners),
    );
    drop(kept);
    let layer = Layer::Identity;
    let reconcile::Forming { rows, groups } = plan.form;
    Ok(vec![
        Change::Form { layer, members: attackers.clone(), rows, groups },
        Change::Explain {
            layer,
            members: attackers.clone(),
            scope: plan.touched,
            edges: forest,
            among: Among::Scope,
        },
    ])
}

/// The kernel's inputs, with the attackers' uuids as keys.
fn inputs(attackers: &Frame, features: &Frame, texts: &Interner) -> Result<Vec<Frame>> {
    let codes = |[a, b]: [&str; 2]| Ok::<_, anyhow::Error>([texts.code(a)?, texts.code(b)?]);
    let kinds = logic::Kinds {
        ja3: codes(["ja3", "ja3-edge"])?,
        hassh: codes(["hassh", "hassh-edge"])?,
        payloads: codes(["payload-sha256", "payload-md5"])?,
        endpoint: texts.code("download-host")?,
    };
    let known = logic::project(
        attackers.rows(),
        features.uint32("row")?,
        features.text("kind")?,
        features.text("value")?,
        &kinds,
    );
    let child = |tokens: logic::Tokens| {
        let rows = tokens.row.len();
        Frame::new(rows, [("row", Column::from(tokens.row)), ("token", Column::text(tokens.token))])
    };
    let fingerprints = [
        ("key", Column::text(attackers.text("uuid")?.to_vec())),
        ("ja3", Column::text(known.ja3)),
        ("hassh", Column::text(known.hassh)),
    ];
    Ok(vec![
        Frame::new(attackers.rows(), fingerprints)?,
        child(known.payloads)?,
        child(known.endpoints)?,
    ])
}

//! What a tick of each correlator costs beyond its kernel, the first time and when nothing is new.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Plugin, Reason, Ticked, Wake};
use corral::store::Store;
use sqlx::{Connection, SqliteConnection};

use crate::median;
use crate::tick::{BUSY, copy, populate};

/// In the order in which a first run needs them: identities before whatever looks at them.
const CORRELATORS: [&str; 4] =
    ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"];
const ROUNDS: usize = 9;

/// Seconds of one correlator's ticks.
#[derive(Default)]
struct Measured {
    first: Vec<f64>,
    kernels: Vec<f64>,
    idle: Vec<f64>,
    cold: Vec<f64>,
}

pub(crate) fn correlators() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let seed = folder.path().join("seed.db");
    populate(folder.path(), &seed)?;
    println!("  about 1,000 attackers of generated Cowrie logs");
    table(&measure(&seed, folder.path())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(add_credentials(&seed))?;
    println!("  and 10,000 credentials more");
    table(&measure(&seed, folder.path())?[3..]);
    Ok(())
}

fn table(measured: &[(&str, Measured)]) {
    for (name, measured) in measured {
        let ms = |seconds: &[f64]| median(seconds.to_vec()) * 1e3;
        let (first, kernels) = (ms(&measured.first), ms(&measured.kernels));
        println!(
            "  {name:18} first tick {first:6.1} ms, {:6.1} ms of it beyond the kernel; nothing new {:4.1} ms, in a new process {:4.1} ms",
            first - kernels,
            ms(&measured.idle),
            ms(&measured.cold),
        );
    }
}

fn measure(seed: &Path, folder: &Path) -> Result<Vec<(&'static str, Measured)>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut all: Vec<(&str, Measured)> =
        CORRELATORS.map(|name| (name, Measured::default())).into_iter().collect();
    for round in 0..ROUNDS {
        let url = copy(seed, folder, round, "c")?;
        runtime.block_on(round_of(&url, &mut all))?;
    }
    Ok(all)
}

async fn round_of(url: &str, all: &mut [(&'static str, Measured)]) -> Result<()> {
    let (host, catalog) = host(url).await?;
    for (name, measured) in all.iter_mut() {
        let ticked = tick(&host, &catalog, name).await?;
        measured.first.push(ticked.took.as_secs_f64());
        measured.kernels.push(ticked.kernels.as_secs_f64());
    }
    // What the others changed is taken in; then there is nothing new.
    while CORRELATORS.len() > settled(&host, &catalog).await? {}
    for (name, measured) in all.iter_mut() {
        let ticked = tick(&host, &catalog, name).await?;
        ensure!(ticked.committed.is_empty(), "{name}: an idle tick wrote something");
        measured.idle.push(ticked.took.as_secs_f64());
    }
    drop(host);
    for (name, measured) in all.iter_mut() {
        let (host, catalog) = self::host(url).await?;
        measured.cold.push(tick(&host, &catalog, name).await?.took.as_secs_f64());
    }
    Ok(())
}

/// How many correlators found nothing to do.
async fn settled(host: &Host, catalog: &Catalog) -> Result<usize> {
    let mut settled = 0;
    for name in CORRELATORS {
        settled += usize::from(tick(host, catalog, name).await?.committed.is_empty());
    }
    Ok(settled)
}

async fn host(url: &str) -> Result<(Host, Catalog)> {
    let store = Store::open(url, BUSY).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let host = Host::start(&Config::default(), store, clock)?;
    let catalog = Catalog::load(&host, "").await?;
    Ok((host, catalog))
}

async fn tick(host: &Host, catalog: &Catalog, name: &str) -> Result<Ticked> {
    let plugin: &Plugin =
        catalog.plugins.get(name).with_context(|| format!("{name} is not built in"))?;
    Ok(host.tick(plugin, Wake { reason: Reason::Command, settings: Vec::new() }).await?)
}

/// 10,000 rows of 1,000 addresses: half of the tries from a wordlist of 50, the others their own.
async fn add_credentials(database: &Path) -> Result<()> {
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::raw_sql(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999),
         try (ip, decky, secret) AS (
             SELECT '198.51.' || (i % 1000 / 250) || '.' || (i % 250), 'sensor-' || (i / 7 % 4),
                 IIF(i % 2, 'word-' || (i * i % 50), 'own-' || (i / 4)) FROM n)
         INSERT INTO credentials (attacker_ip, decky_name, service, principal, principal_key, secret_kind,
             secret_sha256, secret_printable, fields, first_seen, last_seen, attempt_count)
         SELECT ip, decky, 'ssh', 'root', 'root', 'plaintext', 'sha-' || secret, secret, '{}',
             '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 1 FROM try WHERE TRUE
         ON CONFLICT DO UPDATE SET attempt_count = attempt_count + 1",
    )
    .execute(&mut connection)
    .await?;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

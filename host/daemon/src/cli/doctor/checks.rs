//! The checks of settings, database, bus, daemon, plugins and clock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Finding;
use crate::cli::{Context, plugin};
use crate::clock::Clock;
use crate::config::Owner;
use crate::config::decnet::Decnet;
use crate::config::told::without_password;
use crate::store::{Store, StoreError};

/// Who does not answer within this does not answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Less room than this, and a database may be full soon.
const ROOM_BYTES_MIN: u64 = 256 << 20;

/// 2025-01-01, before which no Corral existed: an earlier clock was never set.
const EARLIEST_MICROS: i64 = 1_735_689_600_000_000;

/// What the settings say of themselves. That they could be read at all was shown by getting here.
pub(super) fn settings(context: &Context) -> Vec<Finding> {
    let loaded = &context.loaded;
    let mut findings = Vec::new();
    let set = loaded.told.iter().filter(|setting| setting.source != "default").count();
    let found = match &loaded.decnet {
        Some(decnet) => format!("{set} set, of DECNET in {}", decnet.root.display()),
        None => format!("{set} set"),
    };
    findings.push(Finding::ok("settings", found));
    for warning in &loaded.warnings {
        findings.push(Finding::warn("settings", warning, "see `corral config`"));
    }
    if let Some(Err(error)) = loaded.decnet.as_ref().map(Decnet::may_serve) {
        findings.push(Finding::fail("settings", error.to_string(), "run the daemon elsewhere"));
    }
    findings
}

/// Whether the database answers, and what is in it.
pub(super) async fn database(context: &Context) -> Vec<Finding> {
    let (url, owner) = match context.config.store_url() {
        Ok(url) => (url, context.config.store.owner),
        Err(error) => {
            return vec![Finding::fail("database", error.to_string(), "name one with --db")];
        }
    };
    let shown = without_password(&url);
    let store = match Store::unopened(&url) {
        Ok(store) => store,
        Err(error) => {
            return vec![Finding::fail("database", error.to_string(), "correct store.url")];
        }
    };
    let answer = timeout(ANSWER, look(&store, owner)).await;
    store.close().await;
    let whose = match owner {
        Owner::Corral => "Corral's own",
        Owner::Decnet => "DECNET's",
    };
    vec![match answer {
        Ok(Ok((_, missing))) if !missing.is_empty() => Finding::fail(
            "database",
            format!("{shown} lacks {}", missing.join(", ")),
            "is it DECNET's, and migrated to its newest version?",
        ),
        Ok(Ok((attackers, _))) => {
            Finding::ok("database", format!("{shown}, {whose}, {attackers} attackers"))
        }
        Ok(Err(error)) => {
            let error = crate::cli::causes(&anyhow::Error::new(error));
            let remedy = match owner {
                Owner::Corral => "begin with `corral ingest`, or correct store.url",
                Owner::Decnet => {
                    "start DECNET's API once, which makes the tables, or correct its settings: \
                     `corral config --decnet`"
                }
            };
            Finding::fail("database", format!("{shown}: {error}"), remedy)
        }
        Err(_) => Finding::fail(
            "database",
            format!("{shown} does not answer"),
            "is the server up, and may this host reach it?",
        ),
    }]
}

/// How many attackers there are, and what is missing for us to work with them.
async fn look(store: &Store, owner: Owner) -> Result<(i64, Vec<String>), StoreError> {
    if owner == Owner::Decnet {
        let missing = store.missing().await?;
        if !missing.is_empty() {
            return Ok((0, missing));
        }
    }
    Ok((store.totals().await?.attackers, Vec::new()))
}

/// Who may write to the database.
pub(super) async fn lease(context: &Context) -> Option<Finding> {
    let store = Store::unopened(&context.config.store_url().ok()?).ok()?;
    let row = timeout(ANSWER, store.leaseholder()).await;
    store.close().await;
    // A database that cannot be read, or has no such table yet, was told of already.
    let Ok(Ok(holder)) = row else { return None };
    let now = context.clock.now();
    Some(match holder {
        Some((holder, since, until)) if until > now => {
            Finding::ok("lease", format!("{holder} writes since {since}"))
        }
        Some((holder, _, until)) => Finding::ok(
            "lease",
            format!("nobody writes; {holder} did until {until} and did not say goodbye"),
        ),
        None => Finding::ok("lease", "nobody writes"),
    })
}

/// Whether a database that is a file can be written and has room to grow.
pub(super) fn room(context: &Context) -> Option<Finding> {
    let url = context.config.store_url().ok()?;
    let path = url.strip_prefix("sqlite://")?.split('?').next()?;
    let path = Path::new(path);
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let target = if path.exists() { path } else { folder };
    if let Err(error) = rustix::fs::access(target, rustix::fs::Access::WRITE_OK) {
        return Some(Finding::fail(
            "disk",
            format!("{} cannot be written: {error}", target.display()),
            "run as the user who owns it, and look whether the disk is mounted read-only",
        ));
    }
    let status = rustix::fs::statvfs(folder).ok()?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let found = format!("{} MiB free in {}", free >> 20, folder.display());
    Some(if free < ROOM_BYTES_MIN {
        Finding::warn("disk", found, "make room: a full disk stops every commit")
    } else {
        Finding::ok("disk", found)
    })
}

/// Whether DECNET's bus is there.
pub(super) async fn bus(context: &Context) -> Option<Finding> {
    let decnet = context.loaded.decnet.as_ref()?;
    if !decnet.bus_enabled {
        let found = "DECNET's settings turn it off: changes are found by polling";
        return Some(Finding::warn("bus", found, "set DECNET_BUS_ENABLED=true for prompt answers"));
    }
    Some(match first_that_answers(&decnet.bus_sockets).await {
        Ok(path) => Finding::ok("bus", path.display().to_string()),
        Err(found) => Finding::warn(
            "bus",
            found,
            "start decnet-bus.service, or join the socket's group; until then changes are found by polling",
        ),
    })
}

/// Whether a daemon runs.
pub(super) async fn daemon(context: &Context) -> Finding {
    match first_that_answers(&context.loaded.sockets).await {
        Ok(path) => Finding::ok("daemon", format!("answers at {}", path.display())),
        Err(found) => Finding::warn("daemon", found, "start it: `systemctl start corral.service`"),
    }
}

/// Whether every component loads.
pub(super) async fn plugins(context: &Context) -> Finding {
    let remedy = "see `corral plugin list`";
    let url = context.config.store_url().unwrap_or_default();
    let store = match Store::unopened(&url) {
        Ok(store) => store,
        Err(error) => return Finding::warn("plugins", error.to_string(), "correct store.url"),
    };
    let mut config = context.config.clone();
    // Whoever only looks leaves nothing behind.
    "none".clone_into(&mut config.plugins.cache);
    match plugin::load_with(config, context, &store).await {
        Err(failure) => Finding::fail("plugins", crate::cli::causes(&failure.error), remedy),
        Ok((_, catalog)) => {
            let names: Vec<&str> = catalog.plugins.keys().map(String::as_str).collect();
            match catalog.refused.first() {
                Some(refused) => Finding::fail("plugins", format!("refused {refused}"), remedy),
                None if names.is_empty() => Finding::fail(
                    "plugins",
                    "there are none",
                    "build with `cargo xtask build`, or name a folder with --plugins",
                ),
                None => Finding::ok("plugins", names.join(", ")),
            }
        }
    }
}

/// Whether code that was compiled once is there for the next start.
pub(super) fn compiled(context: &Context) -> Finding {
    let (path, what) = (&context.config.plugins.cache, "compiled code");
    if !crate::plugin::keeps_compiled(path) {
        return Finding::ok(what, "is kept nowhere: each start compiles");
    }
    match crate::plugin::check_compiled(Path::new(path)) {
        Ok(true) => Finding::ok(what, format!("in {path}")),
        Ok(false) => Finding::ok(what, format!("in {path}, which is not made yet")),
        Err(why) => Finding::warn(
            what,
            format!("{path}: {why}"),
            "until then each start compiles; plugins.cache names another folder",
        ),
    }
}

/// Whether the clock has been set.
pub(super) fn clock(context: &Context) -> Finding {
    let now = context.clock.now();
    if now.micros() < EARLIEST_MICROS {
        return Finding::fail("clock", format!("it is {now}"), "set it: rows get its times");
    }
    Finding::ok("clock", now.to_string())
}

/// The first socket that takes a connection, or what each of them says.
async fn first_that_answers(sockets: &[PathBuf]) -> Result<&PathBuf, String> {
    let mut said = Vec::new();
    for path in sockets {
        match timeout(ANSWER, UnixStream::connect(path)).await {
            Ok(Ok(_)) => return Ok(path),
            Ok(Err(error)) => said.push(format!("{}: {error}", path.display())),
            Err(_) => said.push(format!("{}: no answer", path.display())),
        }
    }
    Err(said.join("; "))
}

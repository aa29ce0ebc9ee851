//! The daemon: correlators that stay, woken by whatever happens.
//!
//! [`watch`] finds out which views changed and wakes whoever reads them; [`hear`] takes hints, commands and
//! the heartbeats of others from the bus; [`heartbeat`] says who is well; [`publish`] brings events from the
//! outbox to the bus; [`folder`] takes components that are laid into the folder of plugins; [`face`] answers on a
//! UNIX socket. Each is a loop of its own over one [`Daemon`], and
//! none of them writes derived rows: that is the crew's, while the tenure lasts.
//!
//! **The bus is a hint; the database is the truth.** An event that never came, came twice or came late
//! changes when something is looked at, not what is found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::lobby::Lobby;
use crate::bus::client::{Client, ClientSettings, Events};
use crate::bus::wire::WireError;
use crate::clock::Clock;
use crate::config::{Config, Owner, PluginsConfig};
use crate::files::FileError;
use crate::notify;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, HostError};
use crate::store::{Store, StoreError};
use crate::supervise::backoff::Backoff;
use crate::supervise::chain;
use crate::supervise::crew::Crew;
use crate::supervise::tenure::{Duty, Tenure, Terms};

pub mod face;
mod folder;
mod hear;
mod heartbeat;
mod lobby;
mod publish;
pub mod status;
mod tidy;
mod watch;

/// How the daemon is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The settings.
    pub config: Config,
    /// Whether it takes the lease at once, from whoever has it.
    pub is_takeover: bool,
    /// What tells this process from others, in words.
    pub instance: String,
}

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be one.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plugin host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The folder of plugins.
    #[error("read the folder of plugins")]
    Plugins(#[source] FileError),
    /// There is nothing to run.
    #[error("no plugin to run (build with `cargo xtask build`, or name a folder with --plugins)")]
    NoPlugins,
    /// The bus's name or a pattern.
    #[error("the bus")]
    Bus(#[source] WireError),
    /// The socket.
    #[error(transparent)]
    Face(#[from] face::FaceError),
    /// A part of the daemon ended that never should.
    #[error("a part of the daemon ended: {0} (this is a bug in corral)")]
    Ended(String),
}

/// What the parts of the daemon share.
#[derive(Debug)]
pub struct Daemon {
    config: RwLock<Config>,
    /// Reads, and takes the lease; what correlators write goes through a store that is fenced.
    store: Store,
    host: Arc<Host>,
    crew: Crew,
    tenure: Tenure,
    bus: Option<Client>,
    clock: Arc<dyn Clock>,
    instance: String,
    /// Components that were refused when it started.
    refused: Vec<String>,
    /// Rung when there may be something new in the database.
    hint: Notify,
    /// Rung when the bus may take events.
    bus_ready: Notify,
    noted: Mutex<Noted>,
}

/// What the loops note for whoever asks.
#[derive(Clone, Debug, Default)]
struct Noted {
    /// What is wrong with the database, if something is.
    database: Option<String>,
    /// What is wrong with the bus, if something is.
    bus: Option<String>,
    /// Rows that DECNET wrote and nobody can read, by table and key.
    poison: BTreeMap<String, String>,
    /// Events that the bus has, since the start.
    published: u64,
    /// Events that it will never have: too long, or pushed out of the outbox.
    unpublished: u64,
    /// The last look at the database: how long it took.
    look: Option<Duration>,
}

impl Daemon {
    /// Starts host, plugins, bus and workers over an open database. Nobody is on duty yet.
    async fn start(
        start: &Start,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<Events>), ServeError> {
        let config = start.config.clone();
        let fenced = store.fenced(&start.instance);
        let host = Arc::new(Host::start(&config, fenced.clone(), clock.clone())?);
        let catalog =
            Catalog::load(&host, &config.plugins.directory).await.map_err(ServeError::Plugins)?;
        let refused: Vec<String> = catalog.refused.iter().map(ToString::to_string).collect();
        refused.iter().for_each(|refused| tracing::error!(refused, "a component was refused"));
        if catalog.plugins.is_empty() {
            return Err(ServeError::NoPlugins);
        }
        let (bus, events) = connect(&config, &catalog, &clock)?;
        let is_shared = config.store.owner == Owner::Decnet && config.bus.enabled;
        let terms = Terms {
            holder: start.instance.clone(),
            lease: Duration::from_secs(config.serve.lease_seconds.max(1)),
            silence: Duration::from_secs(if is_shared { config.serve.standby_seconds } else { 0 }),
            is_takeover: start.is_takeover,
        };
        let backoff_max = Duration::from_secs(config.serve.backoff_max_seconds.max(1));
        let crew =
            Crew::start(host.clone(), catalog, &config, (fenced, clock.clone()), backoff_max);
        let daemon = Self {
            tenure: Tenure::new(terms, store.clone()),
            config: RwLock::new(config),
            store,
            host,
            crew,
            bus,
            clock,
            instance: start.instance.clone(),
            refused,
            hint: Notify::new(),
            bus_ready: Notify::new(),
            noted: Mutex::default(),
        };
        Ok((daemon, events))
    }

    /// Works until it is told to stop; then ends all ticks, gives the lease back and says goodbye to the bus.
    async fn work(
        self: &Arc<Self>,
        events: Option<Events>,
        stop: &CancellationToken,
    ) -> Result<(), ServeError> {
        let mut parts = JoinSet::new();
        let daemon = self.clone();
        parts.spawn(async move {
            daemon.tenure.hold(&*daemon.clock, daemon.crew.doubt()).await;
            "tenure"
        });
        let daemon = self.clone();
        parts.spawn(async move { daemon.follow_duty().await });
        let daemon = self.clone();
        parts.spawn(async move { watch::watch(&daemon).await });
        let daemon = self.clone();
        parts.spawn(async move { tidy::tidy(&daemon).await });
        let daemon = self.clone();
        parts.spawn(async move { folder::follow(&daemon).await });
        if let (Some(events), Some(bus)) = (events, self.bus.clone()) {
            let daemon = self.clone();
            parts.spawn(async move { hear::hear(&daemon, events).await });
            let (daemon, client) = (self.clone(), bus.clone());
            parts.spawn(async move { heartbeat::beat(&daemon, &client).await });
            let daemon = self.clone();
            parts.spawn(async move { publish::publish(&daemon, &bus).await });
        }
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            Some(ended) = parts.join_next() => {
                Err(ServeError::Ended(ended.map_or_else(|error| error.to_string(), str::to_owned)))
            }
        };
        notify::stopping("stopping");
        let seconds = self.config(|config| config.serve.stop_seconds);
        let goodbye = async {
            parts.shutdown().await;
            self.end().await;
        };
        if tokio::time::timeout(Duration::from_secs(seconds), goodbye).await.is_err() {
            tracing::warn!(seconds, "not everything ended in time; nothing half-written is left");
        }
        ended
    }

    async fn end(&self) {
        self.crew.put_on_duty(false);
        self.crew.stop().await;
        if self.tenure.is_on_duty() {
            self.tenure.give_back().await;
        }
        if let Some(bus) = &self.bus {
            bus.close().await;
        }
        self.store.close().await;
    }

    /// Puts the crew on duty and off it, as the tenure has it.
    async fn follow_duty(&self) -> &'static str {
        let mut duty = self.tenure.duty();
        loop {
            let now = duty.borrow_and_update().clone();
            if now.is_on()
                && let Err(error) = self.crew.restore().await
            {
                tracing::error!(
                    error = chain(&error),
                    "plugins tick with the components of this program"
                );
            }
            self.crew.put_on_duty(now.is_on());
            match now {
                Duty::OnDuty { .. } => {
                    notify::status("on duty");
                    // What happened while nobody looked.
                    self.hint.notify_one();
                }
                Duty::Standby { why } => notify::status(&format!("standing by: {why}")),
            }
            if duty.changed().await.is_err() {
                return "duty";
            }
        }
    }

    /// Takes over what can be taken over of other settings while it runs, and says what cannot.
    fn reload(&self, new: Config) {
        notify::reloading();
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        for part in needs_restart(&config, &new) {
            tracing::warn!(part, "this part of the settings counts from the next start on");
        }
        let plugins = PluginsConfig {
            directory: config.plugins.directory.clone(),
            cache: config.plugins.cache.clone(),
            ..new.plugins
        };
        *config = Config { serve: new.serve, plugin: new.plugin, plugins, ..config.clone() };
        if let Err(error) = self.host.obey(&config) {
            let error = chain(&error);
            tracing::error!(error, "what plugins may do stays as it was");
        }
        self.crew.set(&config);
        drop(config);
        tracing::info!("settings were read again");
        self.hint.notify_one();
        notify::ready("settings were read again");
    }

    fn config<T>(&self, of: impl FnOnce(&Config) -> T) -> T {
        of(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn backoff_max(&self) -> Duration {
        Duration::from_secs(self.config(|config| config.serve.backoff_max_seconds.max(1)))
    }

    fn note(&self, what: impl FnOnce(&mut Noted)) {
        what(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn noted(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves until `stop` is there. `reloads` brings other settings while it runs.
///
/// # Errors
/// [`ServeError`]; a database that cannot be used is none, but is waited for.
pub async fn serve(
    start: Start,
    clock: Arc<dyn Clock>,
    face: face::Listener,
    mut reloads: mpsc::Receiver<Config>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let lobby = Arc::new(Lobby::new(&start, clock.now()));
    let _face = AbortOnDropHandle::new(tokio::spawn(face::answer(lobby.clone(), face)));
    let _watchdog = AbortOnDropHandle::new(tokio::spawn(keep_watchdog()));
    notify::ready("opening the database");
    let store = tokio::select! {
        store = open(&start.config, &lobby, &*clock) => store?,
        () = stop.cancelled() => return Ok(()),
    };
    let (daemon, events) = Daemon::start(&start, store, clock).await?;
    let daemon = Arc::new(daemon);
    lobby.enter(daemon.clone());
    let reloading = daemon.clone();
    let _reloading = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(config) = reloads.recv().await {
            reloading.reload(config);
        }
    }));
    daemon.work(events, &stop).await
}

/// Opens the database, however long it takes to be there and to have the tables that it should.
async fn open(config: &Config, lobby: &Lobby, clock: &dyn Clock) -> Result<Store, ServeError> {
    let mut backoff = Backoff::new(Duration::from_secs(config.serve.backoff_max_seconds.max(1)));
    loop {
        let error = match Store::for_config(&config.store).await {
            Ok(store) => return Ok(store),
            // Waiting makes no other URL of it.
            Err(error @ (StoreError::Url { .. } | StoreError::Unsupported(_))) => {
                return Err(error.into());
            }
            Err(error) => error,
        };
        let (why, wait) = (chain(&error), backoff.failed(clock.elapsed()));
        tracing::error!(why, wait_seconds = wait.as_secs(), "the database cannot be used yet");
        notify::status(&format!("waiting for the database: {why}"));
        lobby.tell(why);
        tokio::time::sleep(wait).await;
    }
}

/// Tells the service manager that timers still run here.
async fn keep_watchdog() {
    let Some(every) = notify::watchdog() else { return };
    loop {
        notify::alive();
        tokio::time::sleep(every).await;
    }
}

/// One connection to the bus, that hears what wakes plugins, what is said to workers, and who else works.
fn connect(
    config: &Config,
    catalog: &Catalog,
    clock: &Arc<dyn Clock>,
) -> Result<(Option<Client>, Option<Events>), ServeError> {
    if !config.bus.enabled {
        return Ok((None, None));
    }
    let mut patterns = vec!["system.*.control".to_owned(), "system.*.health".to_owned()];
    for plugin in catalog.plugins.values() {
        patterns.extend(plugin.description().wakes.iter().cloned());
    }
    patterns.sort();
    patterns.dedup();
    let settings = ClientSettings::new(&config.bus, config.bus.sockets(), patterns);
    let (client, events) = Client::start(settings, clock.clone()).map_err(ServeError::Bus)?;
    Ok((Some(client), Some(events)))
}

/// The parts that differ and are only looked at when the daemon starts.
fn needs_restart(now: &Config, new: &Config) -> Vec<&'static str> {
    let parts = [
        ("store", now.store != new.store),
        ("pool", now.pool != new.pool),
        ("verify", now.verify != new.verify),
        ("limits", now.limits != new.limits),
        ("plugins.directory", now.plugins.directory != new.plugins.directory),
        ("plugins.cache", now.plugins.cache != new.plugins.cache),
        ("bus", now.bus != new.bus),
        ("log", now.log != new.log),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

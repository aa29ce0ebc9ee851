//! The plugin host: components in a sandbox, a fresh instance for every tick.
//!
//! A component sees our interfaces and nothing else. [`load`] turns bytes into a [`Plugin`]: papers, validate,
//! compile (where it is a stranger's in a process with limits: [`compile`]), link, probe, grants ([`trust`] and
//! [`grants`] say what the operator demands). [`tick`] runs one: a new `wasmtime::Store` with its limits, a call, and
//! a commit if the call returned well; whatever happens inside ends with the Store. [`shadow`] runs another component
//! on what a tick has read, and tells the difference. The imports live
//! in one file each: [`frames`], [`kernels`], [`storage`], [`allowance`], [`log`].
//! Guests run on a runtime of their own, so that one that spins cannot keep the daemon from its timers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use corral_kernels::Interner;
use wasmtime::component::{Linker, ResourceTable};

use crate::clock::Clock;
use crate::config::{Config, Limits};
use crate::pool::{Checked, Pool, PoolError};
use crate::store::Store;
use crate::store::resident::Resident;

mod allowance;
mod bindings;
pub mod catalog;
pub mod compile;
mod compiled;
mod described;
mod engine;
mod exports;
mod faults;
mod frames;
pub mod grants;
mod guest;
mod kept;
mod kernels;
pub mod load;
mod log;
mod memory;
pub mod outcome;
pub mod papers;
pub mod prove;
pub mod recording;
pub mod shadow;
mod share;
mod storage;
pub mod tick;
mod trap;
pub mod trial;
pub mod trust;
mod usage;

pub use kernels::{KernelCall, Verdict};
pub use load::{Description, LoadError, Plugin};
pub use outcome::Difference;
pub use papers::Papers;
pub use tick::{Reason, TickError, Ticked, Wake};
pub use trial::Trial;
pub use usage::Usage;

use guest::{Guest, Mode};
use kept::Lane;
use papers::signed::SignatureError;
use trust::Policy;

/// What all plugins share: engine, linker, pool, database and the table of texts.
pub struct Host {
    engine: Arc<engine::Engine>,
    linker: Linker<Guest>,
    pool: Pool,
    store: Store,
    texts: Arc<Interner>,
    resident: Arc<Resident>,
    kept: Arc<kept::KeptKernels>,
    compiled: Option<Arc<compiled::Compiled>>,
    compiler: Arc<compile::Compiler>,
    shares: share::Shares,
    policy: RwLock<Policy>,
    recorder: Option<Arc<recording::Recorder>>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Why the host did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine or the linker.
    #[error("start the plugin engine")]
    Engine(#[source] wasmtime::Error),
    /// The pool.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The guests' runtime.
    #[error("start the guests' runtime")]
    Runtime(#[source] std::io::Error),
    /// A key of the config.
    #[error("plugins.keys")]
    Key(#[from] SignatureError),
}

/// Where a component came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is part of this binary.
    Embedded,
    /// A file of the operator's folder of plugins.
    File(PathBuf),
    /// A file that a person has named just now.
    Named(PathBuf),
    /// The database, where it has been since it came from there.
    Kept(String),
}

impl Source {
    /// Whether a person has chosen exactly these bytes.
    fn is_named_by_a_person(&self) -> bool {
        matches!(self, Self::Named(_) | Self::Kept(_))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("built in"),
            Self::File(path) | Self::Named(path) => write!(formatter, "{}", path.display()),
            Self::Kept(from) => formatter.write_str(from),
        }
    }
}

/// The folder of compiled components, if there is one that can be used: without it, starting takes longer.
fn compiled(path: &str) -> Option<Arc<compiled::Compiled>> {
    if !keeps_compiled(path) {
        return None;
    }
    match compiled::Compiled::open(Path::new(path)) {
        Ok(folder) => Some(Arc::new(folder)),
        Err(error) => {
            tracing::warn!(path, %error, "compiled plugins are not kept: each start compiles them (plugins.cache)");
            None
        }
    }
}

/// Whether this names a folder of compiled components.
pub fn keeps_compiled(path: &str) -> bool {
    !path.is_empty() && path != "none"
}

/// Whether a folder of compiled components is there; and if it is not used, why. The folder is not made.
///
/// # Errors
/// What an operator has to change.
pub fn check_compiled(path: &Path) -> Result<bool, String> {
    if !path.exists() {
        return Ok(false);
    }
    compiled::Compiled::open(path).map(|_| true).map_err(|error| error.to_string())
}

impl Host {
    /// Starts engine, pool and the guests' runtime.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn start(config: &Config, store: Store, clock: Arc<dyn Clock>) -> Result<Self, HostError> {
        let engine = engine::Engine::start(&config.limits, engine::Counting::Nothing)?;
        Self::on(engine, config, store, clock)
    }

    fn on(
        engine: engine::Engine,
        config: &Config,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HostError> {
        let engine = Arc::new(engine);
        let mut linker = Linker::new(engine.wasm());
        bindings::add_to_linker(&mut linker).map_err(HostError::Engine)?;
        let texts = Arc::new(Interner::new(config.store.text_bytes_max));
        let Config { plugins, limits, .. } = config;
        let compiler = compile::Compiler::new(&plugins.compiler, limits, engine.counting());
        Ok(Self {
            engine,
            linker,
            pool: Pool::start(&config.pool, &config.verify, clock.clone())?,
            store,
            resident: Arc::new(Resident::new(texts.clone(), config.store.resident_bytes_max)),
            texts,
            kept: Arc::new(kept::KeptKernels::new(config.pool.kept_bytes_max)),
            compiled: compiled(&config.plugins.cache),
            compiler: Arc::new(compiler),
            shares: share::Shares::default(),
            policy: RwLock::new(Policy::new(config)?),
            recorder: None,
            limits: config.limits.clone(),
            clock,
        })
    }

    /// Goes by other settings from now on, as far as they say which components may load and what they may do:
    /// ticks that begin after this have the new grants.
    ///
    /// # Errors
    /// [`HostError::Key`]; the old ones stay then.
    pub fn obey(&self, config: &Config) -> Result<(), HostError> {
        let new = Policy::new(config)?;
        let mut policy = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        *policy = new.with_defaults_of(&policy);
        Ok(())
    }

    /// Grants the plugins of this name what this one asks for, where the config says nothing else.
    pub fn allow(&self, plugin: &Plugin) {
        let mut policy = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        policy.grant_by_default(plugin.description());
    }

    fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What kernels answered since the start and what came of it, by kernel; ticks that failed included.
    pub fn checked(&self) -> BTreeMap<&'static str, Checked> {
        self.pool.checked()
    }

    /// A Store for one call: its limits set, its budget full.
    fn guest_store(
        &self,
        plugin: Option<&Plugin>,
        mode: Mode,
        lane: Lane,
    ) -> wasmtime::Store<Guest> {
        let name = plugin.map(|plugin| plugin.description().name.clone()).unwrap_or_default();
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let granted = policy.grants(&name);
        drop(policy);
        let guest = Guest {
            table: ResourceTable::new(),
            share: self.shares.of(&name),
            name,
            asked: plugin.cloned(),
            granted,
            limits: self.limits.clone(),
            used: guest::Used::default(),
            memory: memory::Memory::new(&self.limits),
            pool: self.pool.clone(),
            mode,
            store: self.store.clone(),
            snapshot: None,
            own_state: None,
            recorded: None,
            texts: self.texts.clone(),
            resident: self.resident.clone(),
            kept: self.kept.open(plugin, lane),
            changes: None,
            clock: self.clock.clone(),
        };
        self.engine.new_store(guest, &self.limits)
    }
}

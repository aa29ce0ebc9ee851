//! The plugin host: components in a sandbox, a fresh instance for every tick.
//!
//! A component sees our interfaces and nothing else. [`load`] turns bytes into a [`Plugin`]: validate,
//! compile, link, probe. [`tick`] runs one: a new `wasmtime::Store` with its limits, a call, and a
//! commit if the call returned well; whatever happens inside ends with the Store. The imports live
//! in one file each, named after their interface: [`frames`], [`kernels`], [`storage`], [`log`].
//! Guests run on a runtime of their own, so that one that spins cannot keep the daemon from its timers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corral_kernels::Interner;
use wasmtime::component::{Linker, ResourceTable};

use crate::clock::Clock;
use crate::config::{Config, Limits};
use crate::pool::{Checked, Pool, PoolError};
use crate::store::Store;
use crate::store::resident::Resident;

mod bindings;
pub mod catalog;
mod compiled;
mod engine;
mod frames;
mod guest;
mod kept;
mod kernels;
pub mod load;
mod log;
pub mod prove;
mod storage;
pub mod tick;

pub use kernels::{KernelCall, Verdict};
pub use load::{Description, LoadError, Plugin};
pub use tick::{Reason, TickError, Ticked, Wake};

use guest::{Guest, Mode};

/// What all plugins share: engine, linker, pool, database and the table of texts.
pub struct Host {
    engine: engine::Engine,
    linker: Linker<Guest>,
    pool: Pool,
    store: Store,
    texts: Arc<Interner>,
    resident: Arc<Resident>,
    kept: Arc<kept::KeptKernels>,
    compiled: Option<Arc<compiled::Compiled>>,
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
}

/// Where a component came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is part of this binary.
    Embedded,
    /// A file that the operator named.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("built in"),
            Self::File(path) => write!(formatter, "{}", path.display()),
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
        let engine = engine::Engine::start(&config.limits)?;
        let mut linker = Linker::new(engine.wasm());
        bindings::add_to_linker(&mut linker).map_err(HostError::Engine)?;
        let texts = Arc::new(Interner::new(config.store.text_bytes_max));
        Ok(Self {
            engine,
            linker,
            pool: Pool::start(&config.pool, &config.verify, clock.clone())?,
            store,
            resident: Arc::new(Resident::new(texts.clone(), config.store.resident_bytes_max)),
            texts,
            kept: Arc::new(kept::KeptKernels::new(config.pool.kept_bytes_max)),
            compiled: compiled(&config.plugins.cache),
            limits: config.limits.clone(),
            clock,
        })
    }

    /// What kernels answered since the start and what came of it, by kernel; ticks that failed included.
    pub fn checked(&self) -> BTreeMap<&'static str, Checked> {
        self.pool.checked()
    }

    /// A Store for one call: its limits set, its budget full.
    fn guest_store(&self, plugin: Option<&Plugin>, mode: Mode) -> wasmtime::Store<Guest> {
        let guest = Guest {
            table: ResourceTable::new(),
            name: plugin.map_or_else(String::new, |plugin| plugin.description().name.clone()),
            asked: plugin.map(|plugin| plugin.description().clone()),
            limits: self.limits.clone(),
            used: guest::Used::default(),
            memory: engine::memory_limits(&self.limits),
            pool: self.pool.clone(),
            mode,
            store: self.store.clone(),
            snapshot: None,
            texts: self.texts.clone(),
            resident: self.resident.clone(),
            kept: self.kept.open(plugin),
            changes: None,
            clock: self.clock.clone(),
        };
        self.engine.new_store(guest, &self.limits)
    }
}

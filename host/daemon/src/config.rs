//! What an operator may set, and its defaults; how the settings of a run come together is in [`mod@load`].
//!
//! Only this module looks at the environment, and it does so once ([`environment`]). `deploy/corral.toml`
//! is the annotated default and lists every key; a test holds the two together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Deserialize;

use crate::files;

mod bus;
pub mod decnet;
pub mod environment;
mod layers;
mod limits;
pub mod load;
pub mod told;

pub use self::bus::BusConfig;
pub use self::environment::Environment;
pub use self::limits::Limits;
pub use self::load::{Loaded, Request, load};
pub use self::told::Setting;

/// The annotated default, as `corral config --default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../../../deploy/corral.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where rows are kept.
    pub store: StoreConfig,
    /// The shared pool of kernel threads.
    pub pool: PoolConfig,
    /// Which kernel answers are checked.
    pub verify: VerifyConfig,
    /// What a plugin may use.
    pub limits: Limits,
    /// Reading logs.
    pub ingest: IngestConfig,
    /// The daemon.
    pub serve: ServeConfig,
    /// What is told, and where.
    pub log: LogConfig,
    /// Where components come from.
    pub plugins: PluginsConfig,
    /// The bus, on which changes are announced and heard.
    pub bus: BusConfig,
    /// Settings of single plugins, by plugin name.
    pub plugin: BTreeMap<String, PluginConfig>,
}

/// Where rows are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreConfig {
    /// `sqlite:///path/to/corral.db`; empty: `corral/corral.db` under the XDG data directory.
    pub url: String,
    /// Whose schema the database has, and who may change it.
    pub owner: Owner,
    /// Which shapes of DECNET's fingerprints are read.
    pub fingerprints: Fingerprints,
    /// Connections held open for reading; one more writes.
    pub pool_connections: u32,
    /// How long a statement waits for another process's lock, in seconds.
    pub busy_seconds: u64,
    /// The most bytes of distinct text that frames may hold in memory.
    pub text_bytes_max: usize,
    /// The most bytes of views that stay in memory from one tick to the next.
    pub resident_bytes_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            owner: Owner::Corral,
            fingerprints: Fingerprints::Both,
            pool_connections: 4,
            busy_seconds: 30,
            text_bytes_max: 1 << 30,
            resident_bytes_max: 512 << 20,
        }
    }
}

/// Whose database it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// Corral's own: it makes the tables and brings them up to date.
    #[default]
    Corral,
    /// DECNET's: Corral adds tables called `corral_…`, and alters none.
    Decnet,
}

/// Shapes of the entries in DECNET's `attackers.fingerprints`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fingerprints {
    /// Those that DECNET's profiler writes, and the one below.
    #[default]
    Both,
    /// Only those with a `kind`, which DECNET's own clusterer understands and only its tests write.
    Legacy,
}

/// The shared pool of kernel threads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolConfig {
    /// Threads; 0: one less than the machine has, so that timers stay on time, and at least one.
    pub threads: usize,
    /// Inputs with fewer rows run where they are asked for: a hand-over costs more than they do.
    pub inline_rows: usize,
    /// Inputs with as many rows or more are large.
    pub large_rows: usize,
    /// Large kernels that run at one time; others wait.
    pub large_kernels_max: usize,
    /// The most bytes that kernels keep of their input from one tick to the next; 0: nothing.
    pub kept_bytes_max: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            inline_rows: 256,
            large_rows: 100_000,
            large_kernels_max: 2,
            kept_bytes_max: 1 << 30,
        }
    }
}

/// Which answers of kernels are checked before anybody sees them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerifyConfig {
    /// Answers to inputs with at most so many rows together are always checked.
    pub rows_max: usize,
    /// Above that one call in so many is, of each kernel, the first included; 0: none, 1: all.
    pub sample: u64,
}

impl Default for VerifyConfig {
    fn default() -> Self {
        Self { rows_max: 100_000, sample: 16 }
    }
}

/// Reading logs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IngestConfig {
    /// A longer line is passed over and counted.
    pub line_bytes_max: usize,
    /// Sessions held open in memory; the longest idle go to the database first.
    pub open_sessions_max: usize,
    /// Bytes held in memory before they go to the database.
    pub batch_bytes: usize,
    /// Bytes of a terminal's recording that are read; keys come first, and few.
    pub recording_bytes_max: usize,
    /// Hours east of UTC, for timestamps that name no zone.
    pub utc_offset_hours: f64,
    /// Names for sensors, by the name in the log. Container ids that are not named here are one
    /// sensor, called after the honeypot.
    pub sensors: BTreeMap<String, String>,
    /// Source addresses that are our own, in CIDR form; their events are passed over.
    pub own_networks: Vec<String>,
    /// Whether events from private and link-local addresses are passed over.
    pub drop_private: bool,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            line_bytes_max: 4 << 20,
            open_sessions_max: 20_000,
            batch_bytes: 16 << 20,
            recording_bytes_max: 1 << 20,
            utc_offset_hours: 0.0,
            sensors: BTreeMap::new(),
            own_networks: Vec::new(),
            drop_private: false,
        }
    }
}

/// The daemon, `corral serve`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeConfig {
    /// Each correlator ticks at least so often.
    pub poll_seconds: u64,
    /// How long a stop waits for ticks that are under way.
    pub stop_seconds: u64,
    /// How long nobody else must have been heard of before the daemon begins to write.
    pub standby_seconds: u64,
    /// How long the right to write lasts without being renewed.
    pub lease_seconds: u64,
    /// The daemon's socket; empty: see [`Loaded::sockets`].
    pub socket: String,
    /// The longest pause before a correlator that failed is tried again.
    pub backoff_max_seconds: u64,
    /// How long a wake waits for others to come along.
    pub wake_delay_milliseconds: u64,
    /// How often the daemon looks whether somebody else changed rows of a database that is Corral's own.
    pub watch_milliseconds: u64,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            poll_seconds: 60,
            stop_seconds: 15,
            standby_seconds: 35,
            lease_seconds: 15,
            socket: String::new(),
            backoff_max_seconds: 30,
            wake_delay_milliseconds: 20,
            watch_milliseconds: 1000,
        }
    }
}

/// What is told, and where.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogConfig {
    /// In `tracing`'s filter language; empty: warnings, of the daemon what an operator would list.
    pub filter: String,
    /// A file that gets every line too, besides standard error; empty: none.
    pub file: String,
}

/// Where components come from, and what is asked of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginsConfig {
    /// A directory of components; one of a built-in plugin's name takes its place. Empty: none.
    pub directory: String,
    /// Where compiled components are kept, so that the next start is quick. `none`, or empty: nowhere;
    /// [`load()`] puts the user's own folder in place of what is empty.
    pub cache: String,
    /// The executable that compiles what is not built in, in a process with limits of its own; empty: the
    /// one that runs.
    pub compiler: String,
    /// Keys whose signatures count, as `corral plugin keygen` tells them.
    pub keys: Vec<String>,
    /// Whether components that are not built in need a manifest signed by one of `keys`.
    pub require_signature: bool,
    /// Whether they need a certificate of the conformance kit; signed, if there are `keys`.
    pub require_certificate: bool,
    /// How often the folder is looked at for what is new in it; 0: never.
    pub watch_seconds: u64,
    /// Ticks that a new generation has to end well until it is no longer on probation.
    pub probation_ticks: u64,
    /// Failures in a row, of its own making, after which a generation on probation is rolled back.
    pub failures_max: u64,
    /// Deaths in a row after which any generation is put into quarantine.
    pub quarantine_failures: u64,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            directory: String::new(),
            cache: String::new(),
            compiler: String::new(),
            keys: Vec::new(),
            require_signature: false,
            require_certificate: false,
            watch_seconds: 0,
            probation_ticks: 10,
            failures_max: 3,
            quarantine_failures: 20,
        }
    }
}

/// One plugin's part of the config.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// Digests that its component may have; empty: any that is pinned elsewhere.
    pub sha256: Vec<String>,
    /// Views that it may read. Of these four, what is not said is what the built-in plugin of that name asks for,
    /// and nothing for any other name.
    pub reads: Option<Vec<String>>,
    /// Changes that it may commit.
    pub writes: Option<Vec<String>>,
    /// Kernels that it may run.
    pub kernels: Option<Vec<String>>,
    /// Topics of the bus that may wake it.
    pub wakes: Option<Vec<String>>,
    /// What the plugin itself understands, see `corral plugin list`.
    pub settings: BTreeMap<String, String>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            sha256: Vec::new(),
            reads: None,
            writes: None,
            kernels: None,
            wakes: None,
            settings: BTreeMap::new(),
        }
    }
}

/// A place, what is wrong there, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem} ({remedy})")]
pub struct Trouble {
    /// The file and line, or the variable.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("read the config")]
    Read(#[source] files::FileError),
    /// The file is not what it should be.
    #[error("{path}: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        error: Box<toml::de::Error>,
    },
    /// A variable of the environment is not what it should be.
    #[error("{name}: {problem}")]
    Variable {
        /// Which.
        name: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A setting does not take the value that it was given.
    #[error("{origin}: {key}: {problem}")]
    Setting {
        /// Where the value came from.
        origin: String,
        /// The setting.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// DECNET's settings are not what they should be.
    #[error(transparent)]
    Decnet(Trouble),
    /// DECNET's settings forbid this host to correlate.
    #[error(transparent)]
    Agent(Trouble),
    /// There is no home directory to put the database into.
    #[error("find a data directory: set HOME or XDG_DATA_HOME, or name the database with --db")]
    NoHome,
}

impl Config {
    /// A config from the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Parse`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_path_buf(),
            error: Box::new(error),
        })
    }

    /// The database that this run uses.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] if none is set and there is no home directory.
    pub fn store_url(&self) -> Result<String, ConfigError> {
        if !self.store.url.is_empty() {
            return Ok(self.store.url.clone());
        }
        let base = etcetera::base_strategy::Xdg::new().map_err(|_| ConfigError::NoHome)?;
        Ok(format!("sqlite://{}", base.data_dir().join("corral/corral.db").display()))
    }

    /// The settings of a plugin, and whether it runs.
    pub fn plugin(&self, name: &str) -> PluginConfig {
        self.plugin.get(name).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotated_default_is_the_default() {
        let text = include_str!("../../../deploy/corral.toml");
        assert_eq!(Config::parse(text, Path::new("corral.toml")).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        let error = Config::parse("[pool]\nthreds = 2\n", Path::new("corral.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("threds") && error.contains("threads"),
            "{error}"
        );
    }
}

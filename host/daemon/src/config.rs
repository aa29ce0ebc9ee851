//! What an operator may set, its defaults, and where it is read from: the only file that looks at the
//! environment.
//!
//! Precedence, first wins: the command line, `CORRAL_DB` and `CORRAL_PLUGINS`, the file named by
//! `--config` or `CORRAL_CONFIG`, the defaults. `deploy/corral.toml` is the annotated default; a test
//! holds the two together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy;
use serde::Deserialize;

use crate::files;

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
    /// Where components come from.
    pub plugins: PluginsConfig,
    /// Settings of single plugins, by plugin name.
    pub plugin: BTreeMap<String, PluginConfig>,
}

/// Where rows are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreConfig {
    /// `sqlite:///path/to/corral.db`; empty: `corral/corral.db` under the XDG data directory.
    pub url: String,
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
            busy_seconds: 30,
            text_bytes_max: 1 << 30,
            resident_bytes_max: 512 << 20,
        }
    }
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

/// What a plugin may use in one tick. All are on by default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Wall clock of a tick, kernels and database included.
    pub tick_seconds: u64,
    /// Time inside the guest's own code.
    pub guest_milliseconds: u64,
    /// Linear memory.
    pub memory_bytes_max: usize,
    /// Elements of all tables.
    pub table_elements_max: usize,
    /// The guest's call stack.
    pub stack_bytes_max: usize,
    /// Frames held at one time.
    pub frames_max: usize,
    /// Rows of one frame that a guest builds.
    pub frame_rows_max: usize,
    /// Bytes of text that a guest interns.
    pub text_bytes_max: usize,
    /// Kernels run.
    pub kernel_calls_max: usize,
    /// Rows named in a commit.
    pub changes_max: usize,
    /// Bytes of one event; larger ones are split.
    pub event_bytes_max: usize,
    /// Bytes written to the log.
    pub log_bytes_max: usize,
    /// Size of a component file.
    pub component_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tick_seconds: 300,
            guest_milliseconds: 10_000,
            memory_bytes_max: 512 << 20,
            table_elements_max: 100_000,
            stack_bytes_max: 1 << 20,
            frames_max: 256,
            frame_rows_max: 50_000_000,
            text_bytes_max: 16 << 20,
            kernel_calls_max: 1_000,
            changes_max: 50_000_000,
            event_bytes_max: 1 << 20,
            log_bytes_max: 64 << 10,
            component_bytes_max: 64 << 20,
        }
    }
}

impl Limits {
    /// The wall clock of a tick.
    pub fn tick(&self) -> Duration {
        Duration::from_secs(self.tick_seconds)
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

/// Where components come from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginsConfig {
    /// A directory of components; one of a built-in plugin's name takes its place. Empty: none.
    pub directory: String,
}

/// One plugin's part of the config.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// What the plugin itself understands, see `corral plugin list`.
    pub settings: BTreeMap<String, String>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self { enabled: true, settings: BTreeMap::new() }
    }
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
    /// There is no home directory to put the database into.
    #[error("find a data directory: set HOME or XDG_DATA_HOME, or name the database with --db")]
    NoHome,
}

impl Config {
    /// The config for this run: the named file, or the one `CORRAL_CONFIG` names, or the defaults;
    /// then the environment's `CORRAL_DB` and `CORRAL_PLUGINS`.
    ///
    /// # Errors
    /// [`ConfigError`], with file, line and field.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file =
            file.map(Path::to_path_buf).or_else(|| variable("CORRAL_CONFIG").map(PathBuf::from));
        let mut config = match file {
            Some(path) => {
                Self::parse(&files::read_to_string(&path).map_err(ConfigError::Read)?, &path)?
            }
            None => Self::default(),
        };
        if let Some(url) = variable("CORRAL_DB") {
            config.store.url = url;
        }
        if let Some(directory) = variable("CORRAL_PLUGINS") {
            config.plugins.directory = directory;
        }
        Ok(config)
    }

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

/// What the log should show, in `tracing`'s filter language, if the environment says.
pub fn log_filter() -> Option<String> {
    variable("CORRAL_LOG")
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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

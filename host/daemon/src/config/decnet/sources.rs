//! Where DECNET's variables come from, first wins: the environment, the INI file, `.env.local` and `.env` of
//! the installation, those of the working directory.
//!
//! As there, each source only sets what none before it has set, so that a variable that is set and empty
//! hides what later sources say.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dotenv::{self, Statement};
use super::ini::{Ini, Wrong};
use crate::config::environment::Environment;
use crate::config::{ConfigError, Trouble};
use crate::files;

/// Sections with keys of their own names, and the variable that each sets.
const DOMAINS: &[(&str, &[(&str, &str)])] = &[
    (
        "database",
        &[
            ("type", "DECNET_DB_TYPE"),
            ("url", "DECNET_DB_URL"),
            ("host", "DECNET_DB_HOST"),
            ("port", "DECNET_DB_PORT"),
            ("name", "DECNET_DB_NAME"),
            ("user", "DECNET_DB_USER"),
        ],
    ),
    (
        "bus",
        &[
            ("enabled", "DECNET_BUS_ENABLED"),
            ("type", "DECNET_BUS_TYPE"),
            ("socket", "DECNET_BUS_SOCKET"),
            ("group", "DECNET_BUS_GROUP"),
        ],
    ),
    (
        "logging",
        &[
            ("system-log", "DECNET_SYSTEM_LOGS"),
            ("ingest-log", "DECNET_INGEST_LOG_FILE"),
            ("agent-log", "DECNET_AGENT_LOG_FILE"),
        ],
    ),
    (
        "tracing",
        &[("enabled", "DECNET_DEVELOPER_TRACING"), ("otel-endpoint", "DECNET_OTEL_ENDPOINT")],
    ),
];

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The environment.
    Environment,
    /// A line of a file.
    Line(PathBuf, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => write!(formatter, "the environment"),
            Self::Line(path, line) => write!(formatter, "{} line {line}", path.display()),
        }
    }
}

/// A value and where it was found.
#[derive(Clone)]
pub(super) struct Found {
    /// The value.
    pub(super) value: String,
    /// Where.
    pub(super) place: Place,
}

/// What all sources say together.
#[derive(Default)]
pub(super) struct Sources {
    found: BTreeMap<String, Found>,
    /// What an operator should know of the files.
    pub(super) warnings: Vec<String>,
}

impl Sources {
    /// Reads them all; `used` tells the variables whose values matter.
    ///
    /// # Errors
    /// [`ConfigError::Decnet`] with file and line; [`ConfigError::Read`] if a file cannot be read.
    pub(super) fn read(
        environment: &Environment,
        root: &Path,
        used: &[&str],
    ) -> Result<Self, ConfigError> {
        let mut sources = Self::default();
        for name in environment.names("DECNET_") {
            let value = environment.get(name)?.unwrap_or("").to_owned();
            sources.offer(name, value, Place::Environment);
        }
        let ini = match sources.get("DECNET_CONFIG") {
            Some(found) => environment.directory().join(&found.value),
            None => environment.absolute("etc/decnet/decnet.ini"),
        };
        if let Some(text) = read(&ini)? {
            sources.take_ini(&ini, &text, used)?;
        }
        let mut folders = vec![root];
        folders.extend(Some(environment.directory()).filter(|folder| *folder != root));
        for folder in folders {
            for name in [".env.local", ".env"] {
                let path = folder.join(name);
                if let Some(text) = read(&path)? {
                    sources.take_dotenv(environment, &path, &text)?;
                }
            }
        }
        Ok(sources)
    }

    /// What was found for a variable; an empty value stands for the default.
    pub(super) fn get(&self, name: &str) -> Option<&Found> {
        self.found.get(name).filter(|found| !found.value.is_empty())
    }

    fn offer(&mut self, name: &str, value: String, place: Place) {
        self.found.entry(name.to_owned()).or_insert(Found { value, place });
    }

    fn take_ini(&mut self, path: &Path, text: &str, used: &[&str]) -> Result<(), ConfigError> {
        let fail = |wrong: Wrong| {
            let place = format!("{} line {}", path.display(), wrong.line);
            ConfigError::Decnet(Trouble { place, problem: wrong.problem, remedy: wrong.remedy })
        };
        let ini = Ini::parse(text).map_err(fail)?;
        let mut named = BTreeMap::new();
        let mut general = vec!["decnet".to_owned()];
        let mode = match self.get("DECNET_MODE") {
            Some(found) => found.value.to_lowercase(),
            None => {
                let mode = ini.value("decnet", "mode").map_err(fail)?;
                mode.map_or_else(|| "master".to_owned(), |mode| mode.to_lowercase())
            }
        };
        general.extend(Some(mode).filter(|mode| matches!(mode.as_str(), "master" | "agent")));
        for section in &general {
            for (key, line) in ini.keys(section) {
                let name = format!("DECNET_{}", key.replace('-', "_").to_uppercase());
                named.entry(name).or_insert((section.as_str(), key.to_owned(), line));
            }
        }
        for (section, keys) in DOMAINS {
            for (key, line) in ini.keys(section) {
                match keys.iter().find(|(known, _)| *known == key) {
                    Some((_, name)) => {
                        named.entry((*name).to_owned()).or_insert((*section, key.to_owned(), line));
                    }
                    None => self.warnings.push(format!(
                        "{} line {line}: [{section}] has no key {key} (it has {})",
                        path.display(),
                        keys.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ")
                    )),
                }
            }
        }
        for (name, (section, key, line)) in named {
            match ini.value(section, &key) {
                Ok(value) => {
                    let place = Place::Line(path.to_path_buf(), line);
                    self.offer(&name, value.unwrap_or_default(), place);
                }
                // What is hidden by the environment, or means nothing here, costs a warning only.
                Err(wrong) if !used.contains(&name.as_str()) || self.found.contains_key(&name) => {
                    self.warnings.push(fail(wrong).to_string());
                }
                Err(wrong) => return Err(fail(wrong)),
            }
        }
        Ok(())
    }

    fn take_dotenv(
        &mut self,
        environment: &Environment,
        path: &Path,
        text: &str,
    ) -> Result<(), ConfigError> {
        let mut own: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for statement in dotenv::parse(text) {
            match statement {
                Statement::Set { key, value, line } => {
                    let value = dotenv::resolved(&value, |name| {
                        // What is set already comes first, as in python-dotenv where nothing is overridden.
                        let before = self.found.get(name).map(|found| found.value.clone());
                        let outside = || environment.get(name).ok().flatten().map(str::to_owned);
                        before.or_else(outside).or_else(|| Some(own.get(name)?.0.clone()))
                    });
                    own.insert(key, (value, line));
                }
                Statement::Unreadable { line } => self.warnings.push(format!(
                    "{} line {line}: passed over, since it is no statement (write KEY=value, and close every quote)",
                    path.display()
                )),
            }
        }
        for (name, (value, line)) in own {
            self.offer(&name, value, Place::Line(path.to_path_buf(), line));
        }
        Ok(())
    }
}

/// The text of a file, if it is there.
fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match files::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(ConfigError::Read(error)),
    }
}

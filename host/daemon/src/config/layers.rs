//! Settings laid over one another, each with where it came from.
//!
//! `deploy/corral.toml` lists every key with its default, and so is the schema too: a key's variable is
//! `CORRAL_`, its section, and its name, in capitals with `_` between, and the type of its default says how
//! the variable's text is read. The result is one table that becomes a [`Config`]; a wrong value is told
//! with the source that set it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::Environment;
use super::{Config, ConfigError, DEFAULT_FILE, Setting};

/// Variables that are not named after a key.
const SHORT: &[(&str, &str)] = &[
    ("CORRAL_DB", "store.url"),
    ("CORRAL_PLUGINS", "plugins.directory"),
    ("CORRAL_LOG", "log.filter"),
];

/// Variables that are no settings: where to look for those, and what the build embeds.
const OTHERS: &[&str] =
    &["CORRAL_CONFIG", "CORRAL_DECNET_ROOT", "CORRAL_COMPONENTS", "CORRAL_GUESTS"];

/// The settings of plugins: their names are anybody's, so they are one key, whose value is a table.
const PLUGIN: &str = "plugin";

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `deploy/corral.toml`.
    Default,
    /// A file of settings.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    CommandLine(&'static str),
    /// A setting of DECNET's, in words.
    Decnet(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(formatter, "default"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Variable(name) => write!(formatter, "{name}"),
            Self::CommandLine(option) => write!(formatter, "{option}"),
            Self::Decnet(words) => write!(formatter, "{words}"),
        }
    }
}

/// Every key with its value so far.
pub(super) struct Layers {
    values: BTreeMap<String, (Value, Source)>,
    /// What an operator should know, and what stops nothing.
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// The defaults.
    pub(super) fn of_defaults() -> Result<Self, ConfigError> {
        let mut layers = Self { values: BTreeMap::new(), warnings: Vec::new() };
        let table = Value::Table(Table::new());
        layers.values.insert(PLUGIN.to_owned(), (table, Source::Default));
        layers.lay(DEFAULT_FILE, Path::new("deploy/corral.toml"), &Source::Default)?;
        Ok(layers)
    }

    /// Lays a file over what there is.
    pub(super) fn lay(
        &mut self,
        text: &str,
        path: &Path,
        source: &Source,
    ) -> Result<(), ConfigError> {
        // As a whole first: that error knows the line.
        Config::parse(text, path)?;
        let table: Table = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_path_buf(),
            error: Box::new(error),
        })?;
        for (section, value) in table {
            match value {
                Value::Table(keys) if section != PLUGIN => {
                    for (key, value) in keys {
                        self.values.insert(format!("{section}.{key}"), (value, source.clone()));
                    }
                }
                value => {
                    self.values.insert(section, (value, source.clone()));
                }
            }
        }
        Ok(())
    }

    /// Whether a key is there and still empty.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(value, _)| value.as_str() == Some(""))
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`ConfigError::Setting`] if it does not take such a value.
    pub(super) fn put(
        &mut self,
        key: &str,
        value: Value,
        source: Source,
    ) -> Result<(), ConfigError> {
        let mut alone = Table::new();
        insert(&mut alone, key, value.clone());
        if let Err(error) = alone.try_into::<Config>() {
            return Err(ConfigError::Setting {
                origin: source.to_string(),
                key: key.to_owned(),
                problem: error.message().trim_end().to_owned(),
            });
        }
        self.values.insert(key.to_owned(), (value, source));
        Ok(())
    }

    /// Sets a key if there is such a key.
    ///
    /// # Errors
    /// As [`Layers::put`].
    pub(super) fn put_if_known(
        &mut self,
        key: &str,
        value: Value,
        source: Source,
    ) -> Result<(), ConfigError> {
        if self.values.contains_key(key) { self.put(key, value, source) } else { Ok(()) }
    }

    /// Lays the environment's `CORRAL_*` over what there is; one that is empty counts as not set.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] or [`ConfigError::Setting`].
    pub(super) fn lay_environment(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let long: Vec<_> = self.values.keys().map(|key| (variable(key), key.clone())).collect();
        let short = SHORT.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned()));
        // The short ones first, so that the one that is named after its key wins.
        let known: Vec<(String, String)> = short.chain(long).collect();
        for (name, key) in &known {
            let Some(text) = environment.filled(name)? else { continue };
            let Some((like, _)) = self.values.get(key) else { continue };
            let value = read(text, like).map_err(|problem| ConfigError::Variable {
                name: name.clone(),
                problem: format!("{problem} (it sets {key}; see `corral config --default`)"),
            })?;
            self.put(key, value, Source::Variable(name.clone()))?;
        }
        let is_known = |name: &&str| {
            OTHERS.contains(name) || known.iter().any(|(known, _)| known.as_str() == *name)
        };
        for name in environment.names("CORRAL_").filter(|name| !is_known(name)) {
            self.warnings.push(format!(
                "{name} is set and is no setting (a key's variable is CORRAL_SECTION_KEY; see `corral config`)"
            ));
        }
        Ok(())
    }

    /// The settings that come of it, and what there is to tell of each.
    ///
    /// # Errors
    /// [`ConfigError::Setting`], which cannot be: each value was tried when it was set.
    pub(super) fn finish(self) -> Result<(Config, Vec<Setting>, Vec<String>), ConfigError> {
        let mut table = Table::new();
        let mut told = Vec::new();
        for (key, (value, source)) in self.values {
            if key != PLUGIN {
                let shown = match &value {
                    Value::String(text) => text.clone(),
                    value => serde_json::to_string(value).unwrap_or_default(),
                };
                told.push(Setting::new(&key, &shown, source.to_string()));
            } else if let Value::Table(plugins) = &value {
                tell_plugins(plugins, &source, &mut told);
            }
            insert(&mut table, &key, value);
        }
        let config = table.try_into::<Config>().map_err(|error| ConfigError::Setting {
            origin: "the settings together".to_owned(),
            key: String::new(),
            problem: error.to_string(),
        })?;
        Ok((config, told, self.warnings))
    }
}

fn tell_plugins(plugins: &Table, source: &Source, told: &mut Vec<Setting>) {
    for (plugin, keys) in plugins {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let shown = serde_json::to_string(value).unwrap_or_default();
            let name = format!("{PLUGIN}.{plugin}.{key}");
            told.push(Setting::new(&name, &shown, source.to_string()));
        }
    }
}

/// The variable of a key: `CORRAL_POOL_LARGE_ROWS` of `pool.large-rows`.
pub(super) fn variable(key: &str) -> String {
    format!("CORRAL_{}", key.replace(['.', '-'], "_").to_uppercase())
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
        None => {
            table.insert(key.to_owned(), value);
        }
    }
}

/// The text of a variable as a value of the same type as another.
fn read(text: &str, like: &Value) -> Result<Value, String> {
    let inline = || {
        let table: Result<Table, _> = toml::from_str(&format!("value = {text}"));
        table.ok().and_then(|mut table| table.remove("value"))
    };
    let trimmed = text.trim();
    let value = match like {
        Value::Integer(_) => trimmed.replace('_', "").parse().ok().map(Value::Integer),
        Value::Float(_) => trimmed.parse().ok().map(Value::Float),
        Value::Boolean(_) => trimmed.parse().ok().map(Value::Boolean),
        Value::Array(_) if !trimmed.starts_with('[') => {
            let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        Value::Array(_) => inline().filter(Value::is_array),
        Value::Table(_) => inline().filter(Value::is_table),
        _ => Some(Value::String(text.to_owned())),
    };
    let wanted = match like {
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list such as a, b",
        _ => "a table such as { name = \"value\" }",
    };
    value.ok_or_else(|| format!("'{text}' is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<(Config, Vec<String>), ConfigError> {
        let mut layers = Layers::of_defaults()?;
        let environment = Environment::made_up(Path::new("/"), "", pairs.iter().copied());
        layers.lay_environment(&environment)?;
        layers.finish().map(|(config, _, warnings)| (config, warnings))
    }

    #[test]
    fn every_key_of_the_annotated_default_has_a_variable() {
        let defaults = Layers::of_defaults().unwrap();
        assert!(defaults.values.len() > 40);
        for (key, (value, _)) in &defaults.values {
            // Another value of its type, so that it is seen to arrive.
            let other = match value {
                Value::Integer(number) => (number + 1).to_string(),
                Value::Float(number) => (number + 1.0).to_string(),
                Value::Boolean(truth) => (!truth).to_string(),
                Value::Array(_) => "a, b".to_owned(),
                Value::Table(_) if key == PLUGIN => "{ x = { enabled = false } }".to_owned(),
                Value::Table(_) => "{ a = \"b\" }".to_owned(),
                _ if key == "store.owner" => "decnet".to_owned(),
                _ if key == "store.fingerprints" => "legacy".to_owned(),
                _ => "other".to_owned(),
            };
            let name = variable(key);
            let (config, warnings) = with(&[(&name, &other)]).unwrap();
            assert_ne!(config, Config::default(), "{name}");
            assert_eq!(warnings, Vec::<String>::new());
        }
        assert_eq!(variable("pool.large-rows"), "CORRAL_POOL_LARGE_ROWS");
    }

    #[test]
    fn a_short_variable_gives_way_to_the_long_one() {
        let (config, _) = with(&[("CORRAL_DB", "sqlite://a"), ("CORRAL_LOG", "x")]).unwrap();
        assert_eq!((config.store.url.as_str(), config.log.filter.as_str()), ("sqlite://a", "x"));
        let both = [("CORRAL_DB", "sqlite://a"), ("CORRAL_STORE_URL", "sqlite://b")];
        assert_eq!(with(&both).unwrap().0.store.url, "sqlite://b");
        assert_eq!(with(&[("CORRAL_DB", "")]).unwrap().0, Config::default());
    }

    #[test]
    fn a_wrong_variable_is_named_with_what_it_wants() {
        for (name, value, words) in [
            ("CORRAL_POOL_THREADS", "two", &["'two' is not a whole number", "pool.threads"][..]),
            ("CORRAL_POOL_THREADS", "-1", &["pool.threads", "-1"]),
            ("CORRAL_INGEST_DROP_PRIVATE", "yes", &["true or false"]),
            ("CORRAL_INGEST_OWN_NETWORKS", "[1", &["a list"]),
            ("CORRAL_INGEST_SENSORS", "a=b", &["a table"]),
            ("CORRAL_STORE_OWNER", "me", &["store.owner", "corral", "decnet"]),
        ] {
            let error = with(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_variable_that_sets_nothing_is_warned_of() {
        let (_, warnings) = with(&[("CORRAL_STORE_URI", "x"), ("CORRAL_GUESTS", "y")]).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("CORRAL_STORE_URI is set"), "{warnings:?}");
    }
}

//! What a process is told from outside: variables, the working directory, the folders of its user.
//!
//! It is taken once, at the start, and handed around as a value, so that a test can make one up; `root`
//! stands for `/`, and a test puts a folder there. Nothing else asks the operating system for a variable.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::ConfigError;

/// The surroundings of a process.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    directory: PathBuf,
    root: PathBuf,
    home: Option<PathBuf>,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let home = etcetera::base_strategy::Xdg::new().ok();
        Self {
            variables,
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            root: PathBuf::from("/"),
            home: home.map(|base| base.home_dir().to_path_buf()),
        }
    }

    /// Made-up ones: everything absolute lies below `root`, and so does the working directory.
    pub fn made_up<'a>(
        root: &Path,
        directory: &str,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let variables: BTreeMap<String, OsString> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self {
            home: variables.get("HOME").map(PathBuf::from),
            variables,
            directory: root.join(directory),
            root: root.to_path_buf(),
        }
    }

    /// A variable, also if it is empty.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] if its value is no text.
    pub fn get(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.variables.get(name) else { return Ok(None) };
        value.to_str().map(Some).ok_or_else(|| ConfigError::Variable {
            name: name.to_owned(),
            problem: "is not UTF-8 (write its value in UTF-8)".to_owned(),
        })
    }

    /// A variable that is not empty.
    ///
    /// # Errors
    /// As [`Environment::get`].
    pub fn filled(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        Ok(self.get(name)?.filter(|value| !value.is_empty()))
    }

    /// The names that begin so, sorted.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let prefix = prefix.to_owned();
        self.variables.keys().map(String::as_str).filter(move |name| name.starts_with(&prefix))
    }

    /// The working directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path of the system, given without its leading slash.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The user's home, if there is one.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// A base directory of the user: what the variable names if that is absolute, as the XDG specification
    /// has it, or `below` the home.
    ///
    /// # Errors
    /// As [`Environment::get`].
    pub fn user_directory(
        &self,
        variable: &str,
        below: &str,
    ) -> Result<Option<PathBuf>, ConfigError> {
        let named = self.get(variable)?.map(PathBuf::from).filter(|path| path.is_absolute());
        Ok(named.or_else(|| self.home.as_ref().map(|home| home.join(below))))
    }
}

impl fmt::Debug for Environment {
    /// Without values: some are passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("directory", &self.directory)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

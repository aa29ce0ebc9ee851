//! The components that this run uses: those built into the binary, and those of the operator's folder,
//! which take the place of built-in ones of the same name.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::load::{LoadError, Plugin, Reason};
use super::{Host, Papers, Source};
use crate::files;

mod embedded {
    //! The components in the directory that the build was given; see build.rs.
    include!(concat!(env!("OUT_DIR"), "/components.rs"));
}

/// Every plugin that loaded, by name, and what did not load.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Loaded plugins.
    pub plugins: BTreeMap<String, Plugin>,
    /// Components that were refused; they take no plugin down with them.
    pub refused: Vec<LoadError>,
}

impl Catalog {
    /// Loads the built-in components, then those in `directory`, if one is named.
    ///
    /// # Errors
    /// [`files::FileError`] if the folder cannot be read.
    pub async fn load(host: &Host, directory: &str) -> Result<Self, files::FileError> {
        let mut catalog = Self::default();
        let embedded = embedded::COMPONENTS
            .iter()
            .map(|bytes| async { host.load(Source::Embedded, bytes, &Papers::default()).await });
        for loaded in futures_util::future::join_all(embedded).await {
            catalog.add(loaded);
        }
        if !directory.is_empty() {
            catalog.read(host, Path::new(directory)).await?;
        }
        Ok(catalog)
    }

    async fn read(&mut self, host: &Host, path: &Path) -> Result<(), files::FileError> {
        let fail = |error| files::FileError { path: path.to_path_buf(), error };
        let folder = files::open_directory(path)?;
        let mut names = Vec::new();
        for entry in folder.entries().map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            if Path::new(&name).extension().is_some_and(|extension| extension == "wasm") {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let source = Source::File(path.join(&name));
            let limit = host.limits.component_bytes_max;
            let mut bytes = Vec::new();
            let read =
                folder.open(&name).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
            let papers = Papers::beside(&path.join(&name)).map_err(|error| error.error);
            let loaded = match read.and(papers) {
                Ok(papers) => host.load(source, &bytes, &papers).await,
                Err(error) => Err(LoadError {
                    source_name: source.to_string(),
                    reason: Reason::Unreadable(error),
                }),
            };
            self.add(loaded);
        }
        Ok(())
    }

    fn add(&mut self, loaded: Result<Plugin, LoadError>) {
        match loaded {
            Ok(plugin) => {
                self.plugins.insert(plugin.description().name.clone(), plugin);
            }
            Err(error) => self.refused.push(error),
        }
    }
}

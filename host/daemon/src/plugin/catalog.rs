//! The components that this run uses: those built into the binary, and those of the operator's folder,
//! which take the place of built-in ones of the same name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::fs::Dir;

use super::load::{LoadError, Plugin, Reason};
use super::papers::Paper;
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
        let folder = files::open_directory(path)?;
        let names = components(&folder)
            .map_err(|error| files::FileError { path: path.to_path_buf(), error })?;
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

/// The names of the components in a folder, in their order.
fn components(folder: &Dir) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in folder.entries()? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "wasm") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// How a component of a folder looked: when it or its papers were written, and how long they are.
pub type Looks = BTreeMap<PathBuf, Vec<(SystemTime, u64)>>;

/// How the components of a folder look now.
///
/// # Errors
/// [`files::FileError`] if the folder cannot be read.
pub fn look(path: &Path) -> Result<Looks, files::FileError> {
    let fail = |error| files::FileError { path: path.to_path_buf(), error };
    let folder = files::open_directory(path)?;
    let look = |name: PathBuf| {
        let about = folder.metadata(&name).ok()?;
        let at = about.modified().map_or(SystemTime::UNIX_EPOCH, |at| at.into_std());
        Some((at, about.len()))
    };
    let names = components(&folder).map_err(fail)?;
    let looks = names.into_iter().map(|name| {
        let name = PathBuf::from(name);
        let papers = [Paper::Manifest, Paper::Certificate].map(|paper| paper.beside(&name));
        let looks = std::iter::once(name.clone())
            .chain(papers)
            .map(|name| look(name).unwrap_or((SystemTime::UNIX_EPOCH, 0)));
        (path.join(&name), looks.collect())
    });
    Ok(looks.collect())
}

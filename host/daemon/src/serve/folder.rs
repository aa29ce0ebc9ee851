//! The folder of plugins, where the config asks for it: what is laid there takes the place of what ticks.
//!
//! The folder is looked at, not listened to, which works on every file system. A file counts when it and its papers
//! have looked the same twice, so that nobody loads half of one; that it is pinned has to be so in any case.

use std::path::Path;
use std::time::Duration;

use super::Daemon;
use crate::files;
use crate::plugin::catalog::{self, Looks};
use crate::plugin::{Papers, Source};
use crate::supervise::chain;
use crate::supervise::life::{Candidate, FOLDER, LifeError, Trial};

/// Between two looks at whether the config asks for it.
const UNASKED: Duration = Duration::from_secs(5);

/// Follows the folder until it is dropped.
pub(super) async fn follow(daemon: &Daemon) -> &'static str {
    let folder = daemon.config(|config| config.plugins.directory.clone());
    if folder.is_empty() {
        std::future::pending::<()>().await;
    }
    let folder = Path::new(&folder);
    // What is there was loaded, or refused, when the daemon started.
    let mut taken = catalog::look(folder).unwrap_or_default();
    let mut last = taken.clone();
    loop {
        let every = daemon.config(|config| config.plugins.watch_seconds);
        if every == 0 {
            tokio::time::sleep(UNASKED).await;
            continue;
        }
        tokio::time::sleep(Duration::from_secs(every)).await;
        let now = match catalog::look(folder) {
            Ok(now) => now,
            Err(error) => {
                tracing::debug!(%error, "the folder of plugins is not there");
                continue;
            }
        };
        for path in news(&now, &last, &taken) {
            take(daemon, path).await;
        }
        // What is still being written is looked at again.
        taken = now.clone();
        taken.retain(|path, look| last.get(path) == Some(look));
        last = now;
    }
}

/// The files that have stopped changing and are not those that were taken.
fn news<'n>(now: &'n Looks, last: &Looks, taken: &Looks) -> Vec<&'n Path> {
    let is_new = |path, look| last.get(path) == Some(look) && taken.get(path) != Some(look);
    now.iter().filter(|(path, look)| is_new(*path, *look)).map(|(path, _)| path.as_path()).collect()
}

async fn take(daemon: &Daemon, path: &Path) {
    let bytes_max = daemon.config(|config| config.limits.component_bytes_max);
    let read = files::read_bytes(path, bytes_max);
    let read = read.and_then(|bytes| Ok((bytes, Papers::beside(path)?)));
    let (bytes, papers) = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(%error, "a component of the folder cannot be read");
            return;
        }
    };
    let source = Source::File(path.to_path_buf());
    let candidate = Candidate { bytes, papers, source, by: FOLDER.to_owned() };
    match daemon.crew.swap(candidate, Trial::default()).await {
        Ok(_) => daemon.hint.notify_one(),
        Err(LifeError::Same { .. }) => {}
        Err(error) => {
            let (path, error) = (path.display(), chain(&error));
            tracing::error!(%path, error, "a component of the folder was not taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;

    fn looks(files: &[(&str, u64)]) -> Looks {
        let look = |len: u64| vec![(SystemTime::UNIX_EPOCH, len)];
        files.iter().map(|(name, len)| (PathBuf::from(name), look(*len))).collect()
    }

    #[test]
    fn a_file_counts_once_when_it_has_stopped_growing() {
        let taken = looks(&[("a", 1)]);
        let (first, second) = (looks(&[("a", 1), ("b", 3)]), looks(&[("a", 1), ("b", 7)]));
        assert_eq!(news(&first, &taken, &taken), Vec::<&Path>::new(), "seen for the first time");
        assert_eq!(news(&second, &first, &taken), Vec::<&Path>::new(), "it grows");
        assert_eq!(news(&second, &second, &taken), [Path::new("b")]);
        assert_eq!(news(&second, &second, &second), Vec::<&Path>::new(), "taken");
    }
}

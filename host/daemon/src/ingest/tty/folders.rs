//! Where recordings lie.
//!
//! A log names a recording by a path on its own machine, of which only the last part means anything
//! here. It is looked for in the folders that were named, in those that hold logs, and in the places
//! below them where Cowrie and T-Pot put recordings; all of these are opened once, and nothing outside
//! of them is ever read, whatever a log says.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::files::{self, Opened};
use crate::ingest::Silent;
use crate::ingest::discover::Input;
use crate::ingest::unpack::Unpacked;

/// Where recordings lie, from Cowrie's folder, its `var`, its logs, or T-Pot's data.
const PLACES: &[&str] =
    &["", "tty", "log/tty", "cowrie/log/tty", "lib/cowrie/tty", "var/lib/cowrie/tty"];
/// Folders with logs that are looked at; there are as many as sensors.
const FOLDERS_MAX: usize = 64;
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 255;

/// The recordings beside some logs.
#[derive(Debug)]
pub(in crate::ingest) struct Recordings {
    folders: Vec<Dir>,
    bytes_max: usize,
}

impl Recordings {
    /// The recordings beside what was named and the logs found there, of which so many bytes are read.
    /// The folders come in the order of their names, so that of two files of one name always the same
    /// is read.
    pub(in crate::ingest) fn beside(named: &[PathBuf], logs: &[Input], bytes_max: usize) -> Self {
        let mut folders = BTreeSet::new();
        for path in named.iter().filter(|path| path.as_os_str() != "-") {
            folders.insert(path.as_path());
        }
        for log in logs {
            if let Input::File(path) = log {
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                folders.insert(above.unwrap_or(Path::new(".")));
            }
        }
        let mut recordings = Self { folders: Vec::new(), bytes_max };
        for path in folders.into_iter().take(FOLDERS_MAX) {
            let Ok(Opened::Directory(folder)) = files::open(path) else { continue };
            let below = PLACES.iter().filter(|place| !place.is_empty());
            recordings.folders.extend(below.filter_map(|place| folder.open_dir(place).ok()));
            recordings.folders.push(folder);
        }
        recordings
    }

    /// The beginning of the recording that a log calls `path`, if it is there.
    pub(in crate::ingest) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let name = path.rsplit('/').next().filter(|name| name.len() <= NAME_BYTES_MAX)?;
        if matches!(name, "" | "." | "..") {
            return None;
        }
        let packed = format!("{name}.gz");
        let mut files =
            self.folders.iter().flat_map(|folder| [(folder, name), (folder, packed.as_str())]);
        files.find_map(|(folder, name)| self.read_file(folder, name).ok())
    }

    fn read_file(&self, folder: &Dir, name: &str) -> io::Result<Vec<u8>> {
        // To open a pipe would be to wait for whoever writes to it.
        if !folder.metadata(name)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let unpacked = Unpacked::new(Box::new(folder.open(name)?), Arc::new(Silent))?;
        let mut recording = Vec::new();
        // What breaks off is as good as a shorter recording.
        let _broken = unpacked.take(self.bytes_max as u64).read_to_end(&mut recording);
        Ok(recording)
    }
}

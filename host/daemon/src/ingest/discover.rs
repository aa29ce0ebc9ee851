//! Which files are meant, and in which order they are read.
//!
//! A named file is read whatever it is called. Of a folder only what looks like a log of the format
//! that was asked for is taken, by its first bytes: T-Pot keeps all honeypots' logs under names of the
//! same form.
//!
//! The order is that of the first event in each file, which fits every way of rotating
//! (`cowrie.json.2022-05-04`, `cowrie.json.7.gz`, `cowrie-2022-05-04.json`, the live file last) without
//! knowing any. It only keeps pieces of sessions near one another: the rows are the same in any order.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use super::format::Format;
use super::lines::{End, Rows};
use super::moment::Zone;
use super::unpack::Unpacked;
use super::{PassedOver, Problem, Silent};
use crate::clock::Timestamp;
use crate::files::{self, FileError, Opened};

/// Folders below the one that was named.
const DEPTH_MAX: usize = 8;
/// Files of one folder tree that are looked at.
const FILES_MAX: usize = 100_000;
/// Bytes at the beginning of a file that are looked at; a hole of NUL bytes does not count. A database
/// names its tables within these: they are made when it is, of one page each.
const LOOK_BYTES: usize = 256 << 10;
/// The longest hole that is read through to look behind it.
const HOLE_BYTES_MAX: u64 = 256 << 20;

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// How it is called in messages.
    pub fn path(&self) -> &Path {
        match self {
            Self::Standard => Path::new("-"),
            Self::File(path) => path,
        }
    }
}

/// What was found at the paths that were named.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is to be read, in order.
    pub(super) inputs: Vec<Input>,
    /// The bytes of all files together, as far as they are known.
    pub(super) bytes: u64,
    /// What was left out.
    pub(super) passed_over: PassedOver,
    /// What could not be looked at.
    pub(super) problems: Vec<Problem>,
}

/// A file and what decides its place.
struct Candidate {
    first: Timestamp,
    path: PathBuf,
}

/// Looks at what was named: `-` is standard input.
pub(super) fn discover(paths: &[PathBuf], format: Format, zone: Zone) -> Found {
    let mut found = Found::default();
    let mut candidates = Vec::new();
    let mut has_standard = false;
    for path in paths {
        if path.as_os_str() == "-" {
            has_standard = true;
            continue;
        }
        match files::open(path) {
            Ok(Opened::Directory(folder)) => {
                let mut left = FILES_MAX;
                walk(&folder, path, DEPTH_MAX, &mut left, &mut |path| match look(
                    &path, format, zone,
                ) {
                    Ok(Look { is_likely: true, first, bytes }) => {
                        found.bytes += bytes;
                        candidates.push(Candidate { first, path });
                    }
                    Ok(_) => found.passed_over.add(path),
                    Err(error) => found.problems.push(Problem::file(&path, &error.error)),
                });
                if left == 0 {
                    let error = io::Error::other(format!(
                        "more than {FILES_MAX} files (name fewer at a time)"
                    ));
                    found.problems.push(Problem::file(path, &error));
                }
            }
            Ok(Opened::File(_)) => match look(path, format, zone) {
                Ok(Look { first, bytes, .. }) => {
                    found.bytes += bytes;
                    candidates.push(Candidate { first, path: path.clone() });
                }
                // What is wrong with it is said when it is read.
                Err(_) => {
                    candidates.push(Candidate { first: Timestamp(i64::MAX), path: path.clone() });
                }
            },
            Err(error) => found.problems.push(Problem::file(&error.path, &error.error)),
        }
    }
    candidates
        .sort_by(|a, b| (a.first, age(&b.path), &a.path).cmp(&(b.first, age(&a.path), &b.path)));
    candidates.dedup_by(|a, b| a.path == b.path);
    found.inputs = candidates.into_iter().map(|candidate| Input::File(candidate.path)).collect();
    if has_standard {
        found.inputs.push(Input::Standard);
    }
    found
}

/// The number in `name.N` or `name.N.gz`, which grows with age; the live file has none.
fn age(path: &Path) -> u32 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.rsplit_once('.').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Hands out every file below a folder. Links to folders are not followed: they may lead in circles.
fn walk(
    folder: &Dir,
    path: &Path,
    depth: usize,
    left: &mut usize,
    hand_out: &mut dyn FnMut(PathBuf),
) {
    let Ok(entries) = folder.entries() else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).take(*left).collect();
    entries.sort_by_key(cap_std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let path = path.join(entry.file_name());
        if kind.is_dir() {
            if let (Some(depth), Ok(folder)) =
                (depth.checked_sub(1), folder.open_dir(entry.file_name()))
            {
                walk(&folder, &path, depth, left, hand_out);
            }
        } else if (kind.is_file() || kind.is_symlink()) && *left > 0 {
            *left -= 1;
            hand_out(path);
        }
    }
}

/// What a file looks like.
struct Look {
    is_likely: bool,
    first: Timestamp,
    bytes: u64,
}

/// Looks at the beginning of a file. What is no plain file (a pipe) can be read only once, so it is
/// not looked at.
fn look(path: &Path, format: Format, zone: Zone) -> Result<Look, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    let unknown = Look { is_likely: false, first: Timestamp(i64::MAX), bytes: 0 };
    let Opened::File(file) = files::open(path)? else { return Ok(unknown) };
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Ok(unknown);
    }
    let Ok(unpacked) = Unpacked::new(Box::new(file), Arc::new(Silent)) else { return Ok(unknown) };
    let start = start(unpacked);
    let is_likely = format.is_likely(&start);
    Ok(Look { is_likely, first: first_event(&start, format, zone), bytes: metadata.len() })
}

/// The first bytes that are not NUL, as far as they can be read.
fn start(unpacked: Unpacked) -> Vec<u8> {
    let mut reader = unpacked.take(HOLE_BYTES_MAX);
    let mut start = Vec::new();
    let mut chunk = vec![0; LOOK_BYTES];
    while start.len() < LOOK_BYTES {
        // A file that breaks off is read as far as it goes.
        let Ok(count @ 1..) = reader.read(&mut chunk) else { break };
        let chunk = chunk.get(..count).unwrap_or_default();
        let hole =
            if start.is_empty() { chunk.iter().take_while(|byte| **byte == 0).count() } else { 0 };
        start.extend_from_slice(chunk.get(hole..).unwrap_or_default());
    }
    start
}

fn first_event(start: &[u8], format: Format, zone: Zone) -> Timestamp {
    let mut rows = Rows::new(start, LOOK_BYTES);
    while let Ok(Some(row)) = rows.next_row() {
        if row.end == End::Whole
            && let Ok(events) = format.decode(row.bytes, zone)
        {
            return events.first().at;
        }
    }
    Timestamp(i64::MAX)
}

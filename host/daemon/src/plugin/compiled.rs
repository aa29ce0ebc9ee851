//! Compiled components, kept from one start to the next: loading one takes a millisecond, compiling it a
//! hundred and more.
//!
//! Compiled code is machine code. Whoever can put some here runs in the daemon, outside of any sandbox, so what
//! is read back is believed only if it carries the seal of this folder: an HMAC (RFC 2104, with SHA-256) over
//! the component's digest, what the engine was like, and the code. The key is random and lies in the same
//! folder, readable for this user alone; a folder that others may write to is not used at all, since they could
//! put a key of their own there. Whatever is wrong costs time and a line in the log, never a plugin.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use rustc_hash::FxHasher;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::files;

/// What the key is for, and how an entry is put together. Another number makes all entries void.
const PURPOSE: &[u8] = b"corral: compiled component, 1";
const KEY_FILE: &str = "key";
/// A block of SHA-256, which HMAC takes as it is.
const KEY_BYTES: usize = 64;
const SEAL_BYTES: usize = 32;
/// The code of one component at most: it is a few times as large as the component.
pub(super) const CODE_BYTES_MAX: u64 = 256 << 20;
/// All entries at most; then the oldest go.
const FOLDER_BYTES_MAX: u64 = 512 << 20;

/// A folder of compiled components.
pub(super) struct Compiled {
    folder: Dir,
    key: [u8; KEY_BYTES],
}

impl fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Compiled").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// It cannot be made or opened.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// It, or the key in it, is not this user's alone.
    #[error(
        "{what} belongs to another user or is open to others (chmod {mode} it, or name another folder)"
    )]
    Shared {
        /// The folder or the key.
        what: &'static str,
        /// What it should be.
        mode: &'static str,
    },
    /// The key cannot be read or made.
    #[error("the key: {0}")]
    Key(io::Error),
}

impl Compiled {
    /// Opens a folder, makes it and its key if they are not there.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let fail = |error| files::FileError { path: path.to_path_buf(), error };
        let folder = files::create_private_directory(path)?;
        let about = folder.dir_metadata().map_err(fail)?;
        if !is_own(about.uid()) || about.mode() & 0o022 != 0 {
            return Err(FolderError::Shared { what: "the folder", mode: "0700" });
        }
        let key = key(&folder)?;
        Ok(Self { folder, key })
    }

    /// The component with this digest, if it was kept by an engine like this one. What is not what was kept is
    /// told, and forgotten.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let entry = Entry::of(engine, digest);
        let sealed = match self.read(&entry.name()) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(entry = entry.name(), %error, "a compiled component cannot be read");
                return None;
            }
        };
        let loaded = sealed
            .split_at_checked(SEAL_BYTES)
            .filter(|(seal, code)| self.seal(&entry, code).verify_slice(seal).is_ok())
            .ok_or_else(|| "it does not carry this folder's seal".to_owned())
            .and_then(|(_, code)| deserialize(engine, code).map_err(|error| error.to_string()));
        match loaded {
            Ok(component) => Some(component),
            Err(why) => {
                tracing::warn!(
                    entry = entry.name(),
                    why,
                    "a compiled component was refused, and is compiled anew"
                );
                // If it cannot be taken away, the next one takes its place.
                let _unneeded = self.folder.remove_file(entry.name());
                None
            }
        }
    }

    /// Keeps a component's code. That it cannot be kept is told.
    pub(super) fn put(&self, engine: &Engine, digest: &str, code: &[u8]) {
        let entry = Entry::of(engine, digest);
        let seal = self.seal(&entry, code).finalize().into_bytes();
        let kept = self.write(&entry.name(), &[&seal, code]);
        if let Err(error) = kept.and_then(|()| self.tidy()) {
            tracing::warn!(entry = entry.name(), %error, "a compiled component is not kept");
        }
    }

    fn seal(&self, entry: &Entry<'_>, code: &[u8]) -> Hmac<Sha256> {
        let mut seal = Hmac::<Sha256>::new(&self.key.into());
        for part in [PURPOSE, entry.digest.as_bytes(), &entry.engine.to_le_bytes(), code] {
            seal.update(&(part.len() as u64).to_le_bytes());
            seal.update(part);
        }
        seal
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.folder.open(name)?.take(CODE_BYTES_MAX + SEAL_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes an entry beside its place and moves it there, so that nobody ever reads half of one.
    fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let beside = beside(name)?;
        let written = private(&self.folder, &beside).and_then(|mut file| {
            parts.iter().try_for_each(|part| file.write_all(part))?;
            self.folder.rename(&beside, &self.folder, name)
        });
        if written.is_err() {
            let _unneeded = self.folder.remove_file(&beside);
        }
        written
    }

    /// Takes the oldest entries away until the others fit.
    fn tidy(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            // What another process is just writing may be gone by now.
            if name != KEY_FILE
                && let Ok(about) = entry.metadata()
            {
                let at = about.modified().map_or(SystemTime::UNIX_EPOCH, |at| at.into_std());
                entries.push((at, about.len(), name));
            }
        }
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, len, _)| len).sum();
        for (_, len, name) in entries {
            if bytes <= FOLDER_BYTES_MAX {
                break;
            }
            self.folder.remove_file(name)?;
            bytes -= len;
        }
        Ok(())
    }
}

/// What an entry is of.
struct Entry<'a> {
    digest: &'a str,
    /// Version, settings and machine: code for one engine is of no use to another.
    engine: u64,
}

impl<'a> Entry<'a> {
    fn of(engine: &Engine, digest: &'a str) -> Self {
        let mut hash = FxHasher::default();
        engine.precompile_compatibility_hash().hash(&mut hash);
        Self { digest, engine: hash.finish() }
    }

    fn name(&self) -> String {
        format!("{}-{:016x}", self.digest, self.engine)
    }
}

/// The component that code is of, which our own compiler has just made or a seal vouches for.
///
/// # Errors
/// If it is for an engine of other settings, or asks for more than this one has.
#[expect(
    unsafe_code,
    reason = "machine code has to be believed, and this is the one place that does"
)]
pub(super) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code came out of `Engine::precompile_component` of this version of wasmtime. Either that was
    // just now: in this process, or in a child that runs the same executable, or the one that the operator put in
    // its place, over a pipe that nobody else holds. Or it was in a process that has the folder's key, and the
    // caller has just checked the seal over these very bytes. They are in our own memory, and nobody can change
    // them meanwhile. wasmtime itself checks that they are for this engine.
    unsafe { Component::deserialize(engine, code) }
}

/// The folder's key; drawn if there is none.
fn key(folder: &Dir) -> Result<[u8; KEY_BYTES], FolderError> {
    match read_key(folder) {
        Err(FolderError::Key(error)) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let mut key = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(|error| FolderError::Key(io::Error::other(error)))?;
    // Whole, or not at all; and if another process was faster, its key is the folder's.
    let beside = beside(KEY_FILE).map_err(FolderError::Key)?;
    let made = private(folder, &beside).and_then(|mut file| file.write_all(&key));
    let linked = made.and_then(|()| folder.hard_link(&beside, folder, KEY_FILE));
    let _unneeded = folder.remove_file(&beside);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(FolderError::Key(error)),
        _ => read_key(folder),
    }
}

fn read_key(folder: &Dir) -> Result<[u8; KEY_BYTES], FolderError> {
    let mut file = folder.open(KEY_FILE).map_err(FolderError::Key)?;
    let about = file.metadata().map_err(FolderError::Key)?;
    if !is_own(about.uid()) || about.mode() & 0o077 != 0 {
        return Err(FolderError::Shared { what: "the key", mode: "0600" });
    }
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key).map_err(FolderError::Key)?;
    Ok(key)
}

/// A name for what is not whole yet, that nobody else takes.
fn beside(name: &str) -> io::Result<String> {
    let number = SysRng.try_next_u64().map_err(io::Error::other)?;
    Ok(format!("{name}.{number:016x}"))
}

/// A new file for this user alone.
fn private(folder: &Dir, name: &str) -> io::Result<cap_std::fs::File> {
    let mut options = OpenOptions::new();
    folder.open_with(name, options.write(true).create(true).truncate(true).mode(0o600))
}

fn is_own(user: u32) -> bool {
    nix::unistd::geteuid().as_raw() == user
}

#[cfg(test)]
mod tests;

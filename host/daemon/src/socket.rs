//! A socket to listen on: made where nobody listens, for one group, and removed when it is ours.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use tokio::net::{UnixListener, UnixStream};

/// Its user and its group may connect, and nobody else.
const MODE: u32 = 0o660;

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody listens there.
    #[error("{}: {what} is listening there already; stop it, or name another socket", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
        /// What somebody most likely is.
        what: &'static str,
    },
    /// Something else has that name.
    #[error("{}: that is no socket; remove it, or name another path", .0.display())]
    NotASocket(PathBuf),
    /// The system does not let us.
    #[error("{}: {error} ({})", path.display(), remedy(error))]
    Denied {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No place is known.
    #[error("no place for the socket is known; name one")]
    Nowhere,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "make its folder first",
        ErrorKind::PermissionDenied => "give this user the right to write its folder",
        ErrorKind::InvalidInput => "a socket's path has at most 107 bytes",
        _ => "name another path",
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, to tell it from one that somebody puts in its place.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Listens at the first place whose folder is there and may be written. `what` is what listens here, for
    /// messages.
    ///
    /// # Errors
    /// [`SocketError`], with the path and a remedy.
    pub async fn bind(
        places: &[PathBuf],
        group: Option<&str>,
        what: &'static str,
    ) -> Result<Self, SocketError> {
        let mut first = None;
        for path in places {
            match Self::bind_at(path, what).await {
                Err(SocketError::Denied { path, error })
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::PermissionDenied
                    ) =>
                {
                    first.get_or_insert(SocketError::Denied { path, error });
                }
                Err(error) => return Err(error),
                Ok(bound) => {
                    return match bound.give_to(group) {
                        Ok(()) => Ok(bound),
                        Err(error) => {
                            drop(bound);
                            Err(error)
                        }
                    };
                }
            }
        }
        Err(first.unwrap_or(SocketError::Nowhere))
    }

    async fn bind_at(path: &Path, what: &'static str) -> Result<Self, SocketError> {
        let denied = |error| SocketError::Denied { path: path.to_path_buf(), error };
        make_folder_at_home(path);
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NotASocket(path.to_path_buf()));
            }
            Ok(_) => match UnixStream::connect(path).await {
                // Nobody listens: whoever made it is gone.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    tracing::info!(socket = %path.display(), "removing a socket that nobody listens on");
                    fs::remove_file(path).map_err(denied)?;
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(denied(error));
                }
                // Connected, or so busy that it cannot be.
                Ok(_) | Err(_) => {
                    return Err(SocketError::Taken { path: path.to_path_buf(), what });
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(denied(error)),
        }
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            // Somebody else was quicker.
            ErrorKind::AddrInUse => SocketError::Taken { path: path.to_path_buf(), what },
            _ => denied(error),
        })?;
        let file = identity(path);
        Ok(Self { listener, path: path.to_path_buf(), file })
    }

    /// Lets a group connect. That the group is not there, or that we may not give it anything, is no
    /// error: our own user can connect all the same.
    fn give_to(&self, group: Option<&str>) -> Result<(), SocketError> {
        let denied = |error| SocketError::Denied { path: self.path.clone(), error };
        let id = group.and_then(|name| Group::from_name(name).ok().flatten()).map(|it| it.gid);
        if let Some(id) = id
            && let Err(error) = std::os::unix::fs::chown(&self.path, None, Some(id.as_raw()))
        {
            tracing::debug!(%error, group, "the socket stays with our own group");
        }
        // Last, since a change of the group may take rights away. Until now nobody but our own user could
        // connect, unless the umask is one that lets everybody write everything.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(MODE)).map_err(denied)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the system said; the next may be accepted all the same.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

/// Nobody listens any more, so the file goes, if it is still ours.
impl Drop for Socket {
    fn drop(&mut self) {
        if self.file.is_none() || identity(&self.path) != self.file {
            tracing::warn!(socket = %self.path.display(), "another socket has taken this place; it stays");
        } else if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(socket = %self.path.display(), %error, "the socket could not be removed");
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// DECNET makes its folder in a home directory itself, and no other.
fn make_folder_at_home(path: &Path) {
    let Some(folder) = path.parent().filter(|folder| folder.ends_with(".decnet")) else { return };
    if let Err(error) = fs::create_dir(folder)
        && error.kind() != ErrorKind::AlreadyExists
    {
        tracing::debug!(folder = %folder.display(), %error, "the folder cannot be made");
    }
}

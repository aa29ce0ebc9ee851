//! Files that an operator names, opened through capabilities: a path reaches what lies in its folder,
//! and a link that leads out of it is refused.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};

/// A path and what went wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), hint(error))]
pub struct FileError {
    /// The path as it was named.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

impl FileError {
    /// Whether there is no such file or folder.
    pub fn is_missing(&self) -> bool {
        self.error.kind() == io::ErrorKind::NotFound
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (check the path)",
        io::ErrorKind::PermissionDenied => {
            " (give this user read permission; a link that leads out of its folder is refused: name its target)"
        }
        _ => "",
    }
}

/// A named path: a file, or a folder with what it holds.
#[derive(Debug)]
pub enum Opened {
    /// A file.
    File(File),
    /// A folder.
    Directory(Dir),
}

/// Opens what the operator named.
///
/// # Errors
/// [`FileError`] with the path and a remedy.
pub fn open(path: &Path) -> Result<Opened, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    let Some(name) = path.file_name() else {
        // `/`, `.` or `..`: a folder that has no name in its parent.
        return Dir::open_ambient_dir(path, ambient_authority())
            .map(Opened::Directory)
            .map_err(fail);
    };
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Dir::open_ambient_dir(parent, ambient_authority()).map_err(fail)?;
    if folder.metadata(name).map_err(fail)?.is_dir() {
        return folder.open_dir(name).map(Opened::Directory).map_err(fail);
    }
    folder.open(name).map(Opened::File).map_err(fail)
}

/// The folder that the operator named.
///
/// # Errors
/// [`FileError`]; a file in its place is one too.
pub fn open_directory(path: &Path) -> Result<Dir, FileError> {
    match open(path)? {
        Opened::Directory(directory) => Ok(directory),
        Opened::File(_) => Err(FileError {
            path: path.to_path_buf(),
            error: io::Error::from(io::ErrorKind::NotADirectory),
        }),
    }
}

/// Makes the folder if need be and opens it.
///
/// # Errors
/// [`FileError`].
pub fn create_directory(path: &Path) -> Result<Dir, FileError> {
    Dir::create_ambient_dir_all(path, ambient_authority())
        .and_then(|()| Dir::open_ambient_dir(path, ambient_authority()))
        .map_err(|error| FileError { path: path.to_path_buf(), error })
}

/// Opens the folder; if it is not there, makes it for this user alone.
///
/// # Errors
/// [`FileError`].
pub fn create_private_directory(path: &Path) -> Result<Dir, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return open_directory(path);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = create_directory(parent)?;
    let mut builder = DirBuilder::new();
    match parent.create_dir_with(name, builder.mode(0o700)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => parent.open_dir(name).map_err(fail),
    }
}

/// The whole text of the file that the operator named.
///
/// # Errors
/// [`FileError`]; a folder in its place is one too.
pub fn read_to_string(path: &Path) -> Result<String, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    match open(path)? {
        Opened::Directory(_) => Err(fail(io::Error::from(io::ErrorKind::IsADirectory))),
        Opened::File(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(fail)?;
            Ok(text)
        }
    }
}

/// Opens a file that the operator named to write at its end; makes it if need be.
///
/// # Errors
/// [`FileError`].
pub fn append(path: &Path) -> Result<std::fs::File, FileError> {
    open_to_write(path, OpenOptions::new().append(true).create(true)).map(File::into_std)
}

/// Writes a file that is not there yet, for this user alone.
///
/// # Errors
/// [`FileError`]; a file that is there already stays as it is.
pub fn write_secret(path: &Path, text: &str) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    write(path, options.write(true).create_new(true).mode(0o600), text.as_bytes())
}

/// Writes a file, in place of what was there.
///
/// # Errors
/// [`FileError`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, OpenOptions::new().write(true).create(true).truncate(true), bytes)
}

fn write(path: &Path, options: &OpenOptions, bytes: &[u8]) -> Result<(), FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    open_to_write(path, options)?.write_all(bytes).map_err(fail)
}

fn open_to_write(path: &Path, options: &OpenOptions) -> Result<File, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    let name =
        path.file_name().ok_or_else(|| fail(io::Error::from(io::ErrorKind::IsADirectory)))?;
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Dir::open_ambient_dir(parent, ambient_authority()).map_err(fail)?;
    folder.open_with(name, options).map_err(fail)
}

/// All bytes of the file that the operator named, if they are no more than `bytes_max`.
///
/// # Errors
/// [`FileError`].
pub fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let fail = |error| FileError { path: path.to_path_buf(), error };
    let Opened::File(file) = open(path)? else {
        return Err(fail(io::Error::from(io::ErrorKind::IsADirectory)));
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > bytes_max {
        return Err(fail(io::Error::other(format!("more than {bytes_max} bytes"))));
    }
    Ok(bytes)
}

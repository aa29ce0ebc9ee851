//! Where things lie: the repository, and the executable that was built of it.

use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The executable, which cargo puts beside the folder that these tests are in. It belongs to another
/// package, so it has to be built first: `cargo xtask test` does.
pub(crate) fn executable() -> PathBuf {
    let folder = std::env::current_exe().unwrap();
    let executable = folder.ancestors().nth(2).unwrap().join("corral");
    assert!(
        executable.is_file(),
        "{}: not built yet (`cargo build --workspace` builds it)",
        executable.display()
    );
    executable
}

/// Where compiled components are kept for all tests, of which each would compile them otherwise.
pub(crate) const COMPILED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");

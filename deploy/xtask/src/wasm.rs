//! Finding a toolchain that compiles the standard library's users to wasm32-unknown-unknown.
//!
//! The target's components import the host's interfaces and nothing else, which is why it is not
//! one of the wasi targets. Not every machine has its standard library, so it is looked for, from
//! what is there to what has to be fetched:
//!
//! 1. the toolchain in use has the target installed;
//! 2. the system has a rustc with the standard library's sources, and cargo compiles them: on
//!    Debian as root the two packages are installed for that;
//! 3. elsewhere rustup adds the target;
//! 4. otherwise the error names both remedies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{needs, shell, tree};

/// What plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// Debian's compiler for its browsers, kept recent, and the sources that belong to it.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src"];

/// Settings meant for the host build, which would spoil this one.
const FOREIGN_VARIABLES: &[&str] =
    &["CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"];

/// A way to compile for [`TARGET`].
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The toolchain in use has the target.
    Installed,
    /// Another rustc, whose standard library cargo compiles first.
    FromSource {
        /// That rustc.
        rustc: PathBuf,
        /// A linker for wasm.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, or fetches one, or says what to do.
    pub(crate) fn find() -> Result<Self> {
        if let Some(found) = installed().or_else(from_source) {
            return Ok(found);
        }
        if needs::debian_as_root() {
            needs::install(DEBIAN_PACKAGES).context(remedies())?;
            return from_source().with_context(remedies);
        }
        if shell::works(Command::new("rustup").arg("--version")) {
            println!("adding the target {TARGET} to your toolchain: rustup target add {TARGET}");
            shell::run(Command::new("rustup").args(["target", "add", TARGET]))
                .with_context(remedies)?;
        }
        installed().with_context(remedies)
    }

    /// `cargo build --release` for the target, in a workspace, into a build directory of its own.
    pub(crate) fn cargo_build(&self, workspace: &Path, target_dir: &Path) -> Command {
        let mut command = tree::cargo();
        command.current_dir(workspace).env("CARGO_TARGET_DIR", target_dir);
        for variable in FOREIGN_VARIABLES {
            command.env_remove(variable);
        }
        command.args(["build", "--release", "--target", TARGET]);
        if let Self::FromSource { rustc, linker } = self {
            // The libraries of cargo's own toolchain are not those of this rustc.
            command.env_remove("LD_LIBRARY_PATH");
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// 1. The path is printed even where nothing lies there, so what counts is the library in it.
fn installed() -> Option<Toolchain> {
    let mut ask = tree::rustc();
    let path = shell::read(ask.args(["--print", "target-libdir", "--target", TARGET])).ok()?;
    let mut files = std::fs::read_dir(path.trim()).ok()?.flatten();
    files
        .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
        .then_some(Toolchain::Installed)
}

/// 2. The system's rustc, if it is recent enough and has its sources beside it.
fn from_source() -> Option<Toolchain> {
    let rustc = PathBuf::from(SYSTEM_RUSTC);
    let version = shell::read(Command::new(&rustc).arg("--version")).ok()?;
    let recent = release(version.split_whitespace().nth(1)?)? >= release(needed())?;
    let sysroot = sysroot(&mut Command::new(&rustc))?;
    let sources = sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !recent || !sources.exists() {
        return None;
    }
    Some(Toolchain::FromSource { linker: linker(&sysroot)?, rustc })
}

/// The linker that comes with either toolchain, or one on the path.
fn linker(system: &Path) -> Option<PathBuf> {
    let host = shell::read(tree::rustc().arg("-vV")).ok()?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
    let sysroots = [sysroot(&mut tree::rustc()), Some(system.to_path_buf())];
    let bundled = sysroots.into_iter().flatten();
    let mut bundled = bundled.map(|root| root.join("lib/rustlib").join(&host).join("bin/rust-lld"));
    bundled.find(|path| path.exists()).or_else(|| {
        shell::works(Command::new("wasm-ld").arg("--version")).then(|| "wasm-ld".into())
    })
}

fn sysroot(rustc: &mut Command) -> Option<PathBuf> {
    let path = shell::read(rustc.args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(path.trim()))
}

/// The oldest release that compiles this tree: the workspace's `rust-version`.
fn needed() -> &'static str {
    env!("CARGO_PKG_RUST_VERSION")
}

/// The first two numbers of a version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn remedies() -> String {
    format!(
        "no standard library for {TARGET}: either run `rustup target add {TARGET}`, \
         or on Debian `apt-get install {}` with rustc {} or later",
        DEBIAN_PACKAGES.join(" "),
        needed()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_as_numbers() {
        assert_eq!(release("1.96.0"), Some((1, 96)));
        assert!(release("1.100.0-nightly") > release("1.95"));
        assert_eq!(release("unknown"), None);
    }

    #[test]
    fn the_error_names_both_remedies() {
        let text = remedies();
        assert!(text.contains("rustup target add wasm32-unknown-unknown"));
        assert!(text.contains("apt-get install rustc-web rust-web-src"));
    }
}

//! Where things are: the source tree, the build directory, and cargo itself.
//!
//! Every cargo call starts here, so that all of them agree on the build directory and on where the
//! components lie. Calls on the host's workspace have to say `--workspace`: with fewer packages
//! selected cargo unifies other features, and compiles the wasm engine a second time for them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, TargetKind};

/// The workspace of the shipped plugins, below the root.
pub(crate) const PLUGINS: &str = "plugins";
/// The workspace of the guests that tests drive, below the root.
pub(crate) const GUESTS: &str = "tests/guests";

/// The source tree and its build directory.
pub(crate) struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// The tree that this xtask was started from.
    pub(crate) fn find() -> Result<Self> {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .ancestors()
            .nth(2)
            .context("the xtask does not lie two directories below the root")?
            .to_path_buf();
        let target = metadata(&root, &["--no-deps"])?.target_directory.into();
        Ok(Self { root, target })
    }

    /// The directory of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a workspace below the root, if it exists already.
    pub(crate) fn workspace(&self, below: &str) -> Option<PathBuf> {
        let dir = self.root.join(below);
        dir.join("Cargo.toml").is_file().then_some(dir)
    }

    /// The host's workspace, and those of the others that exist already.
    pub(crate) fn workspaces(&self, others: &[&str]) -> Vec<PathBuf> {
        let others = others.iter().filter_map(|below| self.workspace(below));
        std::iter::once(self.root.clone()).chain(others).collect()
    }

    /// Cargo's directory for everything that is compiled to wasm.
    pub(crate) fn wasm(&self) -> PathBuf {
        self.target.join("wasm")
    }

    /// The components that the daemon embeds.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// The components that only tests load.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Where the crate is written that `corral plugin new` would write.
    pub(crate) fn newcomer(&self) -> PathBuf {
        self.target.join("newcomer")
    }

    /// Cargo in a workspace, building for this machine.
    pub(crate) fn cargo(&self, workspace: &Path) -> Command {
        let mut command = cargo();
        command
            .current_dir(workspace)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CORRAL_COMPONENTS", self.components())
            .env("CORRAL_GUESTS", self.guests());
        command
    }

    /// The names of the host's targets of one kind.
    pub(crate) fn targets(&self, kind: &TargetKind) -> Result<Vec<String>> {
        let metadata = metadata(&self.root, &["--no-deps"])?;
        let packages = metadata.packages.iter();
        let targets = packages.flat_map(|package| &package.targets);
        Ok(targets.filter(|t| t.kind.contains(kind)).map(|t| t.name.clone()).collect())
    }
}

/// Cargo, the same one that started this xtask.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The compiler that cargo uses.
pub(crate) fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// What cargo knows of a workspace.
pub(crate) fn metadata(workspace: &Path, options: &[&str]) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(workspace.join("Cargo.toml"))
        .other_options(options.iter().map(ToString::to_string).collect::<Vec<_>>())
        .exec()
        .with_context(|| format!("failed to read the workspace {}", workspace.display()))
}

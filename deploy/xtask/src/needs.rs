//! What a check needs from the machine, and where it comes from.
//!
//! As root on Debian a missing package is installed. Everywhere else nothing is touched: the check
//! reports `not run: … install X`, which is an error where CI is set and a remark where it is not.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{shell, tree};

/// A program that some checks need and that a machine may lack.
pub(crate) struct Need {
    /// What to install, for people.
    pub(crate) remedy: &'static str,
    /// A command that works if it is there. A first word `cargo` is the cargo that runs this xtask.
    pub(crate) probe: &'static [&'static str],
    /// The Debian packages that bring it; none if Debian's would not fit the toolchain in use.
    pub(crate) debian: &'static [&'static str],
}

pub(crate) const RUSTFMT: Need = Need {
    remedy: "rustfmt (rustup component add rustfmt)",
    probe: &["cargo", "fmt", "--version"],
    debian: &[],
};

pub(crate) const CLIPPY: Need = Need {
    remedy: "clippy (rustup component add clippy)",
    probe: &["cargo", "clippy", "--version"],
    debian: &[],
};

pub(crate) const VALGRIND: Need =
    Need { remedy: "valgrind", probe: &["valgrind", "--version"], debian: &["valgrind"] };

/// Servers that tests start for themselves. A test without one says so, so a stage does not need them.
pub(crate) const SERVERS: [Need; 2] = [
    Need {
        remedy: "mariadb-server",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin mariadbd --version"],
        debian: &["mariadb-server"],
    },
    Need {
        remedy: "postgresql",
        probe: &["sh", "-c", "command -v postgres || ls /usr/lib/postgresql/*/bin/postgres"],
        debian: &["postgresql"],
    },
];

impl Need {
    /// Whether the program is there, after installing it where that is allowed.
    pub(crate) fn is_met(&self) -> bool {
        if self.is_there() {
            return true;
        }
        let installed = !self.debian.is_empty() && debian_as_root() && install(self.debian).is_ok();
        installed && self.is_there()
    }

    fn is_there(&self) -> bool {
        let Some((program, words)) = self.probe.split_first() else { return true };
        let mut command = if *program == "cargo" { tree::cargo() } else { Command::new(program) };
        shell::works(command.args(words))
    }
}

/// Whether packages may be installed here: Debian (or a child of it), and this process is root.
pub(crate) fn debian_as_root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    root && Path::new("/etc/debian_version").exists()
        && shell::works(Command::new("apt-get").arg("--version"))
}

/// Installs Debian packages, newest first: without fresh lists an old release may be the candidate.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    println!("installing {} (Debian, as root)", packages.join(" "));
    shell::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(command.args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_that_is_there_is_met_and_one_that_is_not_is_not() {
        let there = Need { remedy: "sh", probe: &["sh", "-c", "true"], debian: &[] };
        let absent = Need { remedy: "nothing", probe: &["corral-has-no-such-tool"], debian: &[] };
        assert!(there.is_met());
        assert!(!absent.is_met());
    }
}

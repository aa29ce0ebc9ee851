//! A desk: a throwaway folder with logs and a database, and the real executable at hand.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::tree;

/// A folder with a database in it, and the executable pointed at that.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A desk whose database holds the generated logs of a small population.
    pub(crate) fn with_logs() -> Self {
        let desk = Self::new();
        desk.generate(120);
        desk.succeed(&["ingest", "cowrie", "logs"]);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn generate(&self, attackers: u32) {
        self.succeed(&["generate", "logs", "--seed", "7", "--attackers", &attackers.to_string()]);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tree::executable());
        command.current_dir(self.folder.path()).args(["--quiet", "--db", "sqlite://corral.db"]);
        command.args(arguments).stdin(Stdio::null());
        // The machine's own settings stay out of it.
        for (name, _) in std::env::vars_os() {
            if ["CORRAL_", "DECNET_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.env("CORRAL_CONFIG", "/dev/null").env("CORRAL_PLUGINS_CACHE", tree::COMPILED);
        command.env("CORRAL_SERVE_SOCKET", self.path("corral.sock"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that has to succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        serde_json::from_str(&self.succeed(&all)).unwrap()
    }

    /// Standard error of a command that has to fail with `code`.
    pub(crate) fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        error
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

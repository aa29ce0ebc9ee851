//! `cargo xtask demo`: the whole way on made-up logs, each step as a user would type it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tree::Tree;
use crate::{build, shell, usage};

/// The demo's logs are made from this seed, so that everybody sees the same.
const SEED: &str = "7";

/// Where the demo works, and whether that stays.
#[derive(Debug, PartialEq)]
pub(crate) enum Options {
    /// In a temporary directory, removed at the end.
    Throwaway,
    /// In a temporary directory that stays.
    Keep,
    /// In this directory.
    KeepIn(PathBuf),
}

impl Options {
    /// Reads `--keep` and its directory.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Ok(Self::Throwaway),
            ["--keep"] => Ok(Self::Keep),
            ["--keep", dir] if !dir.starts_with('-') => Ok(Self::KeepIn(PathBuf::from(dir))),
            other => Err(usage(format!("demo knows only --keep [DIR], not {:?}", other.join(" ")))),
        }
    }
}

/// The command.
pub(crate) fn run(tree: &Tree, options: &Options) -> Result<ExitCode> {
    let corral = build::corral(tree)?;
    let mut temporary;
    let dir = match options {
        Options::KeepIn(dir) => std::path::absolute(dir)?,
        Options::Throwaway | Options::Keep => {
            temporary = tempfile::Builder::new().prefix("corral-demo-").tempdir()?;
            temporary.disable_cleanup(*options == Options::Keep);
            temporary.path().to_path_buf()
        }
    };
    std::fs::create_dir_all(&dir)
        .with_context(|| format!("failed to make the directory {}", dir.display()))?;

    let demo = Demo { corral, dir };
    demo.play()?;
    demo.say_goodbye(options);
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    corral: PathBuf,
    dir: PathBuf,
}

impl Demo {
    fn play(&self) -> Result<()> {
        let logs = self.logs();
        self.step(Command::new(&self.corral).arg("generate").arg(&logs).args(["--seed", SEED]))?;
        self.step(self.with_database().args(["ingest", "cowrie"]).arg(&logs))?;
        self.step(self.with_database().arg("run"))?;
        self.step(self.with_database().arg("report"))?;
        match self.example()? {
            Some((a, b)) => self.step(self.with_database().args(["why", &a, &b])),
            None => Ok(()),
        }
    }

    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn with_database(&self) -> Command {
        let mut command = Command::new(&self.corral);
        command.arg("--db").arg(database(&self.dir));
        command
    }

    fn step(&self, command: &mut Command) -> Result<()> {
        println!();
        shell::echo(command);
        shell::run(command)
    }

    /// Two addresses that the report thinks worth explaining.
    fn example(&self) -> Result<Option<(String, String)>> {
        let report = shell::read(self.with_database().args(["report", "--json"]))?;
        let report = serde_json::from_str(&report).context("the JSON report is not JSON")?;
        Ok(pair(&report))
    }

    fn say_goodbye(&self, options: &Options) {
        let corral = self.corral.display();
        println!();
        match options {
            Options::Throwaway => {
                println!("This demo's files go now; `cargo xtask demo --keep DIR` keeps them.");
            }
            Options::Keep | Options::KeepIn(_) => {
                println!("This demo's logs and database are in {}.", self.dir.display());
            }
        }
        println!("Next, with logs of your own:\n");
        for line in ["ingest cowrie /var/log/cowrie", "run", "report", "why ADDRESS ADDRESS"] {
            println!("  {corral} {line}");
        }
        println!("\n`{corral} --help` lists the rest.");
    }
}

fn database(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("corral.db").display())
}

/// The report's `example`: two addresses of one identity.
fn pair(report: &Value) -> Option<(String, String)> {
    let example = report.get("example")?;
    let address = |name| example.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((address("a")?, address("b")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_may_name_a_directory() {
        let parse = |line: &str| {
            Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(parse("").unwrap(), Options::Throwaway);
        assert_eq!(parse("--keep").unwrap(), Options::Keep);
        assert_eq!(parse("--keep here").unwrap(), Options::KeepIn("here".into()));
        assert!(parse("here").is_err());
        assert!(parse("--keep --keep").is_err());
    }

    #[test]
    fn a_report_without_an_example_explains_nothing() {
        let full = serde_json::json!({"example": {"a": "192.0.2.1", "b": "192.0.2.2"}});
        assert_eq!(pair(&full), Some(("192.0.2.1".into(), "192.0.2.2".into())));
        assert_eq!(pair(&serde_json::json!({"example": null})), None);
        assert_eq!(pair(&serde_json::json!({})), None);
    }

    #[test]
    fn the_database_url_holds_an_absolute_path() {
        assert_eq!(database(Path::new("/tmp/d")), "sqlite:///tmp/d/corral.db");
    }
}

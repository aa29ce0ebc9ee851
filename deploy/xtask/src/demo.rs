//! `cargo xtask demo`: the whole way, each step as a user would type it: on made-up logs whose story is
//! known, then on real ones.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tree::Tree;
use crate::{build, shell, usage};

/// The demo's logs are made from this seed, so that everybody sees the same.
const SEED: &str = "7";

/// Real logs of a site with three honeypots; the SOURCE file beside them says whose.
const REAL: &str = "deploy/demo/uqo_2025";
/// The formats of these, each in a file of its name.
const REAL_FORMATS: [&str; 3] = ["heralding", "dionaea", "honeytrap"];

/// The databases of the two parts.
const MADE_UP: &str = "made-up";
const REAL_SITE: &str = "real-site";

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
    println!("\nFirst, logs of a Cowrie whose story is known (truth.csv beside them tells it).");
    demo.made_up()?;
    println!("\nThen two months of a real site: Heralding, Dionaea and Honeytrap.");
    demo.real(&tree.root().join(REAL))?;
    demo.say_goodbye(options);
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    corral: PathBuf,
    dir: PathBuf,
}

impl Demo {
    fn made_up(&self) -> Result<()> {
        let logs = self.dir.join("logs");
        self.step(Command::new(&self.corral).arg("generate").arg(&logs).args(["--seed", SEED]))?;
        self.step(self.with_database(MADE_UP).args(["ingest", "cowrie"]).arg(&logs))?;
        self.correlate(MADE_UP)
    }

    fn real(&self, logs: &Path) -> Result<()> {
        for format in REAL_FORMATS {
            let log = logs.join(format).with_extension("json.gz");
            self.step(self.with_database(REAL_SITE).args(["ingest", format]).arg(log))?;
        }
        self.correlate(REAL_SITE)
    }

    fn correlate(&self, database: &str) -> Result<()> {
        self.step(self.with_database(database).arg("run"))?;
        self.step(self.with_database(database).arg("report"))?;
        let report = shell::read(self.with_database(database).args(["report", "--json"]))?;
        let report = serde_json::from_str(&report).context("the JSON report is not JSON")?;
        for (a, b) in examples(&report) {
            self.step(self.with_database(database).args(["why", &a, &b]))?;
        }
        Ok(())
    }

    fn with_database(&self, name: &str) -> Command {
        let mut command = Command::new(&self.corral);
        command.arg("--db").arg(database(&self.dir, name));
        command
    }

    fn step(&self, command: &mut Command) -> Result<()> {
        println!();
        shell::echo(command);
        shell::run(command)
    }

    fn say_goodbye(&self, options: &Options) {
        let corral = self.corral.display();
        println!();
        match options {
            Options::Throwaway => {
                println!("This demo's files go now; `cargo xtask demo --keep DIR` keeps them.");
            }
            Options::Keep | Options::KeepIn(_) => {
                println!("This demo's logs and databases are in {}.", self.dir.display());
            }
        }
        println!("Next, with logs of your own:\n");
        for line in ["ingest cowrie /var/log/cowrie", "run", "report", "why ADDRESS ADDRESS"] {
            println!("  {corral} {line}");
        }
        println!("\n`{corral} --help` lists the rest.");
    }
}

fn database(dir: &Path, name: &str) -> String {
    format!("sqlite://{}", dir.join(name).with_extension("db").display())
}

/// What the report thinks worth explaining: two addresses of one identity, and two of one campaign.
fn examples(report: &Value) -> Vec<(String, String)> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let pair =
        |value: &Value, a: &str, b: &str| Some((text(value.pointer(a))?, text(value.pointer(b))?));
    [
        pair(report, "/example/a", "/example/b"),
        pair(report, "/campaigns/largest/0/example/0", "/campaigns/largest/0/example/1"),
    ]
    .into_iter()
    .flatten()
    .collect()
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
    fn a_report_without_examples_explains_nothing() {
        let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let full = serde_json::json!({
            "example": {"a": "192.0.2.1", "b": "192.0.2.2"},
            "campaigns": {"largest": [{"example": null}, {"example": ["192.0.2.8", "192.0.2.9"]}]},
        });
        assert_eq!(examples(&full), [text("192.0.2.1", "192.0.2.2")]);
        let campaign = serde_json::json!({
            "example": null,
            "campaigns": {"largest": [{"example": ["192.0.2.8", "192.0.2.9"]}]},
        });
        assert_eq!(examples(&campaign), [text("192.0.2.8", "192.0.2.9")]);
        assert_eq!(examples(&serde_json::json!({})), []);
    }

    #[test]
    fn the_database_url_holds_an_absolute_path() {
        assert_eq!(database(Path::new("/tmp/d"), "real"), "sqlite:///tmp/d/real.db");
    }
}

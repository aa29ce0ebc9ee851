//! Checks kernels and correlators against answers recorded from DECNET: `cargo xtask golden DIR`.
//!
//! Each file of the folder is a family; a family prints `NAME: N passed, N failed`. One that is not
//! built yet prints `NAME: not supported` and fails the command, unless `--only` leaves it out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and scripts")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

mod attribution;
mod campaign;
mod fixtures;
mod identity;
mod ticks;

/// Cases of one family: passed and failed.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Counts one case; the first few failures are told.
    fn count(&mut self, case: &str, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                if self.failed <= 5 {
                    eprintln!("  {case}: {error:#}");
                }
            }
        }
    }
}

/// How a family is checked.
type Check = fn(&Path) -> Result<Tally>;

/// The families that are built.
const FAMILIES: &[(&str, Check)] = &[
    ("aggregate", attribution::aggregate),
    ("cluster_observations", identity::cluster_observations),
    ("observation_pair_weights", identity::observation_pair_weights),
    ("cluster_identities", campaign::cluster_identities),
    ("identity_pair_weights", campaign::identity_pair_weights),
    ("fixtures", fixtures::fixtures),
    ("ticks_identity", ticks::identity::ticks_identity),
    ("ticks_campaign", ticks::campaign::ticks_campaign),
    ("attribution", ticks::attribution::attribution),
    ("credential_reuse", ticks::reuse::credential_reuse),
    ("db_empty_alembic", ticks::populated::empty),
    ("db_populated_before_ticks", ticks::populated::populated),
];

/// Files that others are compared with.
const ANSWERS: [&str; 2] = ["db_populated_after_ticks", "db_tick_results"];

fn main() -> Result<ExitCode> {
    let (folder, only) = arguments()?;
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        if !["FORMAT.md", "bus"].contains(&file.as_str())
            && !ANSWERS.contains(&name.as_str())
            && only.as_ref().is_none_or(|only| only.contains(&name))
        {
            names.push((name, path));
        }
    }
    names.sort();
    let found = |name: &String| names.iter().any(|(found, _)| found == name);
    if let Some(missing) = only.iter().flatten().find(|name| !found(name)) {
        bail!("{} holds no family '{missing}'", folder.display());
    }
    if names.is_empty() {
        bail!("{} holds no golden file", folder.display());
    }
    let mut good = true;
    for (name, path) in &names {
        let Some((_, check)) = FAMILIES.iter().find(|(family, _)| family == name) else {
            println!("{name}: not supported");
            good = false;
            continue;
        };
        let Tally { passed, failed } =
            check(path).with_context(|| format!("check {}", path.display()))?;
        println!("{name}: {passed} passed, {failed} failed");
        good &= failed == 0 && passed > 0;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn arguments() -> Result<(PathBuf, Option<Vec<String>>)> {
    let usage = "usage: golden DIR [--only NAME,…]";
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context(usage)?;
    let only = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => None,
        (Some("--only"), Some(names), None) => Some(names.split(',').map(str::to_owned).collect()),
        _ => bail!(usage),
    };
    Ok((folder.into(), only))
}

/// The cases of a `.jsonl.gz` file, one a line.
fn cases<T: DeserializeOwned>(path: &Path) -> Result<impl Iterator<Item = Result<T>>> {
    let lines = BufReader::new(GzDecoder::new(File::open(path)?)).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

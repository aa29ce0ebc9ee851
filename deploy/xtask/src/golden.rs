//! `cargo xtask golden`: replays recorded cases against this tree's kernels.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use cargo_metadata::TargetKind;

use crate::tree::Tree;
use crate::{build, plugins, shell, usage};

/// The name of the test target, which has a `main` of its own.
pub(crate) const TARGET: &str = "golden";

/// The command: the runner's exit code is its own.
pub(crate) fn run(tree: &Tree, words: &[String]) -> Result<ExitCode> {
    let (dir, options) = parse(words)?;
    if !dir.is_dir() {
        bail!("{} is not a directory", dir.display());
    }
    plugins::build(tree)?;
    shell::pass_through(runner(tree, &dir)?.args(options))
}

/// The golden runner, built, on a directory of cases.
pub(crate) fn runner(tree: &Tree, dir: &Path) -> Result<Command> {
    let mut command = Command::new(build::executable(tree, &TargetKind::Test, TARGET)?);
    command.arg(dir);
    Ok(command)
}

/// A directory, and `--only` with its names if it is there.
fn parse(words: &[String]) -> Result<(PathBuf, Vec<String>)> {
    let (mut dir, mut options) = (None, Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--only" => {
                let names = rest.next().ok_or_else(|| usage("--only needs names"))?;
                options.extend([word.clone(), names.clone()]);
            }
            option if option.starts_with('-') => {
                return Err(usage(format!("golden has no option {option:?}")));
            }
            _ if dir.is_none() => dir = Some(PathBuf::from(word)),
            other => return Err(usage(format!("golden takes one directory, not also {other:?}"))),
        }
    }
    let dir = dir.ok_or_else(|| usage("golden needs the directory of the cases"))?;
    Ok((dir, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_goes_to_the_runner_wherever_it_stands() {
        let wanted = (PathBuf::from("cases"), words("--only a,b"));
        assert_eq!(parse(&words("cases --only a,b")).unwrap(), wanted);
        assert_eq!(parse(&words("--only a,b cases")).unwrap(), wanted);
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_refused() {
        for line in ["", "--only", "a b", "a --fast"] {
            assert!(parse(&words(line)).is_err(), "{line:?}");
        }
    }
}

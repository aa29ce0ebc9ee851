//! Every dependency stands once, in a workspace's root manifest, with the reason it is there.
//!
//! A comment is not data to a TOML parser, so the manifests are read as lines. The reason is a
//! comment at the end of the entry; crates of this tree need none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tree::{self, Tree};

/// What is wrong with the manifests, one sentence each.
pub(crate) fn problems(tree: &Tree) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for workspace in tree.workspaces(&[tree::PLUGINS, tree::GUESTS]) {
        let root = workspace.join("Cargo.toml");
        for name in without_reason(&read(&root)?) {
            problems.push(format!(
                "{}: {name} has no reason: end its line with a comment that says why it is here",
                shown(tree, &root)
            ));
        }
        for member in tree::metadata(&workspace, &["--no-deps"])?.packages {
            let manifest = PathBuf::from(member.manifest_path);
            for name in declared_here(&read(&manifest)?) {
                problems.push(format!(
                    "{}: {name} has a version here: declare it in the root manifest, with its \
                     reason, and say `{name}.workspace = true`",
                    shown(tree, &manifest)
                ));
            }
        }
    }
    Ok(problems)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

fn shown(tree: &Tree, path: &Path) -> String {
    path.strip_prefix(tree.root()).unwrap_or(path).display().to_string()
}

/// The entries of a manifest: the table they stand in, their first word, and all their text.
fn entries(manifest: &str) -> Vec<(&str, &str, String)> {
    let (mut table, mut found) = ("", Vec::<(&str, &str, String)>::new());
    for line in manifest.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') && !line.starts_with(' ') {
            table = trimmed;
        } else if let Some((key, _)) = line.split_once('=')
            && line.starts_with(|c: char| c.is_alphanumeric() || c == '"')
        {
            found.push((table, key.trim(), trimmed.to_owned()));
        } else if let Some((_, _, text)) = found.last_mut().filter(|_| line.starts_with([' ', ']']))
        {
            text.push_str(trimmed);
        }
    }
    found
}

/// Workspace dependencies whose entry carries no comment.
fn without_reason(manifest: &str) -> Vec<String> {
    let entries = entries(manifest).into_iter();
    let dependencies = entries.filter(|(table, ..)| *table == "[workspace.dependencies]");
    let bare = dependencies.filter(|(_, _, text)| !text.contains('#') && !text.contains("path ="));
    bare.map(|(_, key, _)| key.to_owned()).collect()
}

/// Dependencies of a member that name a version themselves.
fn declared_here(manifest: &str) -> Vec<String> {
    let entries = entries(manifest).into_iter();
    let dependencies = entries
        .filter(|(table, ..)| table.ends_with("dependencies]") && !table.starts_with("[workspace"));
    let own = dependencies.filter(|(_, key, text)| {
        !key.ends_with(".workspace")
            && !text.contains("workspace = true")
            && !text.contains("path =")
    });
    own.map(|(_, key, _)| key.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_dependency_needs_a_comment() {
        let manifest = "\
[workspace]
members = [
  \"a\",
]
[workspace.dependencies]
own = { path = \"own\" }
good = \"1\" # because
# a heading is no reason
bare = \"1\"
long = { version = \"1\", features = [
  \"x\",
] } # because
long-and-bare = { version = \"1\", features = [
  \"x\",
] }
[profile.dev]
opt-level = 2
";
        assert_eq!(without_reason(manifest), ["bare", "long-and-bare"]);
    }

    #[test]
    fn a_member_takes_its_dependencies_from_the_workspace() {
        let manifest = "\
[package]
name = \"a\"
[dependencies]
one.workspace = true
two = { workspace = true, features = [\"x\"] }
three = \"1\"
[dev-dependencies]
four = { version = \"1\" }
near = { path = \"../near\" }
";
        assert_eq!(declared_here(manifest), ["three", "four"]);
    }
}

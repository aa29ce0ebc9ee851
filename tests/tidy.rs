//! The rules of this tree that a machine can check, each with its reason.
//!
//! A failing test prints the rule and every place that breaks it. Clippy checks what clippy can;
//! here stands what it cannot: names, sizes, who may know whom, and what must not be forgotten.

mod layers;
mod source;

use std::fmt::Display;
use std::path::Path;

use sha2::{Digest, Sha256};

use self::source::{Source, Tree};

/// A file longer than this, tests aside, has two subjects.
const LINES_MAX: usize = 500;

/// Names that say nothing: whatever lands there has a better place.
const BUCKETS: &[&str] =
    &["utils", "util", "common", "types", "helpers", "errors", "imp", "misc", "mod"];

/// What attackers type names paths of their own machines.
const ATTACKERS_WORDS: &[&str] = &["host/daemon/src/generate"];

/// Directories of one machine, in two pieces so that this file does not break the rule.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("../sha", "red"),
];

/// Below tests/: programs and a workspace of their own.
const NOT_IN_THE_BINARY: &[&str] =
    &["tests/golden.rs", "tests/golden/", "tests/bench/", "tests/guests/"];

/// Fails with the rule and the places that break it.
#[track_caller]
fn hold(rule: &str, offenders: impl IntoIterator<Item: Display>) {
    let offenders: Vec<String> = offenders.into_iter().map(|one| format!("  {one}")).collect();
    assert!(offenders.is_empty(), "\n{rule}\n{}\n", offenders.join("\n"));
}

/// The places of those files that a rule does not like.
fn places<'a>(
    files: impl Iterator<Item = &'a Source>,
    dislikes: fn(&Source) -> bool,
) -> Vec<String> {
    files.filter(|file| dislikes(file)).map(|file| file.path.clone()).collect()
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let tree = Tree::read().unwrap();
    let silent = places(tree.rust(), |file| !file.text.starts_with("//! "));
    hold("A Rust file opens with `//!`: what it is for, and what it is not.", silent);
}

#[test]
fn no_file_has_two_subjects() {
    let tree = Tree::read().unwrap();
    let lines = tree.rust().map(|file| (file.without_tests().lines().count(), &file.path));
    let long = lines.filter(|(lines, _)| *lines > LINES_MAX);
    hold(
        "A file has at most 500 lines, tests aside: split it by subject.",
        long.map(|(lines, path)| format!("{path}: {lines} lines")),
    );
}

#[test]
fn no_name_is_a_bucket() {
    let tree = Tree::read().unwrap();
    let mut buckets = Vec::new();
    for file in tree.rust() {
        let names = Path::new(&file.path).with_extension("");
        let declared = file.inline_modules();
        let names = names
            .iter()
            .filter_map(|name| name.to_str())
            .chain(declared.iter().map(String::as_str));
        buckets.extend(
            names
                .filter(|name| BUCKETS.contains(name))
                .map(|name| format!("{}: {name}", file.path)),
        );
    }
    hold("A module is named after its one concept, and its file is never mod.rs.", buckets);
}

#[test]
fn modules_of_the_daemon_know_only_what_lies_below_them() {
    let tree = Tree::read().unwrap();
    hold(layers::RULE, tree.daemon().flat_map(layers::violations));
}

#[test]
fn what_belongs_to_one_module_stays_there() {
    let tree = Tree::read().unwrap();
    let rules = layers::RESERVED.iter();
    let broken = rules.flat_map(|rule| tree.daemon().filter_map(|file| rule.broken_by(file)));
    hold("What belongs to one module of the daemon stays there.", broken);
}

#[test]
fn no_lint_is_allowed_away() {
    let tree = Tree::read().unwrap();
    let silenced = places(tree.rust(), |file| {
        file.code.contains("#[allow(") || file.code.contains("#![allow(")
    });
    hold(
        "Write `#[expect(lint, reason = \"…\")]`: it says why, and it says when it is over.",
        silenced,
    );
}

#[test]
fn the_contract_does_not_change_in_silence() {
    let tree = Tree::read().unwrap();
    let mut hash = Sha256::new();
    for file in tree.files.iter().filter(|file| file.path.starts_with("wit/")) {
        hash.update(&file.text);
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("wit sha256: {digest}");
    let changelog = tree.files.iter().find(|file| file.path == "CHANGELOG.md");
    let section = changelog.map_or("", |file| file.section(env!("CARGO_PKG_VERSION")));
    let noted = section.lines().any(|one| one.trim_start_matches(['-', '*', ' ']) == line);
    hold(
        "Plugin authors learn from CHANGELOG.md what changed in wit/. Describe the change under this \
         version's heading there, and put this line at its end:",
        (!noted).then_some(line),
    );
}

#[test]
fn no_test_file_is_forgotten() {
    let tree = Tree::read().unwrap();
    let files = tree.rust().map(|file| &file.path).filter(|path| path.starts_with("tests/"));
    let ours = files.filter(|path| !NOT_IN_THE_BINARY.iter().any(|other| path.starts_with(other)));
    let forgotten = ours.filter(|path| *path != "tests/main.rs" && !tree.declares(path));
    hold(
        "A file below tests/ runs only if tests/main.rs, or the file above it, says `mod …;`.",
        forgotten,
    );
}

#[test]
fn the_tree_names_no_machine() {
    let tree = Tree::read().unwrap();
    let mut named = Vec::new();
    for file in
        tree.files.iter().filter(|file| !ATTACKERS_WORDS.iter().any(|w| file.path.starts_with(w)))
    {
        let lines = file.text.lines().enumerate();
        let found = lines.filter(|(_, line)| MACHINE_PATHS.iter().any(|path| line.contains(path)));
        named.extend(
            found.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())),
        );
    }
    hold("No file names a directory that exists only on somebody's machine.", named);
}

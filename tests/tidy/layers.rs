//! Who may know whom in the daemon: a table of rows, and the words that belong to one module.

use super::source::Source;

pub(super) const RULE: &str = "A module of the daemon knows modules of lower rows only, never one of its own row. The rows \
     stand in tests/tidy/layers.rs; a new module belongs there.";

/// Lowest first. The kernels' crate has a row of its own, named as code names it.
const ROWS: &[&[&str]] = &[
    &["clock"],
    &["ids", "files", "shell", "notify", "socket"],
    &["config"],
    &["corral_kernels"],
    &["pool", "store", "bus"],
    &["plugin"],
    &[
        "supervise",
        "certificate",
        "conformance",
        "ingest",
        "report",
        "export",
        "evaluate",
        "generate",
    ],
    &["serve"],
    &["cli"],
    &["main"],
];

/// The crate's root only lists the modules.
const ROOT: &str = "lib";

/// Words that only some modules may say.
pub(super) struct Reserved {
    words: &'static [&'static str],
    modules: &'static [&'static str],
    rule: &'static str,
}

pub(super) const RESERVED: &[Reserved] = &[
    Reserved {
        words: &["wasmtime"],
        modules: &["plugin"],
        rule: "Only plugin knows wasmtime: everyone else deals in frames, changes and problems.",
    },
    Reserved {
        words: &["sqlx"],
        modules: &["store"],
        rule: "Only store knows sqlx: nobody else may care which database it is.",
    },
    Reserved {
        words: &["rayon"],
        modules: &["pool"],
        rule: "Only pool.rs knows rayon and tokio at once: blocking one in the other is a deadlock.",
    },
    Reserved {
        words: &["println!", "eprintln!", "print!", "eprint!", "anstream"],
        modules: &["cli", "main"],
        rule: "Only cli and main print: the rest reports through values and Progress.",
    },
    Reserved {
        words: &["std::env"],
        modules: &["config"],
        rule: "Only config.rs reads the environment: a setting has one place where it comes in.",
    },
    Reserved {
        words: &["SystemTime::now", "Instant::now"],
        modules: &["clock"],
        rule: "Only clock.rs reads a clock: take a `&dyn Clock`, so that a tick can be repeated.",
    },
    Reserved {
        words: &["uuid::", "Uuid"],
        modules: &["ids"],
        rule: "Only ids.rs makes ids: what is kept has one that is derived from its members, never drawn.",
    },
];

impl Reserved {
    pub(super) fn broken_by(&self, file: &Source) -> Option<String> {
        let module = path_of(file).next()?;
        if self.modules.contains(&module) {
            return None;
        }
        let word = self.words.iter().find(|word| says(&file.code, word))?;
        Some(format!("{} says {}. {}", file.path, word.trim_end_matches(':'), self.rule))
    }
}

/// Every reference of a file that the table does not have.
pub(super) fn violations(file: &Source) -> Vec<String> {
    let Some(module) = path_of(file).next().filter(|module| *module != ROOT) else {
        return Vec::new();
    };
    let Some(row) = row_of(module) else {
        return vec![format!("{}: {module} is in no row", file.path)];
    };
    let known = known_modules(file).into_iter();
    let forbidden =
        known.filter(|known| known != module && row_of(known).is_some_and(|other| other >= row));
    forbidden.map(|known| format!("{} knows {known}", file.path)).collect()
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The module path of a file: `store`, `commit`, `upsert`.
fn path_of(file: &Source) -> impl Iterator<Item = &str> {
    let below = file.path.trim_start_matches("host/daemon/src/");
    below.trim_end_matches(".rs").split('/')
}

/// The first names of all paths that start at the crate's root, and the kernels if they are named.
fn known_modules(file: &Source) -> Vec<String> {
    // `super` as often as the file lies deep is the root as well.
    let up = "super::".repeat(path_of(file).count());
    let mut known = Vec::new();
    for root in ["crate::", "corral::", &up] {
        let paths = occurrences(&file.code, root).filter(|(before, _)| !before.ends_with("::"));
        known.extend(paths.flat_map(|(_, after)| heads(after)).filter(|head| head != "super"));
    }
    if says(&file.code, "corral_kernels") {
        known.push("corral_kernels".to_owned());
    }
    known.sort();
    known.dedup();
    known
}

/// Whether code says a word, or a path, written out or as part of a group.
fn says(code: &str, word: &str) -> bool {
    match word.rsplit_once("::") {
        Some((root, name)) if !name.is_empty() => occurrences(code, &format!("{root}::"))
            .any(|(_, after)| heads(after).iter().any(|head| head == name)),
        _ => occurrences(code, word).next().is_some(),
    }
}

/// What stands before and after each occurrence of a word that is not part of a longer one.
fn occurrences<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let open_ended = !word.ends_with(is_name);
    code.match_indices(word).filter_map(move |(at, _)| {
        let (before, found) = code.split_at_checked(at)?;
        let after = found.strip_prefix(word)?;
        let alone = !before.ends_with(is_name) && (open_ended || !after.starts_with(is_name));
        alone.then_some((before, after))
    })
}

/// The first names of a path's rest: of `store::Store` one, of `{pool, store::{self, Row}}` two.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| is_name(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut found, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in group.char_indices() {
        match (c, depth) {
            (',' | '}', 0) => {
                found.push(name(group.get(start..at).unwrap_or("")));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            ('{', _) => depth += 1,
            ('}', _) => depth -= 1,
            _ => {}
        }
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn daemon_file(path: &str, text: &str) -> Source {
    Source::new(format!("host/daemon/src/{path}"), text.to_owned())
}

#[test]
fn paths_are_found_however_they_are_written() {
    let file = daemon_file(
        "store/commit.rs",
        "use crate::{pool::{Job, run}, bus};\nfn a() { super::super::plugin::b(); super::Row; }\n\
         use corral_kernels::Frame; // crate::cli\n",
    );
    assert_eq!(known_modules(&file), ["bus", "corral_kernels", "plugin", "pool"]);
    let offences =
        ["bus", "plugin", "pool"].map(|m| format!("host/daemon/src/store/commit.rs knows {m}"));
    assert_eq!(violations(&file), offences);
}

#[test]
fn the_table_lets_through_what_lies_below() {
    let below = "use crate::config::Limits;\nuse crate::store::{self, commit};\nuse corral_kernels::Frame;\n";
    assert_eq!(violations(&daemon_file("plugin/tick.rs", below)), Vec::<String>::new());
    assert_eq!(violations(&daemon_file("clock.rs", below)).len(), 3);
    assert_eq!(violations(&daemon_file("novel.rs", "//! x\n")).len(), 1);
}

#[test]
fn reserved_words_are_found_in_groups_and_not_in_longer_words() {
    assert!(says("use std::{fs, env};", "std::env"));
    assert!(says("std::env::args()", "std::env"));
    assert!(!says("std::environment", "std::env"));
    assert!(says("std::time::Instant::now()", "Instant::now"));
    assert!(says("eprintln!(x)", "eprintln!") && !says("eprintln!(x)", "println!"));
    assert!(says("let x: uuid::Bytes", "uuid::") && !says("row.uuid", "uuid::"));
    assert!(!says("my_rayon", "rayon"));
}

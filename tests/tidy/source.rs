//! The tree as text: its files, and of Rust files the code without comments and literals.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Directories that hold nothing of ours, or recorded data, for which there are no rules.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "data"];

/// One text file.
pub(super) struct Source {
    /// Its path below the root, with slashes.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
    /// Of a Rust file: the code, without comments, literals and closing test module.
    pub(super) code: String,
}

/// Every text file of the repository, sorted by path.
pub(super) struct Tree {
    pub(super) files: Vec<Source>,
}

impl Tree {
    /// Reads them all: they are few.
    pub(super) fn read() -> io::Result<Self> {
        let root = crate::tree::root();
        let mut paths = Vec::new();
        walk(root, &mut paths)?;
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            // What is not text (test data, images) has no rules.
            if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                let path = path.strip_prefix(root).unwrap_or(&path);
                files.push(Source::new(path.to_string_lossy().into_owned(), text));
            }
        }
        Ok(Self { files })
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The Rust files of the daemon, without those that only tests compile.
    pub(super) fn daemon(&self) -> impl Iterator<Item = &Source> {
        let daemon = self.rust().filter(|file| file.path.starts_with("host/daemon/src/"));
        daemon.filter(|file| !file.path.ends_with("/tests.rs") && !file.path.contains("/tests/"))
    }

    /// Whether the file above a module declares it.
    pub(super) fn declares(&self, path: &str) -> bool {
        let Some((above, name)) = path.trim_end_matches(".rs").rsplit_once('/') else {
            return true;
        };
        let above =
            if above == "tests" { "tests/main.rs".to_owned() } else { format!("{above}.rs") };
        let declaration = format!("mod {name};");
        let above = self.rust().find(|file| file.path == above);
        above.is_some_and(|file| file.code.lines().any(|line| line.trim().ends_with(&declaration)))
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.iter().any(|name| entry.file_name() == *name) {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let mut file = Self { path, text, code: String::new() };
        if file.path.ends_with(".rs") {
            file.code = without_comments_and_literals(file.without_tests());
        }
        file
    }

    /// The file up to its closing `#[cfg(test)] mod … { … }`, if it has one.
    pub(super) fn without_tests(&self) -> &str {
        let Some((before, module)) = self.text.rsplit_once("\n#[cfg(test)]\nmod ") else {
            return &self.text;
        };
        let is_block = module.lines().next().is_some_and(|line| line.ends_with('{'));
        let is_last = module.lines().filter(|line| line.starts_with('}')).count() == 1;
        if is_block && is_last && module.trim_end().ends_with("\n}") { before } else { &self.text }
    }

    /// The names of modules that this file declares or contains.
    pub(super) fn inline_modules(&self) -> Vec<String> {
        let after = self.code.lines().filter_map(|line| {
            let line = line.trim_start();
            line.strip_prefix("mod ").or_else(|| line.split_once(" mod ").map(|(_, name)| name))
        });
        after.map(|name| name.trim_end_matches([' ', ';', '{', '}']).to_owned()).collect()
    }

    /// The part of a changelog below the heading that names a version.
    pub(super) fn section(&self, version: &str) -> &str {
        let mut sections = self.text.split("\n## ");
        sections
            .find(|section| section.lines().next().is_some_and(|l| l.contains(version)))
            .unwrap_or("")
    }
}

/// Blanks what is not code. Newlines stay, so that lines keep their numbers.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let (mut rest, mut in_word) = (text, false);
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, in_word);
        if length == 0 {
            code.push(first);
            in_word = first.is_alphanumeric() || first == '_';
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        } else {
            let (blank, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            code.push(' ');
            code.extend(blank.chars().filter(|c| *c == '\n'));
            (in_word, rest) = (false, after);
        }
    }
    code
}

/// How long the comment or literal is that begins here; 0 if none does.
fn blank_length(rest: &str, in_word: bool) -> usize {
    let up_to = |from: usize, end: &str| {
        let inside = rest.get(from..).unwrap_or("");
        inside.find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return up_to(2, "*/");
    }
    if !in_word {
        let raw = rest.trim_start_matches(['b', 'c']);
        let prefix = rest.len() - raw.len();
        let hashes = raw.strip_prefix('r').map(|r| r.len() - r.trim_start_matches('#').len());
        if let Some(hashes) =
            hashes.filter(|n| raw.get(n + 1..).is_some_and(|r| r.starts_with('"')))
        {
            return up_to(prefix + hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    match rest.chars().next() {
        Some('"') => quoted_length(rest, '"'),
        // A quote that is closed after one character, or opens an escape; else it is a lifetime.
        Some('\'') if rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'') => {
            quoted_length(rest, '\'')
        }
        _ => 0,
    }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text =
        "a(\"wasm // \\\" x\"); // sqlx\nlet r = r#\"ra\"yon\"#; /* uuid */ 'x' b'\\'' &'a str";
    let code = without_comments_and_literals(text);
    for word in ["wasm", "sqlx", "yon", "uuid", "x'"] {
        assert!(!code.contains(word), "{word} in {code:?}");
    }
    assert!(code.contains("let r =") && code.contains("&'a str") && code.contains('\n'));
}

#[test]
fn only_a_closing_test_module_is_cut_off() {
    let file = |text: &str| Source::new("a.rs".into(), text.into());
    let closing = "//! x\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
    assert_eq!(file(closing).without_tests(), "//! x\nfn a() {}\n");
    for kept in
        ["//! x\n#[cfg(test)]\nmod tests;\nfn a() {}\n", &format!("{closing}fn c() {{\n}}\n")]
    {
        assert_eq!(file(kept).without_tests(), kept);
    }
}

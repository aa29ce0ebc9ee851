//! `decnet.ini`, read as Python's configparser reads it for DECNET: with inline comments, with values that
//! go on in indented lines, with a `[DEFAULT]` section, and with `%` as the sign of a reference.
//!
//! A reference is resolved when its value is asked for, as there. Where configparser gives up, so does this,
//! with the line and with what to write instead.

use std::collections::BTreeMap;

/// References that refer to references end here, as in configparser.
const REFERENCES_DEEP_MAX: usize = 10;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) problem: String,
    /// What to write instead.
    pub(super) remedy: String,
}

/// A value as it stands in the file.
#[derive(Clone, Debug)]
struct Raw {
    text: String,
    line: usize,
}

/// Sections by name; keys in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Ini {
    sections: BTreeMap<String, BTreeMap<String, Raw>>,
}

/// The section whose keys every other one has too.
const DEFAULT: &str = "DEFAULT";

impl Ini {
    /// Takes a file apart.
    ///
    /// # Errors
    /// The first line that configparser refuses.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut ini = Self::default();
        let (mut section, mut key): (Option<String>, Option<String>) = (None, None);
        let mut indent = 0;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let (value, is_commented) = without_comment(line);
            let open = section.as_ref().zip(key.as_ref());
            let open = open.and_then(|(section, key)| ini.sections.get_mut(section)?.get_mut(key));
            if value.is_empty() {
                // An empty line belongs to the value above; if none goes on, it is cut off at the end.
                if let Some(raw) = open.filter(|_| !is_commented) {
                    raw.text.push('\n');
                }
                continue;
            }
            let depth = line.find(|c: char| !c.is_whitespace()).unwrap_or(0);
            if let Some(raw) = open.filter(|_| depth > indent) {
                raw.text.push('\n');
                raw.text.push_str(value);
                continue;
            }
            indent = depth;
            if let Some(name) = header(value) {
                ini.begin(name, number)?;
                (section, key) = (Some(name.to_owned()), None);
                continue;
            }
            key = Some(ini.set(section.as_deref(), value, number)?);
        }
        for raw in ini.sections.values_mut().flat_map(BTreeMap::values_mut) {
            raw.text.truncate(raw.text.trim_end().len());
        }
        Ok(ini)
    }

    fn begin(&mut self, name: &str, line: usize) -> Result<(), Wrong> {
        if self.sections.insert(name.to_owned(), BTreeMap::new()).is_some() {
            return Err(Wrong {
                line,
                problem: format!("section [{name}] stands here a second time"),
                remedy: "put its keys under one heading".to_owned(),
            });
        }
        Ok(())
    }

    fn set(&mut self, section: Option<&str>, text: &str, line: usize) -> Result<String, Wrong> {
        let wrong =
            |problem: String, remedy: &str| Err(Wrong { line, problem, remedy: remedy.to_owned() });
        let Some(section) = section else {
            return wrong(
                "a line stands above the first section".to_owned(),
                "put a heading such as [decnet] above it",
            );
        };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            return wrong(
                format!("[{section}]: a line without `=`"),
                "write `key = value`, or indent a line that continues a value",
            );
        };
        let key = key.trim().to_lowercase();
        if key.is_empty() {
            return wrong(format!("[{section}]: a value without a key"), "write `key = value`");
        }
        let raw = Raw { text: value.trim().to_owned(), line };
        if self.sections.entry(section.to_owned()).or_default().insert(key.clone(), raw).is_some() {
            return wrong(
                format!("[{section}] {key} stands here a second time"),
                "keep one of the two",
            );
        }
        Ok(key)
    }

    /// The keys of a section, those of `[DEFAULT]` among them, each with its line.
    pub(super) fn keys(&self, section: &str) -> Vec<(&str, usize)> {
        let Some(own) = self.sections.get(section) else { return Vec::new() };
        let defaults = self.sections.get(DEFAULT).into_iter().flatten();
        let inherited = defaults.filter(|(key, _)| !own.contains_key(*key));
        own.iter().chain(inherited).map(|(key, raw)| (key.as_str(), raw.line)).collect()
    }

    /// The value of a key, references resolved.
    ///
    /// # Errors
    /// A `%` that is no reference, or a reference to nothing. The value itself is not told.
    pub(super) fn value(&self, section: &str, key: &str) -> Result<Option<String>, Wrong> {
        match self.raw(section, key) {
            Some(raw) => self.resolved(section, key, raw, REFERENCES_DEEP_MAX).map(Some),
            None => Ok(None),
        }
    }

    fn raw(&self, section: &str, key: &str) -> Option<&Raw> {
        let own = self.sections.get(section).and_then(|keys| keys.get(key));
        own.or_else(|| self.sections.get(DEFAULT)?.get(key))
    }

    fn resolved(&self, section: &str, key: &str, raw: &Raw, deep: usize) -> Result<String, Wrong> {
        let wrong = |problem: String, remedy: String| {
            Err(Wrong { line: raw.line, problem: format!("[{section}] {key}: {problem}"), remedy })
        };
        let mut out = String::with_capacity(raw.text.len());
        let mut rest = raw.text.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let Some((name, after)) = after.strip_prefix('(').and_then(|a| a.split_once(")s"))
            else {
                return wrong(
                    "a `%` stands alone, and here it begins a reference".to_owned(),
                    "write every `%` of the value twice, for example `%%40` for `%40`".to_owned(),
                );
            };
            let other = self.raw(section, &name.to_lowercase()).filter(|_| deep > 0);
            let Some(other) = other else {
                return wrong(
                    format!("`%({name})s` refers to nothing that can be found"),
                    format!("set {name} in [{section}] or [{DEFAULT}], or write `%%({name})s`"),
                );
            };
            out.push_str(&self.resolved(section, key, other, deep - 1)?);
            rest = after;
        }
        Ok(out + rest)
    }
}

/// The name in `[name]`; what stands behind it does not count.
fn header(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('[')?;
    inside.rfind(']').filter(|end| *end > 0).and_then(|end| inside.get(..end))
}

/// A line up to its comment, and whether it has one. `#` and `;` begin one at the start of a line, and
/// behind a blank.
fn without_comment(line: &str) -> (&str, bool) {
    let comment = line.match_indices(['#', ';']).find(|(at, _)| {
        let before = line.get(..*at).unwrap_or("");
        before.is_empty() || before.ends_with(char::is_whitespace)
    });
    let end = comment.map_or(line.len(), |(at, _)| at);
    (line.get(..end).unwrap_or(line).trim(), comment.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, key: &str) -> Option<String> {
        Ini::parse(text).unwrap().value(section, key).unwrap()
    }

    #[track_caller]
    fn refused(text: &str, line: usize, words: &[&str]) {
        let wrong = match Ini::parse(text) {
            Ok(ini) => ini.value("a", "k").unwrap_err(),
            Err(wrong) => wrong,
        };
        assert_eq!(wrong.line, line, "{wrong:?}");
        let told = format!("{} {}", wrong.problem, wrong.remedy);
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }

    #[test]
    fn keys_are_of_any_case_and_end_at_the_first_equals_sign_or_colon() {
        let text = "[a]\nKey = x=y\nother: p:q\nempty =\n[b c] ignored\n k=1\n";
        assert_eq!(value(text, "a", "key").as_deref(), Some("x=y"));
        assert_eq!(value(text, "a", "other").as_deref(), Some("p:q"));
        assert_eq!(value(text, "a", "empty").as_deref(), Some(""));
        assert_eq!(value(text, "b c", "k").as_deref(), Some("1"));
        assert_eq!(value(text, "a", "k"), None);
    }

    #[test]
    fn a_comment_begins_at_a_line_or_behind_a_blank() {
        let text = "# x\n ; y\n[a]\nk = v#w;x ; rest\nurl = m://h/d?a=b#c\nj = #\n";
        assert_eq!(value(text, "a", "k").as_deref(), Some("v#w;x"));
        assert_eq!(value(text, "a", "url").as_deref(), Some("m://h/d?a=b#c"));
        assert_eq!(value(text, "a", "j").as_deref(), Some(""));
    }

    #[test]
    fn an_indented_line_continues_the_value() {
        let text = "[a]\nk = one\n  two\n\n  # note\n  three\nj = 4\n";
        assert_eq!(value(text, "a", "k").as_deref(), Some("one\ntwo\n\nthree"));
        assert_eq!(value(text, "a", "j").as_deref(), Some("4"));
    }

    #[test]
    fn percent_signs_are_references() {
        let text = "[DEFAULT]\nhome = /x\n[a]\nk = %(home)s/%(Name)s%%40\nname = n\n[b]\n";
        assert_eq!(value(text, "a", "k").as_deref(), Some("/x/n%40"));
        assert_eq!(value(text, "b", "home").as_deref(), Some("/x"));
        assert_eq!(Ini::parse(text).unwrap().keys("b"), [("home", 2)]);
        refused("[a]\n\nk = p%40q\n", 3, &["[a] k", "stands alone", "%%40"]);
        refused("[a]\nk = %(gone)s\n", 2, &["%(gone)s", "set gone"]);
        refused("[a]\nk = %(k)s\n", 2, &["refers to nothing that can be found"]);
    }

    #[test]
    fn what_configparser_refuses_is_refused_with_its_line() {
        refused("k = 1\n", 1, &["above the first section", "[decnet]"]);
        refused("[a]\nk\n", 2, &["without `=`"]);
        refused("[a]\n= 1\n", 2, &["without a key"]);
        refused("[a]\nk=1\nK=2\n", 3, &["[a] k", "second time"]);
        refused("[a]\nk=1\n[b]\n[a]\n", 4, &["[a]", "second time"]);
    }

    #[test]
    fn an_error_never_tells_the_value() {
        let wrong = Ini::parse("[a]\nk = sec%ret\n").unwrap().value("a", "k").unwrap_err();
        assert!(!format!("{wrong:?}").contains("ret\""), "{wrong:?}");
        assert!(!format!("{wrong:?}").contains("sec%"), "{wrong:?}");
    }
}

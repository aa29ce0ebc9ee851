//! A `.env` file, read as python-dotenv reads it, since that is who reads it for DECNET.
//!
//! Other readers of such files differ where it hurts: they expand `$NAME`, which is part of many a password,
//! or stop at the first line that they do not understand. Here, as there, a statement is `KEY=value`,
//! perhaps behind `export`; a value in double quotes may span lines and knows the escapes of C, one in
//! single quotes only `\'` and `\\`, and one without quotes ends at a blank with `#` behind it. What cannot
//! be understood costs its line only. `${NAME}` and `${NAME:-default}` stand for other values in all three.

/// A statement of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// A key and its value, references and all.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Where it begins, from 1.
        line: usize,
    },
    /// A line that is no statement.
    Unreadable {
        /// Which, from 1.
        line: usize,
    },
}

/// The statements of a file, in its order.
pub(super) fn parse(text: &str) -> Vec<Statement> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut statements = Vec::new();
    loop {
        reader.skip(char::is_whitespace);
        if reader.rest.is_empty() {
            return statements;
        }
        let line = reader.line;
        match reader.statement() {
            Some(Some((key, value))) => statements.push(Statement::Set { key, value, line }),
            // A comment, or a key without a value, which sets nothing.
            Some(None) => {}
            None => {
                reader.skip(|c| !is_newline(c));
                statements.push(Statement::Unreadable { line });
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

/// Outside `Option`: whether it could be read; inside: whether it sets something.
type Read = Option<Option<(String, String)>>;

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        let newlines = taken.matches('\n').count() + taken.matches('\r').count();
        self.line += newlines - taken.matches("\r\n").count();
        self.rest = rest;
        taken
    }

    fn skip(&mut self, which: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !which(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn statement(&mut self) -> Read {
        if let Some(after) = self.rest.strip_prefix("export")
            && after.starts_with(is_blank)
        {
            self.take("export".len());
            self.skip(is_blank);
        }
        let key = self.key()?;
        self.skip(is_blank);
        let value = if self.rest.starts_with('=') {
            self.take(1);
            let blanks = self.skip(is_blank);
            Some(self.value(!blanks.is_empty())?)
        } else {
            None
        };
        self.skip(is_blank);
        if self.rest.starts_with('#') {
            self.skip(|c| !is_newline(c));
        }
        let at_end = self.rest.is_empty() || self.rest.starts_with(is_newline);
        at_end.then(|| key.zip(value))
    }

    /// A key, or that here begins a comment.
    fn key(&mut self) -> Option<Option<String>> {
        if self.rest.starts_with('#') {
            return Some(None);
        }
        if let Some(quoted) = self.rest.strip_prefix('\'') {
            let end = quoted.find('\'').filter(|end| *end > 0)?;
            let key = self.take(end + 2);
            return Some(Some(key.trim_matches('\'').to_owned()));
        }
        let key = self.skip(|c| !c.is_whitespace() && c != '=' && c != '#');
        (!key.is_empty()).then(|| Some(key.to_owned()))
    }

    fn value(&mut self, behind_blank: bool) -> Option<String> {
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let inside = self.rest.get(1..).unwrap_or("");
            let end = closing_quote(inside, quote)?;
            let value = unescaped(inside.get(..end).unwrap_or(""), quote);
            self.take(end + 2);
            return Some(value);
        }
        let value = self.skip(|c| !is_newline(c));
        // `KEY=  # comment` is empty, `KEY=#value` is not.
        if behind_blank && value.starts_with('#') {
            return Some(String::new());
        }
        let comment = value.match_indices('#').find(|(at, _)| {
            value.get(..*at).is_some_and(|before| before.ends_with(char::is_whitespace))
        });
        let end = comment.map_or(value.len(), |(at, _)| at);
        Some(value.get(..end).unwrap_or(value).trim_end().to_owned())
    }
}

/// Where the quote is that ends a value. One behind a backslash does so only if no other does.
fn closing_quote(inside: &str, quote: char) -> Option<usize> {
    let mut behind_backslash = None;
    let mut quotes = inside.match_indices(quote).map(|(at, _)| at);
    quotes
        .find(|at| {
            let escaped = inside.get(..*at).is_some_and(|before| before.ends_with('\\'));
            if escaped {
                behind_backslash = Some(*at);
            }
            !escaped
        })
        .or(behind_backslash)
}

fn unescaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.as_str().chars().next().filter(|_| c == '\\');
        let escaped = next.and_then(|next| match next {
            '\\' | '\'' => Some(next),
            '"' if quote == '"' => Some('"'),
            'a' if quote == '"' => Some('\u{7}'),
            'b' if quote == '"' => Some('\u{8}'),
            'f' if quote == '"' => Some('\u{c}'),
            'n' if quote == '"' => Some('\n'),
            'r' if quote == '"' => Some('\r'),
            't' if quote == '"' => Some('\t'),
            'v' if quote == '"' => Some('\u{b}'),
            _ => None,
        });
        if escaped.is_some() {
            rest.next();
        }
        out.push(escaped.unwrap_or(c));
    }
    out
}

/// The value with its references resolved: `${NAME}` by what `lookup` knows, else by its default.
pub(super) fn resolved(value: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        match named(reference) {
            Some((name, default, length)) => {
                out.push_str(&lookup(name).unwrap_or_else(|| default.to_owned()));
                rest = reference.get(length..).unwrap_or("");
            }
            None => {
                out.push_str("${");
                rest = reference.get(2..).unwrap_or("");
            }
        }
    }
    out + rest
}

/// Name, default and length of the reference that begins here. A colon without a dash makes it none.
fn named(reference: &str) -> Option<(&str, &str, usize)> {
    let end = reference.find('}')?;
    let inside = reference.get(2..end)?;
    let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
    (!name.contains(':')).then_some((name, default, end + 1))
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && !is_newline(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let set = parse(text).into_iter().filter_map(|statement| match statement {
            Statement::Set { key, value, .. } => Some((key, value)),
            Statement::Unreadable { .. } => None,
        });
        set.collect()
    }

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(text), expected, "{text:?}");
    }

    #[test]
    fn plain_statements_comments_and_export_are_read() {
        reads("A=b\n# c\n  export  D = e f \r\nG\n\nH=", &[("A", "b"), ("D", "e f"), ("H", "")]);
        reads("\u{feff}'a b'=c", &[("a b", "c")]);
        reads("exporter=1", &[("exporter", "1")]);
    }

    #[test]
    fn a_hash_begins_a_comment_only_behind_a_blank() {
        reads(
            "A=b#c\nD=e # f\nG=#h\nI=  # j\nK=l\t#m#n",
            &[("A", "b#c"), ("D", "e"), ("G", "#h"), ("I", ""), ("K", "l")],
        );
        reads("A='b # c' # d\nE=\"f#\"#g", &[("A", "b # c"), ("E", "f#")]);
    }

    #[test]
    fn quotes_decide_which_escapes_there_are() {
        reads(
            r#"A="b\n\t\"\\c\$"
D='e\n\'f\\'
G=h\n"i""#,
            &[("A", "b\n\t\"\\c\\$"), ("D", "e\\n'f\\"), ("G", "h\\n\"i\"")],
        );
        reads("A=\"b\nc\" \nD=e", &[("A", "b\nc"), ("D", "e")]);
        // A backslash at the end of a quoted value closes it if nothing else does.
        reads("A=\"b\\\"", &[("A", "b\\")]);
    }

    #[test]
    fn what_is_no_statement_costs_its_line_only() {
        let statements = parse("A=\"b\n=c\nD=e\nF='g' h\nI=j");
        let unreadable: Vec<usize> = statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::Unreadable { line } => Some(*line),
                Statement::Set { .. } => None,
            })
            .collect();
        assert_eq!(unreadable, [1, 2, 4]);
        assert!(statements.contains(&Statement::Set {
            key: "I".into(),
            value: "j".into(),
            line: 5
        }));
        assert_eq!(statements.len(), 5);
    }

    #[test]
    fn references_are_resolved_and_dollars_are_not() {
        let known = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(resolved("x${A}y${B}z${C:-d}${A:-e}", known), "x1yzd1");
        assert_eq!(resolved("pa$$word$A ${ ${A:b} $", known), "pa$$word$A ${ ${A:b} $");
    }
}

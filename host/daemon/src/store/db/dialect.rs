//! One statement for three databases.
//!
//! Statements are written in the words that SQLite and PostgreSQL share. Where the databases have the same
//! thing under different names, a statement has a note in braces, and here it becomes what each of them
//! calls it:
//!
//! | note | meaning |
//! |---|---|
//! | `{?1: uuid key, members int}` | the rows of a value that is a JSON list: a list of lists, or of one column's values |
//! | `{least}(a, b)`, `{greatest}(a, b)` | of several values |
//! | `{text x}`, `{int x}` | a value as another type |
//! | `{count x}` | the elements of a JSON list |
//! | `{each x}` | the values of a group as one JSON list |
//! | `{unique x}` | a text, or its hash where a text may be too long for an index |
//! | `{list x, y}` | the rows of a group as one JSON list of lists |
//! | `{key ?}` | a value that is one of DECNET's ids |
//! | `{bytes x}` | a text of DECNET's, to be compared to the byte |
//! | `{first}` | where absent values stand in an order (first, everywhere) |
//! | `{+}` | not by the index on the next column (SQLite) |
//!
//! A column of a row source is a `key` if it is compared with DECNET's ids, which have a character set and a
//! collation of their own on MariaDB; in another an index would be of no use, and the comparison an error. A
//! `text` is compared as it is, to the byte; `int` and `real` are numbers.
//!
//! `CROSS JOIN`, always with a condition, says that tables are to be gone through in this order, which
//! PostgreSQL finds out for itself.
//!
//! MariaDB also gets its own words for `ON CONFLICT` (which must then have no `WHERE`), takes no numbered
//! placeholders, and some statements stand beside in words of its own: see [`Sql::mariadb`].

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// What a database calls things.
#[derive(Clone, Debug)]
pub(in crate::store) enum Dialect {
    /// SQLite.
    Sqlite,
    /// MariaDB and MySQL, and how texts are compared there.
    MariaDb(Arc<Collations>),
    /// PostgreSQL.
    Postgres,
}

/// How texts are stored and compared on MariaDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Collations {
    /// The character set of DECNET's ids.
    pub(in crate::store) charset: String,
    /// And their collation.
    pub(in crate::store) collation: String,
    /// The collation that compares to the byte.
    pub(in crate::store) binary: String,
    /// Whether times have their microseconds.
    pub(in crate::store) has_micros: bool,
}

/// A statement, in the words of each database.
#[derive(Clone, Debug)]
pub(in crate::store) struct Sql {
    shared: Cow<'static, str>,
    mariadb: Option<&'static str>,
    postgres: Option<&'static str>,
}

impl Sql {
    /// The same words for all.
    pub(in crate::store) const fn of(text: &'static str) -> Self {
        Self { shared: Cow::Borrowed(text), mariadb: None, postgres: None }
    }

    /// Other words for MariaDB.
    pub(in crate::store) const fn mariadb(mut self, text: &'static str) -> Self {
        self.mariadb = Some(text);
        self
    }

    /// Other words for PostgreSQL.
    pub(in crate::store) const fn postgres(mut self, text: &'static str) -> Self {
        self.postgres = Some(text);
        self
    }

    /// What the database reads.
    pub(in crate::store) fn text(self, dialect: &Dialect) -> Cow<'static, str> {
        self.render(dialect).text
    }

    /// The same with something before it.
    pub(in crate::store) fn prefixed(&self, prefix: &str, dialect: &Dialect) -> Self {
        let words = self.clone().words(dialect);
        Self { shared: format!("{prefix}{words}").into(), mariadb: None, postgres: None }
    }

    fn words(self, dialect: &Dialect) -> Cow<'static, str> {
        match dialect {
            Dialect::Sqlite => self.shared,
            Dialect::MariaDb(_) => self.mariadb.map_or(self.shared, Cow::Borrowed),
            Dialect::Postgres => self.postgres.map_or(self.shared, Cow::Borrowed),
        }
    }

    /// The statement as the database takes it.
    pub(super) fn render(self, dialect: &Dialect) -> Rendered {
        let text = self.words(dialect);
        if matches!(dialect, Dialect::Sqlite) && !text.contains('{') {
            return Rendered { text, order: Vec::new() };
        }
        let mut renderer = Renderer {
            dialect,
            text: String::with_capacity(text.len() * 2),
            order: Vec::new(),
            last: 0,
        };
        renderer.render(&text);
        let Renderer { text, order, .. } = renderer;
        let text = match dialect {
            Dialect::Sqlite => text,
            Dialect::MariaDb(_) => upsert(text.replace("CROSS JOIN", "STRAIGHT_JOIN")),
            Dialect::Postgres => text.replace("CROSS JOIN", "JOIN"),
        };
        Rendered { text: text.into(), order }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::of(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self { shared: text.into(), mariadb: None, postgres: None }
    }
}

/// A statement for one database.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) text: Cow<'static, str>,
    /// Where each placeholder's value stands, from 0, if not simply in their order.
    pub(super) order: Vec<usize>,
}

struct Renderer<'d> {
    dialect: &'d Dialect,
    text: String,
    order: Vec<usize>,
    /// The last placeholder's number, from 1.
    last: usize,
}

impl Renderer<'_> {
    fn render(&mut self, mut rest: &str) {
        while let Some(at) = rest.find(['\'', '{', '?', '`']) {
            let (before, from) = rest.split_at(at);
            self.text.push_str(before);
            rest = match from.as_bytes().first() {
                Some(b'\'') => self.quoted(from),
                Some(b'{') => self.note(from),
                Some(b'`') if matches!(self.dialect, Dialect::Postgres) => {
                    self.text.push('"');
                    from.get(1..).unwrap_or_default()
                }
                Some(b'`') => {
                    self.text.push('`');
                    from.get(1..).unwrap_or_default()
                }
                _ => self.placeholder(from),
            };
        }
        self.text.push_str(rest);
    }

    /// A text of the statement's own.
    fn quoted<'t>(&mut self, from: &'t str) -> &'t str {
        let end = from.get(1..).and_then(|rest| rest.find('\'')).map_or(from.len(), |at| at + 2);
        let (quoted, rest) = from.split_at(end);
        self.text.push_str(quoted);
        rest
    }

    fn placeholder<'t>(&mut self, from: &'t str) -> &'t str {
        let digits = from.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let (placeholder, rest) = from.split_at(1 + digits);
        let number = placeholder.get(1..).and_then(|number| number.parse().ok());
        self.last = number.unwrap_or(self.last + 1);
        match self.dialect {
            Dialect::Sqlite => self.text.push_str(placeholder),
            Dialect::MariaDb(_) => {
                self.order.push(self.last - 1);
                self.text.push('?');
            }
            // Writing into a String cannot fail.
            Dialect::Postgres => {
                let _infallible = write!(self.text, "${}", self.last);
            }
        }
        rest
    }

    fn note<'t>(&mut self, from: &'t str) -> &'t str {
        let end = from.find('}').unwrap_or(from.len());
        let note = from.get(1..end).unwrap_or_default();
        let rest = from.get(end + 1..).unwrap_or_default();
        if note.starts_with('?') {
            let (placeholder, columns) = note.split_once(':').unwrap_or((note, ""));
            self.row_source(placeholder, columns);
            return rest;
        }
        let (name, words) = note.split_once(' ').unwrap_or((note, ""));
        if name == "key" {
            self.key(words);
            return rest;
        }
        let (before, after) = self.named(name);
        self.text.push_str(before);
        self.render(words);
        self.text.push_str(after);
        rest
    }

    /// What stands before and behind the words of a note.
    fn named(&self, name: &str) -> (&'static str, &'static str) {
        match (name, self.dialect) {
            ("+", Dialect::Sqlite) => ("+", ""),
            ("least", Dialect::Sqlite) => ("MIN", ""),
            ("least", _) => ("LEAST", ""),
            ("greatest", Dialect::Sqlite) => ("MAX", ""),
            ("greatest", _) => ("GREATEST", ""),
            ("text", Dialect::MariaDb(_)) => ("CAST(", " AS CHAR)"),
            ("text", _) => ("CAST(", " AS TEXT)"),
            ("int", Dialect::Sqlite) => ("CAST(", " AS INTEGER)"),
            ("int", Dialect::MariaDb(_)) => ("CAST(", " AS SIGNED)"),
            ("int", Dialect::Postgres) => ("CAST(", " AS BIGINT)"),
            ("bytes", Dialect::MariaDb(_)) => ("CAST(CONVERT(", " USING utf8mb4) AS BINARY)"),
            ("bytes", _) => ("", ""),
            ("first", Dialect::Postgres) => (" NULLS FIRST", ""),
            ("count", Dialect::Sqlite) => ("json_array_length(", ")"),
            ("count", Dialect::MariaDb(_)) => ("JSON_LENGTH(", ")"),
            ("count", Dialect::Postgres) => ("json_array_length(CAST(", " AS json))"),
            ("unique", Dialect::Sqlite) => ("", ""),
            ("unique", _) => ("", "_sha"),
            ("each", Dialect::Sqlite) => ("json_group_array(", ")"),
            ("each", Dialect::MariaDb(_)) => ("COALESCE(JSON_ARRAYAGG(", "), '[]')"),
            ("each", Dialect::Postgres) => ("CAST(COALESCE(json_agg(", "), '[]') AS TEXT)"),
            ("list", Dialect::Sqlite) => ("json_group_array(json_array(", "))"),
            ("list", Dialect::MariaDb(_)) => ("COALESCE(JSON_ARRAYAGG(JSON_ARRAY(", ")), '[]')"),
            ("list", Dialect::Postgres) => {
                ("CAST(COALESCE(json_agg(json_build_array(", ")), '[]') AS TEXT)")
            }
            _ => ("", ""),
        }
    }

    /// One of DECNET's ids.
    fn key(&mut self, placeholder: &str) {
        match self.dialect {
            Dialect::Sqlite => {
                self.placeholder(placeholder);
            }
            Dialect::Postgres => {
                self.text.push_str("CAST(");
                self.placeholder(placeholder);
                self.text.push_str(" AS TEXT) COLLATE \"C\"");
            }
            Dialect::MariaDb(collations) => {
                self.text.push_str("CONVERT(CAST(");
                self.placeholder(placeholder);
                let Collations { charset, collation, .. } = collations.as_ref();
                let _infallible =
                    write!(self.text, " AS CHAR(255)) USING {charset}) COLLATE {collation}");
            }
        }
    }

    /// The rows of a JSON list.
    fn row_source(&mut self, placeholder: &str, columns: &str) {
        let columns: Vec<(&str, &str)> =
            columns.split(',').filter_map(|column| column.trim().split_once(' ')).collect();
        let is_single = columns.len() == 1;
        self.text.push_str("(SELECT ");
        for (at, (name, kind)) in columns.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let column = self.column(at, kind, is_single);
            let _infallible = write!(self.text, "{comma}{column} AS {name}");
        }
        self.text.push_str(" FROM ");
        match self.dialect {
            Dialect::Sqlite => {
                self.text.push_str("json_each(");
                self.placeholder(placeholder);
                self.text.push_str("))");
            }
            Dialect::Postgres => {
                self.text.push_str(if is_single {
                    "json_array_elements_text(CAST("
                } else {
                    "json_array_elements(CAST("
                });
                self.placeholder(placeholder);
                self.text.push_str(" AS json)) AS source (value))");
            }
            Dialect::MariaDb(collations) => {
                self.text.push_str("JSON_TABLE(");
                self.placeholder(placeholder);
                self.text.push_str(", '$[*]' COLUMNS (");
                for (at, (_, kind)) in columns.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    let kind = match *kind {
                        "key" => format!("VARCHAR(512) CHARACTER SET {}", collations.charset),
                        "int" => "BIGINT".to_owned(),
                        "real" => "DOUBLE".to_owned(),
                        _ => "LONGTEXT CHARACTER SET utf8mb4".to_owned(),
                    };
                    let path = if is_single { "$".to_owned() } else { format!("$[{at}]") };
                    let _infallible = write!(self.text, "{comma}c{at} {kind} PATH '{path}'");
                }
                self.text.push_str(")) AS source)");
            }
        }
    }

    /// A column of a row source.
    fn column(&self, at: usize, kind: &str, is_single: bool) -> String {
        match self.dialect {
            Dialect::Sqlite if is_single => "value".to_owned(),
            Dialect::Sqlite => format!("value ->> {at}"),
            Dialect::MariaDb(collations) => match kind {
                "key" => format!("c{at} COLLATE {}", collations.collation),
                "text" => format!("c{at} COLLATE {}", collations.binary),
                _ => format!("c{at}"),
            },
            Dialect::Postgres => {
                let value =
                    if is_single { "value".to_owned() } else { format!("(value ->> {at})") };
                match kind {
                    "int" => format!("CAST({value} AS BIGINT)"),
                    "real" => format!("CAST({value} AS DOUBLE PRECISION)"),
                    _ => format!("{value} COLLATE \"C\""),
                }
            }
        }
    }
}

/// `ON CONFLICT` in MariaDB's words.
fn upsert(text: String) -> String {
    let Some((before, conflict)) = text.split_once("ON CONFLICT") else { return text };
    let Some((_, set)) = conflict.split_once("DO UPDATE SET") else {
        return before.replacen("INSERT INTO", "INSERT IGNORE INTO", 1);
    };
    let mut new = format!("{before}ON DUPLICATE KEY UPDATE");
    let mut rest = set;
    while let Some((before, after)) = rest.split_once("excluded.") {
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        let _infallible = write!(new, "{before}VALUES({name})");
        rest = behind;
    }
    new.push_str(rest);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mariadb() -> Dialect {
        Dialect::MariaDb(Arc::new(Collations {
            charset: "latin1".to_owned(),
            collation: "latin1_swedish_ci".to_owned(),
            binary: "utf8mb4_bin".to_owned(),
            has_micros: false,
        }))
    }

    fn render(text: &'static str, dialect: &Dialect) -> (String, Vec<usize>) {
        let Rendered { text, order } = Sql::of(text).render(dialect);
        (text.into_owned(), order)
    }

    #[test]
    fn placeholders_are_what_each_database_takes() {
        let text = "SELECT '?' || ?2, ?1, ?2 WHERE x = ?";
        assert_eq!(render(text, &Dialect::Sqlite), (text.to_owned(), vec![]));
        let postgres = "SELECT '?' || $2, $1, $2 WHERE x = $3".to_owned();
        assert_eq!(render(text, &Dialect::Postgres), (postgres, vec![]));
        let words = "SELECT '?' || ?, ?, ? WHERE x = ?".to_owned();
        assert_eq!(render(text, &mariadb()), (words, vec![1, 0, 1, 2]));
    }

    #[test]
    fn a_list_is_a_source_of_rows() {
        let text = "FROM {?1: uuid key, members int} n";
        let sqlite =
            "FROM (SELECT value ->> 0 AS uuid, value ->> 1 AS members FROM json_each(?1)) n";
        assert_eq!(render(text, &Dialect::Sqlite).0, sqlite);
        let postgres = "FROM (SELECT (value ->> 0) COLLATE \"C\" AS uuid, CAST((value ->> 1) AS BIGINT) AS \
                        members FROM json_array_elements(CAST($1 AS json)) AS source (value)) n";
        assert_eq!(render(text, &Dialect::Postgres).0, postgres);
        let words = "FROM (SELECT c0 COLLATE latin1_swedish_ci AS uuid, c1 AS members FROM JSON_TABLE(?, \
                     '$[*]' COLUMNS (c0 VARCHAR(512) CHARACTER SET latin1 PATH '$[0]', c1 BIGINT PATH '$[1]')) \
                     AS source) n";
        assert_eq!(render(text, &mariadb()).0, words);
        let single = render("{?: value text}", &Dialect::Sqlite).0;
        assert_eq!(single, "(SELECT value AS value FROM json_each(?))");
    }

    #[test]
    fn a_note_is_what_each_database_calls_it() {
        let text = "{least}(a, ?) {int x} {count x} {list x, y} {+}y `key`";
        let sqlite = "MIN(a, ?) CAST(x AS INTEGER) json_array_length(x) json_group_array(json_array(x, y)) +y `key`";
        assert_eq!(render(text, &Dialect::Sqlite).0, sqlite);
        let postgres = "LEAST(a, $1) CAST(x AS BIGINT) json_array_length(CAST(x AS json)) \
                        CAST(COALESCE(json_agg(json_build_array(x, y)), '[]') AS TEXT) y \"key\"";
        assert_eq!(render(text, &Dialect::Postgres).0, postgres);
    }

    #[test]
    fn a_conflict_is_a_duplicate_key() {
        let text = "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = {greatest}(t.b, excluded.b)";
        let words = "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = GREATEST(t.b, VALUES(b))";
        assert_eq!(render(text, &mariadb()).0, words);
        let text = "INSERT INTO t (a) SELECT x FROM y WHERE TRUE ON CONFLICT DO NOTHING";
        let words = "INSERT IGNORE INTO t (a) SELECT x FROM y WHERE TRUE ";
        assert_eq!(render(text, &mariadb()).0, words);
    }
}

//! URLs of databases: which kind, and in the words of its driver.
//!
//! DECNET's URLs name the driver of its own language (`mysql+asyncmy://`), and its user names and passwords may
//! have a plus for a space. A password never comes into a message.

use super::StoreError;

/// What a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Sqlite,
    MySql,
    Postgres,
}

/// The kind of database, and the URL as its driver reads it.
pub(super) fn parse(url: &str) -> Result<(Scheme, String), StoreError> {
    let bad = |reason: &str| StoreError::Url { url: shown(url), reason: reason.to_owned() };
    let (scheme, rest) = url.split_once(':').ok_or_else(|| bad("it has no scheme"))?;
    let name = scheme.split_once('+').map_or(scheme, |(name, _)| name);
    match name {
        "sqlite" => Ok((Scheme::Sqlite, format!("sqlite:{rest}"))),
        "mysql" | "mariadb" => {
            // The drivers call the socket differently.
            let rest =
                rest.replace("?unix_socket=", "?socket=").replace("&unix_socket=", "&socket=");
            Ok((Scheme::MySql, format!("mysql:{}", without_plus(&rest))))
        }
        "postgres" | "postgresql" => Ok((Scheme::Postgres, format!("postgres:{rest}"))),
        _ => Err(bad("no such kind of database")),
    }
}

/// A plus in the user name or password is a space.
fn without_plus(rest: &str) -> String {
    match rest.rsplit_once('@') {
        Some((user, place)) => format!("{}@{place}", user.replace('+', "%20")),
        None => rest.to_owned(),
    }
}

/// A URL for people: without the password.
pub(super) fn shown(url: &str) -> String {
    let Some((before, place)) = url.rsplit_once('@') else { return url.to_owned() };
    let user = before.find("://").map_or(0, |at| at + 3);
    let (scheme, user) = before.split_at(user);
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    format!("{scheme}{name}@{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_all_kinds_are_read() {
        let cases = [
            ("sqlite:///a/b.db", Scheme::Sqlite, "sqlite:///a/b.db"),
            ("sqlite+aiosqlite:///a", Scheme::Sqlite, "sqlite:///a"),
            ("mysql://u@h/d", Scheme::MySql, "mysql://u@h/d"),
            ("mariadb://u@h/d", Scheme::MySql, "mysql://u@h/d"),
            ("mysql+asyncmy://u:a+b%40@h:1/d", Scheme::MySql, "mysql://u:a%20b%40@h:1/d"),
            ("mysql://u@l/d?unix_socket=/s", Scheme::MySql, "mysql://u@l/d?socket=/s"),
            ("postgresql://u@h/d", Scheme::Postgres, "postgres://u@h/d"),
        ];
        for (url, scheme, words) in cases {
            assert_eq!(parse(url).unwrap(), (scheme, words.to_owned()), "{url}");
        }
        assert!(parse("oracle://x").is_err());
        assert!(parse("nothing").is_err());
    }

    #[test]
    fn a_password_is_in_no_message() {
        for url in ["oracle://user:secret@host/d", "oracle://user:se@cret@host/d"] {
            let said = parse(url).unwrap_err().to_string();
            assert!(!said.contains("cret") && said.contains("user@host"), "{said}");
        }
        assert_eq!(shown("sqlite:///a"), "sqlite:///a");
    }
}

//! DECNET's database URLs in the form that Corral's store takes.
//!
//! `mysql+asyncmy://user:password@host:3306/decnet?charset=utf8mb4` names a Python driver, which means
//! nothing here. SQLAlchemy, for whom it was written, takes it apart more leniently than RFC 3986 would: a
//! password may hold `/`, `?` and `#` as they are, and `+` is a plus. So it is taken apart by that rule, and
//! put together again with everything encoded.

use std::path::Path;

/// What a URL of MySQL says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// Who logs in.
    pub(super) user: String,
    /// With what.
    pub(super) password: String,
    /// The host; empty: this one.
    pub(super) host: String,
    /// The port, if it is not the usual one.
    pub(super) port: Option<u16>,
    /// The database.
    pub(super) name: String,
    /// What else is said, in the order given.
    pub(super) options: Vec<(String, String)>,
}

/// Options that the store's driver knows, by their names in Python's drivers and in its own.
const OPTIONS: &[(&str, &str)] = &[
    ("charset", "charset"),
    ("unix_socket", "socket"),
    ("socket", "socket"),
    ("ssl-mode", "ssl-mode"),
    ("ssl_ca", "ssl-ca"),
    ("ssl-ca", "ssl-ca"),
    ("ssl_cert", "ssl-cert"),
    ("ssl-cert", "ssl-cert"),
    ("ssl_key", "ssl-key"),
    ("ssl-key", "ssl-key"),
];

impl Server {
    /// Takes a URL apart, by SQLAlchemy's rule.
    ///
    /// # Errors
    /// What is wrong with it and what to write instead; never the URL, which holds a password.
    pub(super) fn parse(url: &str) -> Result<Self, (String, String)> {
        let wrong = |problem: &str, remedy: &str| Err((problem.to_owned(), remedy.to_owned()));
        let example = "write mysql+asyncmy://user:password@host:3306/database";
        let Some((scheme, rest)) = url.split_once("://") else {
            return wrong("the URL has no `://`", example);
        };
        if !matches!(scheme.split('+').next(), Some("mysql" | "mariadb")) {
            return wrong(
                "the URL is not one of MySQL",
                "write mysql+asyncmy://…, or leave the URL away and set DECNET_DB_TYPE=sqlite",
            );
        }
        let (user, password, rest) = credentials(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (address, name) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return wrong("the URL names no database", example);
        }
        let bracketed = address.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or("")),
            None => address.split_once(':').unwrap_or((address, "")),
        };
        let port = match port {
            "" => None,
            digits => match digits.parse() {
                Ok(port) => Some(port),
                Err(_) => return wrong("the URL's port is no port", example),
            },
        };
        let options = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self {
            user: decoded(user),
            password: decoded(password),
            host: host.to_owned(),
            port,
            name: name.to_owned(),
            options,
        })
    }

    /// The URL for the store, and the options that it does not know.
    pub(super) fn url(&self) -> (String, Vec<&str>) {
        let mut url = String::from("mysql://");
        if !self.user.is_empty() {
            url.push_str(&encoded(&self.user));
            if !self.password.is_empty() {
                url.push(':');
                url.push_str(&encoded(&self.password));
            }
            url.push('@');
        }
        match self.host.as_str() {
            "" => url.push_str("localhost"),
            host if host.contains(':') => url.push_str(&format!("[{host}]")),
            host => url.push_str(host),
        }
        if let Some(port) = self.port {
            url.push_str(&format!(":{port}"));
        }
        url.push('/');
        url.push_str(&encoded(&self.name));
        let (mut unknown, mut sign) = (Vec::new(), '?');
        for (name, value) in &self.options {
            match OPTIONS.iter().find(|(theirs, _)| theirs == name) {
                Some((_, ours)) => {
                    url.push_str(&format!("{sign}{ours}={}", encoded(value)));
                    sign = '&';
                }
                None => unknown.push(name.as_str()),
            }
        }
        (url, unknown)
    }
}

/// User, password and what follows the `@`. A user has neither `:` nor `/`, a password no `@`.
fn credentials(rest: &str) -> (&str, &str, &str) {
    let head_end = rest.find([':', '/']).unwrap_or(rest.len());
    let (head, after) = rest.split_at_checked(head_end).unwrap_or((rest, ""));
    if let Some((password, rest)) = after.strip_prefix(':').and_then(|a| a.split_once('@')) {
        return (head, password, rest);
    }
    match head.rfind('@') {
        Some(at) => (head.get(..at).unwrap_or(""), "", rest.get(at + 1..).unwrap_or("")),
        None => ("", "", rest),
    }
}

/// The URL of SQLite for a path.
pub(super) fn sqlite(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("sqlite://{}", path.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
}

/// Percent-encoded, a blank as `%20`: not every reader takes a plus for one.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Percent-decoded, a plus as it is.
fn decoded(text: &str) -> String {
    let query = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        Server::parse(text).unwrap().url().0
    }

    #[test]
    fn the_driver_is_dropped_and_the_rest_is_kept() {
        assert_eq!(
            url("mysql+asyncmy://decnet:pw@db.example:3307/decnet?charset=utf8mb4"),
            "mysql://decnet:pw@db.example:3307/decnet?charset=utf8mb4"
        );
        assert_eq!(url("mysql://h/d"), "mysql://h/d");
        assert_eq!(url("mariadb+pymysql://u@[::1]:1/d"), "mysql://u@[::1]:1/d");
        assert_eq!(
            url("mysql+asyncmy://u:p@/d?unix_socket=/run/my.sock"),
            "mysql://u:p@localhost/d?socket=%2Frun%2Fmy.sock"
        );
    }

    #[test]
    fn a_password_is_read_as_sqlalchemy_reads_it() {
        let server = Server::parse("mysql+asyncmy://u%40x:p/a?b#c%40d+e&=@h/d").unwrap();
        assert_eq!((server.user.as_str(), server.password.as_str()), ("u@x", "p/a?b#c@d+e&="));
        assert_eq!(server.url().0, "mysql://u%40x:p%2Fa%3Fb%23c%40d%2Be%26%3D@h/d");
        // And what was encoded is read back.
        assert_eq!(Server::parse(&server.url().0).unwrap(), server);
    }

    #[test]
    fn an_option_that_the_driver_does_not_know_is_told() {
        let server = Server::parse("mysql+asyncmy://h/d?autocommit=1&charset=latin1").unwrap();
        assert_eq!(server.url(), ("mysql://h/d?charset=latin1".to_owned(), vec!["autocommit"]));
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for (text, word) in [
            ("h/d", "`://`"),
            ("postgresql://u:secret@h/d", "MySQL"),
            ("mysql://u:secret@h", "no database"),
            ("mysql://u:secret@h:x/d", "port"),
        ] {
            let (problem, remedy) = Server::parse(text).unwrap_err();
            assert!(problem.contains(word), "{problem}");
            assert!(!format!("{problem}{remedy}").contains("secret"));
        }
    }

    #[test]
    fn a_path_of_sqlite_keeps_its_signs() {
        assert_eq!(sqlite(Path::new("/a b/c?d%e#.db")), "sqlite:///a b/c%3Fd%25e%23.db");
    }
}

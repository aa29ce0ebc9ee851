//! What is told of a setting: its value without secrets, and where it came from.

/// What stands where a secret was.
const HIDDEN: &str = "***";

/// A setting as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// Its name: `store.url`, or a variable of DECNET's.
    pub name: String,
    /// Its value; a secret is hidden.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

impl Setting {
    pub(super) fn new(name: &str, value: &str, source: String) -> Self {
        let is_secret =
            ["password", "secret", "token"].iter().any(|word| name.to_lowercase().contains(word));
        let value = match value {
            "" => String::new(),
            _ if is_secret => HIDDEN.to_owned(),
            value => without_password(value),
        };
        Self { name: name.to_owned(), value, source }
    }
}

/// A URL without its password. A password may hold an `@` by mistake, so the last one counts.
pub fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let hidden = match rest.rsplit_once('@') {
        Some((credentials, rest)) => {
            let user = credentials.split(':').next().unwrap_or("");
            let secret =
                if credentials.contains(':') { format!(":{HIDDEN}") } else { String::new() };
            format!("{user}{secret}@{rest}")
        }
        None => rest.to_owned(),
    };
    match hidden.split_once('?') {
        Some((before, query)) => {
            let options = query.split('&').map(|option| match option.split_once('=') {
                Some((name, _)) if name.to_lowercase().contains("password") => {
                    format!("{name}={HIDDEN}")
                }
                _ => option.to_owned(),
            });
            format!("{scheme}://{before}?{}", options.collect::<Vec<_>>().join("&"))
        }
        None => format!("{scheme}://{hidden}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_and_the_rest_is_not() {
        for (text, shown) in [
            ("mysql://u:p@h:1/d?charset=latin1", "mysql://u:***@h:1/d?charset=latin1"),
            ("mysql+asyncmy://u:p/a@b@h/d", "mysql+asyncmy://u:***@h/d"),
            ("postgres://h/d?user=u&password=p&x=1", "postgres://h/d?user=u&password=***&x=1"),
            ("mysql://u@h/d", "mysql://u@h/d"),
            ("sqlite:///var/lib/corral/corral.db", "sqlite:///var/lib/corral/corral.db"),
            ("300", "300"),
        ] {
            assert_eq!(without_password(text), shown);
        }
        let secret = Setting::new("DECNET_DB_PASSWORD", "hunter2", "x".to_owned());
        assert_eq!(secret.value, "***");
        assert_eq!(Setting::new("DECNET_DB_PASSWORD", "", "x".to_owned()).value, "");
    }
}

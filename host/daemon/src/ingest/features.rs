//! What an attacker can share with another: the values of features, each in one spelling.
//!
//! Two attackers are alike by equal text, so what means the same must become the same text: hosts and
//! hashes in lower case, a host's usual port left out, keys as the hash of what they are. And what is
//! no evidence must not become a feature: the hash of an empty file, or a banner that is not a banner
//! but the first bytes of another protocol, which only says that somebody scans.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};

use super::hassh::hex;
use super::sighting::PublicKey;
use crate::shell;
use crate::store::record::Kind;

/// Bytes of a feature's value. What is longer is cut, and told from others by its hash.
const VALUE_BYTES_MAX: usize = 1_024;

/// Hashes of files that say nothing: of no bytes, and of one line feed, which a shell leaves behind
/// that was told to empty a file. SHA-256, then MD5.
const EMPTY_FILES: [&str; 4] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
    "d41d8cd98f00b204e9800998ecf8427e",
    "68b329da9893e34099c7d8ad5cb9c940",
];

/// Banners of those who scan everything, by what stands in them.
const SCANNERS: &[(&str, &str)] =
    &[("zgrab", "zgrab"), ("nmap", "nmap"), ("mglndd_", "mglndd"), ("masscan", "masscan")];

/// Ports that a URL need not name.
const USUAL_PORTS: &[(&str, u16)] =
    &[("http", 80), ("https", 443), ("ftp", 21), ("ftps", 990), ("tftp", 69)];

/// Base64 as it is met: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Text that is kept, of a limited length: what is longer ends in the hash of the whole. U+0000 has no
/// place in a database's text.
pub fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let mut kept = Cow::Borrowed(text);
    if text.len() > bytes_max {
        let mut short = shell::prefix(text, bytes_max).to_owned();
        let digest = Sha256::digest(text);
        // Writing into a String cannot fail.
        let _infallible = write!(short, "… ({} bytes, sha256 {})", text.len(), hex(&digest));
        kept = Cow::Owned(short);
    }
    if kept.contains('\0') {
        kept = Cow::Owned(kept.replace('\0', "\u{fffd}"));
    }
    kept
}

/// What a client's banner is: its version, or a sign that it is no SSH client at all.
pub fn banner(version: &str) -> Option<(Kind, Cow<'_, str>)> {
    let version = version.trim();
    if version.is_empty() {
        return None;
    }
    let lower = shell::prefix(version, 256).to_ascii_lowercase();
    if let Some((_, tag)) = SCANNERS.iter().find(|(sign, _)| lower.contains(sign)) {
        return Some((Kind::Scanner, Cow::Borrowed(tag)));
    }
    if version.starts_with("SSH-") {
        return Some((Kind::ClientVersion, cut(version, VALUE_BYTES_MAX)));
    }
    let is_http = ["get ", "post ", "head ", "put ", "options ", "connect ", "pri * http"];
    // The bytes as they are, or in Python's notation.
    let starts = |raw: &str, escaped: &str| version.starts_with(raw) || lower.starts_with(escaped);
    let tag = if is_http.iter().any(|method| lower.starts_with(method)) {
        "http-request"
    } else if starts("\u{16}\u{3}", r"\x16\x03") {
        "tls-client-hello"
    } else if starts("\u{3}\0\0", r"\x03\x00\x00") {
        "rdp-request"
    } else {
        "no-ssh-banner"
    };
    Some((Kind::Scanner, Cow::Borrowed(tag)))
}

/// A hash of so many hexadecimal digits, in lower case.
pub fn digest(text: &str, digits: usize) -> Option<Cow<'_, str>> {
    let is_hash = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    is_hash
        .then(|| if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) })
}

/// The hash of a file that is evidence: 64 digits of a SHA-256, or 32 of an MD5.
pub fn payload(hash: &str, digits: usize) -> Option<Cow<'_, str>> {
    digest(hash, digits).filter(|hash| !EMPTY_FILES.contains(&hash.as_ref()))
}

/// What a client sends before it heard anything: SHA-256 of the bytes. A request over HTTP is taken
/// without the value of its `Host`, which only names the sensor: with it no two sensors would ever see
/// the same request. Nothing sent is no evidence.
pub fn probe(sent: &[u8]) -> Option<String> {
    let mut hash = Sha256::new();
    let mut is_head = is_http(sent);
    for line in sent.split_inclusive(|byte| *byte == b'\n') {
        is_head &= !line.trim_ascii().is_empty();
        match line.split_at_checked(5) {
            Some((name, value)) if is_head && name.eq_ignore_ascii_case(b"host:") => {
                let end = value.len() - value.trim_ascii_end().len();
                hash.update(name);
                hash.update(value.get(value.len() - end..).unwrap_or_default());
            }
            _ => hash.update(line),
        }
    }
    (!sent.is_empty()).then(|| hex(&hash.finalize()))
}

/// Whether the first line is a request of HTTP/1.
fn is_http(sent: &[u8]) -> bool {
    let line = sent.split(|byte| *byte == b'\n').next().unwrap_or_default();
    memchr::memmem::find(line, b" HTTP/1.").is_some()
}

/// A short token such as a JA4, in one spelling.
pub fn token(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let is_token = !text.is_empty()
        && text.len() <= 256
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b','));
    is_token.then(|| Cow::Owned(text.to_ascii_lowercase()))
}

/// A public key: SHA-256 of its blob, the same that OpenSSH shows in base64. If only its MD5 was
/// logged, that, marked as such. Neither is a HASSH.
pub fn public_key(key: &PublicKey<'_>) -> Option<String> {
    if let Some(blob) =
        key.key.as_deref().and_then(|text| text.split_whitespace().find(|word| is_blob(word)))
    {
        return Some(blob_digest(blob));
    }
    let md5 = key.fingerprint.as_deref()?.trim().trim_start_matches("MD5:").replace(':', "");
    Some(format!("md5:{}", digest(&md5, 32)?))
}

/// Public keys that a command line plants: SHA-256 of each blob.
pub fn planted_keys(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Every blob begins with the length of its type's name, 7 to 34: in base64 this.
    if line.contains("AAAA") && line.contains("ssh") {
        let is_end =
            |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ';' | '>' | '|');
        for word in line.split(is_end).filter(|word| is_blob(word)) {
            let digest = blob_digest(word);
            if !found.contains(&digest) {
                found.push(digest);
            }
        }
    }
    found
}

fn is_blob(word: &str) -> bool {
    word.len() >= 64
        && word.starts_with("AAAA")
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

fn blob_digest(blob: &str) -> String {
    // A blob that was cut in transit is no base64, and still tells one attacker from another.
    let bytes = LENIENT.decode(blob).unwrap_or_else(|_| blob.as_bytes().to_vec());
    hex(&Sha256::digest(bytes))
}

/// Where something is fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The URL, if there is one.
    pub url: Option<String>,
    /// Its host, and its port if that is not the usual one.
    pub host: String,
}

impl Origin {
    /// The origin that a URL names; its scheme and host become lower case, a user and a usual port
    /// go away.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(path_at)?;
        let authority = authority.rsplit('@').next()?;
        let (host, port) = split_port(authority)?;
        let usual = USUAL_PORTS.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port);
        let Self { host, .. } =
            Self::of_host(host, port.filter(|port| Some(*port) != usual))?.abroad()?;
        let url = cut(&format!("{scheme}://{host}{path}"), VALUE_BYTES_MAX).into_owned();
        Some(Self { url: Some(url), host })
    }

    /// Itself, unless it is the machine that asks.
    pub fn abroad(self) -> Option<Self> {
        let is_here = ["localhost", "127.", "0.0.0.0", "[::1]", "[::]"]
            .iter()
            .any(|here| self.host.starts_with(here));
        (!is_here).then_some(self)
    }

    /// A host and a port; `None` for what is no host.
    pub fn of_host(host: &str, port: Option<u16>) -> Option<Self> {
        let host = match host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .map(|address| address.to_canonical())
        {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(address) => address.to_string(),
            Err(_) => name(host)?,
        };
        let host = match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        Some(Self { url: None, host })
    }
}

/// A host's name, lower case; `None` for what is none.
fn name(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_name.then_some(host)
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_bracket..)?.rsplit_once(':') {
        Some((_, "")) => Some((authority.strip_suffix(':')?, None)),
        Some((before, port)) => {
            Some((authority.get(..after_bracket + before.len())?, Some(port.parse().ok()?)))
        }
        None => Some((authority, None)),
    }
}

/// The target of a relay, `host:port`.
pub fn relay_target(host: &str, port: &str) -> Option<String> {
    let port: u16 = port.trim().parse().ok()?;
    Origin::of_host(host.trim(), Some(port)).map(|origin| origin.host)
}

/// A terminal's size, `80x24`.
pub fn terminal(width: &str, height: &str) -> Option<String> {
    let (width, height): (u32, u32) = (width.trim().parse().ok()?, height.trim().parse().ok()?);
    (width > 0 && height > 0).then(|| format!("{width}x{height}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(version: &str) -> String {
        let (kind, value) = banner(version).unwrap();
        format!("{} {value}", kind.name())
    }

    #[test]
    fn a_banner_that_is_none_tags_a_scanner_and_is_no_version() {
        assert_eq!(tag("SSH-2.0-libssh_0.9.6\r\n"), "client-version SSH-2.0-libssh_0.9.6");
        assert_eq!(tag("SSH-2.0-ZGrab ZGrab SSH Survey"), "scanner zgrab");
        assert_eq!(tag("MGLNDD_203.0.113.9_22"), "scanner mglndd");
        assert_eq!(tag("GET / HTTP/1.1"), "scanner http-request");
        assert_eq!(tag("\u{16}\u{3}\u{1}\0\\xf2"), "scanner tls-client-hello");
        assert_eq!(tag(r"\x16\x03\x01\x00"), "scanner tls-client-hello");
        assert_eq!(tag("\u{3}\0\0/*à"), "scanner rdp-request");
        assert_eq!(tag("hello"), "scanner no-ssh-banner");
        assert_eq!(banner(" \n"), None);
    }

    #[test]
    fn an_empty_file_and_a_lone_line_feed_are_no_payload() {
        assert_eq!(payload(&hex(&Sha256::digest(b"")), 64), None);
        assert_eq!(payload(&hex(&Sha256::digest(b"\n")), 64), None);
        let upper = hex(&Sha256::digest(b"x")).to_ascii_uppercase();
        assert_eq!(payload(&upper, 64).unwrap(), upper.to_ascii_lowercase());
        assert_eq!(payload("dl/x", 64), None);
        assert_eq!(payload("D41D8CD98F00B204E9800998ECF8427E", 32), None);
        assert_eq!(payload("68b329da9893e34099c7d8ad5cb9c940", 32), None);
        assert_eq!(
            payload("A48ca7b40ab2a6ebdd94dbd52164c6cf", 32).unwrap(),
            "a48ca7b40ab2a6ebdd94dbd52164c6cf"
        );
        assert_eq!(payload("a48ca7b40ab2a6ebdd94dbd52164c6cf", 64), None);
    }

    #[test]
    fn a_probe_is_the_hash_of_what_was_sent_whichever_sensor_it_was_sent_to() {
        let plain = |sent: &[u8]| Some(hex(&Sha256::digest(sent)));
        let request =
            |host: &str| format!("GET / HTTP/1.1\r\nhost:{host}\r\nA: b\r\n\r\nHost: c\r\n");
        let sent = request(" 198.51.100.7:8080");
        assert_eq!(probe(sent.as_bytes()), plain(request("").as_bytes()));
        assert_eq!(probe(request(" pot.example.org").as_bytes()), plain(request("").as_bytes()));
        // A host in the body says something, and so does another header.
        assert_ne!(probe(sent.replace("Host: c", "Host: d").as_bytes()), probe(sent.as_bytes()));
        assert_ne!(probe(sent.replace("A: b", "A: d").as_bytes()), probe(sent.as_bytes()));
        // Lines may end without a carriage return, and the request in the middle of one.
        assert_eq!(probe(b"GET / HTTP/1.0\nHost: x\n\n"), plain(b"GET / HTTP/1.0\nHost:\n\n"));
        assert_eq!(probe(b"GET / HTTP/1.0\nHost: x"), plain(b"GET / HTTP/1.0\nHost:"));
        for other in [&b"Host: x\r\n"[..], b"\x16\x03\x01\nHost: x\n", b"\xff"] {
            assert_eq!(probe(other), plain(other));
        }
        assert_eq!(probe(b""), None);
    }

    #[test]
    fn a_key_is_the_same_whether_it_was_offered_or_planted() {
        let blob = format!("AAAAB3NzaC1yc2EAAAABJQAAAQEA{}", "rDp4cun2lhr4".repeat(6));
        let offered = PublicKey {
            key: Some(format!("ssh-rsa {blob} me@here").into()),
            fingerprint: Some("d4:98".into()),
        };
        let planted =
            planted_keys(&format!("mkdir .ssh; echo \"ssh-rsa {blob} mdr\">>.ssh/authorized_keys"));
        assert_eq!(planted, [public_key(&offered).unwrap()]);
        assert_eq!(planted[0].len(), 64);
    }

    #[test]
    fn a_fingerprint_alone_is_marked_as_md5() {
        let key = PublicKey {
            key: None,
            fingerprint: Some("D4:98:c4:f3:12:ef:3e:29:38:34:62:21:fd:99:ec:ef".into()),
        };
        assert_eq!(public_key(&key).unwrap(), "md5:d498c4f312ef3e2938346221fd99ecef");
        assert_eq!(public_key(&PublicKey { key: Some("ssh-rsa".into()), fingerprint: None }), None);
    }

    #[test]
    fn an_origin_has_one_spelling() {
        let of = |url| Origin::of_url(url).map(|origin| (origin.url.unwrap(), origin.host));
        let pair = |url: &str, host: &str| Some((url.to_owned(), host.to_owned()));
        assert_eq!(
            of("HTTP://Me:pw@Example.ORG:80/A"),
            pair("http://example.org/A", "example.org")
        );
        assert_eq!(
            of("http://198.51.100.7:8080"),
            pair("http://198.51.100.7:8080", "198.51.100.7:8080")
        );
        assert_eq!(
            of("ftp://[2001:DB8::7]:2121/x"),
            pair("ftp://[2001:db8::7]:2121/x", "[2001:db8::7]:2121")
        );
        assert_eq!(of("http://::1/"), None);
        assert_eq!(of("http://"), None);
        assert_eq!(of("http://a b/"), None);
        assert_eq!(of("http://host:99999/"), None);
    }

    #[test]
    fn a_relay_target_has_its_port_and_its_canonical_host() {
        assert_eq!(relay_target("::ffff:198.51.100.7", "25").unwrap(), "198.51.100.7:25");
        assert_eq!(relay_target("2001:DB8::7", "443").unwrap(), "[2001:db8::7]:443");
        assert_eq!(relay_target("IPv4.ICanHazIP.com", "443").unwrap(), "ipv4.icanhazip.com:443");
        assert_eq!(relay_target("127.0.0.1", "80").unwrap(), "127.0.0.1:80");
        assert_eq!(relay_target("x", "smtp"), None);
    }

    #[test]
    fn long_values_are_cut_and_stay_different() {
        let (a, b) = ("a".repeat(5_000), "a".repeat(5_001));
        assert!(cut(&a, 100).len() < 250);
        assert_ne!(cut(&a, 100), cut(&b, 100));
        assert_eq!(cut("a\0b", 100), "a\u{fffd}b");
        assert!(matches!(cut("short", 100), Cow::Borrowed("short")));
    }
}

//! Things that attackers leave behind and that tie their sessions together: keys, files, hosts.
//!
//! Each is made from the dice, so it belongs to one actor and to nobody else; hashes are real hashes of
//! what they claim to be, so that recomputing them agrees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::dice::Dice;

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The SHA-256 of a text, in hexadecimal.
pub(super) fn sha256(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// An SSH public key.
#[derive(Clone, Debug)]
pub(super) struct PublicKey {
    /// The algorithm.
    pub(super) kind: &'static str,
    /// Algorithm and base64, as a client offers it.
    pub(super) offered: String,
    /// The MD5 of the key, as Cowrie prints it: hexadecimal with colons.
    pub(super) fingerprint: String,
    /// The line for `authorized_keys`, comment included.
    pub(super) line: String,
}

impl PublicKey {
    /// A key of this algorithm (`ssh-rsa` or `ssh-ed25519`).
    pub(super) fn new(dice: &mut Dice, kind: &'static str, comment: &str) -> Self {
        // RFC 4253, section 6.6: strings with their length in front; the exponent 65537, a modulus whose
        // leading zero keeps it positive.
        let mut blob = Vec::new();
        let mut string = |bytes: &[u8]| {
            blob.extend(u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
            blob.extend(bytes);
        };
        string(kind.as_bytes());
        if kind == "ssh-rsa" {
            string(&[1, 0, 1]);
            let mut modulus = dice.bytes(257);
            if let [zero, high, ..] = modulus.as_mut_slice() {
                *zero = 0;
                *high |= 0x80;
            }
            string(&modulus);
        } else {
            string(&dice.bytes(32));
        }
        let fingerprint =
            Md5::digest(&blob).iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(":");
        let offered = format!("{kind} {}", STANDARD.encode(&blob));
        let line = format!("{offered} {comment}");
        Self { kind, offered, fingerprint, line }
    }
}

/// A file that an attacker brings.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    /// How the attacker calls it.
    pub(super) name: String,
    /// Where it comes from; empty if it is uploaded or written by the shell.
    pub(super) url: String,
    /// The SHA-256 of its content.
    pub(super) sha256: String,
}

impl Payload {
    /// A file that comes from this URL.
    pub(super) fn at(dice: &mut Dice, url: String) -> Self {
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        Self { name, url, sha256: sha256(&dice.bytes(32)) }
    }

    /// A file that the attacker uploads.
    pub(super) fn uploaded(dice: &mut Dice, name: &str) -> Self {
        Self { name: name.to_owned(), url: String::new(), sha256: sha256(&dice.bytes(32)) }
    }

    /// What the shell leaves in a file after `echo`.
    pub(super) fn echoed(name: &str, text: &str) -> Self {
        let content = format!("{text}\n");
        Self { name: name.to_owned(), url: String::new(), sha256: sha256(content.as_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_shape_and_fingerprint_of_a_key() {
        let mut dice = Dice::new(1, &[]);
        let key = PublicKey::new(&mut dice, "ssh-rsa", "who@where");
        assert!(key.offered.starts_with("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB"), "{}", key.offered);
        let blob = STANDARD.decode(key.offered.split(' ').nth(1).unwrap()).unwrap();
        assert_eq!(hex(&Md5::digest(blob)), key.fingerprint.replace(':', ""));
        assert!(key.line.ends_with(" who@where"));
        assert!(
            PublicKey::new(&mut dice, "ssh-ed25519", "x")
                .offered
                .starts_with("ssh-ed25519 AAAAC3NzaC1")
        );
    }

    #[test]
    fn files_are_named_by_their_url_and_hashed() {
        let mut dice = Dice::new(1, &[]);
        let payload = Payload::at(&mut dice, "http://198.18.0.9/bins/x.sh".to_owned());
        assert_eq!((payload.name.as_str(), payload.sha256.len()), ("x.sh", 64));
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

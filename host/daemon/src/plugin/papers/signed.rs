//! Signatures over papers: Ed25519 (RFC 8032), by keys that the operator's config names.
//!
//! A signed paper ends in a table `[signature]`, and what is signed is every byte before that table, behind a
//! prefix that says what the signature is for. The paper names the component's digest, so the signature covers the
//! component too. Nothing is canonicalized: what a person reads is what was signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

/// What the signature is for: a signature over anything else is none over a paper.
const PURPOSE: &[u8] = b"corral: plugin paper, 1\n";
/// The table that ends a signed paper.
const TABLE: &str = "\n[signature]\n";
const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";

/// The table at the end of a paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    key: String,
    value: String,
}

/// Why a paper is not taken as signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It ends in no signature.
    #[error("is not signed (`corral plugin sign` does that)")]
    Missing,
    /// The signature is by somebody whom the config does not name.
    #[error("is signed by {0}, which is not among plugins.keys")]
    Stranger(String),
    /// It is no signature, or not over this text.
    #[error(
        "has a signature that does not fit: the paper was changed after it was signed, or the key is another"
    )]
    Wrong,
    /// A key is not one.
    #[error("'{0}' is no key (`corral plugin keygen` makes some)")]
    Key(String),
    /// The system has no randomness.
    #[error("draw a key: {0}")]
    Random(String),
}

/// A key that signatures are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PUBLIC}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let wrong = || SignatureError::Key(text.to_owned());
        let bytes =
            decode(text.trim().strip_prefix(PUBLIC).ok_or_else(wrong)?).ok_or_else(wrong)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| wrong())
    }
}

/// A key that signs.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SecretKey").field(&self.public()).finish()
    }
}

impl SecretKey {
    /// Draws one.
    ///
    /// # Errors
    /// [`SignatureError::Random`].
    pub fn draw() -> Result<Self, SignatureError> {
        let mut seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| SignatureError::Random(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads the text of a key file; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// [`SignatureError::Key`], without the secret in it.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let wrong = || SignatureError::Key("the text of this file".to_owned());
        let mut lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let encoded = lines.next().and_then(|line| line.strip_prefix(SECRET)).ok_or_else(wrong)?;
        decode(encoded).map(|seed| Self(SigningKey::from_bytes(&seed))).ok_or_else(wrong)
    }

    /// The text of a key file.
    pub fn text(&self) -> String {
        format!(
            "# A secret key of corral: whoever has it signs plugins that your hosts load. Its public key is\n# {}\n{SECRET}{}\n",
            self.public(),
            STANDARD.encode(self.0.as_bytes())
        )
    }

    /// The key that its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The paper with a signature at its end, in place of one that it had.
    pub fn sign(&self, paper: &str) -> String {
        let body = paper.split_once(TABLE).map_or(paper, |(body, _)| body).trim_end();
        let body = format!("{body}\n");
        let value = STANDARD.encode(self.0.sign(&message(&body)).to_bytes());
        let key = self.public();
        format!("{body}{TABLE}key = \"{key}\"\nvalue = \"{value}\"\n")
    }
}

/// Checks that a paper is signed by one of `keys`, and says by which.
///
/// # Errors
/// [`SignatureError`].
pub fn verify<'k>(paper: &str, keys: &'k [PublicKey]) -> Result<&'k PublicKey, SignatureError> {
    let (body, table) = paper.split_once(TABLE).ok_or(SignatureError::Missing)?;
    let signature: Signature = toml::from_str(table).map_err(|_| SignatureError::Wrong)?;
    let by: PublicKey = signature.key.parse()?;
    let bytes = STANDARD.decode(&signature.value).map_err(|_| SignatureError::Wrong)?;
    let bytes: [u8; 64] = bytes.try_into().map_err(|_| SignatureError::Wrong)?;
    let known = keys.iter().find(|key| **key == by);
    // Strict: one message has one signature by one key, and weak keys are none.
    by.0.verify_strict(&message(body), &ed25519_dalek::Signature::from_bytes(&bytes))
        .map_err(|_| SignatureError::Wrong)?;
    known.ok_or_else(|| SignatureError::Stranger(by.to_string()))
}

/// Whether a paper ends in a signature, of whomever.
pub fn is_signed(paper: &str) -> bool {
    paper.contains(TABLE)
}

fn message(body: &str) -> Vec<u8> {
    [PURPOSE, body.as_bytes()].concat()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: &str = "# words\n[component]\nsha256 = \"00\"\n";

    #[test]
    fn a_signed_paper_is_by_its_key_and_by_no_other() {
        let (key, other) = (SecretKey::draw().unwrap(), SecretKey::draw().unwrap());
        let keys = [other.public(), key.public()];
        let signed = key.sign(PAPER);
        assert!(signed.starts_with(PAPER) && is_signed(&signed), "{signed}");
        assert_eq!(verify(&signed, &keys), Ok(&keys[1]));
        let stranger = SignatureError::Stranger(key.public().to_string());
        assert_eq!(verify(&signed, &keys[..1]), Err(stranger));
        assert_eq!(verify(PAPER, &keys), Err(SignatureError::Missing));
        // Signed again, by the other: one signature, not two.
        let again = other.sign(&signed);
        assert_eq!(verify(&again, &keys), Ok(&keys[0]));
        assert_eq!(again.matches("[signature]").count(), 1);
    }

    #[test]
    fn any_byte_that_was_changed_is_noticed() {
        let key = SecretKey::draw().unwrap();
        let (signed, keys) = (key.sign(PAPER), [key.public()]);
        for at in 0..signed.len() {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(verify(&text, &keys).is_err(), "byte {at} of {signed}");
            }
        }
    }

    #[test]
    fn keys_come_back_from_their_texts_and_nothing_else_is_one() {
        let key = SecretKey::draw().unwrap();
        assert_eq!(SecretKey::parse(&key.text()).unwrap().public(), key.public());
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
        for text in ["", "ed25519:", "ed25519:AAAA", "minisign:AAAA"] {
            assert_eq!(text.parse::<PublicKey>(), Err(SignatureError::Key(text.to_owned())));
        }
        let error = SecretKey::parse("ed25519-secret:tooshort").unwrap_err().to_string();
        assert!(!error.contains("tooshort"), "{error}");
        assert!(!format!("{key:?}").contains(&STANDARD.encode(key.0.as_bytes())));
    }
}

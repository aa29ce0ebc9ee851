//! The papers of a component: what lies beside `NAME.wasm` and speaks for it.
//!
//! `NAME.toml` is its *manifest*: the digest, and a copy of what `describe` says, so that a person can read what a
//! component asks for before anything of it runs, and whoever signs signs both. `NAME.conformance.toml` is its
//! *certificate*: that this digest passed the conformance kit. Both are TOML and may end in a signature
//! ([`signed`]). Papers travel with the component, over the socket and into the database.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::load::Description;
use crate::files::{self, FileError};

pub mod signed;

/// The most bytes of one paper: as much as a description may say, several times over.
pub const PAPER_BYTES_MAX: usize = 256 << 10;

/// What lies beside a component, as text; none of it is believed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Papers {
    /// The manifest.
    pub manifest: Option<String>,
    /// The certificate of the conformance kit.
    pub certificate: Option<String>,
}

/// Which paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// The manifest.
    Manifest,
    /// The certificate.
    Certificate,
}

impl Paper {
    /// Where it lies beside a component.
    pub fn beside(self, component: &Path) -> PathBuf {
        component.with_extension(match self {
            Self::Manifest => "toml",
            Self::Certificate => "conformance.toml",
        })
    }
}

impl Papers {
    /// Reads what lies beside a component.
    ///
    /// # Errors
    /// [`FileError`] for a paper that is there and cannot be read.
    pub fn beside(component: &Path) -> Result<Self, FileError> {
        Ok(Self {
            manifest: read(&Paper::Manifest.beside(component))?,
            certificate: read(&Paper::Certificate.beside(component))?,
        })
    }
}

fn read(path: &Path) -> Result<Option<String>, FileError> {
    match files::read_to_string(path) {
        Ok(text) if text.len() > PAPER_BYTES_MAX => Err(FileError {
            path: path.to_path_buf(),
            error: std::io::Error::other(format!("longer than {PAPER_BYTES_MAX} bytes")),
        }),
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a paper is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// It cannot be read.
    #[error("is not readable: {0}")]
    Toml(String),
    /// It speaks of another component.
    #[error("is for the component sha256 {theirs}, this is {ours}")]
    Digest {
        /// The digest that it names.
        theirs: String,
        /// The digest of the component.
        ours: String,
    },
    /// It ends in no valid signature.
    #[error(transparent)]
    Signature(#[from] signed::SignatureError),
    /// It says something else than `describe`.
    #[error("says something else than describe does, of {0} (sign the component again)")]
    Differs(String),
    /// It says that the component did not pass.
    #[error("says that the component failed: {0}")]
    Failed(String),
}

/// The component that a paper speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    sha256: String,
}

/// A manifest: the digest, and what `describe` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    component: Of,
    describe: Description,
    #[serde(default, skip_serializing)]
    signature: Option<signed::Signature>,
}

impl Manifest {
    /// The manifest of a component.
    pub fn new(digest: &str, describe: Description) -> Self {
        Self { component: Of { sha256: digest.to_owned() }, describe, signature: None }
    }

    /// Reads one, and holds it against the component's digest.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn parse(text: &str, digest: &str) -> Result<Self, PaperError> {
        let manifest: Self = parse(text)?;
        is_of(&manifest.component, digest)?;
        Ok(manifest)
    }

    /// Its text, without a signature.
    ///
    /// # Errors
    /// [`PaperError::Toml`] if it cannot be told in TOML.
    pub fn text(&self) -> Result<String, PaperError> {
        let head = "# What the component beside this file is and asks for; `corral plugin sign` wrote it.\n\n";
        let body = toml::to_string(self).map_err(|error| PaperError::Toml(error.to_string()))?;
        Ok(format!("{head}{body}"))
    }

    /// What it says of the component.
    pub fn describe(&self) -> &Description {
        &self.describe
    }

    /// Holds it against what `describe` said.
    ///
    /// # Errors
    /// [`PaperError::Differs`], naming the fields.
    pub fn agrees_with(&self, said: &Description) -> Result<(), PaperError> {
        let ours = &self.describe;
        let fields = [
            ("name", ours.name != said.name),
            ("version", ours.version != said.version),
            ("summary", ours.summary != said.summary),
            ("wakes", ours.wakes != said.wakes),
            ("poll-seconds", ours.poll_seconds != said.poll_seconds),
            ("reads", ours.reads != said.reads),
            ("writes", ours.writes != said.writes),
            ("kernels", ours.kernels != said.kernels),
            ("settings", ours.settings != said.settings),
        ];
        let differ: Vec<&str> =
            fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if differ.is_empty() { Ok(()) } else { Err(PaperError::Differs(differ.join(", "))) }
    }
}

/// A certificate of the conformance kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    component: Of,
    /// The kit that tested it.
    pub kit: Kit,
    /// What was tested.
    pub checks: Vec<Check>,
    #[serde(default, skip_serializing)]
    signature: Option<signed::Signature>,
}

/// Which kit it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kit {
    /// The version of corral.
    pub corral: String,
    /// The version of the contract.
    pub contract: String,
    /// When it was, in microseconds of UTC.
    pub at: i64,
}

/// One thing that was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What the component promises.
    pub name: String,
    /// Whether it keeps it.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

impl Certificate {
    /// The certificate of a component.
    pub fn new(digest: &str, kit: Kit, checks: Vec<Check>) -> Self {
        Self { component: Of { sha256: digest.to_owned() }, kit, checks, signature: None }
    }

    /// Reads one, and holds it against the component's digest; every check has to have passed.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn parse(text: &str, digest: &str) -> Result<Self, PaperError> {
        let certificate: Self = parse(text)?;
        is_of(&certificate.component, digest)?;
        let failed = certificate.checks.iter().filter(|check| !check.passed);
        let failed: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        match (failed.is_empty(), certificate.checks.is_empty()) {
            (true, false) => Ok(certificate),
            (true, true) => Err(PaperError::Failed("nothing was tested".to_owned())),
            (false, _) => Err(PaperError::Failed(failed.join(", "))),
        }
    }

    /// Its text, without a signature.
    ///
    /// # Errors
    /// [`PaperError::Toml`] if it cannot be told in TOML.
    pub fn text(&self) -> Result<String, PaperError> {
        let head = "# What the conformance kit found (`corral plugin test`).\n\n";
        let body = toml::to_string(self).map_err(|error| PaperError::Toml(error.to_string()))?;
        Ok(format!("{head}{body}"))
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, PaperError> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text.get(..span.start).unwrap_or("").lines().count().max(1));
        PaperError::Toml(format!("line {line}: {}", error.message().trim_end()))
    })
}

fn is_of(of: &Of, digest: &str) -> Result<(), PaperError> {
    if of.sha256 == digest {
        return Ok(());
    }
    Err(PaperError::Digest { theirs: of.sha256.clone(), ours: digest.to_owned() })
}

#[cfg(test)]
mod tests;

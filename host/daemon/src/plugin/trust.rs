//! Which components may become plugins: what the operator's config demands of them.
//!
//! What is built into this program is trusted as the program is. Everything else is *pinned*: its digest stands in
//! the config or in a manifest beside it, or a person has just named that very file. Where the config asks for
//! signatures or certificates, what has none, or none by a key that the config names, is refused before anything of
//! it is compiled. No step needs a network.

use std::collections::BTreeMap;

use super::Source;
use super::grants::{self, Grants};
use super::load::{Description, Reason};
use super::papers::signed::{self, PublicKey, SignatureError};
use super::papers::{Certificate, Manifest, Paper, PaperError, Papers};
use crate::config::{Config, PluginConfig};

/// What the config says of components, and what is granted to plugins.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    plugins: BTreeMap<String, PluginConfig>,
    /// What names have where the config says nothing of them.
    defaults: BTreeMap<String, Grants>,
    keys: Vec<PublicKey>,
    needs_signature: bool,
    needs_certificate: bool,
}

impl Policy {
    /// The policy of a config.
    ///
    /// # Errors
    /// [`SignatureError::Key`] for a key that is none.
    pub(super) fn new(config: &Config) -> Result<Self, SignatureError> {
        let keys = config.plugins.keys.iter().map(|key| key.parse());
        Ok(Self {
            plugins: config.plugin.clone(),
            defaults: BTreeMap::new(),
            keys: keys.collect::<Result<_, _>>()?,
            needs_signature: config.plugins.require_signature,
            needs_certificate: config.plugins.require_certificate,
        })
    }

    /// The same defaults under another config.
    pub(super) fn with_defaults_of(self, other: &Self) -> Self {
        Self { defaults: other.defaults.clone(), ..self }
    }

    /// Grants a name what a description asks for, where the config says nothing of it.
    pub(super) fn grant_by_default(&mut self, description: &Description) {
        self.defaults.insert(description.name.clone(), Grants::all_of(description));
    }

    /// What the plugin of this name is granted.
    pub(super) fn grants(&self, name: &str) -> Grants {
        let nothing = PluginConfig::default();
        Grants::of(self.plugins.get(name).unwrap_or(&nothing), self.defaults.get(name))
    }

    /// Before anything of a component is looked at: its pin, and its papers.
    pub(super) fn admits_bytes(
        &self,
        source: &Source,
        digest: &str,
        papers: &Papers,
    ) -> Result<Option<Manifest>, Reason> {
        if *source == Source::Embedded {
            return Ok(None);
        }
        let paper = |paper, error| Reason::Paper { paper, error };
        let manifest = papers.manifest.as_deref();
        let manifest = manifest.map(|text| Manifest::parse(text, digest)).transpose();
        let manifest = manifest.map_err(|error| paper(Paper::Manifest, error))?;
        self.is_signed(papers.manifest.as_deref(), self.needs_signature)
            .map_err(|error| paper(Paper::Manifest, error.into()))?;
        let certificate = papers.certificate.as_deref();
        match certificate.map(|text| Certificate::parse(text, digest)).transpose() {
            // One that nobody asked for is not worth a refusal.
            Err(error) if self.needs_certificate => return Err(paper(Paper::Certificate, error)),
            Ok(None) if self.needs_certificate => return Err(Reason::NoCertificate),
            _ => {}
        }
        // Where no key is named, anybody's word counts, as it does for the component itself.
        if self.needs_certificate {
            self.is_signed(certificate, !self.keys.is_empty())
                .map_err(|error| paper(Paper::Certificate, error.into()))?;
        }
        let pins = self.plugins.values().flat_map(|plugin| &plugin.sha256);
        let is_pinned = source.is_named_by_a_person()
            || manifest.is_some()
            || pins.into_iter().any(|pin| pin == digest);
        if !is_pinned {
            return Err(Reason::Unpinned { digest: digest.to_owned() });
        }
        Ok(manifest)
    }

    /// A paper's signature: it must fit if there is one, and be there and ours if it has to.
    fn is_signed(&self, paper: Option<&str>, is_required: bool) -> Result<(), SignatureError> {
        match paper.map(|paper| signed::verify(paper, &self.keys)) {
            None if is_required => Err(SignatureError::Missing),
            Some(Err(error)) if is_required => Err(error),
            // A signature by somebody whom we do not know is as good as none; a broken one is worse.
            Some(Err(error @ (SignatureError::Wrong | SignatureError::Key(_)))) => Err(error),
            None | Some(_) => Ok(()),
        }
    }

    /// After `describe`: whether the manifest tells the truth, the name's pins fit, and all is granted.
    pub(super) fn admits(
        &self,
        source: &Source,
        digest: &str,
        manifest: Option<&Manifest>,
        said: &Description,
    ) -> Result<(), Reason> {
        if *source == Source::Embedded {
            return Ok(());
        }
        if let Some(manifest) = manifest {
            let differs = |error: PaperError| Reason::Paper { paper: Paper::Manifest, error };
            manifest.agrees_with(said).map_err(differs)?;
        }
        let pins =
            self.plugins.get(&said.name).map(|plugin| plugin.sha256.as_slice()).unwrap_or_default();
        if !pins.is_empty() && !pins.iter().any(|pin| pin == digest) {
            return Err(Reason::Pinned { name: said.name.clone(), digest: digest.to_owned() });
        }
        let missing = self.grants(&said.name).missing(said);
        if missing.is_empty() {
            return Ok(());
        }
        let what: Vec<String> = missing
            .iter()
            .map(|missing| format!("{} {}", missing.capability.key(), missing.names.join(", ")))
            .collect();
        let lines: Vec<String> = missing.into_iter().map(|missing| missing.line).collect();
        Err(Reason::NotGranted {
            name: said.name.clone(),
            what: what.join("; "),
            lines: lines.join("; "),
        })
    }
}

/// The section of the config that lets a component in, to be copied from the terminal.
pub fn section(digest: &str, said: &Description) -> String {
    let mut lines = vec![format!("[plugin.{}]", said.name), format!("sha256 = [\"{digest}\"]")];
    lines.extend(grants::lines(said));
    lines.join("\n")
}

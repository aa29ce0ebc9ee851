//! From bytes to a plugin: papers, validate, compile, link, probe, grants.
//!
//! Every stage can fail, and then there is no plugin; nothing else happens. A component that imports
//! anything but our interfaces is refused with all offending imports named, one that speaks another
//! version of the contract with both versions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::bindings::correlator;
use super::compile::CompileError;
use super::compiled::deserialize;
use super::described::within;
use super::exports::Code;
use super::guest::Mode;
use super::kept::Lane;
use super::papers::{Paper, PaperError, Papers};
use super::{Host, Source};
use crate::store::revision::View;

/// The contract's package.
pub(super) const PACKAGE: &str = "corral:correlator/";
/// The version of the contract that this host speaks.
pub const VERSION: &str = "0.1.1";
/// The versions whose plugins load: this one and the one before it.
pub const SPOKEN: [&str; 2] = [VERSION, "0.1.0"];

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its author's version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// Bus topics that wake it.
    pub wakes: Vec<String>,
    /// Seconds between wakes when the bus says nothing.
    pub poll_seconds: u32,
    /// Views it reads.
    pub reads: Vec<String>,
    /// Changes it commits.
    pub writes: Vec<String>,
    /// Kernels it runs.
    pub kernels: Vec<String>,
    /// Settings with their defaults.
    pub settings: Vec<Setting>,
}

/// A setting that a plugin understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it is when the operator says nothing.
    pub default: String,
    /// One sentence.
    pub summary: String,
}

impl From<correlator::Description> for Description {
    fn from(from: correlator::Description) -> Self {
        let setting = |setting: correlator::Setting| Setting {
            name: setting.name,
            default: setting.default,
            summary: setting.summary,
        };
        Self {
            name: from.name,
            version: from.version,
            summary: from.summary,
            wakes: from.wakes,
            poll_seconds: from.poll_seconds,
            reads: from.reads,
            writes: from.writes,
            kernels: from.kernels,
            settings: from.settings.into_iter().map(setting).collect(),
        }
    }
}

/// A loaded component, ready for ticks. Cloning shares the code.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    source: Source,
    digest: String,
    bytes: Box<[u8]>,
    papers: Papers,
    description: Description,
    code: Code,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Plugin")
            .field(&self.0.description.name)
            .field(&self.0.digest)
            .finish()
    }
}

impl Plugin {
    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// The SHA-256 of the component, in hex.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Where the component came from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// The component.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The papers that it was loaded with.
    pub fn papers(&self) -> &Papers {
        &self.0.papers
    }

    pub(super) fn code(&self) -> &Code {
        &self.0.code
    }
}

/// Why a component did not become a plugin.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {reason}")]
pub struct LoadError {
    /// The file, or "built in".
    pub source_name: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Larger than the limit.
    #[error("{bytes} bytes are more than limits.component-bytes-max = {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// No component at all.
    #[error(
        "no WebAssembly component: {0} (build it with `cargo xtask plugins`, or wit-component)"
    )]
    NoComponent(String),
    /// It could not be compiled.
    #[error(transparent)]
    Compile(CompileError),
    /// Its memories, tables or instances are larger, or more, than any plugin's may be.
    #[error(
        "asks for more than a plugin may have: {0:#} (limits.memory-bytes-max, limits.table-elements-max)"
    )]
    Demands(wasmtime::Error),
    /// Other imports than ours.
    #[error("imports what no plugin may have: {} (a plugin sees only {PACKAGE}*@{VERSION})", .0.join(", "))]
    Imports(Vec<String>),
    /// Another version of our contract.
    #[error(
        "speaks {theirs}, this host speaks {PACKAGE}*@{} (rebuild it with this version's SDK)", SPOKEN.join(" and ")
    )]
    Version {
        /// What it imports or exports.
        theirs: String,
    },
    /// It does not export what a plugin exports, or in other types.
    #[error("does not fit the contract: {0:#}")]
    Shape(wasmtime::Error),
    /// `describe` failed.
    #[error("describe failed: {0}")]
    Probe(String),
    /// `describe` says something that cannot be.
    #[error("describe: {0}")]
    Description(String),
    /// A paper of it is wrong.
    #[error("its {} {error}", match paper { Paper::Manifest => "manifest", Paper::Certificate => "certificate" })]
    Paper {
        /// Which.
        paper: Paper,
        /// What is wrong with it.
        #[source]
        error: PaperError,
    },
    /// The config wants a certificate.
    #[error(
        "has no certificate, and plugins.require-certificate asks for one (`corral plugin test --certificate` writes it)"
    )]
    NoCertificate,
    /// Nobody has said that it may be this component.
    #[error(
        "nobody pinned it: put sha256 = [\"{digest}\"] under [plugin.…] into the config, or a manifest beside it \
         (`corral plugin inspect` shows both)"
    )]
    Unpinned {
        /// Its digest.
        digest: String,
    },
    /// The config names other digests.
    #[error("is not the component that [plugin.{name}] sha256 names: its digest is {digest}")]
    Pinned {
        /// The plugin.
        name: String,
        /// The component's digest.
        digest: String,
    },
    /// It asks for more than the config grants.
    #[error(
        "plugin '{name}' asks for what the config does not grant: {what} (to grant it, put this under [plugin.{name}]: {lines})"
    )]
    NotGranted {
        /// The plugin.
        name: String,
        /// What is missing, by kind.
        what: String,
        /// The lines that would grant it.
        lines: String,
    },
}

/// What a plugin may import, in words.
pub fn contract() -> String {
    format!("{PACKAGE}*@{VERSION}")
}

impl Host {
    /// Makes a plugin of a component's bytes, if its papers, its digest and what it asks for are as the config
    /// wants them.
    ///
    /// # Errors
    /// [`LoadError`], naming the component and what is wrong with it.
    pub async fn load(
        &self,
        source: Source,
        bytes: &[u8],
        papers: &Papers,
    ) -> Result<Plugin, LoadError> {
        let named = |reason| LoadError { source_name: source.to_string(), reason };
        let digest = digest(bytes);
        let policy = self.policy();
        let manifest = policy.admits_bytes(&source, &digest, papers).map_err(named)?;
        let plugin = self.make(source.clone(), bytes, digest.clone(), papers.clone()).await?;
        policy.admits(&source, &digest, manifest.as_ref(), plugin.description()).map_err(named)?;
        if source == Source::Embedded {
            self.allow(&plugin);
        }
        Ok(plugin)
    }

    /// The same, whatever the config wants: for whoever only looks, or tests.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn inspect(&self, source: Source, bytes: &[u8]) -> Result<Plugin, LoadError> {
        self.make(source, bytes, digest(bytes), Papers::default()).await
    }

    async fn make(
        &self,
        source: Source,
        bytes: &[u8],
        digest: String,
        papers: Papers,
    ) -> Result<Plugin, LoadError> {
        let named = |reason| LoadError { source_name: source.to_string(), reason };
        let code = self.compile(&source, bytes, &digest).await.map_err(named)?;
        let description = self.probe(&code).await.map_err(named)?;
        within(&description, self.limits.describe_bytes_max)
            .and_then(|()| check(&description))
            .map_err(|what| named(Reason::Description(what)))?;
        Ok(Plugin(Arc::new(Loaded {
            source,
            digest,
            bytes: bytes.into(),
            papers,
            description,
            code,
        })))
    }

    /// Compiles and links.
    async fn compile(&self, source: &Source, bytes: &[u8], digest: &str) -> Result<Code, Reason> {
        let (size, limit) = (bytes.len() as u64, self.limits.component_bytes_max);
        if size > limit {
            return Err(Reason::TooLarge { bytes: size, limit });
        }
        let engine = self.engine.wasm();
        let component = self.component(source, bytes, digest).await?;
        let shape = component.component_type();
        let names: Vec<String> = shape
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .chain(
                shape
                    .exports(engine)
                    .map(|(name, _)| name.to_owned())
                    .filter(|name| name.starts_with(PACKAGE)),
            )
            .collect();
        let foreign: Vec<String> =
            names.iter().filter(|name| !name.starts_with(PACKAGE)).cloned().collect();
        if !foreign.is_empty() {
            return Err(Reason::Imports(foreign));
        }
        let is_spoken = |name: &String| {
            name.rsplit_once('@').is_some_and(|(_, version)| SPOKEN.contains(&version))
        };
        if let Some(theirs) = names.iter().find(|name| !is_spoken(name)) {
            return Err(Reason::Version { theirs: theirs.clone() });
        }
        let linked = self.linker.instantiate_pre(&component);
        linked.and_then(|linked| Code::new(linked, &component)).map_err(Reason::Shape)
    }

    /// What was compiled before; or compiles, on the guests' runtime, so that several are compiled at once and
    /// timers run on. What is not our own is compiled in another process.
    async fn component(
        &self,
        source: &Source,
        bytes: &[u8],
        digest: &str,
    ) -> Result<Component, Reason> {
        let (engine, bytes, digest) =
            (self.engine.wasm().clone(), bytes.to_vec(), digest.to_owned());
        let (kept, compiler) = (self.compiled.clone(), self.compiler.clone());
        let is_ours = *source == Source::Embedded;
        let compiling = self.engine.spawn(async move {
            if let Some(component) = kept.as_ref().and_then(|kept| kept.get(&engine, &digest)) {
                return Ok(component);
            }
            let code = if is_ours {
                let code = engine.precompile_component(&bytes);
                code.map_err(|error| Reason::NoComponent(format!("{error:#}")))?
            } else {
                compiler.compile(&bytes).await.map_err(|error| match error {
                    CompileError::Refused(why) => Reason::NoComponent(why),
                    error => Reason::Compile(error),
                })?
            };
            let component = deserialize(&engine, &code).map_err(Reason::Demands)?;
            if let Some(kept) = kept {
                kept.put(&engine, &digest, &code);
            }
            Ok(component)
        });
        let stopping = || Reason::Probe("the host is stopping".to_owned());
        compiling.ok_or_else(stopping)?.join().await.map_err(|_| stopping())?
    }

    /// Asks the component what it is. It gets no view, no kernel and no commit meanwhile.
    pub(super) async fn probe(&self, code: &Code) -> Result<Description, Reason> {
        let failed = |error: wasmtime::Error| Reason::Probe(super::tick::describe_trap(&error));
        let (code, mut store) = (code.clone(), self.guest_store(None, Mode::Change, Lane::Live));
        let probe = async move { code.describe(&mut store).await };
        let running =
            self.engine.spawn(probe).ok_or(Reason::Probe("the host is stopping".to_owned()))?;
        match tokio::time::timeout(self.limits.tick(), running.join()).await {
            Ok(Ok(description)) => Ok(description.map_err(failed)?.into()),
            Ok(Err(error)) => Err(Reason::Probe(error.to_string())),
            Err(_) => {
                Err(Reason::Probe(format!("took longer than {} s", self.limits.tick_seconds)))
            }
        }
    }
}

/// The SHA-256 of a component, in hex.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(description: &Description) -> Result<(), String> {
    let name = &description.name;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(format!("name {name:?} is not kebab-case of at most 64 letters"));
    }
    let is_view = |name: &String| View::ALL.iter().any(|view| view.name() == name);
    if let Some(view) = description.reads.iter().find(|name| !is_view(name)) {
        return Err(format!("asks for view '{view}', which this host does not have"));
    }
    let is_change = |name: &String| super::storage::CHANGES.contains(&name.as_str());
    if let Some(change) = description.writes.iter().find(|name| !is_change(name)) {
        return Err(format!("asks for change '{change}', which this host does not have"));
    }
    if let Some(kernel) =
        description.kernels.iter().find(|kernel| corral_kernels::find(kernel).is_none())
    {
        return Err(format!("asks for kernel '{kernel}', which this host does not have"));
    }
    Ok(())
}

//! Trying a plugin out: ticks that write nothing, and hosts on databases that are thrown away.

use std::sync::{Arc, RwLock};

use corral_kernels::Interner;

use super::engine::{Counting, Engine};
use super::guest::Mode;
use super::kept::{KeptKernels, Lane};
use super::outcome::Outcome;
use super::share::Shares;
use super::tick::{Call, Called};
use super::usage::Usage;
use super::{Description, Difference, Host, HostError, LoadError, Plugin, TickError, Wake};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::resident::Resident;
use crate::store::revision::View;
use crate::store::{Store, StoreError};

/// What a tick did that wrote nothing.
#[derive(Debug)]
pub struct Trial {
    /// Whether the guest came to its end, or what problem it had.
    pub answer: Result<(), TickError>,
    /// The calls that the host may fail, in their order; of a great many the first.
    pub calls: Vec<&'static str>,
    /// What it used.
    pub usage: Usage,
    outcome: Outcome,
}

impl Trial {
    /// Whether it would change nothing.
    pub fn changes_nothing(&self) -> bool {
        self.outcome.is_empty()
    }
}

impl Host {
    /// A host with the same engine and pool on another database. It shares no text, no view and nothing that
    /// kernels keep, so that nobody's codes tell what another has read.
    pub fn beside(&self, config: &Config, store: Store, clock: Arc<dyn Clock>) -> Self {
        let texts = Arc::new(Interner::new(config.store.text_bytes_max));
        Self {
            engine: self.engine.clone(),
            linker: self.linker.clone(),
            pool: self.pool.clone(),
            store,
            resident: Arc::new(Resident::new(texts.clone(), config.store.resident_bytes_max)),
            texts,
            kept: Arc::new(KeptKernels::new(config.pool.kept_bytes_max)),
            compiled: self.compiled.clone(),
            compiler: self.compiler.clone(),
            shares: Shares::default(),
            policy: RwLock::new(self.policy()),
            recorder: None,
            limits: config.limits.clone(),
            clock,
        }
    }

    /// A host that counts the instructions of its guests, and keeps no compiled code.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn counting(
        config: &Config,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HostError> {
        let mut config = config.clone();
        config.plugins.cache.clear();
        let engine = Engine::start(&config.limits, Counting::Instructions)?;
        Self::on(engine, &config, store, clock)
    }

    /// Has a plugin describe itself again, in a new instance.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn ask(&self, plugin: &Plugin) -> Result<Description, LoadError> {
        let source_name = plugin.source().to_string();
        self.probe(plugin.code()).await.map_err(|reason| LoadError { source_name, reason })
    }

    /// Gives texts their codes before anybody reads them: then the order of codes is another.
    ///
    /// # Errors
    /// [`StoreError::Text`] if there is no room.
    pub fn intern<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<(), StoreError> {
        self.texts.codes(texts)?;
        Ok(())
    }

    /// Runs a tick that writes nothing; if a number is given, the call of that number fails. It begins without
    /// anything that a kernel keeps.
    ///
    /// # Errors
    /// [`TickError`] if the guest died; that it had a problem is told in the [`Trial`].
    pub async fn try_out(
        &self,
        plugin: &Plugin,
        wake: Wake,
        fails: Option<usize>,
    ) -> Result<Trial, TickError> {
        let call = Call::new(plugin, &wake, self.clock.now(), Mode::Try { fails }, Lane::Shadow);
        let Called { answer, changes, used, snapshot, kept } = self.call(call).await?;
        drop(kept);
        let attribution = match snapshot {
            Some(mut snapshot) if changes.iter().any(super::outcome::puts_attribution) => {
                Some(snapshot.read(View::Attribution, "").await?)
            }
            _ => None,
        };
        let outcome = Outcome::of_tick(plugin, &changes, attribution.as_ref())?;
        let usage = Usage::of(&used);
        Ok(Trial { answer, calls: used.calls, usage, outcome })
    }

    /// How what one trial would have changed differs from what another would have.
    pub fn compare(&self, one: &Trial, other: &Trial) -> Difference {
        one.outcome.difference(&other.outcome, &self.texts)
    }
}

//! The certificate of a database: proofs that what is stored follows from what was seen.
//!
//! Two things are proved, and neither relies on the other. First, that the kernels are right about this
//! database: each correlator ticks once more without writing, and every kernel answer is checked by the
//! kernel's own judge, whatever its size. What the tick would still change is told; where that is nothing,
//! what is stored is what the kernels say. Second, that the *stored* evidence accounts for the stored groups
//! ([`stored`]), with nothing but the rows themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::plugin::catalog::Catalog;
use crate::plugin::prove::Grouping;
use crate::plugin::{Host, KernelCall, Plugin, Reason, TickError, Verdict, Wake};
use crate::store::commit::{Committed, Layer};
use crate::store::{Store, StoreError};

pub mod stored;

use stored::Account;

/// What was proved, and what was not.
#[derive(Debug, Default, Serialize)]
pub struct Certificate {
    /// The kernels' answers, by plugin.
    pub plugins: BTreeMap<String, Answers>,
    /// The stored evidence, by layer.
    pub layers: BTreeMap<&'static str, Account>,
}

/// What the kernels answered a plugin.
#[derive(Debug, Default, Serialize)]
pub struct Answers {
    /// Each call, in order.
    pub calls: Vec<Answered>,
    /// What the tick would still change, by verb; absent if it failed.
    pub would_change: Option<Committed>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// One answer of a kernel.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// The kernel.
    pub kernel: &'static str,
    /// Rows of all inputs together.
    pub rows: usize,
    /// Groups that it made, where it groups.
    pub groups: Option<usize>,
    /// Edges of evidence that it gave, where it gives any.
    pub edges: Option<usize>,
    /// Milliseconds of the answer.
    pub run_milliseconds: f64,
    /// Milliseconds of the check.
    pub verify_milliseconds: Option<f64>,
    /// `right`, `wrong`, or `failed` where there is no answer to check.
    pub verdict: &'static str,
    /// What is wrong, or why there is none.
    pub fault: Option<String>,
}

impl Certificate {
    /// Whether nothing is wrong. A plugin that failed proves nothing, but is not wrong for that.
    pub fn holds(&self) -> bool {
        let mut calls = self.plugins.values().flat_map(|plugin| &plugin.calls);
        calls.all(|call| call.verdict != "wrong") && self.layers.values().all(Account::holds)
    }

    /// Whether every plugin came to the end of its tick.
    pub fn is_complete(&self) -> bool {
        self.plugins.values().all(|plugin| plugin.failed.is_none())
    }
}

impl From<&KernelCall> for Answered {
    fn from(call: &KernelCall) -> Self {
        let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
        let (verdict, fault) = match &call.verdict {
            Verdict::Right => ("right", None),
            Verdict::Unchecked => ("unchecked", None),
            Verdict::Wrong(fault) => ("wrong", Some(fault.clone())),
            Verdict::Failed(why) => ("failed", Some(why.clone())),
        };
        Self {
            kernel: call.kernel,
            rows: call.rows,
            groups: call.groups(),
            edges: call.edges(),
            run_milliseconds: milliseconds(call.took.run),
            verify_milliseconds: call.took.verify.map(milliseconds),
            verdict,
            fault,
        }
    }
}

/// Proves what the enabled plugins that ask for one of these kernels have stored; all of them, and every
/// layer, if no kernel is named. Writes nothing.
///
/// # Errors
/// [`StoreError`]; a plugin that fails is told in the [`Certificate`].
pub async fn certify(
    host: &Host,
    catalog: &Catalog,
    config: &Config,
    store: &Store,
    kernels: &[String],
) -> Result<Certificate, StoreError> {
    let mut certificate = Certificate::default();
    let is_asked = |plugin: &&Plugin| {
        let about = plugin.description();
        let named = || about.kernels.iter().any(|kernel| kernels.contains(kernel));
        config.plugin(&about.name).enabled && (kernels.is_empty() || named())
    };
    let plugins: Vec<&Plugin> = catalog.plugins.values().filter(is_asked).collect();
    let mut groupings: Vec<Grouping> = Vec::new();
    for plugin in &plugins {
        let name = &plugin.description().name;
        let settings = config.plugin(name).settings.into_iter().collect();
        let mut answers = Answers::default();
        match host.prove(plugin, Wake { reason: Reason::Command, settings }).await {
            Ok(proof) => {
                let asked = |call: &&KernelCall| {
                    kernels.is_empty() || kernels.iter().any(|kernel| kernel == call.kernel)
                };
                answers.calls = proof.calls.iter().filter(asked).map(Answered::from).collect();
                groupings.extend(proof.groupings);
                match proof.changes {
                    Ok(would_change) => answers.would_change = Some(would_change),
                    Err(error) => answers.failed = Some(error.to_string()),
                }
            }
            Err(TickError::Store(error)) => return Err(error),
            Err(error) => answers.failed = Some(error.to_string()),
        }
        certificate.plugins.insert(name.clone(), answers);
    }
    for (name, layer, change) in [
        ("identity", Layer::Identity, "explain-identities"),
        ("campaign", Layer::Campaign, "explain-campaigns"),
    ] {
        let explains =
            |plugin: &&Plugin| plugin.description().writes.iter().any(|writes| writes == change);
        if kernels.is_empty() || plugins.iter().any(explains) {
            let grouping = groupings.iter().find(|grouping| grouping.layer == layer);
            let labels = grouping.map(|grouping| grouping.labels.as_slice()).unwrap_or_default();
            let account = stored::judge(layer, &store.stored_layer(layer).await?, labels);
            certificate.layers.insert(name, account);
        }
    }
    Ok(certificate)
}

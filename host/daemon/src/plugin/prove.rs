//! A tick that changes nothing: what the kernels say of the database as it is, each answer checked.

use std::collections::BTreeMap;

use super::guest::Mode;
use super::kept::Lane;
use super::tick::{Call, Called};
use super::{Host, KernelCall, Plugin, TickError, Wake};
use crate::store::StoreError;
use crate::store::commit::{CommitError, Committed, Committer, Layer};
use crate::store::revision::View;

/// What a tick found, and would have done.
#[derive(Debug)]
pub struct Proof {
    /// The kernels that it ran, each with the verdict on its answer.
    pub calls: Vec<KernelCall>,
    /// What it would change, by verb.
    pub changes: Result<Committed, TickError>,
    /// How the kernel groups the members of each layer that the plugin explains.
    pub groupings: Vec<Grouping>,
}

/// How a kernel groups the members of a layer.
#[derive(Debug)]
pub struct Grouping {
    /// The layer.
    pub layer: Layer,
    /// The uuid of each member and the label of its group.
    pub labels: Vec<(String, u32)>,
}

impl Host {
    /// Runs a tick to its end and writes nothing. Every kernel answer is checked, whatever its size, and
    /// the plugin's memory (the view `state`) looks empty to it, so that it does all of its work.
    ///
    /// # Errors
    /// [`TickError`] if there is nothing to tell, because the guest died; that it had a problem is told in
    /// the [`Proof`].
    pub async fn prove(&self, plugin: &Plugin, wake: Wake) -> Result<Proof, TickError> {
        let now = self.clock.now();
        let own_state = Some(self.state_frame(&BTreeMap::new())?);
        let call = Call { own_state, ..Call::new(plugin, &wake, now, Mode::Prove, Lane::Live) };
        let mut called = self.call(call).await?;
        let groupings = self.groupings(plugin, &mut called).await?;
        let Called { answer, changes, used, snapshot, .. } = called;
        drop(snapshot);
        let name = &plugin.description().name;
        let by = Committer { plugin: name, now, event_bytes_max: self.limits.event_bytes_max };
        let changes = match answer {
            Err(error) => Err(error),
            Ok(()) => match self.store.rehearse(&self.resident, &changes, by).await {
                Ok(would) => Ok(would),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(error) => Err(TickError::Commit { plugin: name.clone(), error }),
            },
        };
        Ok(Proof { calls: used.kernel_calls, changes, groupings })
    }

    /// The labels of the last kernel that groups as many rows as the members' view has. That its rows are
    /// the view's is what explaining a layer by a kernel's forest takes.
    async fn groupings(
        &self,
        plugin: &Plugin,
        called: &mut Called,
    ) -> Result<Vec<Grouping>, StoreError> {
        let mut groupings = Vec::new();
        let Some(snapshot) = &mut called.snapshot else { return Ok(groupings) };
        for (layer, view, change) in [
            (Layer::Identity, View::Attackers, "explain-identities"),
            (Layer::Campaign, View::Identities, "explain-campaigns"),
        ] {
            if !plugin.description().writes.iter().any(|writes| writes == change) {
                continue;
            }
            let members = snapshot.read(view, "").await?;
            let labels = called
                .used
                .kernel_calls
                .iter()
                .rev()
                .find_map(|call| call.labels().filter(|labels| labels.len() == members.rows()));
            let (Some(labels), Ok(uuids)) = (labels, members.text("uuid")) else { continue };
            let uuids = self.texts.texts(uuids);
            let labels = uuids.iter().map(str::to_owned).zip(labels.iter().copied());
            groupings.push(Grouping { layer, labels: labels.collect() });
        }
        Ok(groupings)
    }
}

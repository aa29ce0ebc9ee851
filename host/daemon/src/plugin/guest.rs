//! What the host keeps of a guest while it runs: its handles, its snapshot, its changes, and what it
//! has used of its limits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use corral_kernels::{Frame, Interner};
use wasmtime::component::ResourceTable;

use super::bindings::Problem;
use super::grants::{Capability, Grants};
use super::kept::Taken;
use super::kernels::KernelCall;
use super::load::Plugin;
use super::memory::Memory;
use super::recording::Recorded;
use super::share::Share;
use crate::clock::Clock;
use crate::config::Limits;
use crate::pool::Pool;
use crate::store::Store;
use crate::store::commit::Change;
use crate::store::resident::Resident;
use crate::store::revision::View;
use crate::store::snapshot::Snapshot;

/// The data of a guest's `wasmtime::Store`.
pub(super) struct Guest {
    pub(super) table: ResourceTable,
    pub(super) name: String,
    /// What the plugin asked for when it was probed; nothing while it is being probed.
    pub(super) asked: Option<Plugin>,
    /// What the operator's config grants it now.
    pub(super) granted: Grants,
    pub(super) limits: Limits,
    pub(super) used: Used,
    pub(super) memory: Memory,
    pub(super) pool: Pool,
    pub(super) mode: Mode,
    pub(super) store: Store,
    pub(super) snapshot: Option<Snapshot>,
    /// The rows of the view `state`, where they are not those of the database.
    pub(super) own_state: Option<Frame>,
    /// Views of a recorded tick, in place of those of the database.
    pub(super) recorded: Option<Arc<Recorded>>,
    pub(super) texts: Arc<Interner>,
    pub(super) resident: Arc<Resident>,
    pub(super) kept: Taken,
    pub(super) changes: Option<Vec<Change>>,
    pub(super) share: Arc<Share>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What a tick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// To change what has to change.
    Change,
    /// To prove what is there: every kernel answer is checked and kept, and the guest remembers nothing, so
    /// that it does not spare itself the work.
    Prove,
    /// To see what another component would have done: it has a state of its own.
    Shadow,
    /// To see what it would do, or does if the call of this number fails.
    Try {
        /// The call.
        fails: Option<usize>,
    },
}

/// What a guest has used so far.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) guest_epochs: u64,
    pub(super) frames: usize,
    /// Of frames and builders that are the guest's own.
    pub(super) frame_bytes: usize,
    pub(super) builders: usize,
    pub(super) text_bytes: usize,
    pub(super) kernel_rows: usize,
    /// No more than `limits.kernel-calls-max`.
    pub(super) kernel_calls: Vec<KernelCall>,
    pub(super) kernel_time: Duration,
    pub(super) log_bytes: usize,
    pub(super) rows_read: usize,
    /// The most that there were at one time.
    pub(super) frames_most: usize,
    pub(super) memory_bytes: usize,
    /// Instructions, where they are counted.
    pub(super) instructions: u64,
    /// Rows that the commit names.
    pub(super) changes: usize,
    pub(super) reads: BTreeSet<&'static str>,
    pub(super) writes: BTreeSet<&'static str>,
    /// Calls that may fail, of a tick that is tried out.
    pub(super) calls: Vec<&'static str>,
}

/// A frame that a guest holds, the view it is a reading of, if it is one row for row, and how many bytes of it
/// count for the guest: none of what is everybody's.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct FrameHandle {
    pub(super) frame: Frame,
    pub(super) view: Option<View>,
    pub(super) bytes: usize,
}

impl Guest {
    /// Whether the plugin may use this: its description names it, and the config grants it.
    pub(super) fn granted(&self, capability: Capability, name: &str) -> Result<(), Problem> {
        let (plugin, what) = (&self.name, capability.noun());
        let asked = self.asked.as_ref().map(|plugin| capability.asked(plugin.description()));
        let asked = asked.unwrap_or_default();
        if !asked.iter().any(|asked| asked == name) {
            return Err(Problem::Refused(format!(
                "{what} '{name}': plugin '{plugin}' does not ask for it in describe"
            )));
        }
        if !self.granted.has(capability, name) {
            return Err(Problem::Refused(format!(
                "{what} '{name}': the config does not grant it to plugin '{plugin}' (add it to {} under \
                 [plugin.{plugin}])",
                capability.key()
            )));
        }
        Ok(())
    }
}

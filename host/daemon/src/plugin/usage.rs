//! What a tick has used: of its limits, and of what it asked for in `describe`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::guest::Used;

/// What one tick has used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Time inside the guest's own code, as its budget counts it.
    pub guest: Duration,
    /// Kernels, waiting for the pool and checking included.
    pub kernels: Duration,
    /// The same, one by one.
    #[serde(skip)]
    pub kernel_times: Vec<(&'static str, Duration)>,
    /// Instructions of the guest; 0 where nobody counts them.
    pub instructions: u64,
    /// The most linear memory that it had.
    pub memory_bytes: usize,
    /// The most frames that it held at one time.
    pub frames: usize,
    /// Rows that it read.
    pub rows_read: usize,
    /// Text that it interned.
    pub text_bytes: usize,
    /// Kernels that it ran.
    pub kernel_calls: usize,
    /// Rows that its commit named.
    pub changes: usize,
    /// What it wrote to the log.
    pub log_bytes: usize,
    /// Which views it read, by name.
    pub reads: BTreeSet<&'static str>,
    /// Which changes it committed, by name.
    pub writes: BTreeSet<&'static str>,
    /// Which kernels it ran, by name.
    pub ran: BTreeSet<&'static str>,
}

impl Usage {
    pub(super) fn of(used: &Used) -> Self {
        let kernels = used.kernel_calls.iter();
        Self {
            guest: super::engine::EPOCH
                .saturating_mul(u32::try_from(used.guest_epochs).unwrap_or(u32::MAX)),
            kernels: used.kernel_time,
            kernel_times: used
                .kernel_calls
                .iter()
                .map(|call| (call.kernel, call.took.run + call.took.verify.unwrap_or_default()))
                .collect(),
            instructions: used.instructions,
            memory_bytes: used.memory_bytes,
            frames: used.frames_most,
            rows_read: used.rows_read,
            text_bytes: used.text_bytes,
            kernel_calls: used.kernel_calls.len(),
            changes: used.changes,
            log_bytes: used.log_bytes,
            reads: used.reads.clone(),
            writes: used.writes.clone(),
            ran: kernels.map(|call| call.kernel).collect(),
        }
    }
}

//! The checkpoint for work whose steps are not rows.

use crate::kernel::KernelError;
use crate::pace::Pace;

/// How many steps may lie between two checks. Each may miss the cache several times, so there are fewer
/// than [`ROWS_PER_CHECK`](crate::pace::ROWS_PER_CHECK).
const STEPS_PER_CHECK: u32 = 2048;

/// Counts steps and visits the checkpoint once in a while.
pub(crate) struct Steps<'p> {
    pace: &'p Pace<'p>,
    left: u32,
}

impl<'p> Steps<'p> {
    /// A count that checks at once: even the smallest work can be cancelled.
    pub(crate) fn new(pace: &'p Pace<'p>) -> Self {
        Self { pace, left: 0 }
    }

    /// One step.
    ///
    /// # Errors
    /// [`KernelError::Cancelled`].
    pub(crate) fn step(&mut self) -> Result<(), KernelError> {
        if self.left == 0 {
            self.pace.check()?;
            self.left = STEPS_PER_CHECK;
        }
        self.left -= 1;
        Ok(())
    }
}

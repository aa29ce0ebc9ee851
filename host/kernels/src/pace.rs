//! The checkpoint that kernels call: cancelled yet, and is smaller work waiting?

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::KernelError;

/// How many rows of cheap work a kernel may do between two checks: well under a millisecond.
pub const ROWS_PER_CHECK: usize = 16_384;

/// A kernel's leash. Whoever started the kernel holds the flag, and says what is to be done between two
/// steps of a long one.
pub struct Pace<'a> {
    cancelled: &'a AtomicBool,
    between: Option<&'a (dyn Fn() + Sync)>,
}

impl fmt::Debug for Pace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pace").field("cancelled", self.cancelled).finish_non_exhaustive()
    }
}

impl<'a> Pace<'a> {
    /// A leash on this flag.
    pub fn new(cancelled: &'a AtomicBool) -> Self {
        Self { cancelled, between: None }
    }

    /// A leash that also does `between` at each check: whatever must not wait for the kernel's end.
    pub fn doing(cancelled: &'a AtomicBool, between: &'a (dyn Fn() + Sync)) -> Self {
        Self { cancelled, between: Some(between) }
    }

    /// A leash that nobody pulls, for tests and small tools.
    pub fn free() -> Pace<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Pace { cancelled: &NEVER, between: None }
    }

    /// Lets smaller work run that waits, then tells whether to go on. To be called at least every
    /// millisecond.
    ///
    /// # Errors
    /// [`KernelError::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<(), KernelError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(KernelError::Cancelled);
        }
        if let Some(between) = self.between {
            between();
        }
        Ok(())
    }

    /// [`Pace::check`], for loops: checks once in [`ROWS_PER_CHECK`] calls.
    ///
    /// # Errors
    /// As [`Pace::check`].
    pub fn check_row(&self, row: usize) -> Result<(), KernelError> {
        if row.is_multiple_of(ROWS_PER_CHECK) { self.check() } else { Ok(()) }
    }
}

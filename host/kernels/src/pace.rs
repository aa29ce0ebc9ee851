//! The checkpoint that kernels call: cancelled yet, and is smaller work waiting?

use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::KernelError;

/// How many rows of cheap work a kernel may do between two checks: well under a millisecond.
pub const ROWS_PER_CHECK: usize = 16_384;

/// A kernel's leash. Whoever started the kernel holds the flag.
#[derive(Debug)]
pub struct Pace<'a> {
    cancelled: &'a AtomicBool,
}

impl<'a> Pace<'a> {
    /// A leash on this flag.
    pub fn new(cancelled: &'a AtomicBool) -> Self {
        Self { cancelled }
    }

    /// A leash that nobody pulls, for tests and small tools.
    pub fn free() -> Pace<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Pace { cancelled: &NEVER }
    }

    /// Lets a waiting job of the pool run, then tells whether to go on. To be called at least every
    /// millisecond.
    ///
    /// # Errors
    /// [`KernelError::Cancelled`] once the flag is set.
    pub fn check(&self) -> Result<(), KernelError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(KernelError::Cancelled);
        }
        // Outside a pool this does nothing.
        rayon::yield_now();
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

//! Calls that fail on purpose, so that it is seen what a guest does when the host cannot.
//!
//! Each import that may answer with a problem through no fault of the guest asks here first: readings, kernels, the
//! commit, and whatever takes a place in a table of the host's. In a tick that is tried out
//! ([`Host::try_out`](super::Host::try_out)) one of them, by its number, is told that the host is not able to.

use super::bindings::Problem;
use super::guest::{Guest, Mode};

/// Calls that are remembered by name; a guest may make any number.
const NAMES_MAX: usize = 10_000;

impl Guest {
    /// Books a call that may fail, and has it fail if it is the one that shall.
    pub(super) fn meet(&mut self, call: &'static str) -> Result<(), Problem> {
        let Mode::Try { fails } = self.mode else { return Ok(()) };
        let number = self.used.calls.len();
        if number < NAMES_MAX {
            self.used.calls.push(call);
        }
        if fails != Some(number) {
            return Ok(());
        }
        Err(Problem::Unavailable(format!("{call}: the conformance kit has it fail")))
    }
}

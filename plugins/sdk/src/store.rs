//! Reading the database: views of one snapshot, as frames.

use crate::wit::corral::correlator::store as wit;
use crate::{Problem, Reading, View};

/// The whole view.
///
/// # Errors
/// [`Problem::Refused`] if the description does not name the view or the operator does not grant it.
pub fn read(view: View) -> Result<Reading, Problem> {
    wit::read(view, None)
}

/// What was added or changed after `revision`; the host may answer with the whole.
///
/// # Errors
/// As [`read`].
pub fn read_since(view: View, revision: u64) -> Result<Reading, Problem> {
    wit::read(view, Some(revision))
}

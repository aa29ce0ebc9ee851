//! Reading the database: views of one snapshot, as frames.

use crate::wit::corral::correlator::store as wit;
use crate::{Frame, Problem, Reading, View};

/// The whole view.
///
/// # Errors
/// [`Problem::Refused`] if the description does not name the view or the operator does not grant it.
pub fn read(view: View) -> Result<Reading, Problem> {
    wit::read(view, None)
}

/// All rows of some keys, as a part of the view has them: with the columns that [`read_since`] gives.
///
/// # Errors
/// As [`read`]; [`Problem::Limit`] beyond 20,000 keys.
pub fn read_keys(view: View, keys: &[u32]) -> Result<Frame, Problem> {
    wit::read_keys(view, keys)
}

/// What changed after `revision`, or the whole if the host cannot tell.
///
/// If the reading is not `whole`, it goes by keys: drop the rows that you have of every key in `rows` and in
/// `removed`, add `rows`, and you have the view of now. The key is the column `uuid`; of `attribution`,
/// `identity`; of `credentials` and the children of the attackers, `attacker`. A child's `row` points into
/// the whole attackers of this tick, so read these too if you need it. Nothing changed if the reading's
/// `revision` is the one you asked for. Changes name rows of whole readings only.
///
/// # Errors
/// As [`read`].
pub fn read_since(view: View, revision: u64) -> Result<Reading, Problem> {
    wit::read(view, Some(revision))
}

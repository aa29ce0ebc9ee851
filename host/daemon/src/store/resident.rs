//! Views that stay in memory from one tick to the next.
//!
//! Four correlators read much the same views, and from one tick to the next little changes. A view is kept
//! with the versions that it was made from: a snapshot of the same versions takes it as it is, and a later
//! one makes the next from it, reading only what changed. What is kept is whole and never altered, so a
//! tick that still holds an older one is not disturbed; while a view is made anew, both are in memory.
//! Losing it costs only time. The whole is bounded by `store.resident-bytes-max`: what does not fit is read
//! each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use corral_kernels::{ColumnType, Frame, Interner};

use super::revision::View;

/// The texts of all frames of a host, and the views it keeps. Codes of one interner mean nothing to
/// another, so the two belong together.
#[derive(Debug)]
pub struct Resident {
    texts: Arc<Interner>,
    bytes_max: usize,
    kept: Mutex<HashMap<View, Kept>>,
}

/// A view in memory.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) versions: Versions,
    /// The rows, with all columns that are needed to put others between them.
    pub(super) frame: Frame,
    /// Of a child: the uuids of the attackers that its `row` points to.
    pub(super) parents: Option<Frame>,
}

/// What a view was made from. Both only grow, so of two the greater is the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Versions {
    /// Of its rows.
    pub(super) rows: u64,
    /// Of a child: of the attackers' order.
    pub(super) order: u64,
}

impl Resident {
    /// Keeps nothing yet, and never more than `bytes_max` bytes.
    pub fn new(texts: Arc<Interner>, bytes_max: usize) -> Self {
        Self { texts, bytes_max, kept: Mutex::default() }
    }

    /// Where texts have their codes.
    pub fn texts(&self) -> &Arc<Interner> {
        &self.texts
    }

    /// The view, of whatever version.
    pub(super) fn get(&self, view: View) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&view).cloned()
    }

    /// The view as it is in these versions and no others, with all columns it is kept with.
    pub(super) fn exactly(&self, view: View, versions: Versions) -> Option<Frame> {
        self.get(view).filter(|kept| kept.versions == versions).map(|kept| kept.frame)
    }

    /// Keeps the view if there is room, in place of what it was before; not if it is older than that.
    pub(super) fn keep(&self, view: View, new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get(&view).is_some_and(|old| old.versions > new.versions) {
            return;
        }
        kept.remove(&view);
        let held: usize = kept.values().map(Kept::bytes).sum();
        if held.saturating_add(new.bytes()) <= self.bytes_max {
            kept.insert(view, new);
        }
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        bytes(&self.frame) + self.parents.as_ref().map_or(0, bytes)
    }
}

fn bytes(frame: &Frame) -> usize {
    let width = |kind| match kind {
        ColumnType::Uint32 | ColumnType::Text => 4,
        ColumnType::Uint64 | ColumnType::Int64 | ColumnType::Float64 => 8,
    };
    frame.columns().map(|(_, column)| column.len() * width(column.kind())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corral_kernels::Column;

    fn view(rows: usize, version: u64) -> Kept {
        let frame = Frame::new(rows, [("n", Column::from(vec![0_u32; rows]))]).unwrap();
        Kept { versions: Versions { rows: version, order: 0 }, frame, parents: None }
    }

    fn version(resident: &Resident, view: View) -> Option<u64> {
        resident.get(view).map(|kept| kept.versions.rows)
    }

    #[test]
    fn a_view_is_kept_until_a_later_one_takes_its_place() {
        let resident = Resident::new(Arc::new(Interner::new(0)), 100);
        resident.keep(View::Features, view(5, 3));
        assert_eq!(version(&resident, View::Features), Some(3));
        assert_eq!(version(&resident, View::Attackers), None);
        resident.keep(View::Features, view(5, 4));
        resident.keep(View::Features, view(5, 2));
        assert_eq!(version(&resident, View::Features), Some(4));
    }

    #[test]
    fn what_does_not_fit_is_not_kept_and_makes_room_for_nobody() {
        let resident = Resident::new(Arc::new(Interner::new(0)), 100);
        resident.keep(View::Features, view(20, 1));
        resident.keep(View::Attackers, view(10, 1));
        assert_eq!(version(&resident, View::Attackers), None);
        // A view takes its own place.
        resident.keep(View::Features, view(25, 2));
        assert_eq!(version(&resident, View::Features), Some(2));
        resident.keep(View::Features, view(26, 3));
        assert_eq!(version(&resident, View::Features), None);
        // The attackers that a child points to take room as well.
        let child = Kept { parents: Some(view(13, 0).frame), ..view(13, 4) };
        resident.keep(View::Features, child);
        assert_eq!(version(&resident, View::Features), None);
    }
}

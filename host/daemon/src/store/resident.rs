//! Views that stay in memory from one tick to the next, while the database has not changed them.
//!
//! Four correlators read much the same views, and most ticks find nothing new. A view is kept with the
//! versions of everything that it was made from, so what is kept is never older than what the snapshot
//! would read; losing it costs only time. The whole is bounded by `store.resident-bytes-max`: what does
//! not fit is read each time.

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

#[derive(Debug)]
struct Kept {
    made_from: Vec<u64>,
    frame: Frame,
    bytes: usize,
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

    /// The view, if it was made from these versions.
    pub(super) fn get(&self, view: View, made_from: &[u64]) -> Option<Frame> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&view).filter(|kept| kept.made_from == made_from).map(|kept| kept.frame.clone())
    }

    /// Keeps the view if there is room, in place of what it was before.
    pub(super) fn keep(&self, view: View, made_from: Vec<u64>, frame: &Frame) {
        let bytes = bytes(frame);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&view);
        let held: usize = kept.values().map(|kept| kept.bytes).sum();
        if held.saturating_add(bytes) <= self.bytes_max {
            kept.insert(view, Kept { made_from, frame: frame.clone(), bytes });
        }
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

    fn frame(rows: usize) -> Frame {
        Frame::new(rows, [("n", Column::from(vec![0_u32; rows]))]).unwrap()
    }

    #[test]
    fn a_view_is_kept_while_what_it_was_made_from_stands() {
        let resident = Resident::new(Arc::new(Interner::new(0)), 100);
        resident.keep(View::Features, vec![3, 7], &frame(5));
        assert!(resident.get(View::Features, &[3, 7]).is_some());
        assert!(resident.get(View::Features, &[3, 8]).is_none());
        assert!(resident.get(View::Attackers, &[3, 7]).is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_kept_and_makes_room_for_nobody() {
        let resident = Resident::new(Arc::new(Interner::new(0)), 100);
        resident.keep(View::Features, vec![1], &frame(20));
        resident.keep(View::Attackers, vec![1], &frame(10));
        assert!(resident.get(View::Attackers, &[1]).is_none());
        // A view takes its own place.
        resident.keep(View::Features, vec![2], &frame(25));
        assert!(resident.get(View::Features, &[2]).is_some());
        resident.keep(View::Features, vec![3], &frame(26));
        assert!(resident.get(View::Features, &[2]).is_none());
    }
}

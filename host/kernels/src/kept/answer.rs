//! What is told of kept groups, as frames: what changed, or all of it.

use super::Slab;
use super::groups::{Edge, Groups};
use super::steps::Steps;
use crate::column::{ABSENT, Column};
use crate::frame::{Frame, FrameError};
use crate::kernel::KernelError;
use crate::pace::Pace;
use crate::text::Interner;

/// What it takes to put slots and reasons into words.
pub(super) struct Answer<'a> {
    pub(super) keys: &'a Slab<u32>,
    pub(super) reasons: &'static [&'static str],
    pub(super) texts: &'a Interner,
}

impl Answer<'_> {
    /// What changed since the groups were settled: [`OUTPUTS`](super::OUTPUTS).
    pub(super) fn changes(
        &self,
        groups: &mut Groups,
        edges: &[Edge],
        steps: &mut Steps<'_>,
    ) -> Result<Vec<Frame>, KernelError> {
        let (mut keys, mut of, mut anew) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, group) in groups.moved() {
            steps.step()?;
            keys.push(self.keys[slot]);
            of.push(group);
            anew.push(u32::from(groups.is_anew(slot)));
        }
        let moved = [("key", Column::text(keys)), ("group", of.into()), ("anew", anew.into())];

        let told = groups.tell(steps)?;
        let anchor = |slot| if slot == ABSENT { ABSENT } else { self.keys[slot] };
        let column = |of: fn(&_) -> u32| Column::from(told.iter().map(of).collect::<Vec<u32>>());
        let grouped = [
            ("group", column(|told| told.group)),
            ("size", column(|told| told.size)),
            ("anchor", Column::text(told.iter().map(|told| anchor(told.anchor)).collect())),
            ("rebuilt", column(|told| u32::from(told.rebuilt))),
        ];
        let end = |of: fn(&Edge) -> u32| {
            Column::text(edges.iter().map(|edge| self.keys[of(edge)]).collect())
        };
        let ends = [("a", end(|edge| edge.a)), ("b", end(|edge| edge.b))];
        Ok(vec![frame(moved)?, frame(grouped)?, frame(ends.into_iter().chain(self.why(edges)?))?])
    }

    /// Labels and forest of the rows in these slots; nothing if the ends of an edge are not among them,
    /// or if a slot stands twice.
    pub(super) fn whole(
        &self,
        groups: &Groups,
        slots: &[u32],
        pace: &Pace<'_>,
    ) -> Result<Option<Vec<Frame>>, KernelError> {
        let (slots_end, groups_end) = groups.ends();
        let mut row_of = vec![ABSENT; slots_end];
        for (row, &slot) in (0_u32..).zip(slots) {
            pace.check_row(row as usize)?;
            if row_of[slot as usize] != ABSENT {
                return Ok(None);
            }
            row_of[slot as usize] = row;
        }
        let mut first_of = vec![ABSENT; groups_end];
        let (mut labels, mut edges) = (Vec::with_capacity(slots.len()), Vec::new());
        for (row, &slot) in (0_u32..).zip(slots) {
            pace.check_row(row as usize)?;
            let first = &mut first_of[groups.group(slot) as usize];
            *first = row.min(*first);
            labels.push(*first);
            if let Some(edge) = groups.edge(slot) {
                let other = row_of[edge.b as usize];
                if other == ABSENT {
                    return Ok(None);
                }
                edges.push(Edge { a: row.min(other), b: row.max(other), ..edge });
            }
        }
        let end = |of: fn(&Edge) -> u32| Column::from(edges.iter().map(of).collect::<Vec<u32>>());
        let ends = [("a", end(|edge| edge.a)), ("b", end(|edge| edge.b))];
        let labels = frame([("label", labels.into())])?;
        Ok(Some(vec![labels, frame(ends.into_iter().chain(self.why(&edges)?))?]))
    }

    /// The columns that say why the edges are there.
    fn why(&self, edges: &[Edge]) -> Result<[(&'static str, Column); 2], KernelError> {
        let reasons = self.texts.codes(self.reasons.iter().copied())?;
        let reason = edges.iter().map(|edge| reasons[usize::from(edge.reason)]).collect();
        let value = edges.iter().map(|edge| edge.value).collect();
        Ok([("reason", Column::text(reason)), ("value", Column::text(value))])
    }
}

/// A frame of columns as long as the first.
fn frame(columns: impl IntoIterator<Item = (&'static str, Column)>) -> Result<Frame, FrameError> {
    let columns: Vec<_> = columns.into_iter().collect();
    Frame::new(columns.first().map_or(0, |(_, column)| column.len()), columns)
}

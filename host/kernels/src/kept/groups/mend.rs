//! Mending: rows that hung on one that was cut find another way, or their group has come apart.
//!
//! After the cuts a group is a few *pieces*, trees that still hold together by edges nobody touched. The
//! rule is asked, row by row, for an edge that leads out of a piece, and the first one hangs the piece
//! elsewhere: no row changes its group, and most often the first rows know one. Only a piece of which
//! every row was asked in vain is a group of its own. Of these and the rest of the group the largest
//! keeps the id, so that never more than half of a group moves.
//!
//! Whether an edge leads out shows at the root above its other end. Every row that was passed on the way
//! up, or asked, remembers its piece, and pieces that were hung together are one for disjoint sets: no
//! path is climbed twice, and all of it costs no more than the rows that were asked, and what they hold.

use super::super::steps::Steps;
use super::{Edge, FRESH, Groups, Head, Node, PART};
use crate::column::ABSENT;
use crate::forest::Forest;
use crate::kernel::KernelError;

/// The search for an edge that leads out of a piece.
pub(crate) struct Search<'s, 'p> {
    groups: &'s mut Groups,
    steps: &'s mut Steps<'p>,
    /// Which pieces have become one.
    pieces: Forest,
    /// The number of the next piece.
    next: u32,
    /// Rows that remember their piece.
    known: Vec<u32>,
    /// The piece to be left.
    within: u32,
}

impl Groups {
    /// Makes groups of what the cuts have left, asking `way_out` for an edge from a row out of its
    /// piece. The edges that were found.
    pub(in super::super) fn mend<'p>(
        &mut self,
        steps: &mut Steps<'p>,
        mut way_out: impl FnMut(u32, &mut Search<'_, 'p>) -> Result<Option<Edge>, KernelError>,
    ) -> Result<Vec<Edge>, KernelError> {
        let tops = std::mem::take(&mut self.tops);
        let (mut edges, mut apart) = (Vec::new(), Vec::new());
        // Each top has a piece, and there may be one more for the root of its group.
        let (pieces, known) = (Forest::new(2 * tops.len()), Vec::new());
        let mut search = Search { groups: self, steps, pieces, next: 0, known, within: ABSENT };
        for top in tops {
            let Node { group, .. } = search.groups.nodes[top as usize];
            if group == ABSENT {
                // It was cut itself.
                continue;
            }
            let head = &mut search.groups.heads[group];
            if head.root == ABSENT {
                // The others will find to this one, if they can.
                head.root = top;
                continue;
            }
            match search.leave(top, &mut way_out)? {
                Found::Edge(edge) => edges.push(edge),
                Found::None { size } => apart.push((size, top)),
            }
        }
        for slot in std::mem::take(&mut search.known) {
            search.step()?;
            search.groups.node(slot).piece = ABSENT;
        }
        // The smallest first: when the turn comes to one that is larger than all the rest of its group,
        // that rest is a single tree.
        apart.sort_by_key(|&(size, _)| size);
        for (size, top) in apart {
            self.split(top, size, steps)?;
        }
        Ok(edges)
    }

    /// Makes a group of a tree, or of the rest of its group if that is smaller.
    fn split(&mut self, top: u32, size: u32, steps: &mut Steps<'_>) -> Result<(), KernelError> {
        let Node { group, .. } = self.nodes[top as usize];
        let Head { root, size: all, .. } = self.heads[group];
        self.mark_group(group, PART);
        self.shrunk.push(group);
        let rest = all - size;
        let (stays, left, goes, moved) =
            if size > rest { (top, size, root, rest) } else { (root, rest, top, size) };
        let new = self.new_group(goes, moved, FRESH | PART)?;
        let head = &mut self.heads[group];
        (head.root, head.size) = (stays, left);
        self.relabel(goes, new, steps)
    }
}

/// What a search found.
enum Found {
    Edge(Edge),
    /// No way out for any of so many rows.
    None {
        size: u32,
    },
}

impl<'p> Search<'_, 'p> {
    /// Whether a row is outside of the piece that is to be left.
    pub(crate) fn is_outside(&mut self, slot: u32) -> Result<bool, KernelError> {
        self.step()?;
        let piece = self.piece(slot)?;
        Ok(!self.pieces.connected(piece, self.within))
    }

    /// Counts a step, for the checkpoint.
    pub(crate) fn step(&mut self) -> Result<(), KernelError> {
        self.steps.step()
    }

    /// Hangs the piece of this root elsewhere, if there is a way.
    fn leave(
        &mut self,
        top: u32,
        way_out: &mut impl FnMut(u32, &mut Self) -> Result<Option<Edge>, KernelError>,
    ) -> Result<Found, KernelError> {
        self.within = self.piece(top)?;
        let (mut at, mut size) = (top, 0);
        while at != ABSENT {
            self.step()?;
            self.remember(at, self.within);
            if let Some(edge) = way_out(at, self)? {
                let to = self.piece(edge.b)?;
                self.pieces.join(self.within, to);
                self.groups.hang(edge.a, edge.b, edge);
                return Ok(Found::Edge(edge));
            }
            size += 1;
            at = self.groups.following(top, at);
        }
        Ok(Found::None { size })
    }

    /// The piece of a row: what the nearest row above remembers.
    fn piece(&mut self, slot: u32) -> Result<u32, KernelError> {
        let mut at = slot;
        let piece = loop {
            let Node { piece, parent, .. } = self.groups.nodes[at as usize];
            if piece != ABSENT {
                break piece;
            }
            if parent == ABSENT {
                self.next += 1;
                break self.next - 1;
            }
            self.step()?;
            at = parent;
        };
        let mut at = slot;
        while at != ABSENT && self.groups.nodes[at as usize].piece == ABSENT {
            self.step()?;
            self.remember(at, piece);
            at = self.groups.nodes[at as usize].parent;
        }
        Ok(piece)
    }

    fn remember(&mut self, slot: u32, piece: u32) {
        let node = self.groups.node(slot);
        if node.piece == ABSENT {
            node.piece = piece;
            self.known.push(slot);
        }
    }
}

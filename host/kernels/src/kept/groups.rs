//! Groups that grow, lose members and come apart, with the forest that explains them.
//!
//! A group is a rooted tree of its rows. Each row but the root hangs by one edge of the rule on another
//! row of the group, and the root is the group's id: an id needs no table of its own, and two groups
//! never have the same. Every row also knows its group outright, so that nobody has to climb.
//!
//! *Joining* hangs the smaller tree, turned until the row of the edge is its root, into the larger one;
//! all that the smaller one has to be told is its new group, so a row changes hands at most log n times
//! while groups only grow. *Cutting* takes a row out together with whatever hangs on it; the rest of the
//! tree still holds together by edges that nobody touched, and keeps its id. What hung on the row
//! stands alone until the rule has said again where it belongs.
//!
//! Rows are slots here: small numbers that are given again.

use super::steps::Steps;
use crate::column::ABSENT;
use crate::kernel::KernelError;

/// An edge of the rule between two slots: `reason` counts the rule's reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) reason: u8,
    pub(crate) value: u32,
}

/// The groups, and what became of them since [`Groups::settle`].
#[derive(Debug, Default)]
pub(crate) struct Groups {
    nodes: Vec<Node>,
    /// Slots that are marked, in order of their first mark.
    touched: Vec<u32>,
    /// Groups that lost rows, and were there before; perhaps more than once.
    shrunk: Vec<u32>,
    /// Slots that stand alone because what they hung on was cut.
    loose: Vec<u32>,
}

/// A slot's place in the tree of its group: 32 bytes, half a cache line. Links may be [`ABSENT`].
#[derive(Clone, Copy, Debug)]
struct Node {
    group: u32,
    /// The rows of the group, where the slot is its root.
    size: u32,
    parent: u32,
    child: u32,
    next: u32,
    previous: u32,
    /// Value and reason of the edge to the parent.
    value: u32,
    reason: u8,
    marks: u8,
}

/// Is a row at all.
const HELD: u8 = 1;
/// Was named in this update.
const NAMED: u8 = 2;
/// Belongs in the list of what moved.
const MOVED: u8 = 4;
/// Is new, or was cut from its edges.
const ANEW: u8 = 8;
/// As a group: something was cut out of it, or what was cut loose came to it.
const CUT: u8 = 16;
/// As a group: stands in the list of groups.
const TOLD: u8 = 32;

impl Node {
    fn alone(slot: u32, marks: u8) -> Self {
        let [parent, child, next, previous, value] = [ABSENT; 5];
        Self { group: slot, size: 1, parent, child, next, previous, value, reason: 0, marks }
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }
}

/// What there is to tell of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) group: u32,
    /// Zero if there is no such group any more.
    pub(super) size: u32,
    /// A member that did not move, or [`ABSENT`].
    pub(super) anchor: u32,
    pub(super) rebuilt: bool,
}

impl Groups {
    /// A new row in a group of its own: in the next slot there never was, or in one that was removed
    /// before the last [`Groups::settle`].
    pub(super) fn add(&mut self, slot: u32) {
        if slot as usize == self.nodes.len() {
            self.nodes.push(Node::alone(slot, 0));
        }
        *self.node(slot) = Node::alone(slot, HELD | MOVED | ANEW);
        self.touched.push(slot);
    }

    /// Marks a row as named; false if it was already.
    pub(super) fn name(&mut self, slot: u32) -> bool {
        self.mark(slot, MOVED);
        let first = !self.nodes[slot as usize].is(NAMED);
        self.node(slot).marks |= NAMED;
        first
    }

    /// Takes a row out of its group, and leaves alone what hung on it. All cuts of an update come
    /// before its joins.
    pub(super) fn cut(&mut self, slot: u32, steps: &mut Steps<'_>) -> Result<(), KernelError> {
        let Node { group, child, .. } = self.nodes[slot as usize];
        if self.nodes[slot as usize].is(ANEW) {
            return Ok(());
        }
        self.shrunk.push(group);
        if child != ABSENT {
            self.mark(group, CUT);
        }
        let start = self.loose.len();
        let mut at = child;
        while at != ABSENT {
            steps.step()?;
            self.loose.push(at);
            at = self.following(slot, at);
        }
        self.unlink(slot);
        for index in start..self.loose.len() {
            steps.step()?;
            self.leave_alone(self.loose[index]);
        }
        // The root goes last, because its size is that of the group.
        let lost = u32::try_from(self.loose.len() - start + 1).unwrap_or(u32::MAX);
        self.node(group).size -= lost;
        self.leave_alone(slot);
        Ok(())
    }

    /// Forgets a row that was cut. Its slot is to be given again only after [`Groups::settle`].
    pub(super) fn remove(&mut self, slot: u32) {
        self.node(slot).marks &= !HELD;
    }

    /// The rows that cuts left alone, taken; some may be removed by now.
    pub(super) fn take_loose(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.loose)
    }

    /// Whether a row is new, or was cut from its edges in this update.
    pub(super) fn is_anew(&self, slot: u32) -> bool {
        self.nodes[slot as usize].is(ANEW)
    }

    /// Joins the groups of an edge's ends. True: they were apart.
    pub(super) fn join(&mut self, edge: Edge, steps: &mut Steps<'_>) -> Result<bool, KernelError> {
        let Edge { a, b, reason, value } = edge;
        let (of_a, of_b) = (self.nodes[a as usize].group, self.nodes[b as usize].group);
        if of_a == of_b {
            return Ok(false);
        }
        // The smaller one moves; of two as large, the new one.
        let rank = |group: u32| {
            let node = &self.nodes[group as usize];
            (node.size, !node.is(ANEW))
        };
        let (row, on, from, to) =
            if rank(of_a) <= rank(of_b) { (a, b, of_a, of_b) } else { (b, a, of_b, of_a) };
        if !self.nodes[from as usize].is(ANEW) {
            self.shrunk.push(from);
        }
        if self.nodes[from as usize].is(CUT) {
            self.mark(to, CUT);
        }
        self.node(to).size += self.nodes[from as usize].size;
        let mut at = from;
        while at != ABSENT {
            steps.step()?;
            self.mark(at, MOVED);
            self.node(at).group = to;
            at = self.following(from, at);
        }
        self.hang(row, on, reason, value);
        Ok(true)
    }

    /// Marks the groups that loose rows came to, once all are joined.
    pub(super) fn mark_rebuilt(
        &mut self,
        loose: &[u32],
        steps: &mut Steps<'_>,
    ) -> Result<(), KernelError> {
        for &slot in loose {
            steps.step()?;
            let Node { group, .. } = self.nodes[slot as usize];
            if self.nodes[slot as usize].is(HELD) {
                self.mark(group, CUT);
            }
        }
        Ok(())
    }

    /// The rows to be listed as moved, with their groups.
    pub(super) fn moved(&self) -> impl Iterator<Item = (u32, u32)> {
        let listed = |&slot: &u32| {
            let node = &self.nodes[slot as usize];
            (node.is(MOVED) && node.is(HELD)).then_some((slot, node.group))
        };
        self.touched.iter().filter_map(listed)
    }

    /// What there is to tell of the groups of moved rows and of those that lost rows, each once.
    pub(super) fn tell(&mut self, steps: &mut Steps<'_>) -> Result<Vec<Told>, KernelError> {
        let groups: Vec<u32> = self.moved().map(|(_, group)| group).collect();
        let shrunk = std::mem::take(&mut self.shrunk);
        let mut told = Vec::new();
        for group in groups.into_iter().chain(shrunk) {
            steps.step()?;
            let node = self.nodes[group as usize];
            if node.is(TOLD) {
                continue;
            }
            self.mark(group, TOLD);
            let there = node.is(HELD) && node.group == group;
            let size = if there { node.size } else { 0 };
            let anchor = if there { self.anchor(group, steps)? } else { ABSENT };
            told.push(Told { group, size, anchor, rebuilt: node.is(CUT) });
        }
        Ok(told)
    }

    /// Forgets what became of the groups, which has been told.
    pub(super) fn settle(&mut self) {
        for slot in std::mem::take(&mut self.touched) {
            self.node(slot).marks &= HELD;
        }
    }

    /// The group of a row.
    pub(super) fn group(&self, slot: u32) -> u32 {
        self.nodes[slot as usize].group
    }

    /// The edge by which a row hangs on another.
    pub(super) fn edge(&self, slot: u32) -> Option<Edge> {
        let Node { parent, reason, value, .. } = self.nodes[slot as usize];
        (parent != ABSENT).then_some(Edge { a: slot, b: parent, reason, value })
    }

    /// All slots are below this.
    pub(super) fn slots(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.nodes.reserve(more);
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// A member that did not move. Only members that did are passed over, so that all anchors together
    /// cost no more than what moved.
    fn anchor(&self, group: u32, steps: &mut Steps<'_>) -> Result<u32, KernelError> {
        // Who came to a new root moved.
        let mut at = if self.is_anew(group) { ABSENT } else { group };
        while at != ABSENT && self.nodes[at as usize].is(MOVED) {
            steps.step()?;
            at = self.following(group, at);
        }
        Ok(at)
    }

    /// The row after `at` in the subtree of `top`, parents before children.
    fn following(&self, top: u32, mut at: u32) -> u32 {
        let child = self.nodes[at as usize].child;
        if child != ABSENT {
            return child;
        }
        while at != top {
            let Node { next, parent, .. } = self.nodes[at as usize];
            if next != ABSENT {
                return next;
            }
            at = parent;
        }
        ABSENT
    }

    /// Turns the tree of `row` until that is its root, and hangs it on a row of another tree.
    fn hang(&mut self, row: u32, on: u32, reason: u8, value: u32) {
        let (mut at, mut on, mut reason, mut value) = (row, on, reason, value);
        loop {
            let before = self.nodes[at as usize];
            self.unlink(at);
            let first = std::mem::replace(&mut self.node(on).child, at);
            if first != ABSENT {
                self.node(first).previous = at;
            }
            let node = self.node(at);
            (node.parent, node.next, node.previous) = (on, first, ABSENT);
            (node.reason, node.value) = (reason, value);
            if before.parent == ABSENT {
                return;
            }
            (at, on, reason, value) = (before.parent, at, before.reason, before.value);
        }
    }

    /// Takes a row, with what hangs on it, from its parent, if it has one.
    fn unlink(&mut self, slot: u32) {
        let Node { parent, next, previous, .. } = self.nodes[slot as usize];
        if previous != ABSENT {
            self.node(previous).next = next;
        } else if parent != ABSENT {
            self.node(parent).child = next;
        }
        if next != ABSENT {
            self.node(next).previous = previous;
        }
    }

    fn leave_alone(&mut self, slot: u32) {
        self.mark(slot, MOVED | ANEW);
        *self.node(slot) = Node::alone(slot, self.nodes[slot as usize].marks);
    }

    fn mark(&mut self, slot: u32, marks: u8) {
        if self.nodes[slot as usize].marks & !HELD == 0 {
            self.touched.push(slot);
        }
        self.node(slot).marks |= marks;
    }

    fn node(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }
}

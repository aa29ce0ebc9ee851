//! Groups that grow, lose members and come apart, with the forest that explains them.
//!
//! A group is a rooted tree of its rows: each row but the root hangs by one edge of the rule on another
//! row of the group. Every row also knows its group outright, so that nobody has to climb.
//!
//! *Joining* hangs the smaller tree, turned until the row of the edge is its root, into the larger one.
//! All that the smaller one has to be told is its new group, so a row changes hands at most log n times
//! while groups only grow.
//!
//! *Cutting* takes a row out of its tree, and what hung on it becomes trees of their own, under the old
//! group for the time being. *Mending* makes that true again: see [`mend`].
//!
//! Rows are slots here: small numbers that are given again.

mod mend;

use super::Slab;
use super::steps::Steps;
use crate::column::ABSENT;
use crate::kernel::KernelError;

pub(crate) use mend::Search;

/// An edge of the rule between two slots: `reason` counts the rule's reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) reason: u8,
    pub(crate) value: u32,
}

/// The groups, and what became of them since [`Groups::settle`].
#[derive(Debug)]
pub(crate) struct Groups {
    nodes: Vec<Node>,
    heads: Slab<Head>,
    /// Slots that are marked, in order of their first mark.
    touched: Vec<u32>,
    /// Groups that are marked, perhaps more than once.
    touched_groups: Vec<u32>,
    /// Groups that were there before and lost rows, perhaps more than once.
    shrunk: Vec<u32>,
    /// Groups that were there before and are no more.
    ended: Vec<u32>,
    /// Rows that hung on one that was cut.
    tops: Vec<u32>,
}

/// A slot's place in the tree of its group: 32 bytes, half a cache line. Numbers may be [`ABSENT`].
#[derive(Clone, Copy, Debug)]
struct Node {
    group: u32,
    parent: u32,
    child: u32,
    next: u32,
    previous: u32,
    /// Value and reason of the edge to the parent.
    value: u32,
    /// While a tree is mended, the piece that this is known to belong to.
    piece: u32,
    reason: u8,
    marks: u8,
}

/// A group; its number is its id.
#[derive(Clone, Copy, Debug)]
struct Head {
    root: u32,
    size: u32,
    marks: u8,
}

/// A row: is one at all.
const HELD: u8 = 1;
/// A row: was named in this update.
const NAMED: u8 = 2;
/// A row: belongs in the list of what moved.
const MOVED: u8 = 4;
/// A row: is new, or was cut from its edges.
const ANEW: u8 = 8;

/// A group: was made in this update, so that whoever is in it moved.
const FRESH: u8 = 1;
/// A group: is a part of one that came apart.
const PART: u8 = 2;
/// A group: stands in the list of groups.
const TOLD: u8 = 4;

impl Node {
    fn alone(marks: u8) -> Self {
        let [group, parent, child, next, previous, value, piece] = [ABSENT; 7];
        Self { group, parent, child, next, previous, value, piece, reason: 0, marks }
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }
}

impl Head {
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
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            heads: Slab::new(usize::MAX),
            touched: Vec::new(),
            touched_groups: Vec::new(),
            shrunk: Vec::new(),
            ended: Vec::new(),
            tops: Vec::new(),
        }
    }

    /// A new row, in no group yet: in the next slot there never was, or in one that was removed before
    /// the last [`Groups::settle`].
    pub(super) fn add(&mut self, slot: u32) {
        if slot as usize == self.nodes.len() {
            self.nodes.push(Node::alone(0));
        }
        *self.node(slot) = Node::alone(HELD | MOVED | ANEW);
        self.touched.push(slot);
    }

    /// Marks a row as named; false if it was already.
    pub(super) fn name(&mut self, slot: u32) -> bool {
        let first = !self.nodes[slot as usize].is(NAMED);
        self.mark(slot, NAMED | MOVED);
        first
    }

    /// Takes a row out of its group, into none. All cuts of an update come before [`Groups::mend`].
    pub(super) fn cut(&mut self, slot: u32, steps: &mut Steps<'_>) -> Result<(), KernelError> {
        let Node { group, mut child, .. } = self.nodes[slot as usize];
        self.shrunk.push(group);
        let head = &mut self.heads[group];
        head.size -= 1;
        if head.root == slot {
            head.root = ABSENT;
        }
        if head.size == 0 {
            self.ended.push(group);
        }
        self.unlink(slot);
        while child != ABSENT {
            steps.step()?;
            self.tops.push(child);
            let node = self.node(child);
            node.parent = ABSENT;
            node.previous = ABSENT;
            child = std::mem::replace(&mut node.next, ABSENT);
        }
        self.mark(slot, MOVED | ANEW);
        *self.node(slot) = Node::alone(self.nodes[slot as usize].marks);
        Ok(())
    }

    /// Forgets a row that was cut. Its slot is to be given again only after [`Groups::settle`].
    pub(super) fn remove(&mut self, slot: u32) {
        self.node(slot).marks &= !HELD;
    }

    /// Whether a row is new, or was cut from its edges in this update.
    pub(super) fn is_anew(&self, slot: u32) -> bool {
        self.nodes[slot as usize].is(ANEW)
    }

    /// Puts a row that is in no group into one of its own.
    pub(super) fn enter(&mut self, slot: u32) -> Result<(), KernelError> {
        if self.nodes[slot as usize].group == ABSENT {
            self.node(slot).group = self.new_group(slot, 1, FRESH)?;
        }
        Ok(())
    }

    /// Joins the groups of an edge's ends. True: they were apart.
    pub(super) fn join(&mut self, edge: Edge, steps: &mut Steps<'_>) -> Result<bool, KernelError> {
        let Edge { a, b, .. } = edge;
        let (of_a, of_b) = (self.nodes[a as usize].group, self.nodes[b as usize].group);
        if of_a == of_b {
            return Ok(false);
        }
        // The smaller one moves; of two as large, the new one.
        let rank = |group: u32| (self.heads[group].size, !self.heads[group].is(FRESH));
        let (row, on, from, to) =
            if rank(of_a) <= rank(of_b) { (a, b, of_a, of_b) } else { (b, a, of_b, of_a) };
        let Head { root, size, .. } = self.heads[from];
        if self.heads[from].is(PART) {
            self.mark_group(to, PART);
        }
        self.heads[to].size += size;
        self.relabel(root, to, steps)?;
        self.hang(row, on, edge);
        self.end(from);
        Ok(true)
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
            let head = self.heads[group];
            if !head.is(TOLD) {
                self.mark_group(group, TOLD);
                let anchor = self.anchor(head, steps)?;
                told.push(Told { group, size: head.size, anchor, rebuilt: head.is(PART) });
            }
        }
        Ok(told)
    }

    /// Forgets what became of the groups, which has been told.
    pub(super) fn settle(&mut self, steps: &mut Steps<'_>) -> Result<(), KernelError> {
        for slot in std::mem::take(&mut self.touched) {
            steps.step()?;
            self.node(slot).marks &= HELD;
        }
        for group in std::mem::take(&mut self.touched_groups) {
            steps.step()?;
            self.heads[group].marks = 0;
        }
        std::mem::take(&mut self.ended).into_iter().for_each(|group| self.heads.remove(group));
        Ok(())
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

    /// All slots, and all groups, are below these.
    pub(super) fn ends(&self) -> (usize, usize) {
        (self.nodes.len(), self.heads.end())
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.nodes.reserve(more);
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.heads.bytes()
    }

    /// A member that did not move. Only members that did are passed over, so that all anchors together
    /// cost no more than what moved.
    fn anchor(&self, head: Head, steps: &mut Steps<'_>) -> Result<u32, KernelError> {
        let mut at = if head.is(FRESH) { ABSENT } else { head.root };
        while at != ABSENT && self.nodes[at as usize].is(MOVED) {
            steps.step()?;
            at = self.following(head.root, at);
        }
        Ok(at)
    }

    /// Tells a whole tree its new group.
    fn relabel(&mut self, root: u32, to: u32, steps: &mut Steps<'_>) -> Result<(), KernelError> {
        let mut at = root;
        while at != ABSENT {
            steps.step()?;
            self.mark(at, MOVED);
            self.node(at).group = to;
            at = self.following(root, at);
        }
        Ok(())
    }

    /// Gives up a group whose rows have all moved.
    fn end(&mut self, group: u32) {
        let head = &mut self.heads[group];
        (head.root, head.size) = (ABSENT, 0);
        if head.is(FRESH) {
            // Nobody has heard of it, so its id may be given again at once.
            self.heads.remove(group);
        } else {
            self.shrunk.push(group);
            self.ended.push(group);
        }
    }

    fn new_group(&mut self, root: u32, size: u32, marks: u8) -> Result<u32, KernelError> {
        let group = self.heads.insert(Head { root, size, marks: 0 });
        let full = || KernelError::Limit(format!("keeps at most {ABSENT} groups"));
        let group = group.ok_or_else(full)?;
        self.mark_group(group, marks);
        Ok(group)
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
    fn hang(&mut self, row: u32, on: u32, edge: Edge) {
        let (mut at, mut on, mut reason, mut value) = (row, on, edge.reason, edge.value);
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

    fn mark(&mut self, slot: u32, marks: u8) {
        if self.nodes[slot as usize].marks & !HELD == 0 {
            self.touched.push(slot);
        }
        self.node(slot).marks |= marks;
    }

    fn mark_group(&mut self, group: u32, marks: u8) {
        self.touched_groups.push(group);
        self.heads[group].marks |= marks;
    }

    fn node(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }
}

//! What a kernel keeps between runs, so that the next answer costs what changed and not what is there.
//!
//! A grouping kernel that can do this hands out a [`Kept`]: it takes rows that are new or changed and
//! the keys of rows that are gone, and tells which groups changed. At every moment its groups are those
//! that a fresh [`Kernel::run`](crate::Kernel::run) over the same rows would find.
//!
//! Three parts make one. [`Groups`](groups::Groups) knows who is together and by which edges, and
//! nothing of any rule. A [`Rule`] keeps an index that tells the edges of one row, and nothing of
//! groups. [`KeptGroups`] gives rows their slots and lets the two meet, in three passes:
//!
//! 1. Whoever is gone, or changed so that an edge may be false now, leaves the index and its group.
//! 2. What hung on those in the forest looks for another way, and is a group of its own only if the rule
//!    knows none. An edge never leaves the old group, so this is all that a removal can do.
//! 3. Rows that are new, changed, or merely grown enter the index and join by their edges.
//!
//! # Size
//! See the kernel's own table: the rule's index is most of it. A row costs 32 bytes in `Groups` and
//! about 20 for its key.

mod answer;
mod codes;
mod groups;
mod rule;
mod slab;
mod state;
mod steps;

use std::fmt;

use crate::column::ColumnType;
use crate::frame::Frame;
use crate::kernel::{Job, KernelError, Shape};
use crate::pace::Pace;
use crate::text::Interner;

pub(crate) use codes::Codes;
pub(crate) use groups::{Edge, Search};
pub(crate) use rule::{Change, Joins, Rule};
pub(crate) use slab::Slab;
pub(crate) use state::KeptGroups;

/// What [`Kept::update`] answers.
///
/// * `moved` has every named row, and every row that now belongs to another group than before; where a
///   group came apart and was joined again at once, perhaps also rows that are back. Where `anew` is 1,
///   no edge of the row that was told before holds any more: it is new, or it changed.
/// * `groups` has every group that occurs in `moved`, and every one that lost rows. A group's id is its
///   own until a larger one swallows it, or it comes apart and another part is larger. `size` is 0 where
///   the group is no more. `anchor` is the key of a member that is not in `moved`, absent if there is
///   none. `rebuilt` is 1 where a former group came apart: the rest of it is elsewhere.
/// * `edges` are the new ones. Forget every edge of a row that is gone or `anew`, add these, and what
///   you have is a spanning forest of the groups, each edge an edge of the rule.
pub static OUTPUTS: [Shape; 3] = [
    Shape {
        name: "moved",
        columns: &[
            ("key", ColumnType::Text),
            ("group", ColumnType::Uint32),
            ("anew", ColumnType::Uint32),
        ],
    },
    Shape {
        name: "groups",
        columns: &[
            ("group", ColumnType::Uint32),
            ("size", ColumnType::Uint32),
            ("anchor", ColumnType::Text),
            ("rebuilt", ColumnType::Uint32),
        ],
    },
    Shape {
        name: "edges",
        columns: &[
            ("a", ColumnType::Text),
            ("b", ColumnType::Text),
            ("reason", ColumnType::Text),
            ("value", ColumnType::Text),
        ],
    },
];

/// What a kernel keeps of its input, so that the next answer costs what changed.
pub trait Kept: Send + fmt::Debug {
    /// The shapes of what [`Kept::update`] answers: [`OUTPUTS`].
    fn outputs(&self) -> &'static [Shape];

    /// Takes in rows that are new or changed, each whole with all its children, and forgets rows that
    /// are gone; a row that is both is a new one.
    ///
    /// The inputs of `job` are shaped as the kernel's own, and the first one has a text column `key`
    /// beside, of distinct values. Keys in `gone` that nobody has are passed over.
    ///
    /// # Errors
    /// As [`Kernel::run`](crate::Kernel::run), a key that is absent or stands twice, and a limit. After an
    /// error the state is of no use: every further call is refused.
    fn update(&mut self, job: &Job<'_>, gone: &[u32]) -> Result<Vec<Frame>, KernelError>;

    /// Everything, in the shape of the kernel's own outputs and for the rows in the order of `keys`, so
    /// that [`Kernel::verify`](crate::Kernel::verify) can judge it beside inputs in that order.
    ///
    /// # Errors
    /// [`KernelError::Invalid`] unless `keys` has the key of every row once; the cancellation.
    fn whole(
        &self,
        keys: &[u32],
        texts: &Interner,
        pace: &Pace<'_>,
    ) -> Result<Vec<Frame>, KernelError>;

    /// The rows that it holds.
    fn rows(&self) -> usize;

    /// The bytes that it takes, about; the host bounds them.
    fn bytes(&self) -> usize;
}

//! The seam between groups and rules: what a rule has to tell, and where it tells it.

use super::groups::{Edge, Groups, Search};
use super::steps::Steps;
use crate::kernel::{Job, KernelError, Signature};

/// The part of the state that knows a kernel's rule: an index of rows by what makes edges. A row goes by
/// its slot, a number that stays small.
pub(crate) trait Rule: Send {
    /// The named rows, in the kernel's inputs.
    type Rows<'a>;

    /// The kernel's, for messages and shapes.
    fn signature(&self) -> &'static Signature;

    /// The reasons of edges; an [`Edge`] counts them.
    fn reasons(&self) -> &'static [&'static str];

    /// Reads the inputs, whose shapes are right.
    fn read<'a>(&self, job: &Job<'a>) -> Result<Self::Rows<'a>, KernelError>;

    /// Makes room for rows, of which there are none so far.
    fn reserve(&mut self, rows: &Self::Rows<'_>);

    /// What a row of the inputs is to the one in that slot.
    fn compare(&self, slot: u32, rows: &Self::Rows<'_>, row: u32) -> Change;

    /// Reads what adding these slots and rows will read. Nothing follows from it; but the reads of many
    /// rows wait for memory together, where those of one row wait for each other.
    fn look_ahead(&self, entering: &[(u32, u32)], rows: &Self::Rows<'_>, joins: &Joins<'_, '_>);

    /// Puts into a slot what it lacks of a row, and joins as many edges as it takes for the groups to be
    /// right again, provided that they were without.
    fn add(
        &mut self,
        slot: u32,
        rows: &Self::Rows<'_>,
        row: u32,
        joins: &mut Joins<'_, '_>,
    ) -> Result<(), KernelError>;

    /// Takes everything out of a slot.
    fn remove(&mut self, slot: u32, joins: &mut Joins<'_, '_>) -> Result<(), KernelError>;

    /// An edge from a slot to one that is outside of its piece, as `search` knows. Where there is none for
    /// any slot of a piece, there must be no edge of the rule either.
    fn way_out(&self, slot: u32, search: &mut Search<'_, '_>) -> Result<Option<Edge>, KernelError>;

    /// The bytes that the index takes.
    fn bytes(&self) -> usize;
}

/// What became of a row that was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// Nothing that the rule looks at.
    None,
    /// It only gained, and no edge that it had can be false now.
    Growth,
    /// An edge that it had may be false now.
    Other,
}

/// Where a rule tells its edges.
pub(crate) struct Joins<'s, 'p> {
    pub(super) groups: &'s mut Groups,
    pub(super) steps: Steps<'p>,
    /// Those that joined.
    pub(super) edges: Vec<Edge>,
}

impl Joins<'_, '_> {
    /// Tells an edge.
    pub(crate) fn join(&mut self, edge: Edge) -> Result<(), KernelError> {
        self.step()?;
        if self.groups.join(edge, &mut self.steps)? {
            self.edges.push(edge);
        }
        Ok(())
    }

    /// Counts a step that tells no edge, for the checkpoint.
    pub(crate) fn step(&mut self) -> Result<(), KernelError> {
        self.steps.step()
    }

    /// Reads what joining a slot will read.
    pub(crate) fn look_ahead(&self, slot: u32) -> u32 {
        self.groups.group(slot)
    }
}

//! The state itself: rows have slots, the rule has its index of them, and groups are what comes of it.

use std::fmt;

use super::answer::Answer;
use super::groups::Groups;
use super::steps::Steps;
use super::{Change, Codes, Joins, Kept, OUTPUTS, Rule, Slab};
use crate::column::ABSENT;
use crate::frame::{Frame, ROWS_MAX};
use crate::kernel::{Job, KernelError, Shape};
use crate::pace::Pace;
use crate::text::Interner;

/// How many rows enter between two looks ahead: what they touch stays in the nearest cache.
const BLOCK: usize = 64;

/// The state of a kernel that groups rows by a [`Rule`].
pub(crate) struct KeptGroups<R> {
    roll: Roll<R>,
    groups: Groups,
    /// An update failed half-way.
    torn: bool,
}

/// Who is held, and in which slot.
struct Roll<R> {
    rule: R,
    /// The key of each slot.
    keys: Slab<u32>,
    slots: Codes,
}

impl<R: Rule> KeptGroups<R> {
    /// Nothing yet.
    pub(crate) fn new(rule: R) -> Self {
        Self::bounded(rule, ROWS_MAX)
    }

    /// Nothing yet, and never more rows than that.
    pub(crate) fn bounded(rule: R, rows_max: usize) -> Self {
        let roll = Roll { rule, keys: Slab::new(rows_max), slots: Codes::new() };
        Self { roll, groups: Groups::new(), torn: false }
    }

    fn change(&mut self, job: &Job<'_>, gone: &[u32]) -> Result<Vec<Frame>, KernelError> {
        let Self { roll, groups, .. } = self;
        let keys = job.inputs[0].text("key");
        let keys = keys.map_err(|fault| roll.rule.signature().invalid(0, fault))?;
        let rows = roll.rule.read(job)?;
        if roll.slots.len() == 0 {
            roll.reserve(keys.len(), &rows);
            groups.reserve(keys.len());
        }
        let mut joins = Joins { groups, steps: Steps::new(job.pace), edges: Vec::new() };

        let freed = roll.dismiss(gone, &mut joins)?;
        let entering = roll.admit(keys, &rows, job.texts, &mut joins)?;
        let Joins { groups, steps, edges } = &mut joins;
        *edges = groups.mend(steps, |slot, search| roll.rule.way_out(slot, search))?;
        for block in entering.chunks(BLOCK) {
            if block.len() > 1 {
                roll.rule.look_ahead(block, &rows, &joins);
            }
            for &(slot, row) in block {
                joins.groups.enter(slot)?;
                roll.rule.add(slot, &rows, row, &mut joins)?;
            }
        }
        let Joins { groups, mut steps, edges } = joins;

        let answer = Answer { keys: &roll.keys, reasons: roll.rule.reasons(), texts: job.texts };
        let frames = answer.changes(groups, &edges, &mut steps)?;
        groups.settle(&mut steps)?;
        // Slots are given again only now that all is told, so that a mark never means another row.
        freed.into_iter().for_each(|slot| roll.keys.remove(slot));
        Ok(frames)
    }
}

impl<R: Rule> Roll<R> {
    /// Makes room for the first rows.
    fn reserve(&mut self, more: usize, rows: &R::Rows<'_>) {
        self.keys.reserve(more);
        self.slots.reserve(more);
        self.rule.reserve(rows);
    }

    /// Takes out rows that are gone; their slots.
    fn dismiss(
        &mut self,
        gone: &[u32],
        joins: &mut Joins<'_, '_>,
    ) -> Result<Vec<u32>, KernelError> {
        let mut freed = Vec::new();
        for &key in gone {
            joins.step()?;
            if let Some(slot) = self.slots.remove(key) {
                self.take_out(slot, joins)?;
                joins.groups.remove(slot);
                freed.push(slot);
            }
        }
        Ok(freed)
    }

    /// Gives every named row its slot, and takes out those of which an edge may be false now. The slots
    /// and rows that have something to add.
    fn admit(
        &mut self,
        keys: &[u32],
        rows: &R::Rows<'_>,
        texts: &Interner,
        joins: &mut Joins<'_, '_>,
    ) -> Result<Vec<(u32, u32)>, KernelError> {
        let mut entering = Vec::with_capacity(keys.len());
        for (row, &key) in (0_u32..).zip(keys) {
            joins.step()?;
            if key == ABSENT {
                let fault = format!("row {row} has no key");
                return Err(self.rule.signature().invalid(0, fault));
            }
            let known = self.slots.get(key);
            let slot = match known {
                Some(slot) => slot,
                None => self.new_slot(key, texts, joins)?,
            };
            if !joins.groups.name(slot) {
                let fault = format!("key '{}' stands twice", told(texts, key));
                return Err(self.rule.signature().invalid(0, fault));
            }
            let change = known.map_or(Change::Growth, |slot| self.rule.compare(slot, rows, row));
            match change {
                Change::None => continue,
                Change::Growth => {}
                Change::Other => self.take_out(slot, joins)?,
            }
            entering.push((slot, row));
        }
        Ok(entering)
    }

    fn new_slot(
        &mut self,
        key: u32,
        texts: &Interner,
        joins: &mut Joins<'_, '_>,
    ) -> Result<u32, KernelError> {
        let Some(slot) = self.keys.insert(key) else {
            let (name, rows) = (self.rule.signature().name, self.keys.len());
            return Err(KernelError::Limit(format!(
                "{name}: '{}' is one more than the {rows} rows that can be kept",
                told(texts, key)
            )));
        };
        self.slots.insert(key, slot);
        joins.groups.add(slot);
        Ok(slot)
    }

    fn take_out(&mut self, slot: u32, joins: &mut Joins<'_, '_>) -> Result<(), KernelError> {
        self.rule.remove(slot, joins)?;
        joins.groups.cut(slot, &mut joins.steps)
    }
}

/// A text for a message.
fn told(texts: &Interner, code: u32) -> String {
    texts.text(code).unwrap_or_default()
}

impl<R: Rule> Kept for KeptGroups<R> {
    fn outputs(&self) -> &'static [Shape] {
        &OUTPUTS
    }

    fn update(&mut self, job: &Job<'_>, gone: &[u32]) -> Result<Vec<Frame>, KernelError> {
        self.check()?;
        // Whatever happens on the way, only the end makes it good again.
        self.torn = true;
        let frames = self.change(job, gone)?;
        self.torn = false;
        Ok(frames)
    }

    fn whole(
        &self,
        keys: &[u32],
        texts: &Interner,
        pace: &Pace<'_>,
    ) -> Result<Vec<Frame>, KernelError> {
        self.check()?;
        let Roll { rule, keys: own, slots } = &self.roll;
        let mut rows = Vec::with_capacity(keys.len());
        for (row, &key) in keys.iter().enumerate() {
            pace.check_row(row)?;
            let slot = slots.get(key);
            let fault = || format!("'{}' is not a row that is kept", told(texts, key));
            rows.push(slot.ok_or_else(|| rule.signature().invalid(0, fault()))?);
        }
        let answer = Answer { keys: own, reasons: rule.reasons(), texts };
        match answer.whole(&self.groups, &rows, pace)? {
            Some(frames) if rows.len() == slots.len() => Ok(frames),
            _ => {
                let fault =
                    format!("{} keys are not those of the {} rows", keys.len(), slots.len());
                Err(rule.signature().invalid(0, fault))
            }
        }
    }

    fn rows(&self) -> usize {
        self.roll.slots.len()
    }

    fn bytes(&self) -> usize {
        let Roll { rule, keys, slots } = &self.roll;
        rule.bytes() + keys.bytes() + slots.bytes() + self.groups.bytes()
    }
}

impl<R: Rule> KeptGroups<R> {
    fn check(&self) -> Result<(), KernelError> {
        if self.torn {
            let name = self.roll.rule.signature().name;
            return Err(KernelError::Invalid(format!(
                "{name}: an update of this state has failed"
            )));
        }
        Ok(())
    }
}

impl<R: Rule> fmt::Debug for KeptGroups<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = formatter.debug_struct("KeptGroups");
        told.field("rows", &self.rows()).field("torn", &self.torn).finish_non_exhaustive()
    }
}

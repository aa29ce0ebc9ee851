//! `identity-components` for rows that come and go: who holds what, so that one row's edges are known.
//!
//! Every value, of fingerprints, payloads and endpoints alike, has a *posting*: its holders, in lists by
//! the slots that they fill. What an arriving holder joins follows from the cases of the
//! [module](super) and from which lists have somebody:
//!
//! | arrives | there is | joins |
//! |---|---|---|
//! | any | a *neither* | the first *neither*, whom all others have joined |
//! | the first *neither* | | everybody |
//! | *only JA3* | *only HASSH* | the first of those; and if it is the first of its own kind, all of them |
//! | *only HASSH* | *only JA3* | likewise |
//! | otherwise | | nobody |
//!
//! So a posting is walked at most twice while it grows, whatever its length. Equal fingerprints and ids
//! join without a veto, which is what *neither* means: their holders all stand in that list.
//!
//! A list's first holder is the *hub* that the others of the posting join. Newcomers go behind it, so that
//! the forest is made of stars: few rows have others hanging on them, and when one leaves, those find the
//! next hub.
//!
//! What a row holds is compared before anything is touched. A row that only gained values keeps its
//! edges, with one exception: a fingerprint where there was none may veto what a token joined.
//!
//! # Size
//! Where v is the values that a row holds, in the population of the kernel's benchmark, on one thread:
//!
//! | | time | measured, of 10 million |
//! |---|---|---|
//! | a new row | O(v), and the smaller of the groups that it joins | median 7 µs, worst of a thousand 1.5 ms; more where a table grows |
//! | the first *neither* of a token, or the first *only JA3* among *only HASSH* | O(holders), once | |
//! | a row that leaves, or changes | O(v), and what hung on it until it finds another way | any: median 5 to 9 µs; the oldest, on which most hang: median 50 to 80 µs, worst some seconds |
//! | many rows at once | the sum | all of them: nine times a fresh run |
//!
//! | memory | bytes |
//! |---|---|
//! | a row | 32 in its tree, 4 and about 15 for its key, 8 here |
//! | a value of a row | 20 |
//! | a value | 24 and about 15 |
//! | a group | 12 |
//! | measured, a row of 10 million | 139 with all columns |

mod rows;

#[cfg(test)]
mod tests;

use self::rows::Rows;
use super::{ENDPOINT, HASSH, JA3, PAYLOAD, SAME_ID, SIGNATURE};
use crate::column::ABSENT;
use crate::kept::{Change, Codes, Edge, Joins, Rule, Search, Slab};
use crate::kernel::{Job, KernelError, Signature};

/// The reasons, by their number here. From [`FIRST_OF_TOKENS`] on, the veto counts.
const REASONS: [&str; 5] = [SAME_ID, JA3, HASSH, PAYLOAD, ENDPOINT];
const FIRST_OF_TOKENS: u8 = 3;

/// The kinds of holders: 0 fills neither slot, 1 only JA3, 2 only HASSH, 3 both; 3 - 1 is 2.
const NEITHER: u8 = 0;
const BOTH: u8 = 3;

/// Who holds what.
#[derive(Debug)]
pub(super) struct Index {
    /// For each slot, its kind and the last holding it was given.
    rows: Vec<(u32, u8)>,
    holdings: Slab<Holding>,
    postings: Slab<Posting>,
    /// By reason: the posting of each value.
    by_value: [Codes; REASONS.len()],
}

/// That a slot holds a value: a place in a list of the posting, and in the list of the slot.
#[derive(Clone, Copy, Debug)]
struct Holding {
    slot: u32,
    posting: u32,
    next: u32,
    previous: u32,
    /// The slot's next one.
    other: u32,
}

/// A value and its holders: for each kind the first holding, or [`ABSENT`].
#[derive(Clone, Copy, Debug)]
struct Posting {
    hubs: [u32; 4],
    value: u32,
    reason: u8,
}

impl Index {
    /// Nobody holds anything.
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::new(),
            holdings: Slab::new(usize::MAX),
            postings: Slab::new(usize::MAX),
            by_value: std::array::from_fn(|_| Codes::new()),
        }
    }

    /// The holdings of a slot.
    fn held(&self, slot: u32) -> impl Iterator<Item = u32> {
        let last = self.rows.get(slot as usize).map_or(ABSENT, |&(last, _)| last);
        let listed = |at: u32| (at != ABSENT).then_some(at);
        std::iter::successors(listed(last), move |&at| listed(self.holdings[at].other))
    }

    /// The postings of a slot, sorted.
    fn postings_of(&self, slot: u32) -> Vec<u32> {
        let mut postings: Vec<u32> = self.held(slot).map(|at| self.holdings[at].posting).collect();
        postings.sort_unstable();
        postings
    }

    /// In which list of a posting a slot stands.
    fn list(&self, posting: &Posting, slot: u32) -> u8 {
        if posting.reason < FIRST_OF_TOKENS { NEITHER } else { self.rows[slot as usize].1 }
    }

    /// The holdings of a list.
    fn holders(&self, hub: u32) -> impl Iterator<Item = u32> {
        let listed = |at: u32| (at != ABSENT).then_some(at);
        std::iter::successors(listed(hub), move |&at| listed(self.holdings[at].next))
    }

    /// The posting of a value, made if nobody has held it.
    fn posting(&mut self, reason: u8, value: u32) -> Result<u32, KernelError> {
        let by_value = &mut self.by_value[usize::from(reason)];
        if let Some(posting) = by_value.get(value) {
            return Ok(posting);
        }
        let new = Posting { hubs: [ABSENT; 4], value, reason };
        let number = self.postings.insert(new).ok_or_else(too_many)?;
        by_value.insert(value, number);
        Ok(number)
    }

    /// Tells the edges of a holder that is about to enter a list: see the module's table.
    fn join(
        &self,
        posting: &Posting,
        list: u8,
        slot: u32,
        joins: &mut Joins<'_, '_>,
    ) -> Result<(), KernelError> {
        let [neither, ja3, hassh, both] = posting.hubs;
        let opposite = posting.hubs[usize::from(BOTH - list)];
        if neither != ABSENT {
            self.tell(posting, slot, neither, joins)
        } else if list == NEITHER {
            // With somebody in both, the two lists are one group already.
            if ja3 != ABSENT && hassh != ABSENT {
                self.tell(posting, slot, ja3, joins)?;
            } else {
                self.tell_all(posting, slot, ja3, joins)?;
                self.tell_all(posting, slot, hassh, joins)?;
            }
            self.tell_all(posting, slot, both, joins)
        } else if list == BOTH || opposite == ABSENT {
            Ok(())
        } else if posting.hubs[usize::from(list)] == ABSENT {
            self.tell_all(posting, slot, opposite, joins)
        } else {
            self.tell(posting, slot, opposite, joins)
        }
    }

    /// Tells the edge from a slot to a holder.
    fn tell(
        &self,
        posting: &Posting,
        slot: u32,
        holding: u32,
        joins: &mut Joins<'_, '_>,
    ) -> Result<(), KernelError> {
        let Posting { reason, value, .. } = *posting;
        joins.join(Edge { a: slot, b: self.holdings[holding].slot, reason, value })
    }

    /// Tells the edges from a slot to all holders of a list.
    fn tell_all(
        &self,
        posting: &Posting,
        slot: u32,
        hub: u32,
        joins: &mut Joins<'_, '_>,
    ) -> Result<(), KernelError> {
        self.holders(hub).try_for_each(|holding| self.tell(posting, slot, holding, joins))
    }

    /// Puts a slot into a list of a posting, behind the hub.
    fn enter(&mut self, posting: u32, list: u8, slot: u32) -> Result<(), KernelError> {
        let hub = self.postings[posting].hubs[usize::from(list)];
        let next = if hub == ABSENT { ABSENT } else { self.holdings[hub].next };
        let other = self.rows[slot as usize].0;
        let holding = Holding { slot, posting, next, previous: hub, other };
        let holding = self.holdings.insert(holding).ok_or_else(too_many)?;
        self.rows[slot as usize].0 = holding;
        if next != ABSENT {
            self.holdings[next].previous = holding;
        }
        if hub == ABSENT {
            self.postings[posting].hubs[usize::from(list)] = holding;
        } else {
            self.holdings[hub].next = holding;
        }
        Ok(())
    }

    /// Whether a slot was the last to enter a list: it is the hub, or behind it.
    fn entered_last(&self, hub: u32, slot: u32) -> bool {
        self.holders(hub).take(2).any(|at| self.holdings[at].slot == slot)
    }
}

fn too_many() -> KernelError {
    KernelError::Limit(format!("{}: keeps at most {ABSENT} values of rows", SIGNATURE.name))
}

impl Rule for Index {
    type Rows<'a> = Rows<'a>;

    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn reasons(&self) -> &'static [&'static str] {
        &REASONS
    }

    fn read<'a>(&self, job: &Job<'a>) -> Result<Rows<'a>, KernelError> {
        Rows::read(job)
    }

    fn reserve(&mut self, rows: &Rows<'_>) {
        self.rows.reserve(rows.len());
        self.holdings.reserve(rows.values_max());
    }

    fn compare(&self, slot: u32, rows: &Rows<'_>, row: u32) -> Change {
        let held = self.postings_of(slot);
        let known = |(reason, value)| self.by_value[usize::from(reason)].get(value);
        let mut kept = Vec::with_capacity(held.len());
        let mut grown = false;
        for posting in rows.values(row).map(known) {
            match posting.filter(|posting| held.binary_search(posting).is_ok()) {
                Some(posting) => kept.push(posting),
                None => grown = true,
            }
        }
        kept.sort_unstable();
        kept.dedup();
        let of_token = |&posting: &u32| self.postings[posting].reason >= FIRST_OF_TOKENS;
        let vetoes = rows.kind(row) != self.rows[slot as usize].1 && held.iter().any(of_token);
        if kept.len() < held.len() || vetoes {
            Change::Other
        } else if grown {
            Change::Growth
        } else {
            Change::None
        }
    }

    fn look_ahead(&self, entering: &[(u32, u32)], rows: &Rows<'_>, joins: &Joins<'_, '_>) {
        let mut hubs = Vec::with_capacity(4 * entering.len());
        let values =
            entering.iter().flat_map(|&(_, row)| rows.values(row).map(move |it| (row, it)));
        for (row, (reason, value)) in values {
            if let Some(posting) = self.by_value[usize::from(reason)].get(value) {
                hubs.push((posting, row));
            }
        }
        for (at, row) in &mut hubs {
            let posting = &self.postings[*at];
            let list = if posting.reason < FIRST_OF_TOKENS { 0 } else { rows.kind(*row) };
            *at = posting.hubs[usize::from(list)];
        }
        let mut read = 0;
        for (at, _) in &mut hubs {
            if *at != ABSENT {
                let Holding { slot, next, .. } = self.holdings[*at];
                *at = next;
                read ^= joins.look_ahead(slot);
            }
        }
        for (at, _) in hubs {
            if at != ABSENT {
                read ^= self.holdings[at].previous;
            }
        }
        std::hint::black_box(read);
    }

    fn add(
        &mut self,
        slot: u32,
        rows: &Rows<'_>,
        row: u32,
        joins: &mut Joins<'_, '_>,
    ) -> Result<(), KernelError> {
        let held = self.postings_of(slot);
        if slot as usize >= self.rows.len() {
            self.rows.resize(slot as usize + 1, (ABSENT, NEITHER));
        }
        self.rows[slot as usize].1 = rows.kind(row);
        for (reason, value) in rows.values(row) {
            joins.step()?;
            let number = self.posting(reason, value)?;
            let posting = self.postings[number];
            let list = self.list(&posting, slot);
            let hub = posting.hubs[usize::from(list)];
            if held.binary_search(&number).is_err() && !self.entered_last(hub, slot) {
                self.join(&posting, list, slot, joins)?;
                self.enter(number, list, slot)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, slot: u32, joins: &mut Joins<'_, '_>) -> Result<(), KernelError> {
        let mut at = self.rows.get(slot as usize).map_or(ABSENT, |&(last, _)| last);
        while at != ABSENT {
            joins.step()?;
            let Holding { posting: number, next, previous, other, .. } = self.holdings[at];
            if next != ABSENT {
                self.holdings[next].previous = previous;
            }
            if previous != ABSENT {
                self.holdings[previous].next = next;
            } else {
                let posting = self.postings[number];
                let list = usize::from(self.list(&posting, slot));
                self.postings[number].hubs[list] = next;
                if self.postings[number].hubs == [ABSENT; 4] {
                    self.by_value[usize::from(posting.reason)].remove(posting.value);
                    self.postings.remove(number);
                }
            }
            self.holdings.remove(at);
            at = other;
        }
        self.rows[slot as usize].0 = ABSENT;
        Ok(())
    }

    fn way_out(&self, slot: u32, search: &mut Search<'_, '_>) -> Result<Option<Edge>, KernelError> {
        for at in self.held(slot) {
            search.step()?;
            let posting = &self.postings[self.holdings[at].posting];
            let list = self.list(posting, slot);
            let hubs = &posting.hubs;
            let opposite = &hubs[usize::from(BOTH - list)];
            let is_hub = hubs[usize::from(list)] == at;
            let lists = if hubs[0] != ABSENT {
                if is_hub && list == NEITHER { hubs } else { &hubs[..1] }
            } else if list != BOTH && *opposite != ABSENT {
                std::slice::from_ref(opposite)
            } else {
                continue;
            };
            // Others find to the hub that they joined; whether that leads out is for the hub to know.
            let holders = lists.iter().flat_map(|&hub| self.holders(hub));
            for holding in holders.take(if is_hub { usize::MAX } else { 1 }) {
                let other = self.holdings[holding].slot;
                if search.is_outside(other)? {
                    let Posting { reason, value, .. } = *posting;
                    return Ok(Some(Edge { a: slot, b: other, reason, value }));
                }
            }
        }
        Ok(None)
    }

    fn bytes(&self) -> usize {
        let values: usize = self.by_value.iter().map(Codes::bytes).sum();
        let rows = self.rows.capacity() * size_of::<(u32, u8)>();
        rows + self.holdings.bytes() + self.postings.bytes() + values
    }
}

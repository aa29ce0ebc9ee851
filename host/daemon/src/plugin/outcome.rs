//! What a commit comes to, fact by fact, so that the commits of two components can be compared.
//!
//! Changes name rows of the snapshot they were made on, so two sets of changes compare only if both were made
//! on the same one. A *fact* is one row that would be different afterwards: this attacker joins that identity,
//! this identity points to that one. New groups have no id yet and are named by their smallest member.
//! Evidence and a plugin's own state are told but do not count as moved: the same groups may be explained by
//! another forest, and what a plugin remembers is its own affair.

use std::collections::{BTreeMap, HashMap};

use corral_kernels::{ABSENT, Column, Frame, FrameError, Interner};
use serde::{Deserialize, Serialize};

use super::{Plugin, TickError};
use crate::store::commit::{Change, CommitError, Layer};

pub mod told;

/// Examples that are told of each verb.
const EXAMPLES_MAX: usize = 10;

/// What a row is afterwards.
#[derive(Clone, Debug, PartialEq)]
enum After {
    /// It is there, or gone, or brought up to date; nothing more is to be said.
    So,
    /// It points to this one.
    To(u32),
    /// It is a member of the new group of which this is the smallest member.
    New(u32),
    /// It has these values.
    Row(Box<[Cell]>),
}

/// A value of a row; floats compare by their bits, so that "the same" means the same.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Text(u32),
    Number(u64),
    Measure(u64),
}

/// A row, by the code of its key, and of a second key where it has two.
type Key = (u32, u32);

/// The facts of one commit, by verb.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    facts: BTreeMap<Verb, HashMap<Key, After>>,
    /// Names that people know members by, where there are such: addresses of attackers.
    names: Option<Frame>,
}

/// What is done to a row, in the contract's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Form(Layered),
    Link(Layered),
    Merge(Layered),
    Unmerge(Layered),
    Refresh,
    Explain(Layered),
    PutAttribution,
    PutReuse,
    PutState,
}

/// [`Layer`], in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layered {
    Identity,
    Campaign,
}

impl From<Layer> for Layered {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Identity => Self::Identity,
            Layer::Campaign => Self::Campaign,
        }
    }
}

impl Verb {
    fn name(self) -> &'static str {
        use Layered::{Campaign, Identity};
        match self {
            Self::Form(Identity) => "form-identities",
            Self::Form(Campaign) => "form-campaigns",
            Self::Link(Identity) => "link-attackers",
            Self::Link(Campaign) => "assign-identities",
            Self::Merge(Identity) => "merge-identities",
            Self::Merge(Campaign) => "merge-campaigns",
            Self::Unmerge(Identity) => "unmerge-identities",
            Self::Unmerge(Campaign) => "unmerge-campaigns",
            Self::Refresh => "refresh-identities",
            Self::Explain(Identity) => "explain-identities",
            Self::Explain(Campaign) => "explain-campaigns",
            Self::PutAttribution => "put-attribution",
            Self::PutReuse => "put-reuse",
            Self::PutState => "put-state",
        }
    }

    /// Whether rows that differ in it are moved: others are told only.
    fn moves(self) -> bool {
        !matches!(self, Self::Explain(_) | Self::PutState)
    }
}

/// How the commits of two components differ.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Difference {
    /// Rows that the candidate would leave otherwise than the live component did.
    pub moved: usize,
    /// By verb, those that either of the two has.
    pub verbs: Vec<VerbDifference>,
}

/// How two commits differ in one verb.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerbDifference {
    /// The change, in the contract's words.
    pub change: String,
    /// Whether its rows count as moved.
    pub counts: bool,
    /// Rows that the live component changes.
    pub live: usize,
    /// Rows that the candidate changes.
    pub candidate: usize,
    /// Rows that only the live component changes.
    pub only_live: usize,
    /// Rows that only the candidate changes.
    pub only_candidate: usize,
    /// Rows that both change, to something else.
    pub otherwise: usize,
    /// Some of the rows that differ.
    pub examples: Vec<Example>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The row.
    pub row: String,
    /// What the live component does with it.
    pub live: Option<String>,
    /// What the candidate does with it.
    pub candidate: Option<String>,
}

impl Outcome {
    /// The facts of `changes`. `attribution` is that view of the snapshot they were made on, where they put
    /// rows of it: a row that is there already is no fact.
    ///
    /// # Errors
    /// [`FrameError`] if a frame lacks a column that the change needs.
    pub fn of(changes: &[Change], attribution: Option<&Frame>) -> Result<Self, FrameError> {
        let mut outcome = Self::default();
        for change in changes {
            outcome.add(change, attribution)?;
        }
        Ok(outcome)
    }

    /// The same of a tick of this plugin.
    ///
    /// # Errors
    /// [`TickError::Commit`], as [`Outcome::of`].
    pub(super) fn of_tick(
        plugin: &Plugin,
        changes: &[Change],
        attribution: Option<&Frame>,
    ) -> Result<Self, TickError> {
        Self::of(changes, attribution).map_err(|error| TickError::Commit {
            plugin: plugin.description().name.clone(),
            error: CommitError::Invalid(error),
        })
    }

    /// Whether any row would change, evidence and state included.
    pub fn is_empty(&self) -> bool {
        self.facts.values().all(HashMap::is_empty)
    }

    fn add(&mut self, change: &Change, attribution: Option<&Frame>) -> Result<(), FrameError> {
        match change {
            Change::Form { layer, members, rows, groups } => {
                self.name_by(*layer, members);
                let uuids = members.text("uuid")?;
                let mut firsts: HashMap<u32, u32> = HashMap::new();
                let mut smallest = rows.iter().zip(groups).collect::<Vec<_>>();
                smallest.sort();
                for (row, group) in smallest {
                    firsts.entry(*group).or_insert_with(|| code(uuids, *row));
                }
                let after = groups
                    .iter()
                    .map(|group| After::New(firsts.get(group).copied().unwrap_or(ABSENT)));
                self.put(
                    Verb::Form((*layer).into()),
                    rows.iter().map(|row| code(uuids, *row)),
                    after,
                );
            }
            Change::Link { layer, members, rows, groups, targets } => {
                self.name_by(*layer, members);
                let (uuids, to) = (members.text("uuid")?, groups.text("uuid")?);
                let after = targets.iter().map(|target| After::To(code(to, *target)));
                self.put(
                    Verb::Link((*layer).into()),
                    rows.iter().map(|row| code(uuids, *row)),
                    after,
                );
            }
            Change::Merge { layer, groups, losers, winners } => {
                let uuids = groups.text("uuid")?;
                let after = winners.iter().map(|winner| After::To(code(uuids, *winner)));
                let rows = losers.iter().map(|row| code(uuids, *row));
                self.put(Verb::Merge((*layer).into()), rows, after);
            }
            Change::Unmerge { layer, groups, rows } => {
                let uuids = groups.text("uuid")?;
                let rows = rows.iter().map(|row| code(uuids, *row));
                self.put(Verb::Unmerge((*layer).into()), rows, std::iter::repeat(After::So));
            }
            Change::Refresh { groups, rows } => {
                let uuids = groups.text("uuid")?;
                let rows = rows.iter().map(|row| code(uuids, *row));
                self.put(Verb::Refresh, rows, std::iter::repeat(After::So));
            }
            Change::Explain { layer, members, edges, .. } => {
                self.name_by(*layer, members);
                let uuids = members.text("uuid")?;
                let facts = self.facts.entry(Verb::Explain((*layer).into())).or_default();
                let ends = edges.uint32("a")?.iter().zip(edges.uint32("b")?);
                let why = edges.text("reason")?.iter().zip(edges.text("value")?);
                for ((a, b), (reason, value)) in ends.zip(why) {
                    let (a, b) = (code(uuids, *a), code(uuids, *b));
                    let row = [Cell::Text(*reason), Cell::Text(*value)];
                    facts.insert((a.min(b), a.max(b)), After::Row(row.into()));
                }
            }
            Change::PutAttribution { rows } => {
                self.rows(Verb::PutAttribution, rows, ("identity", "primitive"), attribution)?;
            }
            Change::PutReuse { rows } => {
                self.rows(Verb::PutReuse, rows, ("secret_sha256", "principal_key"), None)?;
            }
            Change::PutState { rows } => self.rows(Verb::PutState, rows, ("key", "key"), None)?,
        }
        Ok(())
    }

    fn put(
        &mut self,
        verb: Verb,
        rows: impl Iterator<Item = u32>,
        after: impl Iterator<Item = After>,
    ) {
        self.facts.entry(verb).or_default().extend(rows.map(|row| (row, ABSENT)).zip(after));
    }

    /// The rows of a frame that are not among `known`, by two columns that are their key.
    fn rows(
        &mut self,
        verb: Verb,
        rows: &Frame,
        (first, second): (&str, &str),
        known: Option<&Frame>,
    ) -> Result<(), FrameError> {
        let known = match known {
            Some(known) => table(known, (first, second), rows)?,
            None => HashMap::new(),
        };
        let rows = table(rows, (first, second), rows)?;
        let new = rows.into_iter().filter(|(key, after)| known.get(key) != Some(after));
        self.facts.entry(verb).or_default().extend(new);
        Ok(())
    }

    fn name_by(&mut self, layer: Layer, members: &Frame) {
        if layer == Layer::Identity && self.names.is_none() {
            self.names = Some(members.clone());
        }
    }

    /// How what `candidate` would do differs from this.
    pub fn difference(&self, candidate: &Self, texts: &Interner) -> Difference {
        let nothing = HashMap::new();
        let mut verbs: Vec<Verb> =
            self.facts.keys().chain(candidate.facts.keys()).copied().collect();
        verbs.sort();
        verbs.dedup();
        let tell = Teller { texts, names: self.names.as_ref().or(candidate.names.as_ref()) };
        let verbs: Vec<VerbDifference> = verbs
            .into_iter()
            .map(|verb| {
                let live = self.facts.get(&verb).unwrap_or(&nothing);
                tell.verb(verb, live, candidate.facts.get(&verb).unwrap_or(&nothing))
            })
            .filter(|verb| verb.live + verb.candidate > 0)
            .collect();
        let counted = verbs.iter().filter(|verb| verb.counts);
        Difference { moved: counted.map(VerbDifference::moved).sum(), verbs }
    }
}

impl VerbDifference {
    fn moved(&self) -> usize {
        self.only_live + self.only_candidate + self.otherwise
    }
}

impl Difference {
    /// Adds what another pair of commits differed in; of examples the first stay.
    pub fn add(&mut self, other: Self) {
        self.moved += other.moved;
        for verb in other.verbs {
            match self.verbs.iter_mut().find(|known| known.change == verb.change) {
                Some(known) => {
                    known.live += verb.live;
                    known.candidate += verb.candidate;
                    known.only_live += verb.only_live;
                    known.only_candidate += verb.only_candidate;
                    known.otherwise += verb.otherwise;
                    known.examples.extend(verb.examples);
                    known.examples.truncate(EXAMPLES_MAX);
                }
                None => self.verbs.push(verb),
            }
        }
    }

    /// Whether the two did the same to the bit, evidence and state included.
    pub fn is_none(&self) -> bool {
        self.verbs.iter().all(|verb| verb.moved() == 0)
    }
}

/// Whether a change puts states: of these, rows that are there already are no facts.
pub(super) fn puts_attribution(change: &Change) -> bool {
    matches!(change, Change::PutAttribution { .. })
}

/// Puts facts into words.
struct Teller<'a> {
    texts: &'a Interner,
    names: Option<&'a Frame>,
}

impl Teller<'_> {
    fn verb(
        &self,
        verb: Verb,
        live: &HashMap<Key, After>,
        candidate: &HashMap<Key, After>,
    ) -> VerbDifference {
        let only_live: Vec<Key> =
            live.keys().filter(|key| !candidate.contains_key(*key)).copied().collect();
        let (mut only_candidate, mut otherwise) = (Vec::new(), Vec::new());
        for (key, after) in candidate {
            match live.get(key) {
                None => only_candidate.push(*key),
                Some(other) if other != after => otherwise.push(*key),
                Some(_) => {}
            }
        }
        let mut told: Vec<Example> = Vec::new();
        for keys in [&otherwise, &only_candidate, &only_live] {
            // Codes follow from the order of reading, so the first by code are the same each time.
            let mut first: Vec<Key> = keys.clone();
            first.sort_unstable();
            told.extend(first.into_iter().take(EXAMPLES_MAX.saturating_sub(told.len())).map(
                |key| Example {
                    row: self.row(verb, key),
                    live: live.get(&key).map(|after| self.after(after)),
                    candidate: candidate.get(&key).map(|after| self.after(after)),
                },
            ));
        }
        VerbDifference {
            change: verb.name().to_owned(),
            counts: verb.moves(),
            live: live.len(),
            candidate: candidate.len(),
            only_live: only_live.len(),
            only_candidate: only_candidate.len(),
            otherwise: otherwise.len(),
            examples: told,
        }
    }

    fn row(&self, verb: Verb, (first, second): Key) -> String {
        match verb {
            Verb::PutAttribution | Verb::PutReuse => {
                format!("{} {}", self.text(first), self.text(second))
            }
            Verb::Explain(_) => format!("{} – {}", self.name(first), self.name(second)),
            _ => self.name(first),
        }
    }

    fn after(&self, after: &After) -> String {
        match after {
            After::So => "yes".to_owned(),
            After::To(code) => format!("to {}", self.text(*code)),
            After::New(code) => format!("new, with {}", self.name(*code)),
            After::Row(cells) => {
                let cell = |cell: &Cell| match cell {
                    Cell::Text(code) => self.text(*code),
                    Cell::Number(number) => number.to_string(),
                    Cell::Measure(bits) => f64::from_bits(*bits).to_string(),
                };
                cells.iter().map(cell).collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn text(&self, code: u32) -> String {
        self.texts.text(code).unwrap_or_default()
    }

    /// The address of an attacker, the text of anything else.
    fn name(&self, uuid: u32) -> String {
        let address = self.names.and_then(|names| {
            let row = names.find("uuid", &[uuid]).ok()?.first().copied()?;
            names.text("ip").ok()?.get(row as usize).copied()
        });
        self.text(address.unwrap_or(uuid))
    }
}

fn code(codes: &[u32], row: u32) -> u32 {
    codes.get(row as usize).copied().unwrap_or(ABSENT)
}

/// The rows of `frame` by their key, with those columns that `like` has beside the key.
fn table(
    frame: &Frame,
    (first, second): (&str, &str),
    like: &Frame,
) -> Result<HashMap<Key, After>, FrameError> {
    let keys = frame.text(first)?.iter().copied().zip(frame.text(second)?.iter().copied());
    let others =
        like.columns().map(|(name, _)| name).filter(|name| *name != first && *name != second);
    let columns = others.map(|name| frame.column(name)).collect::<Result<Vec<_>, _>>()?;
    let row = |at: usize| columns.iter().map(|column| cell(column, at)).collect::<Box<[Cell]>>();
    Ok(keys.enumerate().map(|(at, key)| (key, After::Row(row(at)))).collect())
}

fn cell(column: &Column, at: usize) -> Cell {
    match column {
        Column::Text(codes) => Cell::Text(codes.get(at).copied().unwrap_or(ABSENT)),
        Column::Uint32(values) => Cell::Number(values.get(at).copied().map_or(0, u64::from)),
        Column::Uint64(values) => Cell::Number(values.get(at).copied().unwrap_or(0)),
        Column::Int64(values) => Cell::Number(values.get(at).copied().unwrap_or(0).cast_unsigned()),
        Column::Float64(values) => Cell::Measure(values.get(at).copied().unwrap_or(0.0).to_bits()),
    }
}

#[cfg(test)]
mod tests;

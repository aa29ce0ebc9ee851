//! Whether the stored evidence accounts for the stored groups: pure, from rows to a judgement.
//!
//! A stored group is all members whose rows name it, or a group that was merged into it. Of the evidence of
//! a layer it is asked that it is a *spanning forest* of these groups: no edge leads out of its group, none
//! is more than the tree needs, and of any two members of a group there is a path from one to the other. The
//! last word has [`check_forest`], the judge of the kernels' own forests; this file says what it is asked,
//! and names the culprits.
//!
//! Three things that history leaves behind are right all the same, and are told as counts:
//!
//! * **Apart.** A member is never moved, so a group may hold members that the kernel, asked today, puts into
//!   several components. Their evidence was true when it was written. There has to be a path between those
//!   that are one component today, and there need not be one between others.
//! * **Adopted.** The id of a group of Corral follows from one of its members. A group whose id does not was
//!   formed by another program on the same tables, which knows no evidence; it may be unexplained.
//! * **Outlived.** Evidence of campaigns names identities, and one of these may have been merged into another
//!   since. Such an edge counts for the identity that speaks now, and may lead anywhere.
//!
//! One thing that history does is a fault: members that were joined over others, from whom an undone merge
//! has parted them, and that are one component again. Nothing says why any more, and no tick writes it.
//!
//! What evidence *says*, its reason and value, is not looked at: that it is true today is what the kernel's
//! answer proves.

use std::collections::HashMap;
use std::fmt;

use corral_kernels::forest::{Forest, check_forest};
use corral_kernels::{ABSENT, Pace};
use serde::Serialize;

use crate::ids;
use crate::store::certificate::StoredLayer;
use crate::store::commit::Layer;
use crate::store::reader::Edge;

/// Faults that are named; the others are counted.
const FAULTS_MAX: usize = 20;

/// How the evidence of a layer accounts for its groups.
#[derive(Debug, Default, Serialize)]
pub struct Account {
    /// Stored groups of more than one member.
    pub groups: usize,
    /// The members of these.
    pub members: usize,
    /// Edges of evidence.
    pub edges: usize,
    /// Groups that the kernel, asked today, would not put together.
    pub apart: usize,
    /// Groups that another program formed, and that are not explained.
    pub adopted: usize,
    /// Edges of identities that were merged since.
    pub outlived: usize,
    /// What the judge says, if it is not content.
    pub judgement: Option<String>,
    /// How many faults there are.
    pub faults: usize,
    /// The first of them.
    pub first_faults: Vec<Fault>,
}

/// What is wrong with the evidence; members by address or uuid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// An edge that leads out of a group, or to or from somebody who has none.
    Foreign {
        /// One end.
        a: String,
        /// Its group.
        group_a: Option<String>,
        /// The other end.
        b: String,
        /// Its group.
        group_b: Option<String>,
    },
    /// An edge between two who are connected without it.
    Superfluous {
        /// One end.
        a: String,
        /// The other.
        b: String,
    },
    /// Two of one group, and of one component by the kernel, without a path between them.
    Missing {
        /// The group.
        group: String,
        /// One of them.
        a: String,
        /// The other.
        b: String,
    },
    /// An edge to or from nobody.
    Nobody {
        /// One end.
        a: String,
        /// The other.
        b: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |group: &Option<String>| {
            group.as_ref().map_or_else(|| "no group".to_owned(), |group| format!("group {group}"))
        };
        match self {
            Self::Foreign { a, group_a, b, group_b } => {
                write!(formatter, "evidence joins {a} of {} to {b} of {}", of(group_a), of(group_b))
            }
            Self::Superfluous { a, b } => {
                write!(formatter, "evidence between {a} and {b} closes a circle")
            }
            Self::Missing { group, a, b } => {
                write!(formatter, "no evidence connects {a} and {b}, both of group {group}")
            }
            Self::Nobody { a, b } => {
                write!(formatter, "evidence joins {a} and {b}, which are not both stored")
            }
        }
    }
}

impl Account {
    /// Whether the evidence accounts for the groups.
    pub fn holds(&self) -> bool {
        self.judgement.is_none() && self.faults == 0
    }

    fn blame(&mut self, fault: Fault) {
        self.faults += 1;
        if self.first_faults.len() < FAULTS_MAX {
            self.first_faults.push(fault);
        }
    }
}

/// Judges what is stored of a layer. `labels` says how the kernel groups the members today, by uuid; without
/// it nothing is excused as apart.
pub fn judge(layer: Layer, stored: &StoredLayer, labels: &[(String, u32)]) -> Account {
    let population = Population::of(stored);
    let mut account = Account { edges: stored.edges.len(), ..Account::default() };
    let mut forest = Forest::new(stored.members.len());
    let edges = population.join(&stored.edges, &mut forest, &mut account);
    // Nobody sets this leash's flag, so none of these is cancelled.
    let parts = forest.into_labels(&Pace::free()).unwrap_or_default();
    let today: HashMap<&str, u32> = labels.iter().map(|(uuid, label)| (&**uuid, *label)).collect();
    let expected = population.expect(layer, &parts, &today, &mut account);
    let (a, b): (Vec<u32>, Vec<u32>) = edges.into_iter().unzip();
    let judgement = check_forest(&expected, &a, &b, &Pace::free());
    account.judgement = judgement.err().map(|error| error.to_string());
    account
}

/// Members by row, in the order of their uuids, and the stored groups.
struct Population<'a> {
    stored: &'a StoredLayer,
    rows: HashMap<&'a str, u32>,
    /// Of each member, the group that its row comes to; a merged identity has none.
    group: Vec<Option<&'a str>>,
    /// Of each member, who speaks for it: itself, unless it was merged.
    speaker: Vec<u32>,
    /// Of each member, the smallest row of its group.
    label: Vec<u32>,
}

impl<'a> Population<'a> {
    fn of(stored: &'a StoredLayer) -> Self {
        let members = &stored.members;
        let rows: HashMap<&str, u32> =
            members.iter().map(|member| &*member.uuid).zip(0..).collect();
        let merged_members: HashMap<&str, &str> = members
            .iter()
            .filter_map(|member| Some((&*member.uuid, member.merged_into.as_deref()?)))
            .collect();
        let merged_groups: HashMap<&str, &str> =
            stored.merged.iter().map(|(loser, winner)| (&**loser, &**winner)).collect();
        let group: Vec<Option<&str>> = members
            .iter()
            .map(|member| match member.merged_into {
                Some(_) => None,
                None => member.group.as_deref().map(|group| end(group, &merged_groups)),
            })
            .collect();
        let mut first: HashMap<&str, u32> = HashMap::new();
        let label = (0..)
            .zip(&group)
            .map(|(row, group)| group.map_or(row, |group| *first.entry(group).or_insert(row)))
            .collect();
        let speaker = members
            .iter()
            .zip(0..)
            .map(|(member, row)| {
                rows.get(end(&member.uuid, &merged_members)).copied().unwrap_or(row)
            })
            .collect();
        Self { stored, rows, group, speaker, label }
    }

    /// Joins the ends of the evidence, and gives the edges that are to be judged: all but those of merged
    /// identities, and of these the ones that connect somebody.
    fn join(&self, edges: &[Edge], forest: &mut Forest, account: &mut Account) -> Vec<(u32, u32)> {
        let mut judged = Vec::with_capacity(edges.len());
        let mut outlived = Vec::new();
        for edge in edges {
            let (Some(a), Some(b)) = (self.row(&edge.a), self.row(&edge.b)) else {
                account.blame(Fault::Nobody { a: edge.a.clone(), b: edge.b.clone() });
                continue;
            };
            let speakers = (self.speaks(a), self.speaks(b));
            if speakers != (a, b) {
                outlived.push(speakers);
                continue;
            }
            judged.push((a, b));
            if !self.share_a_group(a, b) {
                let group = |row| self.group_of(row).map(ToOwned::to_owned);
                let (group_a, group_b) = (group(a), group(b));
                account.blame(Fault::Foreign {
                    a: self.name(a),
                    group_a,
                    b: self.name(b),
                    group_b,
                });
            } else if !forest.join(a, b) {
                account.blame(Fault::Superfluous { a: self.name(a), b: self.name(b) });
            }
        }
        account.outlived = outlived.len();
        judged.extend(
            outlived.into_iter().filter(|&(a, b)| self.share_a_group(a, b) && forest.join(a, b)),
        );
        judged
    }

    /// The partition that the evidence has to span: the stored groups, and where a gap is excused the parts
    /// that it does span. `parts` says what it connects.
    fn expect(
        &self,
        layer: Layer,
        parts: &[u32],
        today: &HashMap<&str, u32>,
        account: &mut Account,
    ) -> Vec<u32> {
        let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
        for (row, label) in (0..).zip(&self.label) {
            groups.entry(*label).or_default().push(row);
        }
        let mut groups: Vec<(u32, Vec<u32>)> =
            groups.into_iter().filter(|(_, rows)| rows.len() > 1).collect();
        groups.sort_unstable();
        let mut expected = self.label.clone();
        for (_, rows) in groups {
            account.groups += 1;
            account.members += rows.len();
            let of = |row: u32| today.get(self.uuid(row)).copied().unwrap_or(ABSENT);
            let part = |row: u32| parts.get(row as usize).copied().unwrap_or(row);
            // Of each component, the member met first, and of each pair of parts one gap.
            let mut components: HashMap<u32, u32> = HashMap::new();
            let mut gaps: HashMap<(u32, u32), (u32, u32)> = HashMap::new();
            for &row in &rows {
                let first = *components.entry(of(row)).or_insert(row);
                if part(first) != part(row) {
                    gaps.entry((part(first), part(row))).or_insert((first, row));
                }
            }
            account.apart += usize::from(components.len() > 1);
            if !gaps.is_empty() && self.is_adopted(layer, &rows) {
                account.adopted += 1;
            } else if !gaps.is_empty() {
                let mut gaps: Vec<(u32, u32)> = gaps.into_values().collect();
                gaps.sort_unstable();
                for (a, b) in gaps {
                    let group = self.group_of(a).unwrap_or_default().to_owned();
                    account.blame(Fault::Missing { group, a: self.name(a), b: self.name(b) });
                }
                continue;
            }
            for &row in &rows {
                if let Some(expected) = expected.get_mut(row as usize) {
                    *expected = part(row);
                }
            }
        }
        expected
    }

    /// Whether one of the groups that these members' rows name has an id that does not follow from any of
    /// those whose rows name it.
    fn is_adopted(&self, layer: Layer, rows: &[u32]) -> bool {
        let mut follows: HashMap<&str, bool> = HashMap::new();
        for member in rows.iter().filter_map(|row| self.stored.members.get(*row as usize)) {
            let Some(group) = &member.group else { continue };
            let id = match layer {
                Layer::Identity => ids::identity(&member.uuid),
                Layer::Campaign => ids::campaign(&member.uuid),
            };
            *follows.entry(group).or_default() |= id == *group;
        }
        follows.values().any(|follows| !follows)
    }

    fn row(&self, uuid: &str) -> Option<u32> {
        self.rows.get(uuid).copied()
    }

    fn speaks(&self, row: u32) -> u32 {
        self.speaker.get(row as usize).copied().unwrap_or(row)
    }

    fn group_of(&self, row: u32) -> Option<&'a str> {
        self.group.get(row as usize).copied().flatten()
    }

    fn share_a_group(&self, a: u32, b: u32) -> bool {
        a == b || self.group_of(a).is_some_and(|group| self.group_of(b) == Some(group))
    }

    fn name(&self, row: u32) -> String {
        self.stored.members.get(row as usize).map(|member| member.name.clone()).unwrap_or_default()
    }

    fn uuid(&self, row: u32) -> &str {
        self.stored.members.get(row as usize).map_or("", |member| &member.uuid)
    }
}

/// The end of merge pointers; a circle of them ends where it began to repeat.
fn end<'a>(from: &'a str, merged: &HashMap<&'a str, &'a str>) -> &'a str {
    let mut at = from;
    for _ in 0..=merged.len() {
        match merged.get(at) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

#[cfg(test)]
mod tests;

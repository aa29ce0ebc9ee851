//! `campaign-components`: which identities act as one campaign, by DECNET's documented rule.
//!
//! The rule, for a pair of identities: an **edge** if five tiers of evidence, each from 0 to 1, weigh
//! at least 1.0 together. A campaign is a set of identities that edges connect.
//!
//! | tier | factor | score of a pair |
//! |---|--:|---|
//! | phase handoff | 1.0 | 1 if one of them ended on a decky in command and control or persistence, and the other began there, within a day, in discovery or lateral movement |
//! | shared infrastructure | 1.0 | Jaccard similarity of payload hashes and C2 endpoints, one name space |
//! | temporal overlap | 0.4 | how much of the earlier identity's time the later one was active too |
//! | cohort | 0.1 | Jaccard similarity of networks, tools and deckies |
//! | keystroke rhythm | 0.6 | 1 − h/8 for simhashes that differ in h < 8 bits |
//!
//! `weight.rs` is the rule, to the bit: the order of the sum decides at the threshold. *Earlier* is
//! the smaller `rank`; the order of rows decides nothing.
//!
//! # Why hardly any pairs are needed
//! Every factor but the first two is below 1, so each edge is of one of these kinds, and each kind has
//! a way to be found that does not look at all pairs.
//!
//! 1. *A handoff.* Sorted by time, the ends that a beginning may follow are a window that only moves
//!    forward: `handoff.rs`.
//! 2. *Equal infrastructure.* Holders of equal sets are one group, by a hash table: `infra.rs`. From
//!    here on, identities that are equal in all that weighs go as one *profile*: `profiles.rs`.
//! 3. *A shared token*, and enough of: similar infrastructure, a near rhythm, one time. Among the holders of
//!    each token that may be the first of those that two sets share: `sharing.rs` and `holders.rs`.
//! 4. *No shared token.* Then 0.6 (1 − h/8) + 0.4 + 0.1 ≥ 1 needs h ≤ 1, and both active at one time:
//!    `keystroke.rs`.
//!
//! Lists of 3 and 4 are searched by time and rhythm, and whoever is in one group by then is passed
//! over in one step, however many they are: `line.rs`, `spells.rs`, `near.rs`. A pair that was found is skipped
//! if the tiers cannot reach the threshold even with full overlap and cohort. Rounding never misleads these
//! bounds: a sum of floats does not fall when a term grows.
//!
//! # Worst cases
//! Near linear, whatever the size of the list, are:
//!
//! * a sensor that everybody touched, and all at one time: 1;
//! * a token that everybody holds beside others of its own: it is not among the first ones;
//! * one rhythm, or rhythms within a few bits, and tokens that are not similar by 3/10;
//! * the same, or sets that are alike by half and more, with windows: those who are active at one time are
//!   looked at, so the time grows with how many these are, not with how many there are in all;
//! * one large group, a long chain, many equal rows, nothing in common.
//!
//! What is left are pairs of different groups that just miss the threshold: profiles of one rhythm with sets
//! alike by 3/10, or with sets alike by 9/10, or by half and all active at once. Only a look at each pair
//! can tell. `candidates-max` says how many may be looked at, and whoever exceeds it learns by which token
//! or simhash: `looks.rs`. A typical population needs less than one pair an identity.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O((n + t) log n) for n identities and t items, one thread, plus `candidates-max` pairs at most |
//! | memory | 60 to 100 bytes an identity and 20 to 35 an item |
//! | order | forest edges in the order of the kinds above; a function of rows and texts, so neither the order of codes nor the number of threads shows |

mod firsts;
mod handoff;
mod holders;
mod infra;
mod keystroke;
mod line;
mod lists;
mod looks;
mod near;
pub mod oracle;
mod population;
mod profiles;
mod sharing;
mod spells;
mod verify;
mod weight;

#[cfg(test)]
mod tests;

use crate::column::{Column, ColumnType};
use crate::forest::Forest;
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};
use crate::pace::Pace;
use looks::Looks;
use population::Population;
use profiles::Profile;
use weight::{Tiers, weigh};

/// The kernel; see the module.
#[derive(Debug)]
pub struct CampaignComponents;

static SIGNATURE: Signature = Signature {
    name: "campaign-components",
    summary: "Groups identities that hand over to one another, share infrastructure, or resemble each \
              other in hours, cohort and typing.",
    inputs: &[
        // Ranks differ; the smaller one is the earlier identity.
        Shape { name: "identities", columns: &[("rank", ColumnType::Uint32)] },
        // Payload hashes and C2 endpoints. An absent token is nobody's; a token may stand twice.
        Shape {
            name: "infra",
            columns: &[("row", ColumnType::Uint32), ("token", ColumnType::Text)],
        },
        // ASN, tools and deckies, told apart by `kind`; so are their absent values and duplicates.
        Shape {
            name: "cohort",
            columns: &[
                ("row", ColumnType::Uint32),
                ("kind", ColumnType::Text),
                ("value", ColumnType::Text),
            ],
        },
        // At most one a row, and every number is a value: who has none has no row here.
        Shape {
            name: "keystrokes",
            columns: &[("row", ColumnType::Uint32), ("simhash", ColumnType::Uint64)],
        },
        // In seconds. Sums follow the order of the items.
        Shape {
            name: "windows",
            columns: &[
                ("row", ColumnType::Uint32),
                ("start", ColumnType::Float64),
                ("end", ColumnType::Float64),
            ],
        },
        // At most one a row and decky; what is absent is unknown. Times in seconds.
        Shape {
            name: "phases",
            columns: &[
                ("row", ColumnType::Uint32),
                ("decky", ColumnType::Text),
                ("first_phase", ColumnType::Text),
                ("last_phase", ColumnType::Text),
                ("first_seen", ColumnType::Float64),
                ("last_seen", ColumnType::Float64),
            ],
        },
    ],
    // How many pairs may be compared; zero stands for 100 a row, or 20 million if that is more.
    parameters: &[looks::CANDIDATES_MAX],
    outputs: &[
        // One row an identity.
        Shape { name: "labels", columns: &[("label", ColumnType::Uint32)] },
        // a < b; `reason` is one of the words below, `weight` the whole sum.
        Shape {
            name: "forest",
            columns: &[
                ("a", ColumnType::Uint32),
                ("b", ColumnType::Uint32),
                ("reason", ColumnType::Text),
                ("value", ColumnType::Text),
                ("weight", ColumnType::Float64),
            ],
        },
    ],
};

// The reasons, and what `value` says: the decky; the first shared token; the tiers that made it.
const PHASE_HANDOFF: &str = "phase-handoff";
const SHARED_INFRA: &str = "shared-infra";
const COMBINED: &str = "combined";

impl Kernel for CampaignComponents {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        let population = Population::read(job)?;
        let mut evidence = Evidence::new(job, &population)?;
        handoff::join(&mut evidence)?;
        let sets = infra::join_equal(&mut evidence)?;
        let profiles = profiles::collapse(&mut evidence, &sets)?;
        let spells = spells::spells(&population, &profiles, job.pace)?;
        sharing::join(&mut evidence, &profiles, &spells)?;
        keystroke::join(&mut evidence, &profiles, &spells)?;
        drop(spells);
        job.pace.check()?;
        drop(profiles);
        let Evidence { forest, edges, .. } = evidence;
        population.let_go(job.pace)?;
        outputs(forest, &edges, job.pace)
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        verify::verify(job, outputs)
    }
}

/// The groups so far, and the edges that made them.
struct Evidence<'j> {
    job: &'j Job<'j>,
    population: &'j Population<'j>,
    forest: Forest,
    looks: Looks<'j>,
    edges: Vec<Edge>,
    phase_handoff: u32,
    shared_infra: u32,
    combined: u32,
}

struct Edge {
    a: u32,
    b: u32,
    reason: u32,
    value: u32,
    weight: f64,
}

impl<'j> Evidence<'j> {
    fn new(job: &'j Job<'j>, population: &'j Population<'j>) -> Result<Self, KernelError> {
        Ok(Self {
            job,
            population,
            forest: Forest::new(population.rows()),
            looks: Looks::new(job, population.rows(), 1),
            edges: Vec::new(),
            phase_handoff: job.texts.code(PHASE_HANDOFF)?,
            shared_infra: job.texts.code(SHARED_INFRA)?,
            combined: job.texts.code(COMBINED)?,
        })
    }

    /// Joins two rows, perhaps the same one twice, which have an edge whatever else they share.
    fn join(&mut self, x: u32, y: u32, reason: u32, value: u32) -> Result<(), KernelError> {
        if x != y && self.forest.join(x, y) {
            let weight = weigh(self.population, x, y, &mut self.looks)?.sum();
            self.edges.push(Edge { a: x.min(y), b: x.max(y), reason, value, weight });
        }
        Ok(())
    }

    /// Joins two rows of different groups if their weight is enough. True: they are one group now.
    fn join_combined(&mut self, x: u32, y: u32) -> Result<bool, KernelError> {
        // Rows of different groups have no handoff: all of those are made by now.
        let bound = Tiers::bound(self.population, x, y);
        if !bound.edge() {
            return Ok(false);
        }
        let ranks = self.population.ranks;
        let (x, y) = if ranks[x as usize] < ranks[y as usize] { (x, y) } else { (y, x) };
        let tiers = bound.with_overlap(self.population, x, y, &mut self.looks)?;
        if !tiers.edge() {
            return Ok(false);
        }
        if self.forest.join(x, y) {
            let (reason, value) = (self.combined, self.job.texts.code(&tiers.to_string())?);
            let weight = tiers.sum();
            self.edges.push(Edge { a: x.min(y), b: x.max(y), reason, value, weight });
        }
        Ok(true)
    }

    /// Joins two profiles if any row of the one has an edge to any row of the other. True: they are
    /// one group.
    ///
    /// The rows of a profile weigh the same, so only who is the earlier one matters: each order that
    /// there is, there is between the earliest of one and the latest of the other.
    fn join_profiles(&mut self, p: Profile, q: Profile) -> Result<bool, KernelError> {
        if self.forest.connected(p.earliest, q.earliest) {
            return Ok(true);
        }
        let ranks = self.population.ranks;
        for (earlier, later) in [(p.earliest, q.latest), (q.earliest, p.latest)] {
            if ranks[earlier as usize] < ranks[later as usize]
                && self.join_combined(earlier, later)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The labels, and the edges that made them.
fn outputs(forest: Forest, edges: &[Edge], pace: &Pace<'_>) -> Result<Vec<Frame>, KernelError> {
    let labels = Column::from(forest.into_labels(pace)?);
    let uint = |of: fn(&Edge) -> u32| -> Result<Vec<u32>, KernelError> {
        pace.check()?;
        Ok(edges.iter().map(of).collect())
    };
    let forest = [
        ("a", uint(|edge| edge.a)?.into()),
        ("b", uint(|edge| edge.b)?.into()),
        ("reason", Column::text(uint(|edge| edge.reason)?)),
        ("value", Column::text(uint(|edge| edge.value)?)),
        ("weight", Column::from(edges.iter().map(|edge| edge.weight).collect::<Vec<f64>>())),
    ];
    pace.check()?;
    Ok(vec![Frame::new(labels.len(), [("label", labels)])?, Frame::new(edges.len(), forest)?])
}

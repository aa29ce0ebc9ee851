//! `identity-components`: which attackers are one identity, by DECNET's documented rule.
//!
//! The rule, for a pair of attackers: an **edge** if their JA3 are equal, or their HASSH are equal, or
//! they share a payload or a C2 endpoint *unless their fingerprints fully disagree*: some slot (JA3 or
//! HASSH) is filled on both sides, and every such slot differs. An identity is a set of attackers that
//! edges connect. DECNET writes this as a weighted sum with the threshold 1.0; its further tiers
//! (commands, credentials, ASN) add up to 0.85 and so never decide. [`weights`](crate::weights) has the
//! whole sum, and the tests hold this kernel against it.
//!
//! # Why no pairs are needed
//! The veto looks at pairs, yet what one token adds to the groups follows from which slots its holders
//! fill. Take a token's holders, by the slots they fill: *neither*, *only JA3*, *only HASSH*, *both*.
//!
//! 1. A holder with neither has no slot in common with anyone, so no veto: it has an edge to every
//!    holder, and all of them are one group.
//! 2. Else only JA3 and only HASSH have no slot in common: each of the one has an edge to each of the
//!    other. If both kinds are there, all holders of these two kinds are one group.
//! 3. Every other pair has a slot in common. If some common slot is equal, that fingerprint joins the
//!    pair already; if none is, it is vetoed. Either way the token adds nothing.
//!
//! So one pass finds each token's first holder of the three kinds that matter, and a second joins each
//! holder to its *partner*: the one without fingerprints if there is one, otherwise the first of the
//! opposite kind (`sources.rs`). Each of these pairs has an edge by the rule itself, which is what an
//! analyst who reads the forest must be able to rely on.
//!
//! Attackers with an equal `id`, where that column is given, are one attacker seen in several rows:
//! they are joined too, and each row keeps its own edges.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O((n + t) log n) for n attackers and t tokens, near linear in practice; a second thread looks ahead (`links.rs`) |
//! | memory | 4 bytes an attacker, 12 a forest edge, and 4 a number that the codes of a column span, or 18 a value where they lie far apart; two columns of tokens at a time. The answer beside it: 4 bytes an attacker, 16 an edge |
//! | limit | 2³⁰ attackers |
//! | order | forest edges by reason, in the order below, then by row; a function of rows and texts, so neither the order of codes nor the number of threads shows |

mod kept;
mod sources;
mod verify;

#[cfg(test)]
mod tests;

use crate::column::{ABSENT, Column, ColumnType};
use crate::forest::Forest;
use crate::frame::Frame;
use crate::kept::{Kept, KeptGroups};
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};
use crate::links::{Edges, Links, both, join_all};
use crate::pace::Pace;
use crate::words::{Dense, Sparse, Suited};
use sources::{Equal, Held, ROWS_MAX};

/// The kernel; see the module.
#[derive(Debug)]
pub struct IdentityComponents;

static SIGNATURE: Signature = Signature {
    name: "identity-components",
    summary: "Groups attackers by equal JA3 or HASSH, or a payload or C2 endpoint that they share \
              without their fingerprints disagreeing.",
    inputs: &[
        // May have a text column `id`: rows with an equal one are the same attacker.
        Shape {
            name: "attackers",
            columns: &[("ja3", ColumnType::Text), ("hassh", ColumnType::Text)],
        },
        // Children of `attackers`. An absent token is nobody's; a token may stand twice.
        Shape {
            name: "payloads",
            columns: &[("row", ColumnType::Uint32), ("token", ColumnType::Text)],
        },
        Shape {
            name: "endpoints",
            columns: &[("row", ColumnType::Uint32), ("token", ColumnType::Text)],
        },
    ],
    parameters: &[],
    outputs: &[
        // One row an attacker.
        Shape { name: "labels", columns: &[("label", ColumnType::Uint32)] },
        // a < b; `reason` says what they share, one of the words below, and `value` is it.
        Shape {
            name: "forest",
            columns: &[
                ("a", ColumnType::Uint32),
                ("b", ColumnType::Uint32),
                ("reason", ColumnType::Text),
                ("value", ColumnType::Text),
            ],
        },
    ],
};

// The reasons, in the order in which they are tried.
const SAME_ID: &str = "same-id";
const JA3: &str = "ja3";
const HASSH: &str = "hassh";
const PAYLOAD: &str = "payload";
const ENDPOINT: &str = "endpoint";

impl Kernel for IdentityComponents {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        let population = Population::read(job)?;
        let mut evidence = Evidence::new(job, population.rows());
        // The holders of tokens can be looked at while fingerprints join.
        let (joined, (payloads, endpoints)) = both(
            || {
                if let Some(ids) = population.ids {
                    evidence.join_equal(SAME_ID, ids)?;
                }
                evidence.join_equal(JA3, population.ja3)?;
                evidence.join_equal(HASSH, population.hassh)
            },
            || {
                let read = |held| Holders::read(held, &population, job.pace);
                (read(&population.payloads), read(&population.endpoints))
            },
        );
        joined?;
        evidence.join_holders(PAYLOAD, payloads?)?;
        evidence.join_holders(ENDPOINT, endpoints?)?;
        evidence.into_outputs()
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        verify::verify(job, outputs)
    }

    fn keep(&self) -> Option<Box<dyn Kept>> {
        Some(Box::new(KeptGroups::new(kept::Index::new())))
    }
}

/// The inputs, with children that point at attackers.
struct Population<'a> {
    ids: Option<&'a [u32]>,
    ja3: &'a [u32],
    hassh: &'a [u32],
    payloads: Tokens<'a>,
    endpoints: Tokens<'a>,
}

/// Who holds which token: payloads and endpoints each have a name space of their own.
struct Tokens<'a> {
    rows: &'a [u32],
    tokens: &'a [u32],
}

impl Tokens<'_> {
    /// Where the tokens of each of so many rows begin, and after the last where they end.
    fn starts(&self, rows: usize, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
        let mut starts = Vec::with_capacity(rows + 1);
        for (item, &row) in (0_u32..).zip(self.rows) {
            pace.check_row(item as usize)?;
            starts.resize(starts.len().max(row as usize + 1), item);
        }
        // A frame's rows have numbers.
        starts.resize(rows + 1, u32::try_from(self.rows.len()).unwrap_or(ABSENT));
        Ok(starts)
    }
}

impl<'a> Population<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let attackers = &job.inputs[0];
        limit_rows(attackers.rows())?;
        let ids = match attackers.columns().find(|&(name, _)| name == "id") {
            Some(_) => Some(attackers.text("id").map_err(|error| SIGNATURE.invalid(0, error))?),
            None => None,
        };
        let tokens = |input: usize| {
            let child = &job.inputs[input];
            let rows = child.child_rows(attackers.rows());
            let rows = rows.map_err(|error| SIGNATURE.invalid(input, error))?;
            Ok::<_, KernelError>(Tokens { rows, tokens: child.text("token")? })
        };
        Ok(Self {
            ids,
            ja3: attackers.text("ja3")?,
            hassh: attackers.text("hassh")?,
            payloads: tokens(1)?,
            endpoints: tokens(2)?,
        })
    }

    fn rows(&self) -> usize {
        self.ja3.len()
    }
}

fn limit_rows(rows: usize) -> Result<(), KernelError> {
    if rows <= ROWS_MAX {
        return Ok(());
    }
    let what = format!("{rows} attackers are more than {ROWS_MAX}; give it the active ones");
    Err(KernelError::Limit(what))
}

/// The groups so far, and the edges that made them.
struct Evidence<'j> {
    job: &'j Job<'j>,
    forest: Forest,
    edges: Edges,
    /// The reasons, and where the edges of each end.
    reasons: Vec<(u32, usize)>,
}

impl<'j> Evidence<'j> {
    fn new(job: &'j Job<'j>, rows: usize) -> Self {
        Self { job, forest: Forest::new(rows), edges: Edges::new(rows), reasons: Vec::new() }
    }

    /// Joins the rows of equal value, each to the first.
    fn join_equal(&mut self, reason: &str, values: &[u32]) -> Result<(), KernelError> {
        match Suited::to(values) {
            Suited::Dense(firsts) => self.join(reason, Equal::new(values, firsts)),
            Suited::Sparse(firsts) => self.join(reason, Equal::new(values, firsts)),
        }
    }

    /// Joins the holders of each token, as far as the veto lets them.
    fn join_holders(&mut self, reason: &str, holders: Holders<'_>) -> Result<(), KernelError> {
        match holders {
            Holders::Dense(held) => self.join(reason, held),
            Holders::Sparse(held) => self.join(reason, held),
        }
    }

    fn join(&mut self, reason: &str, links: impl Links) -> Result<(), KernelError> {
        join_all(&mut self.forest, links, &mut self.edges, self.job.pace)?;
        self.reasons.push((self.job.texts.code(reason)?, self.edges.count()));
        Ok(())
    }

    fn into_outputs(self) -> Result<Vec<Frame>, KernelError> {
        let labels = self.forest.into_labels(self.job.pace)?;
        let [x, y, values] = self.edges.columns();
        let mut reasons = Vec::with_capacity(x.len());
        for (reason, end) in self.reasons {
            reasons.resize(end, reason);
        }
        let ends = |end: fn(u32, u32) -> u32| {
            x.iter().zip(y).map(|(&x, &y)| end(x, y)).collect::<Vec<u32>>()
        };
        let forest = [
            ("a", ends(u32::min).into()),
            ("b", ends(u32::max).into()),
            ("reason", Column::text(reasons)),
            ("value", Column::text(values.to_vec())),
        ];
        Ok(vec![
            Frame::new(labels.len(), [("label", Column::from(labels))])?,
            Frame::new(x.len(), forest)?,
        ])
    }
}

/// The holders of some tokens.
enum Holders<'a> {
    Dense(Held<'a, Dense>),
    Sparse(Held<'a, Sparse>),
}

impl<'a> Holders<'a> {
    fn read(
        held: &'a Tokens<'a>,
        population: &'a Population<'a>,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        Ok(match Suited::to(held.tokens) {
            Suited::Dense(words) => Self::Dense(Held::read(held, population, words, pace)?),
            Suited::Sparse(words) => Self::Sparse(Held::read(held, population, words, pace)?),
        })
    }
}

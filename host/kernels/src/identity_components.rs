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
//! opposite kind. Each of these pairs has an edge by the rule itself, which is what an analyst who
//! reads the forest must be able to rely on.
//!
//! Attackers with an equal `id`, where that column is given, are one attacker seen in several rows:
//! they are joined too, and each row keeps its own edges.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O((n + t) log n) for n attackers and t tokens, one thread; near linear in practice |
//! | memory | 9 bytes an attacker, 32 a forest edge; and for one column at a time 4 bytes a value, 16 more if it is of tokens, and up to 64 while its codes are looked up |
//! | order | forest edges by reason, in the order below, then by row; a function of rows and texts, so neither the order of codes nor the number of threads shows |

mod verify;

#[cfg(test)]
mod tests;

use crate::column::{ABSENT, Column, ColumnType};
use crate::first::first_equals;
use crate::forest::Forest;
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};

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
        let slots = population.slots();
        let mut evidence = Evidence::new(job, population.rows());
        if let Some(ids) = population.ids {
            evidence.join_equal(SAME_ID, ids)?;
        }
        evidence.join_equal(JA3, population.ja3)?;
        evidence.join_equal(HASSH, population.hassh)?;
        evidence.join_holders(PAYLOAD, &slots, &population.payloads)?;
        evidence.join_holders(ENDPOINT, &slots, &population.endpoints)?;
        evidence.into_outputs()
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        verify::verify(job, outputs)
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

impl<'a> Population<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let attackers = &job.inputs[0];
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

    /// The slots that each attacker fills.
    fn slots(&self) -> Vec<Slots> {
        let pairs = self.ja3.iter().zip(self.hassh);
        pairs.map(|(&ja3, &hassh)| Slots::of(ja3 != ABSENT, hassh != ABSENT)).collect()
    }
}

/// The groups so far, and the edges that made them.
struct Evidence<'j> {
    job: &'j Job<'j>,
    forest: Forest,
    edges: Vec<Edge>,
}

struct Edge {
    a: u32,
    b: u32,
    reason: u32,
    value: u32,
}

impl<'j> Evidence<'j> {
    fn new(job: &'j Job<'j>, rows: usize) -> Self {
        Self { job, forest: Forest::new(rows), edges: Vec::new() }
    }

    /// Joins the rows of equal value, each to the first.
    fn join_equal(&mut self, reason: &str, values: &[u32]) -> Result<(), KernelError> {
        let reason = self.job.texts.code(reason)?;
        let firsts = first_equals(values, self.job.pace)?;
        for (row, (&first, &value)) in (0_u32..).zip(firsts.iter().zip(values)) {
            self.job.pace.check_row(row as usize)?;
            if first != ABSENT {
                self.join(first, row, reason, value);
            }
        }
        Ok(())
    }

    /// Joins the holders of each token, as far as the veto lets them: the module's cases 1 and 2.
    fn join_holders(
        &mut self,
        reason: &str,
        slots: &[Slots],
        held: &Tokens<'_>,
    ) -> Result<(), KernelError> {
        let reason = self.job.texts.code(reason)?;
        // From here on a token goes by the index of its first item.
        let firsts = first_equals(held.tokens, self.job.pace)?;
        let mut holders = vec![Holders::NONE; firsts.len()];
        for (item, (&row, &first)) in held.rows.iter().zip(&firsts).enumerate() {
            self.job.pace.check_row(item)?;
            if first != ABSENT {
                holders[first as usize].note(row, slots[row as usize]);
            }
        }
        for (item, (&row, &first)) in held.rows.iter().zip(&firsts).enumerate() {
            self.job.pace.check_row(item)?;
            if first != ABSENT {
                let partner = holders[first as usize].partner(slots[row as usize]);
                if partner != ABSENT {
                    self.join(partner, row, reason, held.tokens[item]);
                }
            }
        }
        Ok(())
    }

    /// Joins two rows, perhaps the same one twice.
    fn join(&mut self, x: u32, y: u32, reason: u32, value: u32) {
        if x != y && self.forest.join(x, y) {
            self.edges.push(Edge { a: x.min(y), b: x.max(y), reason, value });
        }
    }

    fn into_outputs(self) -> Result<Vec<Frame>, KernelError> {
        let labels = self.forest.into_labels(self.job.pace)?;
        let edges = &self.edges;
        let forest = [
            ("a", Column::Uint32(edges.iter().map(|edge| edge.a).collect())),
            ("b", Column::Uint32(edges.iter().map(|edge| edge.b).collect())),
            ("reason", Column::Text(edges.iter().map(|edge| edge.reason).collect())),
            ("value", Column::Text(edges.iter().map(|edge| edge.value).collect())),
        ];
        Ok(vec![
            Frame::new(labels.len(), [("label", Column::from(labels))])?,
            Frame::new(edges.len(), forest)?,
        ])
    }
}

/// Which fingerprint slots an attacker fills: 0 neither, 1 only JA3, 2 only HASSH, 3 both. A number,
/// so that the hot loops can index with it instead of branching on what cannot be foretold.
#[derive(Clone, Copy)]
struct Slots(u8);

impl Slots {
    fn of(ja3: bool, hassh: bool) -> Self {
        Self(u8::from(ja3) + 2 * u8::from(hassh))
    }
}

/// A token's first holder by the slots that the holder fills, or [`ABSENT`].
#[derive(Clone, Copy)]
struct Holders([u32; 4]);

impl Holders {
    const NONE: Self = Self([ABSENT; 4]);

    /// Takes in a holder. Rows come in order, and `ABSENT` is larger than any.
    fn note(&mut self, row: u32, slots: Slots) {
        let first = &mut self.0[usize::from(slots.0)];
        *first = row.min(*first);
    }

    /// Whom a holder joins by this token, perhaps itself; [`ABSENT`] if nobody.
    ///
    /// The opposite of slots `s` is `3 - s`. Where nobody fills neither (0), whoever fills both (3)
    /// finds nobody opposite, as it should be.
    fn partner(&self, slots: Slots) -> u32 {
        let neither = self.0[0];
        if neither == ABSENT { self.0[usize::from(3 - slots.0)] } else { neither }
    }
}

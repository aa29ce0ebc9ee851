//! `credential-reuse`: which credentials were tried on several targets.
//!
//! Credentials are one *group* if they have the same secret, the same kind of secret and the same
//! principal (a user name, mostly); no principal is a principal of its own. A *target* is a service on a
//! sensor. A group of at least `min-targets` targets is reuse: somebody carries that credential around.
//! DECNET asks the same of its database (`GROUP BY … HAVING COUNT(DISTINCT …)`), and then reads each group
//! with a query of its own.
//!
//! Two passes of hashing number the groups and the targets; after that everything is arrays. Groups with
//! fewer credentials than `min-targets` are out at once: that is the long tail of a wordlist. The rows of
//! the others are laid out group by group, and each target and address remembers which group has counted
//! it last, so that a group is counted in the time of its own rows, with nothing to clear behind it.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O(n) expected for n credentials, one thread |
//! | memory | at most 32 bytes a credential; while groups or targets are numbered up to 40 more, while codes are looked up 64 |
//! | order | groups by their first credential, members by row; a function of rows and of which texts are equal |

mod verify;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::column::{ABSENT, Column, ColumnType};
use crate::first::first_equals;
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Parameter, Shape, Signature, Value};
use crate::pace::Pace;

/// The kernel; see the module.
#[derive(Debug)]
pub struct CredentialReuse;

const MIN_TARGETS: &str = "min-targets";

static SIGNATURE: Signature = Signature {
    name: "credential-reuse",
    summary: "Groups credentials of one secret and principal that were tried on several targets.",
    inputs: &[
        // A credential without `secret_sha256` is in no group; one without `decky` or `service` hit no
        // target.
        Shape {
            name: "credentials",
            columns: &[
                ("secret_sha256", ColumnType::Text),
                ("secret_kind", ColumnType::Text),
                ("principal", ColumnType::Text),
                ("decky", ColumnType::Text),
                ("service", ColumnType::Text),
                ("ip", ColumnType::Text),
            ],
        },
    ],
    parameters: &[Parameter { name: Cow::Borrowed(MIN_TARGETS), value: Value::Uint(2) }],
    outputs: &[
        // `first` is the row of the first credential; the others count what is distinct in the group.
        Shape {
            name: "groups",
            columns: &[
                ("first", ColumnType::Uint32),
                ("targets", ColumnType::Uint32),
                ("addresses", ColumnType::Uint32),
                ("credentials", ColumnType::Uint32),
            ],
        },
        // Children of `groups`; `credential` is a row of the input.
        Shape {
            name: "members",
            columns: &[("row", ColumnType::Uint32), ("credential", ColumnType::Uint32)],
        },
    ],
};

impl Kernel for CredentialReuse {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        let credentials = Credentials::read(job)?;
        let layout = Layout::of(&credentials, min_targets(job), job.pace)?;
        let targets =
            first_keys((0..credentials.rows()).map(|row| credentials.target(row)), job.pace)?;
        let targets = layout.distinct(&targets, job.pace)?;
        let addresses = layout.distinct(&first_equals(credentials.ip, job.pace)?, job.pace)?;

        let mut groups = Groups::default();
        for (slot, (&targets, &addresses)) in targets.iter().zip(&addresses).enumerate() {
            if u64::from(targets) >= min_targets(job) {
                groups.push(layout.rows(slot), targets, addresses, job.pace)?;
            }
        }
        groups.into_outputs()
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        verify::verify(job, outputs)
    }
}

fn min_targets(job: &Job<'_>) -> u64 {
    match job.parameter(MIN_TARGETS) {
        Some(Value::Uint(count)) => *count,
        // The signature has it as a whole number.
        _ => 0,
    }
}

/// The input.
struct Credentials<'a> {
    secret: &'a [u32],
    kind: &'a [u32],
    principal: &'a [u32],
    decky: &'a [u32],
    service: &'a [u32],
    ip: &'a [u32],
}

impl<'a> Credentials<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let input = &job.inputs[0];
        Ok(Self {
            secret: input.text("secret_sha256")?,
            kind: input.text("secret_kind")?,
            principal: input.text("principal")?,
            decky: input.text("decky")?,
            service: input.text("service")?,
            ip: input.text("ip")?,
        })
    }

    fn rows(&self) -> usize {
        self.secret.len()
    }

    /// What makes the group of a credential.
    fn key(&self, row: usize) -> Option<(u32, u32, u32)> {
        let secret = self.secret[row];
        (secret != ABSENT).then(|| (secret, self.kind[row], self.principal[row]))
    }

    fn target(&self, row: usize) -> Option<(u32, u32)> {
        let (decky, service) = (self.decky[row], self.service[row]);
        (decky != ABSENT && service != ABSENT).then_some((decky, service))
    }
}

/// For each key the index of the first equal one, [`ABSENT`] for none.
fn first_keys<K: Eq + Hash>(
    keys: impl ExactSizeIterator<Item = Option<K>>,
    pace: &Pace<'_>,
) -> Result<Vec<u32>, KernelError> {
    let mut firsts = Vec::with_capacity(keys.len());
    // Whoever writes texts does not choose their codes, so an unkeyed hash is safe. Growing in
    // between would take longer than a checkpoint may wait.
    let mut seen = FxHashMap::default();
    seen.reserve(keys.len());
    for (row, key) in (0_u32..).zip(keys) {
        pace.check_row(row as usize)?;
        firsts.push(key.map_or(ABSENT, |key| *seen.entry(key).or_insert(row)));
    }
    Ok(firsts)
}

/// The credentials of each group that may come into question, side by side.
struct Layout {
    /// Rows of credentials, ascending in each group; the groups by their first.
    order: Vec<u32>,
    /// Where each group ends.
    ends: Vec<u32>,
}

impl Layout {
    /// Of the groups with at least so many credentials.
    fn of(credentials: &Credentials<'_>, min: u64, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let firsts = first_keys((0..credentials.rows()).map(|row| credentials.key(row)), pace)?;
        // By the first row of a group: first its size, then where its next row goes.
        let mut places = vec![0_u32; firsts.len()];
        for (row, &first) in firsts.iter().enumerate() {
            pace.check_row(row)?;
            if first != ABSENT {
                places[first as usize] += 1;
            }
        }
        let (mut ends, mut end) = (Vec::new(), 0);
        for row in 0..firsts.len() {
            pace.check_row(row)?;
            if firsts[row] as usize == row {
                let size = places[row];
                places[row] = if u64::from(size) >= min { end } else { ABSENT };
                if places[row] != ABSENT {
                    end += size;
                    ends.push(end);
                }
            }
        }
        let mut order = vec![0; end as usize];
        for (row, &first) in (0_u32..).zip(&firsts) {
            pace.check_row(row as usize)?;
            if first != ABSENT && places[first as usize] != ABSENT {
                let place = &mut places[first as usize];
                order[*place as usize] = row;
                *place += 1;
            }
        }
        Ok(Self { order, ends })
    }

    fn rows(&self, slot: usize) -> &[u32] {
        let start = if slot == 0 { 0 } else { self.ends[slot - 1] };
        &self.order[start as usize..self.ends[slot] as usize]
    }

    /// How many distinct values each group has; `firsts` gives the first row of each row's value.
    fn distinct(&self, firsts: &[u32], pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
        let mut counted_by = vec![ABSENT; firsts.len()];
        let mut counts = vec![0; self.ends.len()];
        let mut done = 0;
        for (slot, count) in (0_u32..).zip(&mut counts) {
            for &row in self.rows(slot as usize) {
                pace.check_row(done)?;
                done += 1;
                let first = firsts[row as usize];
                if first != ABSENT && counted_by[first as usize] != slot {
                    counted_by[first as usize] = slot;
                    *count += 1;
                }
            }
        }
        Ok(counts)
    }
}

/// The answer.
#[derive(Default)]
struct Groups {
    first: Vec<u32>,
    targets: Vec<u32>,
    addresses: Vec<u32>,
    credentials: Vec<u32>,
    row: Vec<u32>,
    credential: Vec<u32>,
}

impl Groups {
    fn push(
        &mut self,
        rows: &[u32],
        targets: u32,
        addresses: u32,
        pace: &Pace<'_>,
    ) -> Result<(), KernelError> {
        // Groups and rows are at most as many as credentials, which a u32 counts.
        let count = |count: usize| u32::try_from(count).unwrap_or(ABSENT);
        let group = count(self.first.len());
        self.first.push(rows[0]);
        self.targets.push(targets);
        self.addresses.push(addresses);
        self.credentials.push(count(rows.len()));
        for &row in rows {
            pace.check_row(self.row.len())?;
            self.row.push(group);
            self.credential.push(row);
        }
        Ok(())
    }

    fn into_outputs(self) -> Result<Vec<Frame>, KernelError> {
        let groups = [
            ("first", Column::from(self.first)),
            ("targets", self.targets.into()),
            ("addresses", self.addresses.into()),
            ("credentials", self.credentials.into()),
        ];
        let members = [("row", Column::from(self.row)), ("credential", self.credential.into())];
        Ok(vec![Frame::new(groups[0].1.len(), groups)?, Frame::new(members[0].1.len(), members)?])
    }
}

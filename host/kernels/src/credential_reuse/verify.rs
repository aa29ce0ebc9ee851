//! The judgement on an answer of `credential-reuse`, which takes nothing from the making of one.
//!
//! Where `run` lays rows out and counts with marks, this keeps sets: for each key that the input has, its
//! rows, its targets and its addresses, as the database would count them. Then the groups must be the
//! keys with enough targets, in the order of their first rows, and the members all of their rows.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Credentials, SIGNATURE, min_targets};
use crate::column::ABSENT;
use crate::frame::Frame;
use crate::kernel::{Job, KernelError};
use crate::pace::Pace;

/// See [`Kernel::verify`](crate::Kernel::verify).
pub(super) fn verify(job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
    SIGNATURE.check_outputs(outputs)?;
    let credentials = Credentials::read(job)?;
    let tally = Tally::of(&credentials, job.pace)?;
    let groups = &outputs[0];
    let (first, rows) = (groups.uint32("first")?, groups.uint32("credentials")?);
    let (targets, addresses) = (groups.uint32("targets")?, groups.uint32("addresses")?);

    // The groups are those keys that reach the threshold, in the order in which they come up.
    let enough = |seen: &&Seen| u64::from(seen.targets) >= min_targets(job);
    let mut expected = tally.seen.iter().filter(enough);
    for (group, &first) in first.iter().enumerate() {
        job.pace.check_row(group)?;
        let wrong = |what: &str| Err(KernelError::Wrong(format!("group {group} {what}")));
        match expected.next() {
            None => return wrong("is one too many"),
            Some(seen) if seen.first != first => return wrong("is not the next that is reused"),
            Some(seen) if seen.targets != targets[group] => return wrong("counts other targets"),
            Some(seen) if seen.addresses != addresses[group] => {
                return wrong("counts other addresses");
            }
            Some(seen) if seen.rows != rows[group] => return wrong("counts other credentials"),
            Some(_) => {}
        }
    }
    if let Some(seen) = expected.next() {
        let wrong = format!("the group of credential {} is missing", seen.first);
        return Err(KernelError::Wrong(wrong));
    }
    check_members(&credentials, groups, &outputs[1], job.pace)
}

/// Members rise, have the key of their group, and are as many as it has: so they are all of them.
fn check_members(
    credentials: &Credentials<'_>,
    groups: &Frame,
    members: &Frame,
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let (first, mut left) = (groups.uint32("first")?, groups.uint32("credentials")?.to_vec());
    let of = members
        .child_rows(groups.rows())
        .map_err(|error| KernelError::Wrong(format!("output 'members': {error}")))?;
    let rows = members.uint32("credential")?;
    for (member, (&group, &row)) in of.iter().zip(rows).enumerate() {
        pace.check_row(member)?;
        let wrong = |what: &str| Err(KernelError::Wrong(format!("member {member} {what}")));
        let (at, group) = (row as usize, group as usize);
        if at >= credentials.rows() {
            return wrong("is no credential");
        }
        if member > 0 && of[member - 1] == of[member] && rows[member - 1] >= row {
            return wrong("does not rise");
        }
        if credentials.key(at) != credentials.key(first[group] as usize) {
            return wrong("has not the key of its group");
        }
        match left[group].checked_sub(1) {
            Some(fewer) => left[group] = fewer,
            None => return wrong("is one too many"),
        }
    }
    match left.iter().position(|&left| left > 0) {
        Some(group) => Err(KernelError::Wrong(format!("group {group} lacks members"))),
        None => Ok(()),
    }
}

/// What the input says of each key, in the order in which they come up.
struct Tally {
    seen: Vec<Seen>,
}

struct Seen {
    first: u32,
    rows: u32,
    targets: u32,
    addresses: u32,
}

impl Tally {
    fn of(credentials: &Credentials<'_>, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let mut numbers = FxHashMap::default();
        let (mut targets, mut addresses) = (FxHashSet::default(), FxHashSet::default());
        let mut seen: Vec<Seen> = Vec::new();
        for row in 0..credentials.rows() {
            pace.check_row(row)?;
            let Some(key) = credentials.key(row) else { continue };
            let number = *numbers.entry(key).or_insert(seen.len());
            if number == seen.len() {
                let first = u32::try_from(row).unwrap_or(ABSENT);
                seen.push(Seen { first, rows: 0, targets: 0, addresses: 0 });
            }
            let entry = &mut seen[number];
            entry.rows += 1;
            if let Some(target) = credentials.target(row) {
                entry.targets += u32::from(targets.insert((number, target)));
            }
            if credentials.ip[row] != ABSENT {
                entry.addresses += u32::from(addresses.insert((number, credentials.ip[row])));
            }
        }
        Ok(Self { seen })
    }
}

//! `credential-reuse` against sorted maps of the texts themselves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::text::Interner;

type Text = Option<&'static str>;

/// secret_sha256, secret_kind, principal, decky, service, ip.
type Credential = [Text; 6];

const COLUMNS: [&str; 6] = ["secret_sha256", "secret_kind", "principal", "decky", "service", "ip"];

fn frame(credentials: &[Credential], code: impl Fn(&str) -> u32) -> Frame {
    let column = |at: usize| {
        Column::text(credentials.iter().map(|row| row[at].map_or(ABSENT, &code)).collect())
    };
    let columns = COLUMNS.iter().enumerate().map(|(at, &name)| (name, column(at)));
    Frame::new(credentials.len(), columns).unwrap()
}

fn with_job<T>(input: &Frame, min: u64, then: impl FnOnce(&Job<'_>) -> T) -> T {
    let (texts, pace) = (Interner::new(0), Pace::free());
    let parameters = [Parameter { name: MIN_TARGETS.into(), value: Value::Uint(min) }];
    let inputs = std::slice::from_ref(input);
    then(&Job::new(&SIGNATURE, inputs, &parameters, &texts, &pace).unwrap())
}

fn run(input: &Frame, min: u64) -> Vec<Frame> {
    with_job(input, min, |job| CredentialReuse.run(job)).unwrap()
}

fn verify(input: &Frame, min: u64, outputs: &[Frame]) -> Result<(), KernelError> {
    with_job(input, min, |job| CredentialReuse.verify(job, outputs))
}

/// Codes in the order of the alphabet.
fn plain(text: &str) -> u32 {
    u32::try_from(VALUES.iter().position(|&value| value == text).unwrap()).unwrap()
}

/// A group as it is told: its rows, how many targets and how many addresses.
type Group = (Vec<u32>, u32, u32);

fn groups(outputs: &[Frame]) -> Vec<Group> {
    let column = |name| outputs[0].uint32(name).unwrap();
    let (row, credential) =
        (outputs[1].uint32("row").unwrap(), outputs[1].uint32("credential").unwrap());
    let members = |group: u32| {
        row.iter().zip(credential).filter(|&(&row, _)| row == group).map(|(_, &row)| row).collect()
    };
    let groups: Vec<Group> = (0_u32..)
        .zip(column("targets").iter().zip(column("addresses")))
        .map(|(group, (&targets, &addresses))| (members(group), targets, addresses))
        .collect();
    for (at, (rows, ..)) in groups.iter().enumerate() {
        assert_eq!(column("first")[at], rows[0]);
        assert_eq!(column("credentials")[at] as usize, rows.len());
    }
    groups
}

/// The oracle.
fn told(credentials: &[Credential], min: u64) -> Vec<Group> {
    let mut by_key: BTreeMap<[Text; 3], Vec<u32>> = BTreeMap::new();
    for (row, credential) in (0..).zip(credentials) {
        if credential[0].is_some() {
            let key = [credential[0], credential[1], credential[2]];
            by_key.entry(key).or_default().push(row);
        }
    }
    let count = |rows: &[u32], of: fn(&Credential) -> Option<(&str, &str)>| {
        let distinct: BTreeSet<_> =
            rows.iter().filter_map(|&row| of(&credentials[row as usize])).collect();
        u32::try_from(distinct.len()).unwrap()
    };
    let mut groups: Vec<Group> = by_key
        .into_values()
        .map(|rows| {
            let targets = count(&rows, |row| Some((row[3]?, row[4]?)));
            let addresses = count(&rows, |row| Some((row[5]?, "")));
            (rows, targets, addresses)
        })
        .filter(|&(_, targets, _)| u64::from(targets) >= min)
        .collect();
    groups.sort();
    groups
}

/// The same few in every column; "" is one of them.
const VALUES: [&str; 4] = ["", "x", "y", "z"];

fn credentials() -> impl Strategy<Value = Vec<Credential>> {
    let text = |some: f64, values: usize| prop::option::weighted(some, select(&VALUES[..values]));
    let row = (text(0.9, 2), text(0.9, 2), text(0.7, 2), text(0.9, 3), text(0.9, 3), text(0.9, 4));
    prop::collection::vec(row.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f]), 0..24)
}

#[test]
fn a_missing_and_an_empty_principal_are_two_groups_and_no_secret_is_none() {
    let row =
        |secret, principal, decky| [secret, Some("x"), principal, Some(decky), Some("x"), None];
    let input = frame(
        &[
            row(Some("x"), None, "x"),
            row(Some("x"), Some(""), "x"),
            row(None, None, "x"),
            row(Some("x"), None, "y"),
            row(Some("x"), Some(""), "z"),
            row(None, None, "y"),
        ],
        plain,
    );
    assert_eq!(groups(&run(&input, 2)), [(vec![0, 3], 2, 0), (vec![1, 4], 2, 0)]);
    assert_eq!(groups(&run(&input, 3)), []);
}

#[test]
fn two_targets_by_default() {
    let row = |decky| [Some("x"), None, None, Some(decky), Some("x"), Some("x")];
    for (deckies, reused) in [(["x", "x"], 0), (["x", "y"], 1)] {
        let input = [frame(&deckies.map(row), plain)];
        let (texts, pace) = (Interner::new(0), Pace::free());
        let job = Job::new(&SIGNATURE, &input, &[], &texts, &pace).unwrap();
        assert_eq!(CredentialReuse.run(&job).unwrap()[0].rows(), reused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]
    #[test]
    fn any_credentials_have_the_groups_of_the_oracle_and_pass(
        credentials in credentials(),
        min in 0..4_u64,
    ) {
        let input = frame(&credentials, plain);
        let outputs = run(&input, min);
        prop_assert_eq!(groups(&outputs), told(&credentials, min));
        prop_assert_eq!(verify(&input, min, &outputs), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn other_codes_change_nothing(
        credentials in credentials(),
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        step in select(vec![1, 1_000_003]),
    ) {
        let other = frame(&credentials, |text| order[plain(text) as usize] * step);
        prop_assert_eq!(run(&other, 2), run(&frame(&credentials, plain), 2));
    }

    #[test]
    fn the_order_of_rows_does_not_change_the_groups(
        (credentials, order) in credentials().prop_flat_map(|credentials| {
            let rows: Vec<usize> = (0..credentials.len()).collect();
            (Just(credentials), Just(rows).prop_shuffle())
        }),
    ) {
        let moved: Vec<_> = order.iter().map(|&row| credentials[row]).collect();
        let back = |(rows, targets, addresses): Group| {
            let rows = rows.iter().map(|&row| order[row as usize]);
            (rows.collect::<BTreeSet<_>>(), targets, addresses)
        };
        let after: BTreeSet<_> = groups(&run(&frame(&moved, plain), 2)).into_iter().map(back).collect();
        let same = |(rows, targets, addresses): Group| {
            (rows.into_iter().map(|row| row as usize).collect::<BTreeSet<_>>(), targets, addresses)
        };
        let before = groups(&run(&frame(&credentials, plain), 2)).into_iter().map(same);
        prop_assert_eq!(after, before.collect());
    }

    #[test]
    fn verify_rejects_whatever_is_nearly_right(
        credentials in credentials(),
        (output, column, at) in any::<(Index, Index, Index)>(),
        by in select(vec![1, u32::MAX, 1_000]),
    ) {
        let input = frame(&credentials, plain);
        let outputs = run(&input, 1);
        prop_assume!(outputs[0].rows() > 0);
        let output = output.index(2);
        let rows = outputs[output].rows();
        let (at, kept) = (at.index(rows), |at: usize| (0..rows).filter(move |&row| row != at));
        let rows_of = |rows: Vec<usize>| rows.into_iter().map(|row| u32::try_from(row).unwrap()).collect::<Vec<_>>();
        let names: Vec<&str> = outputs[output].columns().map(|(name, _)| name).collect();
        let name = *column.get(&names);
        let columns = outputs[output].columns().map(|(other, old)| {
            let mut values = outputs[output].uint32(other).unwrap().to_vec();
            values[at] = values[at].wrapping_add(if other == name { by } else { 0 });
            (other, if other == name { Column::from(values) } else { old.clone() })
        });
        let changes = [
            Frame::new(rows, columns).unwrap(),
            outputs[output].take(&rows_of(kept(at).collect())).unwrap(),
            outputs[output].take(&rows_of(kept(at).chain([at, at]).collect())).unwrap(),
            outputs[output].take(&rows_of((0..rows).rev().collect())).unwrap(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut wrong = outputs.clone();
            wrong[output] = change;
            if wrong != outputs {
                let fault = verify(&input, 1, &wrong);
                prop_assert!(matches!(fault, Err(KernelError::Wrong(_))), "change {}: {:?}", number, fault);
            }
        }
        // A group less with its members, and the answer to another question.
        let fewer = outputs[0].take(&rows_of((1..outputs[0].rows()).collect())).unwrap();
        let members = outputs[1].uint32("row").unwrap().iter().filter(|&&row| row == 0).count();
        let rest = outputs[1].take(&rows_of((members..outputs[1].rows()).collect())).unwrap();
        let rows: Vec<u32> = rest.uint32("row").unwrap().iter().map(|row| row - 1).collect();
        let columns = [("row", rows.into()), ("credential", rest.column("credential").unwrap().clone())];
        let rest = Frame::new(rest.rows(), columns).unwrap();
        prop_assert!(verify(&input, 1, &[fewer, rest]).is_err());
        for min in [2, 3] {
            let other = run(&input, min);
            prop_assert_eq!(verify(&input, 1, &other).is_ok(), other == outputs);
        }
    }
}

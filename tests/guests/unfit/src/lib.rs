//! A clusterer by HASSH that breaks one promise of the conformance kit: its mark says which. tests/conformance.rs
//! patches the mark in the component, because the kit gives a plugin its default settings. Without a mark it passes.

use std::collections::HashMap;

use corral_sdk::reconcile::reconcile;
use corral_sdk::{
    Commit, Context, Correlator, Description, FrameBuilder, Problem, View, codes, codes_of, export,
    store,
};

/// The crime, after a colon, filled up with dots.
static MARK: [u8; 32] = *b"unfit-crime:....................";

/// As a number, so that the compiler has to look.
fn is(crime: &str) -> bool {
    let mark = std::hint::black_box(MARK);
    let (_, given) = mark.split_at("unfit-crime:".len());
    given.starts_with(crime.as_bytes()) && given.get(crime.len()) == Some(&b'.')
}

struct Unfit;

impl Correlator for Unfit {
    fn describe() -> Description {
        let summary = if is("nameless") { "" } else { env!("CARGO_PKG_DESCRIPTION") };
        let mut reads = vec![View::Attackers, View::Features, View::Identities];
        if is("greedy") {
            reads.push(View::Credentials);
        }
        Description::new("unfit", env!("CARGO_PKG_VERSION"), summary).reads(&reads).writes(&[
            "form-identities",
            "link-attackers",
            "merge-identities",
            "unmerge-identities",
            "refresh-identities",
            "explain-identities",
            "put-state",
        ])
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let attackers = store::read(View::Attackers)?.rows;
        let identities = store::read(View::Identities)?.rows;
        let (hassh, reason) = hassh(attackers.rows() as usize)?;
        let uuids = attackers.u32s("uuid")?;
        if is("first") {
            let first = uuids[0];
            assert!(first != u32::MAX, "there is a first");
        }
        if is("alone") {
            assert!(uuids.len() != 1, "nobody is alone");
        }
        if is("slow") {
            let pairs = uuids.iter().flat_map(|a| uuids.iter().map(move |b| a ^ b));
            // One by one, so that no compiler finds a shorter way.
            for pair in pairs {
                std::hint::black_box(pair);
            }
        }
        let mut keys = hassh.clone();
        if is("clock") && context.now > 1_800_000_000_000_000 {
            keys.fill(u32::MAX);
        }
        if is("codes") {
            keys = uuids.iter().map(|code| code / 100).collect();
        }
        let labels = labels(&keys);
        let group = identities.rows_of("uuid", &attackers.u32s("identity")?)?;
        let plan = reconcile(&labels, &group, &identities.merges()?);
        let edges: Vec<(u32, u32)> =
            labels.iter().copied().zip(0..).filter(|(label, row)| label != row).collect();
        let (a, b): (Vec<u32>, Vec<u32>) = edges.into_iter().unzip();
        let value: Vec<u32> = b.iter().map(|row| hassh[*row as usize]).collect();
        let why = FrameBuilder::new(a.len())
            .u32s("a", &a)
            .u32s("b", &b)
            .texts("reason", &vec![reason; a.len()])
            .texts("value", &value)
            .finish()?;
        let mut commit = Commit::new().regroup_identities(&attackers, &identities, plan, &why);
        if !is("stale") {
            commit = commit.refresh_identities(&identities, identities.present("stale")?);
        }
        let diary = codes_of(&["last".to_owned(), context.now.to_string()])?;
        let state = FrameBuilder::new(1).texts("key", &diary[..1]).texts("value", &diary[1..]);
        let state = state.finish()?;
        if is("diary") {
            commit = commit.put_state(&state);
        }
        commit.send()
    }
}

export!(Unfit);

/// The last HASSH of each attacker, and the code of the word.
fn hassh(attackers: usize) -> Result<(Vec<u32>, u32), Problem> {
    let [wanted] = codes(["hassh"])?;
    let mut hassh = vec![u32::MAX; attackers];
    let features = match store::read(View::Features) {
        Err(_) if is("half") => return Ok((hassh, wanted)),
        Err(problem) if is("unwrap") => panic!("{problem:?}"),
        read => read?.rows,
    };
    let columns = features.u32s("row")?.into_iter().zip(features.u32s("kind")?);
    for ((row, kind), value) in columns.zip(features.u32s("value")?) {
        if kind == wanted {
            hassh[row as usize] = value;
        }
    }
    Ok((hassh, wanted))
}

/// The first row of each that has the same key; who has none is alone.
fn labels(keys: &[u32]) -> Vec<u32> {
    let mut first = HashMap::new();
    let joins = |key: u32| !is("loner") && (key != u32::MAX || is("absent"));
    (0..)
        .zip(keys)
        .map(|(row, key)| if joins(*key) { *first.entry(*key).or_insert(row) } else { row })
        .collect()
}

//! One guest, many crimes: the setting `crime` says which. tests/hostile.rs lists them all and fails
//! for one that it does not know.

use corral_sdk::wit::corral::correlator::frames::FrameBuilder as RawBuilder;
use corral_sdk::wit::corral::correlator::store::{self as raw, Change, Form, Selection};
use corral_sdk::{
    Commit, Context, Correlator, Description, FrameBuilder, Problem, View, codes, export, kernels,
    log, store,
};

struct Hostile;

impl Correlator for Hostile {
    fn describe() -> Description {
        Description::new("hostile", "0.1.0", "Misbehaves as its setting says")
            .reads(&[View::Attackers, View::State])
            .writes(&["form-identities", "put-state"])
            .kernels(&["connected-components"])
            .setting("crime", "", "what to do wrong")
    }

    fn tick(context: Context) -> Result<(), Problem> {
        match context.setting("crime") {
            "" => Ok(()),
            "spin" => spin(),
            "grow" => grow(),
            "recurse" => recurse(1).map(drop),
            "panic" => panic_with_words(),
            "give-up" => Err(Problem::Conflict("it is not my day".to_owned())),
            "flood-log" => (0..100_000).try_for_each(|_| {
                log::warn("all work and no play makes a dull guest");
                Ok(())
            }),
            "ask-for-changes" => ask_for_changes(),
            "hoard-frames" => hoard_frames(),
            "hoard-builders" => {
                (0..1_000_000).for_each(|_| std::mem::forget(RawBuilder::new(1)));
                Ok(())
            }
            "ragged-column" => FrameBuilder::new(3).u32s("a", &[1]).finish().map(drop),
            "read-past-the-end" => {
                store::read(View::Attackers)?.rows.read_u32("uuid", 1, u32::MAX).map(drop)
            }
            "wrong-type" => store::read(View::Attackers)?.rows.u64s("uuid").map(drop),
            "intern-without-end" => {
                (0..).try_for_each(|n: u64| codes([&*format!("{n:01000}")]).map(drop))
            }
            "read-unasked" => store::read(View::Credentials).map(drop),
            "run-unasked" => kernels::run("identity-components", &[], &[]).map(drop),
            "run-unknown" => kernels::run("bitcoin", &[], &[]).map(drop),
            "run-without-inputs" => kernels::run("connected-components", &[], &[]).map(drop),
            "run-without-end" => run_without_end(),
            "commit-unasked" => commit_unasked(),
            "commit-twice" => commit_twice(),
            "commit-no-such-row" => form(vec![u32::MAX], vec![0]),
            "commit-a-row-twice" => form(vec![0, 0], vec![0, 0]),
            "commit-groups-out-of-order" => form(vec![0], vec![7]),
            "commit-another-frame" => commit_another_frame(),
            "commit-about-a-part" => commit_about_a_part(),
            "commit-then-panic" => {
                form(vec![0], vec![0])?;
                panic_with_words()
            }
            "commit-then-give-up" => {
                form(vec![0], vec![0])?;
                Err(Problem::Conflict("second thoughts".to_owned()))
            }
            other => Err(Problem::Invalid(format!("no such crime '{other}'"))),
        }
    }
}

export!(Hostile);

fn spin() -> Result<(), Problem> {
    loop {
        std::hint::black_box(());
    }
}

fn grow() -> Result<(), Problem> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the crime")]
fn recurse(depth: u64) -> Result<u64, Problem> {
    let weight = std::hint::black_box([depth; 64]);
    Ok(recurse(depth + 1)? + weight[(depth % 64) as usize])
}

fn panic_with_words() -> Result<(), Problem> {
    let nothing: Option<u32> = std::hint::black_box(None);
    assert!(nothing.is_some(), "famous last words");
    Ok(())
}

/// No crime at all: nothing has changed since now, and a revision that never was has the whole.
fn ask_for_changes() -> Result<(), Problem> {
    let all = store::read(View::Attackers)?;
    let none = store::read_since(View::Attackers, all.revision)?;
    let other = store::read_since(View::Attackers, u64::MAX)?;
    let is_none = !none.whole
        && none.revision == all.revision
        && none.rows.rows() == 0
        && none.removed.is_some_and(|removed| removed.rows() == 0);
    if all.whole && all.removed.is_none() && is_none && other.whole {
        Ok(())
    } else {
        Err(Problem::Invalid("the host does not keep its word on `since`".to_owned()))
    }
}

fn hoard_frames() -> Result<(), Problem> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(FrameBuilder::new(0).finish()?);
    }
}

fn run_without_end() -> Result<(), Problem> {
    let nodes = FrameBuilder::new(0).finish()?;
    let edges = FrameBuilder::new(0).u32s("a", &[]).u32s("b", &[]).finish()?;
    loop {
        kernels::connected_components(&nodes, &edges)?;
    }
}

fn form(rows: Vec<u32>, groups: Vec<u32>) -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    Commit::new().form_identities(&attackers, rows, groups).send()
}

fn commit_unasked() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    raw::commit(&[Change::UnmergeIdentities(Selection { groups: &attackers, rows: vec![0] })])
}

fn commit_twice() -> Result<(), Problem> {
    form(vec![0], vec![0])?;
    form(vec![0], vec![0])
}

/// What changed last is a part of the view, and its rows are not those of the whole.
fn commit_about_a_part() -> Result<(), Problem> {
    let whole = store::read(View::Attackers)?;
    let part = store::read_since(View::Attackers, whole.revision - 1)?;
    if part.whole || part.rows.rows() >= whole.rows.rows() {
        return Err(Problem::Unavailable("a part".to_owned()));
    }
    Commit::new().form_identities(&part.rows, vec![0], vec![0]).send()
}

/// A frame that looks like the view but is not a reading of it.
fn commit_another_frame() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let shuffled = attackers.take(&[0])?;
    raw::commit(&[Change::FormIdentities(Form {
        members: &shuffled,
        rows: vec![0],
        groups: vec![0],
    })])
}

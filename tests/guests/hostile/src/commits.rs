//! Reading and committing what was not asked for, what does not exist, twice, and by halves.

use corral_sdk::wit::corral::correlator::store::{self as raw, Change, Form, Merge, Selection};
use corral_sdk::{Commit, Context, Frame, FrameBuilder, Problem, View, codes, store};

use crate::Done;
use crate::spending::{panic_with_words, spin};

pub(crate) fn commit(context: &Context) -> Done {
    Some(match context.setting("crime") {
        "ask-for-changes" => ask_for_changes(),
        "read-unasked" => store::read(View::Credentials).map(drop),
        "read-too-many-keys" => store::read_keys(View::Attackers, &vec![0; 20_001]).map(drop),
        "read-keys-of-what-has-none" => store::read_keys(View::State, &[0]).map(drop),
        "commit-unasked" => commit_unasked(),
        "commit-twice" => form(vec![0], vec![0]).and_then(|()| form(vec![0], vec![0])),
        "commit-no-such-row" => form(vec![u32::MAX], vec![0]),
        "commit-a-row-twice" => form(vec![0, 0], vec![0, 0]),
        "commit-groups-out-of-order" => form(vec![0], vec![7]),
        "commit-lists-of-two-lengths" => form(vec![0, 1], vec![0]),
        "commit-too-many-rows" => form(vec![0; 20_000], vec![0; 20_000]),
        "commit-too-many-changes" => commit_too_many_changes(),
        "commit-another-frame" => commit_another_frame(),
        "commit-about-a-part" => commit_about_a_part(),
        "commit-a-group-of-members" => commit_a_group_of_members(),
        "commit-edges-to-nowhere" => explain(9, 0),
        "commit-edges-without-a-reason" => commit_edges_without_a_reason(),
        "commit-state-without-a-key" => commit_state_without_a_key(),
        "commit-one-large-event" => commit_one_large_event(),
        "commit-then-panic" => form(vec![0], vec![0]).and_then(|()| panic_with_words()),
        "commit-then-spin" => form(vec![0], vec![0]).and_then(|()| spin()),
        "commit-then-give-up" => form(vec![0], vec![0])
            .and_then(|()| Err(Problem::Conflict("second thoughts".to_owned()))),
        _ => return None,
    })
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

fn form(rows: Vec<u32>, groups: Vec<u32>) -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    Commit::new().form_identities(&attackers, rows, groups).send()
}

fn commit_unasked() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    raw::commit(&[Change::UnmergeIdentities(Selection { groups: &attackers, rows: vec![0] })])
}

/// Changes that name no row are changes too.
fn commit_too_many_changes() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let nothing =
        || Change::FormIdentities(Form { members: &attackers, rows: vec![], groups: vec![] });
    raw::commit(&(0..20_000).map(|_| nothing()).collect::<Vec<_>>())
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

/// A reading, but of the wrong view: attackers are not identities.
fn commit_a_group_of_members() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let (losers, winners) = (vec![0], vec![1]);
    raw::commit(&[Change::MergeIdentities(Merge { groups: &attackers, losers, winners })])
}

fn explain(a: u32, b: u32) -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let [text] = codes(["hassh"])?;
    let edges = FrameBuilder::new(1).u32s("a", &[a]).u32s("b", &[b]);
    let edges = edges.texts("reason", &[text]).texts("value", &[text]).finish()?;
    Commit::new().explain_identities(&attackers, vec![0, 1], &edges).send()
}

fn commit_edges_without_a_reason() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let edges = FrameBuilder::new(1).u32s("a", &[0]).u32s("b", &[1]).finish()?;
    Commit::new().explain_identities(&attackers, vec![0, 1], &edges).send()
}

fn commit_state_without_a_key() -> Result<(), Problem> {
    let rows = FrameBuilder::new(1).texts("value", &[0]).finish()?;
    Commit::new().put_state(&rows).send()
}

/// One identity of all attackers that there are.
fn commit_one_large_event() -> Result<(), Problem> {
    let attackers: Frame = store::read(View::Attackers)?.rows;
    let rows: Vec<u32> = (0..attackers.rows()).collect();
    let groups = vec![0; rows.len()];
    Commit::new().form_identities(&attackers, rows, groups).send()
}

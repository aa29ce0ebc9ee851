//! Asks for every view, change and kernel, and uses the one that its setting names.

use corral_sdk::wit::corral::correlator::store::{
    self as raw, Change, Evidence, Form, Link, Merge, Selection, Upsert,
};
use corral_sdk::{
    Context, Correlator, Description, FrameBuilder, Problem, View, export, kernels, store,
};

struct Glutton;

const VIEWS: [(&str, View); 12] = [
    ("attackers", View::Attackers),
    ("features", View::Features),
    ("sessions", View::Sessions),
    ("identities", View::Identities),
    ("campaigns", View::Campaigns),
    ("behaviour", View::Behaviour),
    ("attribution", View::Attribution),
    ("credentials", View::Credentials),
    ("reuse", View::Reuse),
    ("phases", View::Phases),
    ("constraints", View::Constraints),
    ("state", View::State),
];

const CHANGES: [&str; 14] = [
    "form-identities",
    "link-attackers",
    "merge-identities",
    "unmerge-identities",
    "refresh-identities",
    "explain-identities",
    "form-campaigns",
    "assign-identities",
    "merge-campaigns",
    "unmerge-campaigns",
    "explain-campaigns",
    "put-attribution",
    "put-reuse",
    "put-state",
];

const KERNELS: [&str; 5] = [
    "attribution-states",
    "campaign-components",
    "connected-components",
    "credential-reuse",
    "identity-components",
];

impl Correlator for Glutton {
    fn describe() -> Description {
        Description::new("glutton", "0.1.0", "Wants everything")
            .reads(&VIEWS.map(|(_, view)| view))
            .writes(&CHANGES)
            .kernels(&KERNELS)
            .setting("wish", "", "reads, writes or kernels, and one name")
    }

    fn tick(context: Context) -> Result<(), Problem> {
        match context.setting("wish").split_once(' ') {
            Some(("reads", name)) => {
                let (_, view) = VIEWS.iter().find(|(view, _)| *view == name).ok_or_else(unknown)?;
                store::read(*view).map(drop)
            }
            Some(("writes", name)) => write(name),
            Some(("kernels", name)) => kernels::run(name, &[], &[]).map(drop),
            _ => Ok(()),
        }
    }
}

export!(Glutton);

fn unknown() -> Problem {
    Problem::Invalid("no such wish".to_owned())
}

/// A commit of one change that names no row.
fn write(name: &str) -> Result<(), Problem> {
    let empty = FrameBuilder::new(0).finish()?;
    let frame = &empty;
    let form = || Form { members: frame, rows: Vec::new(), groups: Vec::new() };
    let link = || Link { members: frame, rows: Vec::new(), groups: frame, targets: Vec::new() };
    let merge = || Merge { groups: frame, losers: Vec::new(), winners: Vec::new() };
    let select = || Selection { groups: frame, rows: Vec::new() };
    let explain = || Evidence { members: frame, scope: Vec::new(), edges: frame, adds: false };
    let upsert = || Upsert { rows: frame };
    let change = match name {
        "form-identities" => Change::FormIdentities(form()),
        "link-attackers" => Change::LinkAttackers(link()),
        "merge-identities" => Change::MergeIdentities(merge()),
        "unmerge-identities" => Change::UnmergeIdentities(select()),
        "refresh-identities" => Change::RefreshIdentities(select()),
        "explain-identities" => Change::ExplainIdentities(explain()),
        "form-campaigns" => Change::FormCampaigns(form()),
        "assign-identities" => Change::AssignIdentities(link()),
        "merge-campaigns" => Change::MergeCampaigns(merge()),
        "unmerge-campaigns" => Change::UnmergeCampaigns(select()),
        "explain-campaigns" => Change::ExplainCampaigns(explain()),
        "put-attribution" => Change::PutAttribution(upsert()),
        "put-reuse" => Change::PutReuse(upsert()),
        "put-state" => Change::PutState(upsert()),
        _ => return Err(unknown()),
    };
    raw::commit(&[change])
}

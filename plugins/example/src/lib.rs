//! A correlator to start from: who dropped the same file is the same.
//!
//! This file is glue. It reads views of the database, has a kernel do the heavy work, and commits what has to change.
//! What is *decided* stands in [`logic`], which knows nothing of handles, so that `cargo test` can try it out. Change
//! that first: the setting `kind` may be any other kind of feature, such as `hassh` or `download-host`.

mod logic;

use corral_sdk::reconcile::reconcile;
use corral_sdk::{
    Commit, Context, Correlator, Description, Frame, FrameBuilder, Problem, View, codes, export,
    kernels, store,
};

use logic::{Edges, edges};

struct Plugin;

impl Correlator for Plugin {
    /// What the plugin is and what it asks for. An operator has to grant each of these, so ask for no more.
    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_DESCRIPTION"),
        )
        .wakes(&["attacker.observed"])
        .reads(&[View::Attackers, View::Features, View::Identities])
        .writes(&[
            "form-identities",
            "link-attackers",
            "merge-identities",
            "unmerge-identities",
            "refresh-identities",
            "explain-identities",
        ])
        .kernels(&["connected-components"])
        .setting(
            "kind",
            "payload-sha256",
            "the kind of feature that makes its holders one",
        )
    }

    /// One run. It sees one moment of the database, and what it commits is written as a whole, or not at all.
    fn tick(context: Context) -> Result<(), Problem> {
        let attackers = store::read(View::Attackers)?.rows;
        let features = store::read(View::Features)?.rows;
        let identities = store::read(View::Identities)?.rows;

        // Equal text has an equal code everywhere, so nobody needs the texts themselves.
        let [kind] = codes([context.setting("kind")])?;
        let edges =
            edges(&features.u32s("row")?, &features.u32s("kind")?, &features.u32s("value")?, kind);
        let grouping = kernels::connected_components(&attackers, &frame(&edges)?)?;
        let why = evidence(&edges, &grouping.forest, kind)?;

        // What has to change, so that identities are what the kernel says: that is the SDK's work.
        let plan = reconcile(
            &grouping.labels.u32s("label")?,
            &identities.rows_of("uuid", &attackers.u32s("identity")?)?,
            &identities.merges()?,
        );
        Commit::new()
            .regroup_identities(&attackers, &identities, plan, &why)
            .refresh_identities(&identities, identities.present("stale")?)
            .send()
    }
}

export!(Plugin);

/// The kernel's input.
fn frame(edges: &Edges) -> Result<Frame, Problem> {
    FrameBuilder::new(edges.a.len()).u32s("a", &edges.a).u32s("b", &edges.b).finish()
}

/// Why two attackers are one: of each edge that the kernel's forest has kept, the value that both hold.
fn evidence(edges: &Edges, forest: &Frame, kind: u32) -> Result<Frame, Problem> {
    let value: Vec<u32> =
        forest.u32s("edge")?.iter().map(|&edge| edges.value[edge as usize]).collect();
    FrameBuilder::new(value.len())
        .u32s("a", &forest.u32s("a")?)
        .u32s("b", &forest.u32s("b")?)
        .texts("reason", &vec![kind; value.len()])
        .texts("value", &value)
        .finish()
}

//! The clusterer: which attackers are one identity.
//!
//! This file is glue: it reads three views, lets a kernel group the attackers, and hands columns to
//! [`logic`], which decides. Model `parity` is DECNET's documented rule: equal JA3, or equal HASSH, or
//! a shared payload or endpoint that the fingerprints do not contradict.

mod logic;

use corral_sdk::reconcile::{reconcile, rows_of};
use corral_sdk::{
    Commit, Context, Correlator, Description, FrameBuilder, Problem, View, codes, export, kernels,
    store,
};

use logic::{Kinds, project};

struct Clusterer;

impl Correlator for Clusterer {
    fn describe() -> Description {
        Description::new("clusterer", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .wakes(&["attacker.observed", "attacker.scored"])
            .reads(&[View::Attackers, View::Features, View::Identities])
            .writes(&[
                "form-identities",
                "link-attackers",
                "merge-identities",
                "unmerge-identities",
                "refresh-identities",
                "explain-identities",
            ])
            .kernels(&["identity-components"])
            .setting("model", "parity", "the rule that joins attackers: parity")
    }

    fn tick(context: Context) -> Result<(), Problem> {
        match context.setting("model") {
            "parity" => parity(),
            other => Err(Problem::Invalid(format!(
                "setting 'model': no model '{other}' (there is: parity)"
            ))),
        }
    }
}

export!(Clusterer);

fn parity() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let features = store::read(View::Features)?.rows;
    let identities = store::read(View::Identities)?.rows;

    let [ja3, hassh, sha256, md5, endpoint] =
        codes(["ja3", "hassh", "payload-sha256", "payload-md5", "download-host"])?;
    let known = project(
        attackers.rows() as usize,
        &features.u32s("row")?,
        &features.u32s("kind")?,
        &features.u32s("value")?,
        &Kinds { ja3, hassh, payloads: [sha256, md5], endpoint },
    );
    let fingerprints = FrameBuilder::new(known.ja3.len())
        .texts("ja3", &known.ja3)
        .texts("hassh", &known.hassh)
        .finish()?;
    let child = |tokens: &logic::Tokens| {
        FrameBuilder::new(tokens.row.len())
            .u32s("row", &tokens.row)
            .texts("token", &tokens.token)
            .finish()
    };
    let grouping = kernels::identity_components(
        &fingerprints,
        &child(&known.payloads)?,
        &child(&known.endpoints)?,
    )?;

    let uuids = identities.u32s("uuid")?;
    let plan = reconcile(
        &grouping.labels.u32s("label")?,
        &rows_of(&attackers.u32s("identity")?, &uuids),
        &rows_of(&identities.u32s("merged_into")?, &uuids),
    );
    let stale = identities.u32s("stale")?;
    let stale = (0..).zip(&stale).filter(|(_, stale)| **stale != 0).map(|(row, _)| row).collect();

    Commit::new()
        .regroup_identities(&attackers, &identities, plan, &grouping.forest)
        .refresh_identities(&identities, stale)
        .send()
}

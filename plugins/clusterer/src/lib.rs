//! The clusterer: which attackers are one identity.
//!
//! This file is glue: it reads three views, lets a kernel group the attackers, and hands columns to
//! [`logic`], which decides. Where the host still has what the last tick brought to the kernel, only what
//! changed since is looked at: see [`changes`]. Model `parity` is DECNET's documented rule: equal JA3, or
//! equal HASSH, or a shared payload or endpoint that the fingerprints do not contradict.

mod changes;
mod logic;

use corral_sdk::reconcile::reconcile;
use corral_sdk::{
    Commit, Context, Correlator, Description, Frame, FrameBuilder, Merges, Problem, Reading, View,
    codes, export, kernels, store,
};

use changes::Version;
use changes::logic::fingerprint;
use kernels::Kept;
use logic::{Kinds, Known, project};

/// The kernel that groups.
const KERNEL: &str = "identity-components";

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
            .kernels(&[KERNEL])
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
    let groups = Groups::read()?;
    let kept = kernels::kept(KERNEL, &[]);
    if let Kept::Version(version) = &kept
        && let Some(changes) = changes::since(version, &groups)?
    {
        if changes.commit(&groups)? {
            return Ok(());
        }
        // The kernel has them now, but all attackers have to be looked at.
        return whole(&groups, &Kept::None);
    }
    whole(&groups, &kept)
}

/// The attackers, the identities that they have, and how these are merged.
struct Groups {
    attackers: Reading,
    identities: Frame,
    merged: Merges,
    /// What tells these merges from others.
    merges: u64,
}

impl Groups {
    fn read() -> Result<Self, Problem> {
        let attackers = store::read(View::Attackers)?;
        let identities = store::read(View::Identities)?.rows;
        let merged = identities.merges()?;
        let losers: Vec<u32> = merged.iter().map(|(loser, _)| loser).collect();
        let pointers = identities.take(&losers)?;
        let merges = fingerprint(&pointers.u32s("uuid")?, &pointers.u32s("merged_into")?);
        Ok(Self { attackers, identities, merged, merges })
    }

    /// Identities whose derived columns are to be brought up to date.
    fn stale(&self) -> Result<Vec<u32>, Problem> {
        self.identities.present("stale")
    }
}

/// Looks at all attackers, and leaves the kernel with them where the host would keep that.
fn whole(groups: &Groups, kept: &Kept) -> Result<(), Problem> {
    let attackers = &groups.attackers.rows;
    let features = store::read(View::Features)?;
    let known = project(
        attackers.rows() as usize,
        &features.rows.u32s("row")?,
        &features.rows.u32s("kind")?,
        &features.rows.u32s("value")?,
        &kinds()?,
    );
    let [fingerprints, payloads, endpoints] = inputs(&known, &attackers.u32s("uuid")?)?;
    let grouping = kernels::identity_components(&fingerprints, &payloads, &endpoints)?;
    if !matches!(kept, Kept::None) {
        let version = Version::of(groups, features.revision).to_string();
        let inputs = [&fingerprints, &payloads, &endpoints];
        kernels::update(KERNEL, &inputs, &[], &[], (None, &version))?;
    }
    let plan = reconcile(
        &grouping.labels.u32s("label")?,
        &groups.identities.rows_of("uuid", &attackers.u32s("identity")?)?,
        &groups.merged,
    );
    Commit::new()
        .regroup_identities(attackers, &groups.identities, plan, &grouping.forest)
        .refresh_identities(&groups.identities, groups.stale()?)
        .send()
}

fn kinds() -> Result<Kinds, Problem> {
    Ok(Kinds {
        ja3: codes(["ja3", "ja3-edge"])?,
        hassh: codes(["hassh", "hassh-edge"])?,
        payloads: codes(["payload-sha256", "payload-md5"])?,
        endpoint: codes(["download-host"])?[0],
    })
}

/// The kernel's inputs, with the attackers' uuids as keys.
fn inputs(known: &Known, uuids: &[u32]) -> Result<[Frame; 3], Problem> {
    let fingerprints = FrameBuilder::new(uuids.len())
        .texts("key", uuids)
        .texts("ja3", &known.ja3)
        .texts("hassh", &known.hassh)
        .finish()?;
    let child = |tokens: &logic::Tokens| {
        FrameBuilder::new(tokens.row.len())
            .u32s("row", &tokens.row)
            .texts("token", &tokens.token)
            .finish()
    };
    Ok([fingerprints, child(&known.payloads)?, child(&known.endpoints)?])
}

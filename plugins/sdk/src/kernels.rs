//! Native kernels, run by the host on its shared pool.

use crate::wit::corral::correlator::kernels as wit;
use crate::{Frame, Problem};

pub use wit::{Kept, Parameter, Value};

/// Labels and the spanning forest that made them.
#[derive(Debug)]
pub struct Grouping {
    /// One row a member: `label`, the smallest row of its group.
    pub labels: Frame,
    /// One row an edge: `a`, `b`, and why.
    pub forest: Frame,
}

/// Runs any kernel.
///
/// # Errors
/// The [`Problem`] that the host names.
pub fn run(name: &str, inputs: &[&Frame], parameters: &[Parameter]) -> Result<Vec<Frame>, Problem> {
    wit::run_kernel(name, inputs, parameters)
}

/// How far what the host keeps of a kernel's input goes.
pub fn kept(name: &str, parameters: &[Parameter]) -> Kept {
    wit::kept_kernel(name, parameters)
}

/// What an update changed; rows go by their keys. ARCHITECTURE.md says what the columns mean.
#[derive(Debug)]
pub struct Changed {
    /// `key`, `group`, `anew`.
    pub moved: Frame,
    /// `group`, `size`, `anchor`, `rebuilt`.
    pub groups: Frame,
    /// `a`, `b`, `reason`, `value`.
    pub edges: Frame,
}

/// Brings what the host keeps of a kernel's input up to date, from the version `since`, or anew with every
/// row; `version` names what it has then.
///
/// # Errors
/// The [`Problem`] that the host names; then nothing is kept any more.
pub fn update(
    name: &str,
    inputs: &[&Frame],
    gone: &[u32],
    parameters: &[Parameter],
    (since, version): (Option<&str>, &str),
) -> Result<Changed, Problem> {
    let mut frames =
        wit::update_kernel(name, inputs, gone, parameters, since, version)?.into_iter();
    match (frames.next(), frames.next(), frames.next()) {
        (Some(moved), Some(groups), Some(edges)) => Ok(Changed { moved, groups, edges }),
        _ => Err(Problem::Unavailable(format!("{name}: three frames were expected"))),
    }
}

/// Groups attackers by DECNET's documented rule.
///
/// `attackers` has the text columns `ja3` and `hassh`; `payloads` and `endpoints` are its children with
/// a text column `token`.
///
/// # Errors
/// As [`run`].
pub fn identity_components(
    attackers: &Frame,
    payloads: &Frame,
    endpoints: &Frame,
) -> Result<Grouping, Problem> {
    grouping(run("identity-components", &[attackers, payloads, endpoints], &[])?)
}

/// What is known of identities, as `campaign-components` takes it; every frame but the first is a child
/// of the first. `corral kernel list` shows the columns.
#[derive(Debug)]
pub struct CampaignInputs {
    /// `rank`.
    pub identities: Frame,
    /// `token`: payloads and endpoints.
    pub infra: Frame,
    /// `kind`, `value`: networks, tools, sensors.
    pub cohort: Frame,
    /// `simhash`: one typist's rhythm at most.
    pub keystrokes: Frame,
    /// `start`, `end`, in seconds.
    pub windows: Frame,
    /// `decky`, `first_phase`, `last_phase`, `first_seen`, `last_seen`.
    pub phases: Frame,
}

/// Groups identities by DECNET's documented rule.
///
/// # Errors
/// As [`run`].
pub fn campaign_components(inputs: &CampaignInputs) -> Result<Grouping, Problem> {
    let CampaignInputs { identities, infra, cohort, keystrokes, windows, phases } = inputs;
    let inputs = [identities, infra, cohort, keystrokes, windows, phases];
    grouping(run("campaign-components", &inputs, &[])?)
}

/// The state of each series: one row a series, with `state`, `confidence`, `value`, `number`, `samples`,
/// `observed_at` and `problem`.
///
/// `series` has the text column `kind` (`categorical`, `numeric`, `hash`); `samples` is its child, in the
/// order of time, with `value` (JSON text) and `at` (seconds).
///
/// # Errors
/// As [`run`].
pub fn attribution_states(series: &Frame, samples: &Frame) -> Result<Frame, Problem> {
    let [states] = frames(run("attribution-states", &[series, samples], &[])?)?;
    Ok(states)
}

/// Credentials that were tried on at least `min_targets` targets.
#[derive(Debug)]
pub struct Reuse {
    /// One row a credential: `first`, `targets`, `addresses`, `credentials`.
    pub groups: Frame,
    /// Child of `groups`: `credential`, a row of what was given.
    pub members: Frame,
}

/// Finds credentials that came back on other targets. `credentials` has the text columns
/// `secret_sha256`, `secret_kind`, `principal`, `decky`, `service` and `ip`.
///
/// # Errors
/// As [`run`].
pub fn credential_reuse(credentials: &Frame, min_targets: u64) -> Result<Reuse, Problem> {
    let parameters =
        [Parameter { name: "min-targets".to_owned(), value: Value::Uint(min_targets) }];
    let [groups, members] = frames(run("credential-reuse", &[credentials], &parameters)?)?;
    Ok(Reuse { groups, members })
}

/// Groups the rows of `nodes` that the edges of `edges` (`a`, `b`) connect.
///
/// # Errors
/// As [`run`].
pub fn connected_components(nodes: &Frame, edges: &Frame) -> Result<Grouping, Problem> {
    grouping(run("connected-components", &[nodes, edges], &[])?)
}

fn grouping(answer: Vec<Frame>) -> Result<Grouping, Problem> {
    let [labels, forest] = frames(answer)?;
    Ok(Grouping { labels, forest })
}

fn frames<const N: usize>(answer: Vec<Frame>) -> Result<[Frame; N], Problem> {
    <[Frame; N]>::try_from(answer)
        .map_err(|_| Problem::Unavailable("the kernel gave another number of frames".to_owned()))
}

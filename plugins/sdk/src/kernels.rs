//! Native kernels, run by the host on its shared pool.

use crate::wit::corral::correlator::kernels as wit;
use crate::{Frame, Problem};

pub use wit::{Parameter, Value};

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

/// Groups the rows of `nodes` that the edges of `edges` (`a`, `b`) connect.
///
/// # Errors
/// As [`run`].
pub fn connected_components(nodes: &Frame, edges: &Frame) -> Result<Grouping, Problem> {
    grouping(run("connected-components", &[nodes, edges], &[])?)
}

fn grouping(frames: Vec<Frame>) -> Result<Grouping, Problem> {
    let [labels, forest] = <[Frame; 2]>::try_from(frames)
        .map_err(|_| Problem::Unavailable("the kernel gave another number of frames".to_owned()))?;
    Ok(Grouping { labels, forest })
}

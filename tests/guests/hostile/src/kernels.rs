//! Kernels: not asked for, with wrong inputs, too many of them, too often.

use corral_sdk::kernels::{Parameter, Value, connected_components, run, update};
use corral_sdk::{Context, Frame, FrameBuilder, Problem};

use crate::Done;

const KERNEL: &str = "connected-components";
const KEEPS: &str = "identity-components";

pub(crate) fn commit(context: &Context) -> Done {
    Some(match context.setting("crime") {
        "run-unasked" => run("attribution-states", &[], &[]).map(drop),
        "run-unknown" => run("bitcoin", &[], &[]).map(drop),
        "run-without-inputs" => run(KERNEL, &[], &[]).map(drop),
        "run-with-a-thousand-inputs" => run_with_a_thousand_inputs(),
        "run-without-end" => run_without_end(),
        "run-with-too-many-rows" => run_with_too_many_rows(),
        "run-with-a-missing-column" => {
            nodes(3).and_then(|nodes| run(KERNEL, &[&nodes, &nodes], &[])).map(drop)
        }
        "run-with-a-column-of-another-type" => run_with_a_column_of_another_type(),
        "run-with-wild-edges" => {
            edges(&[7], &[0]).and_then(|edges| connected_components(&nodes(3)?, &edges).map(drop))
        }
        "run-with-unequal-weights" => run_with_no_weights(),
        "run-with-an-unknown-parameter" => run_with("depth", Value::Uint(1)),
        "run-with-a-long-parameter" => run_with("depth", Value::Text("x".repeat(5_000))),
        "run-with-one-frame-for-all" => {
            edges(&[0, 1], &[1, 0]).and_then(|edges| connected_components(&edges, &edges)).map(drop)
        }
        "update-what-is-not-kept" => nodes(0)
            .and_then(|nodes| update(KERNEL, &[&nodes, &nodes], &[], &[], (None, "1")))
            .map(drop),
        "update-from-what-never-was" => {
            update(KEEPS, &[], &[], &[], (Some("never"), "1")).map(drop)
        }
        "update-to-a-long-version" => {
            update(KEEPS, &[], &[], &[], (None, &"v".repeat(2_000))).map(drop)
        }
        "update-with-too-many-gone" => {
            update(KEEPS, &[], &vec![0; 200_000], &[], (None, "1")).map(drop)
        }
        "update-without-a-key" => update_without_a_key(),
        _ => return None,
    })
}

fn nodes(rows: usize) -> Result<Frame, Problem> {
    FrameBuilder::new(rows).finish()
}

fn edges(a: &[u32], b: &[u32]) -> Result<Frame, Problem> {
    FrameBuilder::new(a.len()).u32s("a", a).u32s("b", b).finish()
}

fn run_with_a_thousand_inputs() -> Result<(), Problem> {
    let nodes = nodes(3)?;
    run(KERNEL, &[&nodes; 1_000], &[]).map(drop)
}

fn run_without_end() -> Result<(), Problem> {
    let (nodes, edges) = (nodes(0)?, edges(&[], &[])?);
    loop {
        connected_components(&nodes, &edges)?;
    }
}

/// Each call may be within all other limits.
fn run_with_too_many_rows() -> Result<(), Problem> {
    let (nodes, edges) = (nodes(40_000)?, edges(&[], &[])?);
    loop {
        connected_components(&nodes, &edges)?;
    }
}

fn run_with_a_column_of_another_type() -> Result<(), Problem> {
    let edges = FrameBuilder::new(1).texts("a", &[0]).texts("b", &[0]).finish()?;
    connected_components(&nodes(3)?, &edges).map(drop)
}

fn run_with_no_weights() -> Result<(), Problem> {
    let weight = [f64::NAN];
    let edges = FrameBuilder::new(1).u32s("a", &[0]).u32s("b", &[1]).f64s("weight", &weight);
    connected_components(&nodes(3)?, &edges.finish()?).map(drop)
}

fn run_with(name: &str, value: Value) -> Result<(), Problem> {
    let (nodes, edges) = (nodes(3)?, edges(&[], &[])?);
    let parameter = Parameter { name: name.to_owned(), value };
    run(KERNEL, &[&nodes, &edges], &[parameter]).map(drop)
}

fn update_without_a_key() -> Result<(), Problem> {
    let attackers = FrameBuilder::new(1).texts("ja3", &[0]).texts("hassh", &[0]).finish()?;
    let tokens = || FrameBuilder::new(0).u32s("row", &[]).texts("token", &[]).finish();
    update(KEEPS, &[&attackers, &tokens()?, &tokens()?], &[], &[], (None, "1")).map(drop)
}

//! Does one thing as often as its settings say, so that tests/bench/guests.rs can time it: a tick with `times` more
//! of it is longer by what these take.

use std::hint::black_box;

use corral_sdk::{
    Context, Correlator, Description, FrameBuilder, Problem, export, kernels::connected_components,
};

struct Probe;

impl Correlator for Probe {
    fn describe() -> Description {
        Description::new("probe", "0.1.0", "Does one thing over and over")
            .kernels(&["connected-components"])
            .setting("work", "", "kernel, read or spin; empty: nothing")
            .setting("times", "0", "how often")
            .setting("rows", "0", "of the frame that it is done with")
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let number = |name: &str| context.setting(name).parse().unwrap_or(0);
        let (times, rows) = (number("times"), number("rows"));
        match context.setting("work") {
            "kernel" => run_kernels(times, rows),
            "read" => read_columns(times, rows),
            "spin" => loop {
                black_box(());
            },
            _ => Ok(()),
        }
    }
}

export!(Probe);

/// Nodes in a row, each joined to the next.
fn run_kernels(times: usize, rows: usize) -> Result<(), Problem> {
    let nodes = FrameBuilder::new(rows).finish()?;
    let a: Vec<u32> = (1..).take(rows.saturating_sub(1)).collect();
    let b: Vec<u32> = a.iter().map(|node| node - 1).collect();
    let edges = FrameBuilder::new(a.len()).u32s("a", &a).u32s("b", &b).finish()?;
    for _ in 0..times {
        black_box(connected_components(&nodes, &edges)?);
    }
    Ok(())
}

fn read_columns(times: usize, rows: usize) -> Result<(), Problem> {
    let frame = FrameBuilder::new(rows).u32s("a", &vec![7; rows]).finish()?;
    for _ in 0..times {
        black_box(frame.u32s("a")?);
    }
    Ok(())
}

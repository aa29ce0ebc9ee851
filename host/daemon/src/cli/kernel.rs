//! `corral kernel`: the native kernels that plugins may call.

use corral_kernels::{Shape, Signature, kernel};

use super::{Context, Failure, output};

/// The native kernels that plugins may call
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the kernels with their inputs and outputs
    List,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Command::List = args.command;
    let signatures = kernel::ALL.iter().map(|kernel| kernel.signature());
    if context.json {
        return output::json(&signatures.map(json).collect::<Vec<_>>());
    }
    output::table(
        &["kernel", "inputs", "outputs", "what it does"],
        signatures.map(|signature| {
            let Signature { name, summary, inputs, outputs, .. } = signature;
            vec![(*name).to_owned(), shapes(inputs), shapes(outputs), (*summary).to_owned()]
        }),
    );
    Ok(())
}

fn shapes(shapes: &[Shape]) -> String {
    let one = |shape: &Shape| {
        let columns: Vec<&str> = shape.columns.iter().map(|(name, _)| *name).collect();
        format!("{}({})", shape.name, columns.join(", "))
    };
    shapes.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn json(signature: &Signature) -> serde_json::Value {
    let shapes = |shapes: &[Shape]| -> Vec<serde_json::Value> {
        let column = |(name, kind): &(&str, corral_kernels::ColumnType)| serde_json::json!({"name": name, "type": kind.to_string()});
        shapes
            .iter()
            .map(|shape| {
                let columns: Vec<_> = shape.columns.iter().map(column).collect();
                serde_json::json!({"name": shape.name, "columns": columns})
            })
            .collect()
    };
    serde_json::json!({
        "name": signature.name,
        "summary": signature.summary,
        "inputs": shapes(signature.inputs),
        "outputs": shapes(signature.outputs),
    })
}

//! `corral kernel`: the native kernels that plugins may call, and the proof of what they did.

use anyhow::anyhow;
use corral_kernels::{Shape, Signature, find, kernel};

use super::{Context, Exit, Failure, output};
use crate::certificate::{self, Answered, Answers, Certificate, stored::Account};
use crate::store::commit::Committed;

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
    /// Prove that what is stored follows from what was seen; writes nothing
    ///
    /// Every enabled correlator ticks once more on the database as it is. Each answer of a kernel is checked
    /// by the kernel's own judge, whatever its size, and what the tick would still change is told instead of
    /// written: where that is nothing, what is stored is what the kernels prove.
    ///
    /// Then the stored evidence of each layer is judged: it has to be a spanning forest of the stored groups.
    /// An edge that leads out of its group, one that closes a circle, and two members of a group without a
    /// path between them are faults, and named. Three things are told and right: a group is APART if the
    /// kernel today would not put all of it together (members are never moved), and then only what it does
    /// put together needs a path; it is ADOPTED if another program formed it and knows no evidence; and
    /// evidence is OUTLIVED if it names an identity that was merged into another since.
    ///
    /// Let no ingest and no run go on meanwhile: the two proofs look at two moments. Ends with code 7 if a
    /// kernel is wrong or the evidence does not hold.
    #[command(verbatim_doc_comment)]
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// Only correlators that run these kernels, and the layers that they explain [default: all]
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::List => list(context),
        Command::Verify(verify) => self::verify(&verify.kernels, context).await,
    }
}

fn list(context: &Context) -> Result<(), Failure> {
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

async fn verify(kernels: &[String], context: &Context) -> Result<(), Failure> {
    if let Some(unknown) = kernels.iter().find(|kernel| find(kernel).is_none()) {
        let error = anyhow!("no kernel '{unknown}' (`corral kernel list` shows those there are)");
        return Err(Failure::new(Exit::Usage, error));
    }
    let store = context.existing_store().await?;
    let (host, catalog) = super::plugin::load(context, &store).await?;
    super::plugin::warn_of_refused(&catalog);
    let certificate =
        certificate::certify(&host, &catalog, &context.config, &store, kernels).await?;
    store.close().await;
    if certificate.plugins.is_empty() {
        let error =
            anyhow!("no enabled correlator to prove anything by (see `corral plugin list`)");
        return Err(Failure::new(Exit::NoAnswer, error));
    }
    if context.json {
        output::json(&certificate)?;
    } else {
        print(&certificate);
    }
    if !certificate.holds() {
        return Err(Failure::new(Exit::Certificate, anyhow!("the certificate does not hold")));
    }
    if !certificate.is_complete() || !catalog.refused.is_empty() {
        return Err(Failure::new(Exit::Plugin, anyhow!("not every plugin ran; see above")));
    }
    Ok(())
}

fn print(certificate: &Certificate) {
    let headings =
        ["plugin", "kernel", "rows", "groups", "edges", "ms", "verify ms", "verdict", ""];
    let calls = certificate.plugins.iter().flat_map(|(plugin, answers)| {
        answers.calls.iter().map(move |answered| row(plugin, answered))
    });
    output::table(&headings, calls);
    for (plugin, answers) in &certificate.plugins {
        output::line(&format!("{plugin}: {}", outlook(answers)));
    }
    output::line("");
    let headings =
        ["layer", "groups", "members", "edges", "apart", "adopted", "outlived", "evidence"];
    output::table(
        &headings,
        certificate.layers.iter().map(|(layer, account)| {
            let Account { groups, members, edges, apart, adopted, outlived, .. } = account;
            let counts =
                [groups, members, edges, apart, adopted, outlived].map(ToString::to_string);
            let verdict = if account.holds() { "holds" } else { "does not hold" };
            [vec![(*layer).to_owned()], counts.to_vec(), vec![verdict.to_owned()]].concat()
        }),
    );
    for (layer, account) in &certificate.layers {
        for fault in &account.first_faults {
            output::line(&output::printable(&format!("{layer}: {fault}")));
        }
        let unnamed = account.faults.saturating_sub(account.first_faults.len());
        if unnamed > 0 {
            output::line(&format!("{layer}: {unnamed} faults more"));
        }
        if let Some(judgement) = &account.judgement {
            output::line(&format!("{layer}: {judgement}"));
        }
    }
}

fn row(plugin: &str, answered: &Answered) -> Vec<String> {
    let count = |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
    vec![
        plugin.to_owned(),
        answered.kernel.to_owned(),
        answered.rows.to_string(),
        count(answered.groups),
        count(answered.edges),
        format!("{:.1}", answered.run_milliseconds),
        answered.verify_milliseconds.map_or_else(String::new, |took| format!("{took:.1}")),
        answered.verdict.to_owned(),
        answered.fault.clone().unwrap_or_default(),
    ]
}

/// What a plugin's tick would still change.
fn outlook(answers: &Answers) -> String {
    let Some(would_change) = answers.would_change else {
        return answers.failed.clone().unwrap_or_default();
    };
    let Committed { formed, linked, merged, unmerged, refreshed, explained, put } = would_change;
    let verbs = [
        (formed, "formed"),
        (linked, "linked"),
        (merged, "merged"),
        (unmerged, "unmerged"),
        (refreshed, "refreshed"),
        (explained, "explained"),
        (put, "put"),
    ];
    let due: Vec<String> = verbs
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, verb)| format!("{rows} {verb}"))
        .collect();
    if due.is_empty() {
        return "nothing to change: what is stored is what its kernels prove".to_owned();
    }
    format!("still to be written: {} (`corral run` does)", due.join(", "))
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

//! `corral why`: the evidence that two addresses are one identity.

use anyhow::anyhow;

use super::{Context, Exit, Failure, output};
use crate::report::why::{Why, why};
use crate::store::Store;
use crate::store::reader::{AttackerRow, Holders};

/// Why two attackers are one identity: the path of evidence between them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One attacker: its address, or its uuid
    a: String,
    /// The other
    b: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let store = context.existing_store().await?;
    let a = find(&store, &args.a).await?;
    let b = find(&store, &args.b).await?;
    let answer = why(&store, &a, &b).await?;
    store.close().await;
    if context.json {
        output::json(&answer)?;
    } else {
        print(&a, &b, &answer);
    }
    match answer {
        Why::Joined { .. } => Ok(()),
        Why::Apart { .. } => {
            Err(Failure::new(Exit::NoAnswer, anyhow!("{} and {} are not one identity", a.ip, b.ip)))
        }
    }
}

async fn find(store: &Store, named: &str) -> Result<AttackerRow, Failure> {
    store.attacker(named).await?.ok_or_else(|| {
        Failure::new(
            Exit::NoAnswer,
            anyhow!("no attacker '{named}' in this database (give an address as the logs have it, or a uuid)"),
        )
    })
}

fn print(a: &AttackerRow, b: &AttackerRow, answer: &Why) {
    match answer {
        Why::Joined { identity, addresses, path, shared } => {
            output::line(&format!(
                "{} and {} are identity {identity} ({addresses} addresses).",
                a.ip, b.ip
            ));
            for step in path {
                let holders = others(step.holders);
                let (reason, value) = (&step.reason, output::printable(&step.value));
                output::line(&format!(
                    "  {} ─ {reason} {value} ─ {}   ({holders})",
                    step.from, step.to
                ));
            }
            if path.len() > 1 && !shared.is_empty() {
                output::line("Directly they share:");
                print_shared(shared);
            }
        }
        Why::Apart { shared } if shared.is_empty() => output::line("They share nothing."),
        Why::Apart { shared } => {
            output::line("They share this, but it does not make them one under the model in use:");
            print_shared(shared);
        }
    }
}

fn print_shared(shared: &[Holders]) {
    for Holders { kind, value, addresses } in shared {
        output::line(&format!("  {kind} {}   ({})", output::printable(value), others(*addresses)));
    }
}

fn others(holders: i64) -> String {
    match holders {
        2 => "these two alone show it".to_owned(),
        n => format!("{n} addresses show it"),
    }
}

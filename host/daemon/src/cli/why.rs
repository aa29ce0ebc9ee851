//! `corral why`: the evidence that two addresses are one identity, or act together.

use anyhow::anyhow;

use super::{Context, Exit, Failure, output};
use crate::report::WORDLIST_ADDRESSES;
use crate::report::why::{Answer, Step, Why, why};
use crate::store::Store;
use crate::store::reader::behaviour::StateRow;
use crate::store::reader::{AttackerRow, Holders};

/// Characters of a value that are shown where many values stand.
const VALUE_CHARS: usize = 40;

/// Why two attackers are one identity, or of one campaign: the path of evidence between them
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
    let why = why(&store, &a, &b).await?;
    store.close().await;
    if context.json {
        output::json(&why)?;
    } else {
        print(&a, &b, &why);
    }
    match why.answer {
        Answer::Joined { .. } | Answer::Allied { .. } => Ok(()),
        Answer::Apart => Err(Failure::new(
            Exit::NoAnswer,
            anyhow!("{} and {} are neither one identity nor one campaign", a.ip, b.ip),
        )),
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

fn print(a: &AttackerRow, b: &AttackerRow, why: &Why) {
    let is_direct = match &why.answer {
        Answer::Joined { identity, addresses, path } => {
            output::line(&format!(
                "{} and {} are identity {identity} ({addresses} addresses).",
                a.ip, b.ip
            ));
            print_path(path);
            path.len() == 1
        }
        Answer::Allied { campaign, identities, path } => {
            output::line(&format!(
                "{} and {} are two identities of campaign {campaign} ({identities} identities).",
                a.ip, b.ip
            ));
            print_path(path);
            false
        }
        Answer::Apart => false,
    };
    let is_apart = matches!(why.answer, Answer::Apart);
    if is_apart && why.shared.is_empty() && why.credentials.is_empty() {
        output::line("They share nothing.");
    } else if !why.shared.is_empty() && !is_direct {
        output::line(if is_apart {
            "They share this, but it does not make them one under the model in use:"
        } else {
            "Directly they share:"
        });
        print_shared(&why.shared);
    }
    print_credentials(why);
    print_behaviour(why);
}

fn print_path(path: &[Step]) {
    for step in path {
        let (reason, value) = (&step.reason, output::printable(&step.value));
        let holders = match step.holders {
            0 => String::new(),
            holders => format!("   ({})", others(holders)),
        };
        output::line(&format!("  {} ─ {reason} {value} ─ {}{holders}", step.from, step.to));
    }
}

fn print_credentials(why: &Why) {
    if why.credentials.is_empty() {
        return;
    }
    output::line("Both tried these credentials:");
    for tried in &why.credentials {
        let (user, secret) = (tried.principal.as_deref(), tried.secret.as_deref());
        let pair = format!("{} / {}", user.unwrap_or("-"), secret.unwrap_or("-"));
        let wordlist = if tried.addresses > WORDLIST_ADDRESSES { "; a wordlist's" } else { "" };
        let tries = match tried.addresses {
            2 => "nobody else did".to_owned(),
            addresses => format!("{addresses} addresses did{wordlist}"),
        };
        output::line(&format!("  {}   ({tries})", output::printable(&pair)));
    }
}

fn print_behaviour(why: &Why) {
    if why.behaviour.is_empty() {
        return;
    }
    output::line("How they behave:");
    for (primitive, states) in &why.behaviour {
        let states: Vec<String> = states.iter().map(behaves).collect();
        output::line(&format!("  {primitive}: {}", states.join(" │ ")));
    }
}

fn behaves(state: &StateRow) -> String {
    let value: String = output::printable(&state.value).chars().take(VALUE_CHARS).collect();
    format!("{} {value} ({} samples)", super::report::state(&state.state), state.samples)
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

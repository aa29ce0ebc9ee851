//! What the daemon is told about its plugins: `corral plugin swap`, `shadow`, `rollback`, and their like.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::Value;

use super::{Context, Exit, Failure, output};
use crate::plugin::Papers;
use crate::plugin::load::digest;
use crate::serve::face::plugins::Order;
use crate::serve::face::{self, FaceError};
use crate::supervise::life::{Compared, Swapped, Trial};

/// Have a component take the place of the one that ticks
///
/// It is checked, compiled and probed before anything changes; a tick under way ends on the old one. With --shadow it
/// first follows so many ticks of the old one, and must not leave more rows otherwise than --max-changes.
#[derive(Debug, clap::Args)]
pub(super) struct SwapArgs {
    /// The component; its manifest and certificate lie beside it
    file: PathBuf,
    /// Ticks that it follows first
    #[arg(long, value_name = "TICKS", default_value_t = 0)]
    shadow: u64,
    /// Rows that it may leave otherwise than the old one, in each of these ticks
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    max_changes: usize,
}

/// Have a component follow ticks of the one that is there, and show what it would have done instead
///
/// Nothing that it does is written. It ends with this command.
#[derive(Debug, clap::Args)]
pub(super) struct ShadowArgs {
    /// The component
    file: PathBuf,
    /// Ticks that it follows
    #[arg(long, value_name = "TICKS", default_value_t = 1)]
    ticks: u64,
}

/// Show what is set aside because it kept failing, or let it out
#[derive(Debug, clap::Args)]
pub(super) struct QuarantineArgs {
    /// Let all components of this plugin out
    #[arg(long, value_name = "PLUGIN")]
    clear: Option<String>,
}

pub(super) async fn swap(args: &SwapArgs, context: &Context) -> Result<(), Failure> {
    let trial = Trial { ticks: args.shadow, changes_max: args.max_changes };
    let answer = send("/v1/plugins/swap", &args.file, trial, context).await?;
    let swapped: Swapped = read(&answer)?;
    if context.json {
        return output::json(&answer);
    }
    if let Some(compared) = &swapped.compared {
        print(compared);
    }
    told(&swapped);
    Ok(())
}

fn told(swapped: &Swapped) {
    let Swapped { plugin, generation, digest, version, .. } = swapped;
    output::line(&format!(
        "{plugin} ticks with generation {generation} now: version {version}, sha256 {digest}"
    ));
}

pub(super) async fn shadow(args: &ShadowArgs, context: &Context) -> Result<(), Failure> {
    let trial = Trial { ticks: args.ticks, changes_max: usize::MAX };
    let answer = send("/v1/plugins/shadow", &args.file, trial, context).await?;
    if context.json {
        return output::json(&answer);
    }
    print(&read(answer.get("compared").unwrap_or(&Value::Null))?);
    Ok(())
}

pub(super) async fn roll_back(name: &str, context: &Context) -> Result<(), Failure> {
    let answer = tell(&format!("/v1/plugins/{name}/rollback"), context).await?;
    if context.json {
        return output::json(&answer);
    }
    told(&read(&answer)?);
    Ok(())
}

pub(super) async fn switch(name: &str, order: &str, context: &Context) -> Result<(), Failure> {
    let answer = tell(&format!("/v1/plugins/{name}/{order}"), context).await?;
    if context.json {
        return output::json(&answer);
    }
    output::line("Told.");
    Ok(())
}

pub(super) async fn quarantine(args: &QuarantineArgs, context: &Context) -> Result<(), Failure> {
    if let Some(name) = &args.clear {
        let answer = tell(&format!("/v1/plugins/{name}/clear-quarantine"), context).await?;
        if context.json {
            return output::json(&answer);
        }
        let cleared = answer.get("cleared").and_then(Value::as_u64).unwrap_or(0);
        output::line(&format!("{cleared} components of {name} may load again."));
        return Ok(());
    }
    let answer = face::ask(&context.loaded.sockets, Method::GET, "/v1/plugins").await?;
    let plugins = answer.get("plugins").and_then(Value::as_array).into_iter().flatten();
    let all = plugins.filter_map(|plugin| plugin.get("quarantined")?.as_array()).flatten();
    let all: Vec<&Value> = all.collect();
    if context.json {
        return output::json(&all);
    }
    let text = |it: &Value, key: &str| it.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    output::table(
        &["plugin", "digest", "why"],
        all.iter().map(|it| vec![text(it, "plugin"), text(it, "digest"), text(it, "why")]),
    );
    Ok(())
}

/// Sends a component with what is wanted of it.
async fn send(route: &str, file: &Path, trial: Trial, context: &Context) -> Result<Value, Failure> {
    let (bytes, papers): (Vec<u8>, Papers) = super::read(file, context)?;
    let order = Order { file: file.to_path_buf(), sha256: digest(&bytes), papers, trial };
    let mut body = serde_json::to_vec(&order).map_err(std::io::Error::from)?;
    body.push(b'\n');
    body.extend(bytes);
    let asked = face::ask_with(&context.loaded.sockets, Method::POST, route, Bytes::from(body));
    asked.await.map_err(|error| refused(error, context))
}

async fn tell(route: &str, context: &Context) -> Result<Value, Failure> {
    let asked = face::ask(&context.loaded.sockets, Method::POST, route).await;
    asked.map_err(|error| refused(error, context))
}

/// A refusal is about a plugin, and says what was seen of it.
fn refused(error: FaceError, context: &Context) -> Failure {
    let FaceError::Refused { problem, answer } = error else { return error.into() };
    let compared = answer.get("compared").cloned().unwrap_or_default();
    if let Ok(compared) = serde_json::from_value::<Compared>(compared) {
        if context.json {
            // The problem goes where errors go, beside it.
            let _unprintable = output::json(&answer);
        } else {
            print(&compared);
        }
    }
    Failure::new(Exit::Plugin, anyhow!(problem))
}

fn read<T: serde::de::DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    serde_json::from_value(answer.clone()).map_err(|error| Failure::new(Exit::Unexpected, error))
}

fn print(compared: &Compared) {
    let Compared { ticks, difference } = compared;
    let s = if *ticks == 1 { "" } else { "s" };
    if difference.is_none() {
        output::line(&format!("{ticks} tick{s} followed: the candidate did the same."));
        return;
    }
    output::line(&format!(
        "{ticks} tick{s} followed: the candidate would have left {} rows otherwise.",
        difference.moved
    ));
    output::line("");
    let headings = ["change", "live", "candidate", "only live", "only candidate", "otherwise", ""];
    output::table(
        &headings,
        difference.verbs.iter().map(|verb| {
            let counts =
                [verb.live, verb.candidate, verb.only_live, verb.only_candidate, verb.otherwise];
            let mut row = vec![verb.change.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row.push(if verb.counts { String::new() } else { "told only".to_owned() });
            row
        }),
    );
    let examples: Vec<Vec<String>> = difference
        .verbs
        .iter()
        .flat_map(|verb| {
            verb.examples.iter().map(|example| {
                let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
                vec![
                    verb.change.clone(),
                    example.row.clone(),
                    side(&example.live),
                    side(&example.candidate),
                ]
            })
        })
        .collect();
    if !examples.is_empty() {
        output::line("");
        output::table(&["for example", "row", "live", "candidate"], examples);
    }
}

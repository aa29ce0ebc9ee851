//! `corral plugin list` and `inspect`: what there is, and what a component is before it is anything here.

use std::path::PathBuf;

use anyhow::anyhow;
use hyper::Method;
use serde_json::{Value, json};

use super::{Context, Exit, Failure, bare_host, output};
use crate::clock::Timestamp;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Plugin, Source, trust};
use crate::serve::face::plugins::PluginStatus;
use crate::serve::face::{self, FaceError};
use crate::store::Store;

/// What a component is, what it asks for, and what the config has to say so that it may run
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// A component (FILE.wasm), or the name of one of the daemon's plugins
    what: String,
}

/// The daemon's plugins, or where none runs, those that a run would use.
pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    match face::ask(&context.loaded.sockets, Method::GET, "/v1/plugins").await {
        Ok(answer) => list_daemons(&answer, context),
        Err(FaceError::Nobody(_)) => list_own(context).await,
        Err(error) => Err(error.into()),
    }
}

fn list_daemons(answer: &Value, context: &Context) -> Result<(), Failure> {
    if context.json {
        return output::json(answer);
    }
    let headings =
        ["plugin", "gen", "version", "digest", "put by", "source", "state", "reads", "settings"];
    output::table(
        &headings,
        plugins(answer)?.into_iter().map(|plugin| {
            let worker = &plugin.worker;
            let state = serde_json::to_value(worker.told.state).unwrap_or_default();
            vec![
                plugin.description.name.clone(),
                worker.generation.map_or_else(|| "?".to_owned(), |number| number.to_string()),
                worker.version.clone(),
                short(&worker.digest),
                plugin.put_by.clone(),
                worker.source.clone(),
                state.as_str().unwrap_or_default().to_owned(),
                plugin.description.reads.join(", "),
                settings(&plugin.description),
            ]
        }),
    );
    for refused in answer.get("refused").and_then(Value::as_array).into_iter().flatten() {
        output::error(&format!("corral: refused {}", refused.as_str().unwrap_or_default()));
    }
    Ok(())
}

fn plugins(answer: &Value) -> Result<Vec<PluginStatus>, Failure> {
    let plugins = answer.get("plugins").cloned().unwrap_or_default();
    serde_json::from_value(plugins).map_err(|error| Failure::new(Exit::Unexpected, error))
}

async fn list_own(context: &Context) -> Result<(), Failure> {
    let store = Store::unopened(&context.config.store_url()?)?;
    let (_host, catalog) = super::load(context, &store).await?;
    if context.json {
        output::json(&catalog_json(&catalog))?;
    } else {
        output::table(
            &["plugin", "version", "digest", "source", "reads", "kernels", "settings"],
            catalog.plugins.values().map(|plugin| {
                let about = plugin.description();
                vec![
                    about.name.clone(),
                    about.version.clone(),
                    short(plugin.digest()),
                    plugin.source().to_string(),
                    about.reads.join(", "),
                    about.kernels.join(", "),
                    settings(about),
                ]
            }),
        );
        super::warn_of_refused(&catalog);
    }
    match catalog.refused.first() {
        Some(_) => Err(Failure::new(Exit::Plugin, anyhow!("some components were refused"))),
        None => Ok(()),
    }
}

fn catalog_json(catalog: &Catalog) -> Value {
    let plugins = catalog.plugins.values().map(|plugin| {
        json!({
            "description": plugin.description(),
            "digest": plugin.digest(),
            "source": plugin.source().to_string(),
        })
    });
    let refused = catalog.refused.iter().map(ToString::to_string);
    json!({
        "plugins": plugins.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
    })
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn settings(about: &crate::plugin::Description) -> String {
    let settings = about.settings.iter().map(|it| format!("{}={}", it.name, it.default));
    settings.collect::<Vec<_>>().join(", ")
}

pub(super) async fn inspect(args: &InspectArgs, context: &Context) -> Result<(), Failure> {
    let is_file = args.what.contains(['/', '.']);
    if is_file {
        inspect_file(args.what.clone().into(), context).await
    } else {
        inspect_live(&args.what, context).await
    }
}

async fn inspect_file(path: PathBuf, context: &Context) -> Result<(), Failure> {
    let (bytes, papers) = super::read(&path, context)?;
    let host = bare_host(context).await?;
    let refused = |error| Failure::new(Exit::Plugin, error);
    let plugin = host.inspect(Source::Named(path.clone()), &bytes).await.map_err(refused)?;
    // The same two ways in which it could come in.
    let folder = host.load(Source::File(path.clone()), &bytes, &papers).await;
    let order = host.load(Source::Named(path), &bytes, &papers).await;
    let verdict = |loaded: &Result<Plugin, crate::plugin::LoadError>| match loaded {
        Ok(_) => "it may load".to_owned(),
        Err(error) => error.reason.to_string(),
    };
    let section = trust::section(plugin.digest(), plugin.description());
    if context.json {
        return output::json(&json!({
            "description": plugin.description(),
            "digest": plugin.digest(),
            "bytes": bytes.len(),
            "manifest": papers.manifest.is_some(),
            "certificate": papers.certificate.is_some(),
            "from_the_folder": verdict(&folder),
            "by_an_order": verdict(&order),
            "config": section,
        }));
    }
    let about = plugin.description();
    output::line(&format!(
        "{} {}: {}",
        about.name,
        about.version,
        output::printable(&about.summary)
    ));
    output::line(&format!("sha256 {}, {} bytes", plugin.digest(), bytes.len()));
    let there = |paper: &Option<String>| if paper.is_some() { "there" } else { "none" };
    output::line(&format!(
        "manifest: {}; certificate: {}",
        there(&papers.manifest),
        there(&papers.certificate)
    ));
    for setting in &about.settings {
        let text = format!("setting {} = {:?}: {}", setting.name, setting.default, setting.summary);
        output::line(&output::printable(&text));
    }
    output::line(&format!("\nFrom the folder of plugins: {}", verdict(&folder)));
    output::line(&format!("With `corral plugin swap`:   {}", verdict(&order)));
    output::line("\nThe config lets it in with");
    output::line(&section);
    Ok(())
}

async fn inspect_live(name: &str, context: &Context) -> Result<(), Failure> {
    let answer = face::ask(&context.loaded.sockets, Method::GET, "/v1/plugins").await?;
    let all = plugins(&answer)?;
    let known: Vec<&str> = all.iter().map(|it| it.description.name.as_str()).collect();
    let Some(plugin) = all.iter().find(|it| it.description.name == name) else {
        let problem = anyhow!("no plugin is called '{name}': there are {}", known.join(", "));
        return Err(Failure::new(Exit::Usage, problem));
    };
    if context.json {
        return output::json(plugin);
    }
    let about = &plugin.description;
    output::line(&format!(
        "{} {}: {}",
        about.name,
        about.version,
        output::printable(&about.summary)
    ));
    for (what, names) in [
        ("reads", &about.reads),
        ("writes", &about.writes),
        ("kernels", &about.kernels),
        ("wakes", &about.wakes),
    ] {
        output::line(&format!("{what}: {}", names.join(", ")));
    }
    output::line("");
    let headings =
        ["gen", "version", "digest", "put by", "source", "from", "until", "why it ended"];
    output::table(
        &headings,
        plugin.history.iter().map(|it| {
            vec![
                it.number.to_string(),
                it.version.clone(),
                short(&it.digest),
                it.put_by.clone(),
                it.source.clone(),
                Timestamp(it.began_at).to_string(),
                it.ended_at.map_or_else(String::new, |at| Timestamp(at).to_string()),
                it.ended_why.clone().unwrap_or_default(),
            ]
        }),
    );
    for it in &plugin.quarantined {
        let text = format!("in quarantine: {}: {}", short(&it.digest), it.why);
        output::line(&output::printable(&text));
    }
    Ok(())
}

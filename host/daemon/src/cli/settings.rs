//! `corral config`: the settings that hold, and where each came from.

use serde_json::json;

use super::{Context, Failure, output};

/// Show the settings that hold and where each came from, passwords hidden
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the annotated default instead, to copy and change
    #[arg(long)]
    pub(super) default: bool,
}

pub(super) fn run(_args: Args, context: &Context) -> Result<(), Failure> {
    let loaded = &context.loaded;
    let sockets: Vec<String> =
        loaded.sockets.iter().map(|path| path.display().to_string()).collect();
    if context.json {
        let decnet = loaded.decnet.as_ref().map(|decnet| {
            json!({
                "root": decnet.root,
                "bus_enabled": decnet.bus_enabled,
                "bus_sockets": decnet.bus_sockets,
                "refusal": decnet.may_serve().err().map(|error| error.to_string()),
            })
        });
        return output::json(&json!({
            "settings": loaded.told,
            "sockets": sockets,
            "decnet": decnet,
            "warnings": loaded.warnings,
        }));
    }
    output::table(
        &["setting", "value", "from"],
        loaded.told.iter().map(|setting| {
            vec![setting.name.clone(), setting.value.clone(), setting.source.clone()]
        }),
    );
    output::line("");
    output::line(&format!("The daemon's socket: {}", sockets.join(", or ")));
    if let Some(decnet) = &loaded.decnet {
        let buses = decnet.bus_sockets.iter().map(|path| path.display().to_string());
        output::line(&format!("DECNET's folder: {}", decnet.root.display()));
        output::line(&match decnet.bus_enabled {
            true => format!("DECNET's bus: {}", buses.collect::<Vec<_>>().join(", or ")),
            false => "DECNET's bus: not used".to_owned(),
        });
        if let Err(error) = decnet.may_serve() {
            output::line(&format!("The correlators do not run here: {error}"));
        }
    }
    Ok(())
}

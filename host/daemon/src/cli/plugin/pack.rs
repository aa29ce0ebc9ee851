//! `corral plugin pack`: a core module, as a compiler leaves it, to a component.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use wit_component::ComponentEncoder;

use super::{Context, Exit, Failure, output};
use crate::files;
use crate::plugin::load;

/// Make a component of what `cargo build --release --target wasm32-unknown-unknown` leaves
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A core module
    #[arg(value_name = "CORE.wasm")]
    module: PathBuf,
    /// Where the component goes [default: the module's name in kebab case, in the working directory]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let usage = |error: files::FileError| Failure::new(Exit::Usage, error);
    let Args { module, output: place } = args;
    let bytes = files::read_bytes(module, context.config.limits.component_bytes_max);
    let component = encode(&bytes.map_err(usage)?).map_err(|error| {
        let error = error.context(format!(
            "{}: no core module of a plugin (build it for wasm32-unknown-unknown, with the SDK)",
            module.display()
        ));
        Failure::new(Exit::Plugin, error)
    })?;
    let place = place.clone().unwrap_or_else(|| kebab(module));
    if place == *module {
        let error = anyhow!("{} would be overwritten: say where to with -o", place.display());
        return Err(Failure::new(Exit::Usage, error));
    }
    files::write_whole(&place, &component).map_err(usage)?;
    let digest = load::digest(&component);
    if context.json {
        return output::json(&serde_json::json!({ "component": place, "sha256": digest }));
    }
    let kib = component.len().div_ceil(1024);
    output::line(&format!("{} ({kib} KiB)\nsha256 {digest}", place.display()));
    Ok(())
}

fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// Cargo names modules with underscores, and plugins are named in kebab case.
fn kebab(module: &Path) -> PathBuf {
    let name = module.file_name().map(|name| name.to_string_lossy().replace('_', "-"));
    PathBuf::from(name.unwrap_or_default())
}

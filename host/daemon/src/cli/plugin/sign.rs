//! `corral plugin keygen`, `sign` and `verify`: who vouches for a component. No step needs a network.

use std::path::PathBuf;

use serde_json::json;

use super::{Context, Exit, Failure, bare_host, output};
use crate::files;
use crate::plugin::Source;
use crate::plugin::papers::signed::{self, PublicKey, SecretKey};
use crate::plugin::papers::{Manifest, Paper, PaperError};

/// Draw a key that signs plugins
#[derive(Debug, clap::Args)]
pub(super) struct KeygenArgs {
    /// Where the secret key goes; its public key is printed, and belongs into plugins.keys
    file: PathBuf,
}

/// Write the manifest of a component, signed if a key is given
///
/// The manifest lies beside the component (NAME.toml): its digest and what it asks for, for people to read. A
/// certificate that lies there too is signed along.
#[derive(Debug, clap::Args)]
pub(super) struct SignArgs {
    /// The component
    file: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Check a component against its manifest, and the manifest's signature against keys
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The component
    file: PathBuf,
    /// A public key ("ed25519:…"); those of plugins.keys if none is given
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
}

fn wrong(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Plugin, error)
}

fn unusable(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Usage, error)
}

pub(super) fn keygen(args: &KeygenArgs, context: &Context) -> Result<(), Failure> {
    let key = SecretKey::draw().map_err(|error| Failure::new(Exit::Unexpected, error))?;
    files::write_secret(&args.file, &key.text()).map_err(unusable)?;
    let public = key.public().to_string();
    if context.json {
        return output::json(&json!({"secret": args.file, "public": public}));
    }
    output::line(&format!(
        "{}: the secret key; keep it where nobody else reads",
        args.file.display()
    ));
    output::line(&format!("\n[plugins]\nkeys = [\"{public}\"]\nrequire-signature = true"));
    Ok(())
}

pub(super) async fn sign(args: &SignArgs, context: &Context) -> Result<(), Failure> {
    let (bytes, papers) = super::read(&args.file, context)?;
    let key = match &args.key {
        Some(path) => {
            let text = files::read_to_string(path).map_err(unusable)?;
            let named =
                |error| unusable(anyhow::Error::from(error).context(path.display().to_string()));
            Some(SecretKey::parse(&text).map_err(named)?)
        }
        None => None,
    };
    let signed = |text: String| key.as_ref().map_or(text.clone(), |key| key.sign(&text));
    let host = bare_host(context).await?;
    let plugin = host.inspect(Source::Named(args.file.clone()), &bytes).await.map_err(wrong)?;
    let manifest = Manifest::new(plugin.digest(), plugin.description().clone());
    let mut written = vec![Paper::Manifest.beside(&args.file)];
    write(&written, &signed(manifest.text().map_err(wrong)?))?;
    if let (Some(certificate), Some(_)) = (papers.certificate, &key) {
        written.push(Paper::Certificate.beside(&args.file));
        write(&written, &signed(certificate))?;
    }
    let by = key.as_ref().map(|key| key.public().to_string());
    if context.json {
        return output::json(
            &json!({"written": written, "signed_by": by, "sha256": plugin.digest()}),
        );
    }
    for path in written {
        output::line(&match &by {
            Some(by) => format!("{}: signed by {by}", path.display()),
            None => format!("{}: not signed (name a key with --key)", path.display()),
        });
    }
    Ok(())
}

fn write(paths: &[PathBuf], text: &str) -> Result<(), Failure> {
    paths.last().map_or(Ok(()), |path| files::write_whole(path, text.as_bytes()).map_err(unusable))
}

pub(super) async fn verify(args: &VerifyArgs, context: &Context) -> Result<(), Failure> {
    let (bytes, papers) = super::read(&args.file, context)?;
    let named = if args.keys.is_empty() { &context.config.plugins.keys } else { &args.keys };
    let keys = named.iter().map(|key| key.parse()).collect::<Result<Vec<PublicKey>, _>>();
    let keys = keys.map_err(unusable)?;
    let manifest = Paper::Manifest.beside(&args.file);
    let about = |error: PaperError| {
        wrong(anyhow::Error::from(error).context(manifest.display().to_string()))
    };
    let text = papers.manifest.ok_or_else(|| {
        wrong(anyhow::anyhow!(
            "{}: there is no manifest (`corral plugin sign` writes it)",
            manifest.display()
        ))
    })?;
    let by = signed::verify(&text, &keys).map_err(|error| about(error.into()))?;
    let host = bare_host(context).await?;
    let plugin = host.inspect(Source::Named(args.file.clone()), &bytes).await.map_err(wrong)?;
    let said = Manifest::parse(&text, plugin.digest()).map_err(about)?;
    said.agrees_with(plugin.description()).map_err(about)?;
    if context.json {
        return output::json(&json!({"signed_by": by.to_string(), "sha256": plugin.digest()}));
    }
    output::line(&format!("{}: signed by {by}, and what it says is true", args.file.display()));
    Ok(())
}

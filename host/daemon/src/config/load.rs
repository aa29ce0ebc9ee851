//! How the settings of one run come together.
//!
//! First wins: the command line, `CORRAL_*`, with `--decnet` DECNET's own settings, a file, the defaults.
//! DECNET's come before the file because whoever says `--decnet` says where the rows are; the rest of the
//! file holds all the same. The file is the one that `--config` or `CORRAL_CONFIG` names, or else the first
//! of `/etc/corral/corral.toml`, so that a command by hand sees what the service sees, and
//! `corral/corral.toml` in the user's config folder.

use std::path::{Path, PathBuf};

use super::decnet::{self, Decnet};
use super::environment::Environment;
use super::layers::{Layers, Source};
use super::{Config, ConfigError, Setting};
use crate::files;

/// What the command line says of settings.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--db`.
    pub db: Option<String>,
    /// `--plugins`.
    pub plugins: Option<String>,
    /// `--decnet`.
    pub decnet: bool,
    /// `--decnet-root`.
    pub decnet_root: Option<PathBuf>,
}

/// The settings of a run and where they came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was asked for; with it they can be read anew.
    pub request: Request,
    /// The settings.
    pub config: Config,
    /// The DECNET that they came from, with `--decnet`.
    pub decnet: Option<Decnet>,
    /// Where the daemon's socket may be: `serve` takes the first that it can make, others the first that
    /// exists.
    pub sockets: Vec<PathBuf>,
    /// Each setting with its value and source; no secrets.
    pub told: Vec<Setting>,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// Brings the settings of a run together.
///
/// # Errors
/// [`ConfigError`], which names the place and the remedy.
pub fn load(request: &Request, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::of_defaults()?;
    if let Some((path, text)) = find_file(request, environment, &mut layers.warnings)? {
        layers.lay(&text, &path, &Source::File(path.clone()))?;
    }
    take_folders(environment, &mut layers)?;
    let mut of_decnet = Vec::new();
    let decnet = if request.decnet {
        let root = request.decnet_root.as_deref();
        Some(decnet::apply(environment, root, &mut layers, &mut of_decnet)?)
    } else {
        None
    };
    layers.lay_environment(environment)?;
    for (key, option, value) in
        [("store.url", "--db", &request.db), ("plugins.directory", "--plugins", &request.plugins)]
    {
        if let Some(value) = value {
            layers.put(key, value.clone().into(), Source::CommandLine(option))?;
        }
    }
    take_cache(environment, &mut layers)?;
    let (config, mut told, warnings) = layers.finish()?;
    told.extend(of_decnet);
    for setting in told.iter_mut().filter(|setting| setting.name == "store.url") {
        if setting.value.is_empty() {
            setting.value = config.store_url().unwrap_or_default();
        }
    }
    let sockets = sockets(&config, environment)?;
    Ok(Loaded { request: request.clone(), config, decnet, sockets, told, warnings })
}

/// The file of this run, if there is one.
fn find_file(
    request: &Request,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named = match &request.file {
        Some(path) => Some(path.clone()),
        None => environment.filled("CORRAL_CONFIG")?.map(PathBuf::from),
    };
    if let Some(path) = named {
        let text = files::read_to_string(&path).map_err(ConfigError::Read)?;
        return Ok(Some((path, text)));
    }
    let own = environment.user_directory("XDG_CONFIG_HOME", ".config")?;
    let usual = [
        Some(environment.absolute("etc/corral/corral.toml")),
        own.map(|folder| folder.join("corral/corral.toml")),
    ];
    for path in usual.into_iter().flatten() {
        match files::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if error.is_missing() => {}
            // It may hold a password and belong to the service; a user's own commands go on without it.
            Err(error) => warnings.push(format!("passed over {error}")),
        }
    }
    Ok(None)
}

/// Folders that systemd made for this service, for what is not set.
fn take_folders(environment: &Environment, layers: &mut Layers) -> Result<(), ConfigError> {
    if let Some(folder) = given(environment, "STATE_DIRECTORY")?
        && layers.is_empty("store.url")
    {
        let url = format!("sqlite://{}", folder.join("corral.db").display());
        layers.put("store.url", url.into(), Source::Variable("STATE_DIRECTORY".to_owned()))?;
    }
    if let Some(folder) = given(environment, "RUNTIME_DIRECTORY")?
        && layers.is_empty("serve.socket")
    {
        let path = folder.join("corral.sock").display().to_string();
        layers.put(
            "serve.socket",
            path.into(),
            Source::Variable("RUNTIME_DIRECTORY".to_owned()),
        )?;
    }
    Ok(())
}

/// The folder for what is quick to have again, if none is named.
fn take_cache(environment: &Environment, layers: &mut Layers) -> Result<(), ConfigError> {
    if !layers.is_empty("plugins.cache") {
        return Ok(());
    }
    let own = environment.user_directory("XDG_CACHE_HOME", ".cache")?;
    let (path, variable) = match (given(environment, "CACHE_DIRECTORY")?, own) {
        (Some(folder), _) => (folder.join("compiled"), "CACHE_DIRECTORY"),
        (None, Some(folder)) => (folder.join("corral/compiled"), "XDG_CACHE_HOME"),
        (None, None) => return Ok(()),
    };
    let path = path.display().to_string();
    layers.put("plugins.cache", path.into(), Source::Variable(variable.to_owned()))
}

/// The first folder of such a variable: it lists as many as the unit names.
fn given<'a>(environment: &'a Environment, name: &str) -> Result<Option<&'a Path>, ConfigError> {
    Ok(environment.filled(name)?.and_then(|list| list.split(':').next()).map(Path::new))
}

fn sockets(config: &Config, environment: &Environment) -> Result<Vec<PathBuf>, ConfigError> {
    if !config.serve.socket.is_empty() {
        return Ok(vec![PathBuf::from(&config.serve.socket)]);
    }
    let own = environment.filled("XDG_RUNTIME_DIR")?.map(Path::new);
    let mut sockets = vec![environment.absolute("run/corral/corral.sock")];
    sockets.extend(own.map(|folder| folder.join("corral.sock")));
    Ok(sockets)
}

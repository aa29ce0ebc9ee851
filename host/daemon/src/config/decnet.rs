//! DECNET's settings, for `--decnet`: what its own processes would read, from where they would read it, and
//! what that means for Corral.
//!
//! An operator who runs DECNET has configured a database and a bus already. This module finds them the way
//! DECNET does, so that nothing has to be written down twice, and says of every value where it was found.
//! What DECNET's web layer wants (a JWT secret, an admin's password) is never asked for: nothing here
//! serves the web. The sources are in [`sources`], their syntax in [`ini`] and [`dotenv`].

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::layers::{Layers, Source};
use super::{ConfigError, Setting, Trouble};

mod dotenv;
mod ini;
mod sources;
mod url;

use self::sources::{Found, Sources};
use self::url::Server;

/// The variables that matter here, and what DECNET takes if one is not set.
const USED: &[(&str, &str)] = &[
    ("DECNET_MODE", "master"),
    ("DECNET_DISALLOW_MASTER", "true"),
    ("DECNET_DB_TYPE", "sqlite"),
    ("DECNET_DB_URL", ""),
    ("DECNET_DB_HOST", "localhost"),
    ("DECNET_DB_PORT", "3306"),
    ("DECNET_DB_NAME", "decnet"),
    ("DECNET_DB_USER", "decnet"),
    ("DECNET_DB_PASSWORD", ""),
    ("DECNET_DB_POOL_SIZE", "20"),
    ("DECNET_BUS_ENABLED", "true"),
    ("DECNET_BUS_TYPE", "unix"),
    ("DECNET_BUS_SOCKET", ""),
    ("DECNET_BUS_GROUP", "decnet"),
    ("DECNET_CLUSTERER_TYPE", "connected_components"),
    ("DECNET_CAMPAIGN_CLUSTERER_TYPE", "connected_components"),
    ("DECNET_SYSTEM_LOGS", ""),
    ("DECNET_DEVELOPER", "false"),
    ("DECNET_TESTING", ""),
];

/// What was found of a DECNET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decnet {
    /// The folder of the installation, where its SQLite database and its `.env` files are.
    pub root: PathBuf,
    /// Whether there is a bus to be on.
    pub bus_enabled: bool,
    /// Where the bus's socket may be; the first that exists is it. Ask anew at every attempt: the bus may
    /// start later than we do.
    pub bus_sockets: Vec<PathBuf>,
    /// Why this host may not run the correlators, if it may not: it is an agent.
    refusal: Option<Trouble>,
}

impl Decnet {
    /// Whether the correlators may run on this host.
    ///
    /// # Errors
    /// [`ConfigError::Agent`]: end with exit code 1, as DECNET does.
    pub fn may_serve(&self) -> Result<(), ConfigError> {
        self.refusal.clone().map_or(Ok(()), |trouble| Err(ConfigError::Agent(trouble)))
    }
}

/// Reads DECNET's settings and lays them over those of `corral.toml`.
pub(super) fn apply(
    environment: &Environment,
    root: Option<&Path>,
    layers: &mut Layers,
    told: &mut Vec<Setting>,
) -> Result<Decnet, ConfigError> {
    let root = find_root(environment, root)?;
    let names: Vec<&str> = USED.iter().map(|(name, _)| *name).collect();
    let settings = Settings { sources: Sources::read(environment, &root, &names)? };
    layers.warnings.extend(settings.sources.warnings.iter().cloned());
    settings.check_clusterers()?;
    let refusal = settings.refusal()?;
    layers.put("store.owner", "decnet".into(), Source::CommandLine("--decnet"))?;
    settings.put_store(&root, layers)?;
    let bus_enabled = settings.put_bus(layers)?;
    settings.put_log(layers)?;
    settings.tell(told);
    let bus_sockets = settings.bus_sockets(environment);
    Ok(Decnet { root, bus_enabled, bus_sockets, refusal })
}

/// The folder of the installation: the one that was named, or the first that looks like one of the working
/// directory and `/opt/decnet`, or else the working directory.
fn find_root(environment: &Environment, named: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let variable = environment.filled("CORRAL_DECNET_ROOT")?.map(Path::new);
    let here = environment.directory();
    if let Some((path, source)) = named
        .map(|path| (path, "--decnet-root"))
        .or_else(|| variable.map(|path| (path, "CORRAL_DECNET_ROOT")))
    {
        let root = here.join(path);
        return if root.is_dir() {
            Ok(root)
        } else {
            Err(ConfigError::Decnet(Trouble {
                place: source.to_owned(),
                problem: format!("there is no folder {}", root.display()),
                remedy: "name the folder that holds DECNET's package, for most /opt/decnet"
                    .to_owned(),
            }))
        };
    }
    let usual = environment.absolute("opt/decnet");
    let holds_one = |folder: &Path| {
        folder.join("decnet/__init__.py").is_file() || folder.join("decnet.db").is_file()
    };
    let usual_counts = !holds_one(here)
        && (holds_one(&usual) || [".env.local", ".env"].iter().any(|n| usual.join(n).is_file()));
    Ok(if usual_counts { usual } else { here.to_path_buf() })
}

struct Settings {
    sources: Sources,
}

impl Settings {
    fn get(&self, name: &str) -> &str {
        let default = USED.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        self.sources.get(name).map_or(default, |found| found.value.as_str())
    }

    fn lower(&self, name: &str) -> String {
        self.get(name).trim().to_lowercase()
    }

    fn place(&self, name: &str) -> String {
        match self.sources.get(name) {
            Some(Found { place, .. }) => format!("{name} in {place}"),
            None => name.to_owned(),
        }
    }

    fn source(&self, name: &str) -> Source {
        match self.sources.get(name) {
            Some(_) => Source::Decnet(self.place(name)),
            None => Source::Decnet("DECNET's default".to_owned()),
        }
    }

    fn wrong<T>(&self, name: &str, problem: &str, remedy: &str) -> Result<T, ConfigError> {
        Err(ConfigError::Decnet(Trouble {
            place: self.place(name),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }))
    }

    /// DECNET crashes and restarts for ever over these two; here it is told once.
    fn check_clusterers(&self) -> Result<(), ConfigError> {
        for name in ["DECNET_CLUSTERER_TYPE", "DECNET_CAMPAIGN_CLUSTERER_TYPE"] {
            if self.lower(name) != "connected_components" {
                let problem = format!("there is no clusterer '{}'", self.get(name));
                return self.wrong(name, &problem, "write connected_components, or remove it");
            }
        }
        Ok(())
    }

    fn refusal(&self) -> Result<Option<Trouble>, ConfigError> {
        let name = "DECNET_MODE";
        let mode = self.lower(name);
        if !matches!(mode.as_str(), "master" | "agent") {
            let problem = format!("there is no mode '{}'", self.get(name));
            return self.wrong(name, &problem, "write master or agent");
        }
        let gated = self.get("DECNET_DISALLOW_MASTER").eq_ignore_ascii_case("true");
        Ok((mode == "agent" && gated).then(|| Trouble {
            place: self.place(name),
            problem: "this host is an agent, and correlating is the master's work".to_owned(),
            remedy: "run it on the master, or set DECNET_DISALLOW_MASTER=false here".to_owned(),
        }))
    }

    fn put_store(&self, root: &Path, layers: &mut Layers) -> Result<(), ConfigError> {
        if let Some(found) = self.sources.get("DECNET_DB_POOL_SIZE") {
            let name = "DECNET_DB_POOL_SIZE";
            let Some(size) = found.value.trim().parse::<u32>().ok().filter(|size| *size > 0) else {
                let problem = format!("'{}' is no number of connections", found.value);
                return self.wrong(name, &problem, "write a number from 1, or remove it");
            };
            layers.put("store.pool-connections", i64::from(size).into(), self.source(name))?;
        }
        let kind = "DECNET_DB_TYPE";
        match self.lower(kind).as_str() {
            "sqlite" => {
                let path = root.join("decnet.db");
                if !path.is_file() {
                    layers.warnings.push(format!(
                        "there is no {} yet (start DECNET once, or name its folder with --decnet-root)",
                        path.display()
                    ));
                }
                let source = format!("{}, below {}", self.source(kind), root.display());
                layers.put("store.url", url::sqlite(&path).into(), Source::Decnet(source))
            }
            "mysql" => self.put_mysql(layers),
            other => {
                let problem = format!("there is no database type '{other}'");
                self.wrong(kind, &problem, "write sqlite or mysql")
            }
        }
    }

    fn put_mysql(&self, layers: &mut Layers) -> Result<(), ConfigError> {
        let whole = "DECNET_DB_URL";
        let (server, source) = match self.sources.get(whole) {
            Some(found) => match Server::parse(found.value.trim()) {
                Ok(server) => (server, self.source(whole)),
                Err((problem, remedy)) => return self.wrong(whole, &problem, &remedy),
            },
            None => (
                self.server()?,
                Source::Decnet(format!("{} and what goes with it", self.place("DECNET_DB_TYPE"))),
            ),
        };
        let (url, unknown) = server.url();
        if !unknown.is_empty() {
            layers.warnings.push(format!(
                "{}: the options {} are the Python driver's and mean nothing here",
                self.place(whole),
                unknown.join(", ")
            ));
        }
        layers.put("store.url", url.into(), source)
    }

    fn server(&self) -> Result<Server, ConfigError> {
        let password = self.get("DECNET_DB_PASSWORD");
        if password.is_empty() && self.get("DECNET_TESTING") != "1" {
            return self.wrong(
                "DECNET_DB_PASSWORD",
                "the MySQL database has no password",
                "set it in .env.local or the environment; the INI file has no key for it, \
                 except db-password under [decnet]",
            );
        }
        let Ok(port) = self.get("DECNET_DB_PORT").trim().parse() else {
            let problem = format!("'{}' is no port", self.get("DECNET_DB_PORT"));
            return self.wrong("DECNET_DB_PORT", &problem, "write a number up to 65535, e.g. 3306");
        };
        Ok(Server {
            user: self.get("DECNET_DB_USER").to_owned(),
            password: password.to_owned(),
            host: self.get("DECNET_DB_HOST").trim_matches(['[', ']']).to_owned(),
            port: Some(port),
            name: self.get("DECNET_DB_NAME").to_owned(),
            options: Vec::new(),
        })
    }

    fn put_bus(&self, layers: &mut Layers) -> Result<bool, ConfigError> {
        let mut enabled = self.lower("DECNET_BUS_ENABLED") != "false";
        let mut source = self.source("DECNET_BUS_ENABLED");
        let kind = "DECNET_BUS_TYPE";
        if enabled && self.lower(kind) != "unix" {
            // As DECNET does it: a bus within the process reaches nobody, and an unknown one is none.
            (enabled, source) = (false, self.source(kind));
            layers.warnings.push(format!(
                "{}: '{}' is no bus that other processes are on, so none is used and changes are found by \
                 polling (write unix)",
                self.place(kind),
                self.get(kind)
            ));
        }
        layers.put_if_known("bus.enabled", enabled.into(), source)?;
        for (key, name) in [("bus.socket", "DECNET_BUS_SOCKET"), ("bus.group", "DECNET_BUS_GROUP")]
        {
            if let Some(found) = self.sources.get(name) {
                layers.put_if_known(key, found.value.clone().into(), self.source(name))?;
            }
        }
        Ok(enabled)
    }

    /// DECNET's processes try the second of the usual places only if they may write to the folder, and so
    /// miss a bus that they could use. A socket that exists is always tried here.
    fn bus_sockets(&self, environment: &Environment) -> Vec<PathBuf> {
        if let Some(found) = self.sources.get("DECNET_BUS_SOCKET") {
            return vec![environment.directory().join(&found.value)];
        }
        let mut sockets = vec![environment.absolute("run/decnet/bus.sock")];
        sockets.extend(environment.home().map(|home| home.join(".decnet/bus.sock")));
        sockets
    }

    fn put_log(&self, layers: &mut Layers) -> Result<(), ConfigError> {
        if let Some(found) = self.sources.get("DECNET_SYSTEM_LOGS") {
            let source = self.source("DECNET_SYSTEM_LOGS");
            layers.put("log.file", found.value.clone().into(), source)?;
        }
        if self.lower("DECNET_DEVELOPER") == "true" {
            let source = self.source("DECNET_DEVELOPER");
            layers.put("log.filter", "corral=debug".into(), source)?;
        }
        Ok(())
    }

    fn tell(&self, told: &mut Vec<Setting>) {
        for (name, default) in USED {
            let found = self.sources.get(name);
            let value = found.map_or(*default, |found| found.value.as_str());
            let source =
                found.map_or_else(|| "default".to_owned(), |found| found.place.to_string());
            told.push(Setting::new(name, value, source));
        }
    }
}

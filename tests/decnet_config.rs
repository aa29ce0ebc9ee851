//! `--decnet`: DECNET's settings as it finds them itself, in real files of a made-up machine.

use std::path::Path;

use corral::config::{self, ConfigError, Environment, Fingerprints, Loaded, Owner, Request};

use crate::desk::{Desk, text};

/// A machine: `/` is a throwaway folder.
struct Machine {
    root: tempfile::TempDir,
}

const INSTALLED: &str = "opt/decnet";

impl Machine {
    /// One on which DECNET is installed where it usually is.
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        machine.write("opt/decnet/decnet/__init__.py", "");
        machine.write("opt/decnet/decnet.db", "");
        machine.write("srv/note", "");
        machine
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn ini(&self, text: &str) {
        self.write("etc/decnet/decnet.ini", text);
    }

    /// The settings of a process that starts in `directory`.
    fn load_in(&self, directory: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let environment = Environment::made_up(self.root(), directory, variables.iter().copied());
        config::load(&Request { decnet: true, ..Request::default() }, &environment)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Loaded {
        self.load_in(INSTALLED, variables).unwrap()
    }

    fn url(&self, variables: &[(&str, &str)]) -> String {
        self.load(variables).config.store.url
    }

    #[track_caller]
    fn refuses(&self, variables: &[(&str, &str)], words: &[&str]) {
        let error = self.load_in(INSTALLED, variables).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

fn source<'a>(loaded: &'a Loaded, name: &str) -> &'a str {
    let setting = loaded.told.iter().find(|setting| setting.name == name);
    setting.map_or("", |setting| &setting.source)
}

const MYSQL: &[(&str, &str)] = &[("DECNET_DB_TYPE", "mysql"), ("DECNET_DB_PASSWORD", "pw")];

fn mysql<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [MYSQL, more].concat()
}

#[test]
fn a_fresh_install_is_an_sqlite_database_in_its_folder_and_needs_no_secret() {
    let machine = Machine::new();
    let loaded = machine.load(&[]);
    let expected = format!("sqlite://{}/opt/decnet/decnet.db", machine.root().display());
    assert_eq!(loaded.config.store.url, expected);
    assert_eq!(loaded.config.store.owner, Owner::Decnet);
    assert_eq!(loaded.config.store.fingerprints, Fingerprints::Both);
    let decnet = loaded.decnet.unwrap();
    assert!(decnet.bus_enabled);
    assert!(decnet.may_serve().is_ok());
    assert_eq!(loaded.warnings, Vec::<String>::new());
    // Before DECNET has run for the first time, or in another folder, there is none: that is told.
    std::fs::remove_file(machine.root().join("opt/decnet/decnet.db")).unwrap();
    let warnings = machine.load(&[]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("opt/decnet/decnet.db") && warnings[0].contains("--decnet-root"));
}

#[test]
fn each_source_gives_way_to_the_one_before() {
    let machine = Machine::new();
    let name = |variables: &[(&str, &str)]| {
        let loaded = machine.load_in("srv", &mysql(variables)).unwrap();
        let name = loaded.config.store.url.rsplit_once('/').unwrap().1.to_owned();
        (name, source(&loaded, "DECNET_DB_NAME").to_owned())
    };
    let root = machine.root().display().to_string();
    let expect = |variables: &[(&str, &str)], value: &str, place: &str| {
        assert_eq!(name(variables), (value.to_owned(), place.replace("ROOT", &root)));
    };
    expect(&[], "decnet", "default");
    for (path, value) in [
        ("srv/.env", "five"),
        ("srv/.env.local", "four"),
        ("opt/decnet/.env", "three"),
        ("opt/decnet/.env.local", "two"),
    ] {
        machine.write(path, &format!("# x\nDECNET_DB_NAME={value}\n"));
        expect(&[], value, &format!("ROOT/{path} line 2"));
    }
    machine.ini("[database]\nname = one\n");
    expect(&[], "one", "ROOT/etc/decnet/decnet.ini line 2");
    expect(&[("DECNET_DB_NAME", "zero")], "zero", "the environment");
    machine.write("other.ini", "[database]\nname = elsewhere\n");
    let other = format!("{root}/other.ini");
    expect(&[("DECNET_CONFIG", &other)], "elsewhere", "ROOT/other.ini line 2");
}

#[test]
fn an_empty_variable_hides_what_later_sources_say() {
    let machine = Machine::new();
    machine.ini("[database]\nname = one\n");
    assert!(machine.url(&mysql(&[("DECNET_DB_NAME", "")])).ends_with("/decnet"));
}

#[test]
fn the_folder_of_the_installation_is_found_or_named() {
    let machine = Machine::new();
    let root = |directory: &str, variables: &[(&str, &str)]| {
        let loaded = machine.load_in(directory, variables).unwrap();
        let root = loaded.decnet.unwrap().root;
        root.strip_prefix(machine.root()).unwrap().display().to_string()
    };
    assert_eq!(root("srv", &[]), INSTALLED);
    machine.write("srv/decnet.db", "");
    assert_eq!(root("srv", &[]), "srv");
    assert_eq!(root("srv", &[("CORRAL_DECNET_ROOT", "../opt/decnet")]), "srv/../opt/decnet");
    let error =
        machine.load_in("srv", &[("CORRAL_DECNET_ROOT", "/no/such")]).unwrap_err().to_string();
    assert!(error.contains("CORRAL_DECNET_ROOT") && error.contains("/no/such"), "{error}");
}

#[test]
fn general_keys_become_variables_and_the_modes_section_counts_too() {
    let machine = Machine::new();
    machine.ini("[decnet]\nmode = Agent\nDB-Type = mysql\n[agent]\ndb-password = p w\n[master]\ndb-user = m\n");
    let loaded = machine.load(&[("DECNET_DISALLOW_MASTER", "false")]);
    assert_eq!(loaded.config.store.url, "mysql://decnet:p%20w@localhost:3306/decnet");
    // The environment's mode comes first, and with it the section.
    let url = machine.url(&[("DECNET_MODE", "master"), ("DECNET_DB_PASSWORD", "x")]);
    assert_eq!(url, "mysql://m:x@localhost:3306/decnet");
}

#[test]
fn an_unknown_key_of_a_known_section_is_warned_of_and_a_section_of_others_is_not() {
    let machine = Machine::new();
    machine.ini(
        "[database]\nuser = u\nuzer = v\n[api]\nport = 8000\nnovel = 1\n[weather]\nrain = yes\n",
    );
    let warnings = machine.load(&[]).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in ["decnet.ini line 3", "[database] has no key uzer", "user"] {
        assert!(warnings[0].contains(word), "{warnings:?}");
    }
}

#[test]
fn a_percent_sign_in_the_ini_file_is_told_with_what_to_write() {
    let machine = Machine::new();
    machine.ini("[database]\ntype = mysql ; inline\nurl = mysql+asyncmy://u:s%40t@h/d\n");
    machine.refuses(&[], &["decnet.ini line 3", "[database] url", "`%%40`"]);
    machine.ini("[database]\ntype = mysql ; inline\nurl = mysql+asyncmy://u:s%%40t@h/d # note\n");
    assert_eq!(machine.url(&[]), "mysql://u:s%40t@h/d");
    // Where the environment says it anyway, or where it means nothing here, it stops nobody.
    machine.ini("[database]\nurl = a%b\n[logging]\ningest-log = 100%\n");
    let loaded = machine.load(&[("DECNET_DB_URL", "mysql://h/d"), ("DECNET_DB_TYPE", "mysql")]);
    assert_eq!(loaded.config.store.url, "mysql://h/d");
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
}

#[test]
fn a_broken_ini_file_is_told_with_its_line() {
    let machine = Machine::new();
    machine.ini("[database]\ntype mysql\n");
    machine.refuses(&[], &["decnet.ini line 2", "[database]", "key = value"]);
}

#[test]
fn a_dotenv_file_is_read_as_decnet_reads_it() {
    let machine = Machine::new();
    machine.write(
        "opt/decnet/.env.local",
        "export DECNET_DB_TYPE='mysql' # quoted\nDECNET_DB_PASSWORD=\"pa$$w\\\"rd#1\"\n\
         DECNET_DB_HOST=db.example # note\nthis is no statement\nDECNET_DB_NAME=${NAME:-x}_${DECNET_DB_USER}\n\
         DECNET_DB_USER=later\n",
    );
    machine.write("opt/decnet/.env", "DECNET_DB_PORT=3307\nDECNET_DB_HOST=hidden\n");
    let loaded = machine.load(&[("DECNET_DB_USER", "u")]);
    assert_eq!(loaded.config.store.url, "mysql://u:pa%24%24w%22rd%231@db.example:3307/x_u");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains(".env.local line 4"), "{:?}", loaded.warnings);
}

#[test]
fn the_parts_of_a_mysql_database_make_a_url_and_a_wrong_part_is_told() {
    let machine = Machine::new();
    let parts = [
        ("DECNET_DB_HOST", "::1"),
        ("DECNET_DB_USER", "a b@c"),
        ("DECNET_DB_NAME", "net"),
        ("DECNET_DB_PORT", "3399"),
    ];
    assert_eq!(machine.url(&mysql(&parts)), "mysql://a%20b%40c:pw@[::1]:3399/net");
    machine.refuses(&[("DECNET_DB_TYPE", "mysql")], &["DECNET_DB_PASSWORD", ".env.local"]);
    let testing = [("DECNET_DB_TYPE", "mysql"), ("DECNET_TESTING", "1")];
    assert_eq!(machine.url(&testing), "mysql://decnet@localhost:3306/decnet");
    machine.refuses(&mysql(&[("DECNET_DB_PORT", "70000")]), &["DECNET_DB_PORT", "'70000'"]);
    machine.refuses(&[("DECNET_DB_TYPE", "oracle")], &["DECNET_DB_TYPE", "sqlite or mysql"]);
    machine.refuses(
        &[("DECNET_DB_TYPE", "mysql"), ("DECNET_DB_URL", "mysql://u:geheim@h")],
        &["DECNET_DB_URL in the environment", "names no database"],
    );
    machine.refuses(&[("DECNET_DB_POOL_SIZE", "many")], &["DECNET_DB_POOL_SIZE", "'many'"]);
    // Of SQLite the URL is ignored, as DECNET does.
    assert!(machine.url(&[("DECNET_DB_URL", "mysql://h/d")]).starts_with("sqlite://"));
}

#[test]
fn an_unknown_clusterer_is_told_once_instead_of_crashing_for_ever() {
    let machine = Machine::new();
    machine.load(&[("DECNET_CLUSTERER_TYPE", " Connected_Components ")]);
    for name in ["DECNET_CLUSTERER_TYPE", "DECNET_CAMPAIGN_CLUSTERER_TYPE"] {
        machine.refuses(&[(name, "hdbscan")], &[name, "'hdbscan'", "write connected_components"]);
    }
}

#[test]
fn an_agent_may_look_and_not_serve() {
    let machine = Machine::new();
    let serves = |variables: &[(&str, &str)]| {
        let decnet = machine.load(variables).decnet.unwrap();
        decnet.may_serve().map_err(|error| error.to_string())
    };
    let error = serves(&[("DECNET_MODE", "AGENT")]).unwrap_err();
    assert!(
        error.contains("DECNET_MODE") && error.contains("DECNET_DISALLOW_MASTER=false"),
        "{error}"
    );
    assert!(serves(&[("DECNET_MODE", "agent"), ("DECNET_DISALLOW_MASTER", "TRUE")]).is_err());
    for other in ["false", "1", "yes"] {
        assert_eq!(serves(&[("DECNET_MODE", "agent"), ("DECNET_DISALLOW_MASTER", other)]), Ok(()));
    }
    assert_eq!(serves(&[("DECNET_MODE", "Master")]), Ok(()));
    machine.refuses(&[("DECNET_MODE", "slave")], &["DECNET_MODE", "master or agent"]);
}

#[test]
fn the_bus_is_looked_for_wherever_it_may_be() {
    let machine = Machine::new();
    let bus = |variables: &[(&str, &str)]| {
        let loaded = machine.load(variables);
        let decnet = loaded.decnet.unwrap();
        (decnet.bus_enabled, decnet.bus_sockets, loaded.warnings.len())
    };
    let usual = machine.root().join("run/decnet/bus.sock");
    assert_eq!(bus(&[]), (true, vec![usual.clone()], 0));
    let home = Path::new("/h/.decnet/bus.sock").to_path_buf();
    assert_eq!(bus(&[("HOME", "/h")]), (true, vec![usual.clone(), home], 0));
    let named = vec![Path::new("/tmp/b.sock").to_path_buf()];
    assert_eq!(bus(&[("HOME", "/h"), ("DECNET_BUS_SOCKET", "/tmp/b.sock")]), (true, named, 0));
    assert!(!bus(&[("DECNET_BUS_ENABLED", "False")]).0);
    assert!(bus(&[("DECNET_BUS_ENABLED", "0")]).0, "only false disables");
    for kind in ["fake", "nats"] {
        assert_eq!(bus(&[("DECNET_BUS_TYPE", kind)]), (false, vec![usual.clone()], 1));
    }
}

#[test]
fn the_log_follows_decnets_variables() {
    let machine = Machine::new();
    assert_eq!(machine.load(&[]).config.log, config::LogConfig::default());
    machine.ini("[logging]\nsystem-log = /var/log/decnet/x.log\n");
    let log = machine.load(&[("DECNET_DEVELOPER", "True")]).config.log;
    assert_eq!((log.file.as_str(), log.filter.as_str()), ("/var/log/decnet/x.log", "corral=debug"));
}

#[test]
fn corrals_variables_come_before_decnet_and_decnet_before_the_file() {
    let machine = Machine::new();
    machine.write(
        "etc/corral/corral.toml",
        "[store]\nurl = \"sqlite:///file.db\"\nowner = \"corral\"\nfingerprints = \"legacy\"\n",
    );
    let loaded = machine.load(&[]);
    assert!(loaded.config.store.url.ends_with("/opt/decnet/decnet.db"));
    assert_eq!(loaded.config.store.owner, Owner::Decnet);
    assert_eq!(
        loaded.config.store.fingerprints,
        Fingerprints::Legacy,
        "the rest of the file holds"
    );
    assert_eq!(source(&loaded, "store.owner"), "--decnet");
    assert_eq!(machine.url(&[("CORRAL_STORE_URL", "mysql://h/d")]), "mysql://h/d");
}

#[test]
fn the_file_is_searched_for_in_two_places_unless_it_is_named() {
    let machine = Machine::new();
    let load = |variables: &[(&str, &str)]| {
        let environment = Environment::made_up(machine.root(), "srv", variables.iter().copied());
        config::load(&Request::default(), &environment).map(|loaded| loaded.config.pool.threads)
    };
    let home = machine.root().join("home").display().to_string();
    machine.write("home/.config/corral/corral.toml", "[pool]\nthreads = 2\n");
    assert_eq!(load(&[]).unwrap(), 0);
    assert_eq!(load(&[("HOME", &home)]).unwrap(), 2);
    machine.write("etc/corral/corral.toml", "[pool]\nthreads = 3\n");
    assert_eq!(load(&[("HOME", &home)]).unwrap(), 3);
    machine.write("named.toml", "[pool]\nthreads = 4\n");
    let named = machine.root().join("named.toml").display().to_string();
    assert_eq!(load(&[("HOME", &home), ("CORRAL_CONFIG", &named)]).unwrap(), 4);
    assert_eq!(load(&[("CORRAL_CONFIG", &named), ("CORRAL_POOL_THREADS", "5")]).unwrap(), 5);
    assert!(load(&[("CORRAL_CONFIG", "/no/such.toml")]).is_err());
}

#[test]
fn systemds_folders_are_used_where_nothing_is_set() {
    let machine = Machine::new();
    let load = |variables: &[(&str, &str)]| {
        let environment = Environment::made_up(machine.root(), "srv", variables.iter().copied());
        config::load(&Request::default(), &environment).unwrap()
    };
    let folders = [
        ("STATE_DIRECTORY", "/s/corral:/s/x"),
        ("RUNTIME_DIRECTORY", "/r/corral"),
        ("CACHE_DIRECTORY", "/c/corral"),
    ];
    let loaded = load(&folders);
    assert_eq!(loaded.config.store.url, "sqlite:///s/corral/corral.db");
    assert_eq!(loaded.sockets, [Path::new("/r/corral/corral.sock")]);
    assert_eq!(loaded.config.plugins.cache, "/c/corral/compiled");
    let loaded = load(&[("XDG_RUNTIME_DIR", "/u"), ("CORRAL_DB", "sqlite://mine.db")]);
    assert_eq!(loaded.config.store.url, "sqlite://mine.db");
    let usual = machine.root().join("run/corral/corral.sock");
    assert_eq!(loaded.sockets, [usual, Path::new("/u/corral.sock").to_path_buf()]);
    assert_eq!(loaded.config.plugins.cache, "", "nobody has a home here");
    let cache = |variables: &[_]| load(variables).config.plugins.cache;
    assert_eq!(cache(&[("HOME", "/u")]), "/u/.cache/corral/compiled");
    assert_eq!(cache(&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")]), "/x/corral/compiled");
    assert_eq!(cache(&[("HOME", "/u"), ("CORRAL_PLUGINS_CACHE", "/y")]), "/y");
    assert_eq!(cache(&[("HOME", "/u"), ("CORRAL_PLUGINS_CACHE", "none")]), "none");
}

#[test]
fn the_command_shows_each_setting_with_its_source_and_no_secret() {
    let desk = Desk::new();
    desk.write("net/decnet/__init__.py", "");
    desk.write("net/.env.local", "DECNET_DB_TYPE=mysql\nDECNET_DB_PASSWORD=geheim\n");
    let run = |arguments: &[&str]| {
        let mut command = desk.command(&["config", "--decnet", "--decnet-root", "net"]);
        // The desk names a database of its own, which would hide DECNET's.
        command.args(arguments).env("CORRAL_POOL_THREADS", "3");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let (table, json) = (run(&[]), run(&["--json"]));
    for shown in [&table, &json] {
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.contains("net/.env.local line 2"), "{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let setting = |name: &str| {
        let settings = json["settings"].as_array().unwrap().iter();
        settings.clone().find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(setting("pool.threads")["value"], "3");
    assert_eq!(setting("pool.threads")["source"], "CORRAL_POOL_THREADS");
    assert_eq!(setting("store.url")["source"], "--db");
    assert_eq!(setting("store.owner")["value"], "decnet");
    assert_eq!(setting("DECNET_DB_PASSWORD")["value"], "***");
    assert_eq!(setting("verify.sample")["source"], "default");
}

#[test]
fn the_annotated_default_is_printed_and_can_be_used() {
    let desk = Desk::new();
    let printed = desk.succeed(&["config", "--default"]);
    assert!(printed.starts_with("# Corral's settings"));
    desk.write("mine.toml", &printed);
    desk.succeed(&["--config", "mine.toml", "config"]);
    // It is also printed to whoever has to mend a broken one.
    desk.write("broken.toml", "[pool]\nthreads =\n");
    desk.fail(2, &["--config", "broken.toml", "config"]);
    assert_eq!(desk.succeed(&["--config", "broken.toml", "config", "--default"]), printed);
}

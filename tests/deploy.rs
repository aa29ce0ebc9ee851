//! What `deploy/` installs, judged by systemd's own tools and by the facts that DECNET's units dictate.
//!
//! The tools work on copies in a throwaway folder, in which Corral's path is that of the executable under
//! test. Where systemd is not installed, they say so and what to install.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::desk::text;
use crate::tree;

/// The most exposure that `systemd-analyze security` may find, in tenths; DECNET's own unit has 54.
const EXPOSURE_MAX: &str = "12";

/// DECNET's unit, in the parts that a drop-in meets: one command, its user, its log, its network of units.
const DECNETS_UNIT: &str = "\
[Unit]
Conflicts=decnet-clusterer.service
[Service]
Type=simple
User=root
WorkingDirectory=/
Environment=DECNET_SYSTEM_LOGS=/var/log/decnet/decnet.supervise-cpu.log
ExecStart=/bin/true supervise cpu
StandardOutput=append:/var/log/decnet/decnet.supervise-cpu.log
StandardError=append:/var/log/decnet/decnet.supervise-cpu.log
Restart=on-failure
TimeoutStopSec=20
";

fn deployed(name: &str) -> String {
    let path = tree::root().join("deploy").join(name);
    fs::read_to_string(&path).expect(name)
}

/// The settings of a unit: section, key, value, in order.
fn settings(unit: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in unit.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            found.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    found
}

fn values(unit: &str, section: &str, key: &str) -> Vec<String> {
    let settings = settings(unit).into_iter();
    settings.filter(|(s, k, _)| s == section && k == key).map(|(_, _, value)| value).collect()
}

fn words(unit: &str, key: &str) -> Vec<String> {
    let values = values(unit, "Unit", key).into_iter();
    values.flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A folder of units in which Corral is the executable under test.
struct Units {
    folder: tempfile::TempDir,
}

impl Units {
    fn with(names: &[&str]) -> Self {
        let units = Self { folder: tempfile::tempdir().unwrap() };
        for name in names {
            let text = deployed(&format!("systemd/{name}"));
            units.write(
                name,
                &text.replace("/usr/bin/corral", &tree::executable().to_string_lossy()),
            );
        }
        units
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// `systemd-analyze` on these units; nothing where it is not installed.
    fn analyze(&self, arguments: &[&str]) -> Option<Output> {
        tool("systemd-analyze", |command| {
            // The colon: and the machine's own units behind these.
            let folder = format!("{}:", self.folder.path().display());
            command.current_dir(self.folder.path()).env("SYSTEMD_UNIT_PATH", folder).args(arguments)
        })
    }
}

/// Runs a tool of systemd, or says that it is not there.
fn tool(name: &str, prepare: impl Fn(&mut Command) -> &mut Command) -> Option<Output> {
    match prepare(&mut Command::new(name)).output() {
        Ok(output) => Some(output),
        Err(_) => {
            // Past libtest's capture, for the summary of `cargo xtask test`.
            let mut out = std::io::stdout();
            writeln!(out, "not run: there is no {name}, install systemd").unwrap();
            None
        }
    }
}

#[track_caller]
fn succeeds(output: Option<Output>) {
    let Some(output) = output else { return };
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn exposed(units: &Units) -> Option<Output> {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    units.analyze(&["security", "--no-pager", "--offline=true", &threshold, "./corral.service"])
}

#[test]
fn the_unit_is_what_systemd_understands() {
    let output = Units::with(&["corral.service"]).analyze(&["verify", "./corral.service"]);
    if let Some(output) = &output {
        assert_eq!(text(&output.stderr), "");
    }
    succeeds(output);
}

#[test]
fn the_unit_exposes_hardly_anything_also_as_decnets_user() {
    succeeds(exposed(&Units::with(&["corral.service"])));
    let units = Units::with(&["corral.service", "corral.service.d/decnet.conf"]);
    succeeds(exposed(&units));
    // And the judge is one: without its filters the unit does not pass.
    units.write("corral.service.d/open.conf", "[Service]\nSystemCallFilter=\nNoNewPrivileges=no\n");
    if let Some(output) = exposed(&units) {
        assert!(!output.status.success(), "{}", text(&output.stdout));
    }
}

#[test]
fn the_unit_never_runs_beside_decnets_own() {
    let unit = deployed("systemd/corral.service");
    let mut conflicts = words(&unit, "Conflicts");
    conflicts.sort();
    let expected = [
        "decnet-attribution.service",
        "decnet-campaign-clusterer.service",
        "decnet-clusterer.service",
        "decnet-reuse-correlator.service",
        "decnet-supervise-cpu.service",
    ];
    assert_eq!(conflicts, expected);
    for key in ["Wants", "After"] {
        let units = words(&unit, key);
        for other in ["network-online.target", "decnet-bus.service"] {
            assert!(units.iter().any(|name| name == other), "{key}: {units:?}");
        }
    }
}

#[test]
fn the_unit_has_no_capability_and_says_how_it_lives() {
    let unit = deployed("systemd/corral.service");
    for (key, value) in [
        ("Type", "notify"),
        ("User", "corral"),
        ("Group", "corral"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("NoNewPrivileges", "yes"),
        ("Restart", "on-failure"),
        ("RestartSec", "5"),
        ("TimeoutStopSec", "20"),
        ("RuntimeDirectory", "corral"),
        ("StateDirectory", "corral"),
        ("LogsDirectory", "corral"),
        ("CacheDirectory", "corral"),
        ("CacheDirectoryMode", "0700"),
        ("ConfigurationDirectory", "corral"),
        ("ExecStart", "/usr/bin/corral serve"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(values(&unit, "Service", key), [value], "{key}");
    }
    assert_eq!(values(&unit, "Service", "WatchdogSec").len(), 1);
    // Compiled plugins become executable after they were written, so these two would end every tick.
    for key in ["MemoryDenyWriteExecute", "LimitAS"] {
        assert!(values(&unit, "Service", key).is_empty(), "{key}");
    }
}

#[test]
fn the_drop_ins_empty_the_command_before_they_set_it() {
    for name in ["corral.service.d/decnet.conf", "decnet-supervise-cpu.service.d/corral.conf"] {
        let commands = values(&deployed(&format!("systemd/{name}")), "Service", "ExecStart");
        assert_eq!(commands, ["", "/usr/bin/corral serve --decnet"], "{name}");
    }
}

#[test]
fn decnets_unit_takes_the_drop_in_and_would_not_without_the_empty_line() {
    let (unit, drop_in) =
        ("decnet-supervise-cpu.service", "decnet-supervise-cpu.service.d/corral.conf");
    let units = Units::with(&[drop_in]);
    units.write(unit, DECNETS_UNIT);
    let verify = ["verify", "./decnet-supervise-cpu.service"];
    succeeds(units.analyze(&verify));
    let text_of_drop_in = fs::read_to_string(units.path(drop_in)).unwrap();
    units.write(drop_in, &text_of_drop_in.replace("ExecStart=\n", ""));
    if let Some(output) = units.analyze(&verify) {
        let said = text(&output.stderr);
        assert!(said.contains("more than one ExecStart="), "{said}");
    }
}

#[test]
fn the_user_and_the_folders_can_be_made() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["etc", "etc/corral", "var/lib", "var/log", "users", "folders"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let copy = |from: &str, to: &str| {
        let path = root.path().join(to);
        fs::write(&path, deployed(from)).unwrap();
        path
    };
    let users = copy("sysusers.d/corral.conf", "users/corral.conf");
    let folders = copy("tmpfiles.d/corral.conf", "folders/corral.conf");
    let below = format!("--root={}", root.path().display());
    let users = tool("systemd-sysusers", |command| command.arg(&below).arg(&users));
    let are_made = users.is_some();
    succeeds(users);
    if are_made {
        let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
        assert!(passwd.lines().any(|line| line.starts_with("corral:")), "{passwd}");
    }
    // Folders of other users are made by root only.
    if are_made
        && fs::metadata("/proc/self").is_ok_and(|p| std::os::unix::fs::MetadataExt::uid(&p) == 0)
    {
        succeeds(tool("systemd-tmpfiles", |command| {
            command.args(["--create", &below]).arg(&folders)
        }));
        assert!(root.path().join("var/lib/corral").is_dir());
        assert!(root.path().join("var/log/corral").is_dir());
    }
}

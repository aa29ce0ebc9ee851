//! What systemd says of Corral's unit and of those that must not run beside it.

use std::process::{Command, Stdio};

use super::Finding;

/// Corral's own.
const OURS: &str = "corral.service";

/// DECNET's unit for the same work; it may hold Corral, by a drop-in.
const DECNETS: &str = "decnet-supervise-cpu.service";

/// What it replaced.
const OLDER: [&str; 4] = [
    "decnet-clusterer.service",
    "decnet-campaign-clusterer.service",
    "decnet-attribution.service",
    "decnet-reuse-correlator.service",
];

/// What a unit is, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Unit {
    name: String,
    is_active: bool,
    runs_corral: bool,
}

/// Asks systemd, if it runs here.
pub(super) fn check() -> Option<Finding> {
    let mut command = Command::new("systemctl");
    command.args(["show", "--property=Id,ActiveState,ExecStart", OURS, DECNETS]).args(OLDER);
    // Without systemd there is nothing to say, and that is nobody's fault.
    let output = command.stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    Some(judge(&read(&String::from_utf8_lossy(&output.stdout))))
}

/// The units of `systemctl show`: paragraphs of `Key=value`.
fn read(text: &str) -> Vec<Unit> {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    let units = paragraphs.map(|paragraph| {
        let value = |key: &str| {
            let mut lines = paragraph.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or("")
        };
        Unit {
            name: value("Id").to_owned(),
            is_active: matches!(value("ActiveState"), "active" | "activating" | "reloading"),
            runs_corral: value("ExecStart").contains("/corral "),
        }
    });
    units.collect()
}

fn judge(units: &[Unit]) -> Finding {
    let is_active = |name: &str| units.iter().any(|unit| unit.name == name && unit.is_active);
    let rival = units.iter().find(|unit| unit.is_active && !unit.runs_corral && unit.name != OURS);
    if let Some(rival) = rival {
        return Finding::fail(
            "units",
            format!("{} runs DECNET's own correlators", rival.name),
            format!("systemctl disable --now {}: two of them would both write", rival.name),
        );
    }
    match (is_active(OURS), is_active(DECNETS)) {
        (true, true) => Finding::fail(
            "units",
            format!("{OURS} and {DECNETS} both run Corral"),
            format!("keep one: systemctl disable --now {OURS}"),
        ),
        (true, false) => Finding::ok("units", format!("{OURS} is active")),
        (false, true) => Finding::ok("units", format!("{DECNETS} is active, and runs Corral")),
        (false, false) => Finding::warn(
            "units",
            "no unit runs the daemon",
            format!("systemctl enable --now {OURS}; deploy/DECNET.md has the steps"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn verdict(active: &[(&str, &str)]) -> (Verdict, String) {
        let shown = active.iter().map(|(name, command)| {
            format!("Id={name}\nActiveState=active\nExecStart={{ path={command} ; argv[]={command} serve ; }}\n")
        });
        let inactive = "Id=decnet-clusterer.service\nActiveState=inactive\n".to_owned();
        let text: Vec<String> = shown.chain([inactive]).collect();
        let finding = judge(&read(&text.join("\n")));
        (finding.verdict, finding.found)
    }

    #[test]
    fn one_unit_with_corral_is_right_and_any_other_writer_is_not() {
        assert_eq!(verdict(&[(OURS, "/usr/bin/corral")]).0, Verdict::Ok);
        assert_eq!(verdict(&[(DECNETS, "/usr/bin/corral")]).0, Verdict::Ok);
        assert_eq!(verdict(&[]).0, Verdict::Warn);
        let both = [(OURS, "/usr/bin/corral"), (DECNETS, "/usr/bin/corral")];
        assert_eq!(verdict(&both).0, Verdict::Fail);
        let (judged, found) = verdict(&[(DECNETS, "/opt/decnet/venv/bin/decnet")]);
        assert_eq!(judged, Verdict::Fail);
        assert!(found.contains(DECNETS), "{found}");
        let old = [(OURS, "/usr/bin/corral"), (OLDER[2], "/opt/decnet/venv/bin/decnet")];
        assert!(verdict(&old).1.contains(OLDER[2]));
    }
}

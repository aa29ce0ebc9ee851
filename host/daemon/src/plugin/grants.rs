//! What a plugin may do: what it asks for in `describe`, as far as the operator's config grants it.
//!
//! Both must agree, and the default is nothing. Only the names of the plugins that are built in have a default:
//! what the built-in one asks for. So a replacement of the clusterer may do what the clusterer does and no more,
//! and a stranger needs a section of the config that names each view, change, kernel and topic.

use crate::config::PluginConfig;

use super::load::Description;

/// A kind of thing that a plugin asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Reading a view.
    Read,
    /// Committing a change.
    Write,
    /// Running a kernel.
    Kernel,
    /// Being woken by a topic of the bus.
    Wake,
}

impl Capability {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Kernel, Self::Wake];

    /// What one such thing is called.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Read => "view",
            Self::Write => "change",
            Self::Kernel => "kernel",
            Self::Wake => "topic",
        }
    }

    /// The key of the config that grants it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Kernel => "kernels",
            Self::Wake => "wakes",
        }
    }

    /// What a description asks for.
    pub fn asked(self, description: &Description) -> &[String] {
        match self {
            Self::Read => &description.reads,
            Self::Write => &description.writes,
            Self::Kernel => &description.kernels,
            Self::Wake => &description.wakes,
        }
    }
}

/// What the config grants one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    reads: Vec<String>,
    writes: Vec<String>,
    kernels: Vec<String>,
    wakes: Vec<String>,
}

impl Grants {
    /// All that a description asks for.
    pub fn all_of(description: &Description) -> Self {
        Self {
            reads: description.reads.clone(),
            writes: description.writes.clone(),
            kernels: description.kernels.clone(),
            wakes: description.wakes.clone(),
        }
    }

    /// What the config says of a plugin, and where it says nothing, the default.
    pub(super) fn of(config: &PluginConfig, default: Option<&Self>) -> Self {
        let nothing = Self::default();
        let default = default.unwrap_or(&nothing);
        let or = |given: &Option<Vec<String>>, default: &Vec<String>| {
            given.clone().unwrap_or_else(|| default.clone())
        };
        Self {
            reads: or(&config.reads, &default.reads),
            writes: or(&config.writes, &default.writes),
            kernels: or(&config.kernels, &default.kernels),
            wakes: or(&config.wakes, &default.wakes),
        }
    }

    fn granted(&self, capability: Capability) -> &[String] {
        match capability {
            Capability::Read => &self.reads,
            Capability::Write => &self.writes,
            Capability::Kernel => &self.kernels,
            Capability::Wake => &self.wakes,
        }
    }

    /// Whether this one is granted.
    pub fn has(&self, capability: Capability, name: &str) -> bool {
        self.granted(capability).iter().any(|granted| granted == name)
    }

    /// What a description asks for and is not granted, with the line of the config that would grant it.
    pub(super) fn missing(&self, description: &Description) -> Vec<Missing> {
        let missing = Capability::ALL.iter().filter_map(|capability| {
            let asked = capability.asked(description);
            let names: Vec<String> =
                asked.iter().filter(|name| !self.has(*capability, name)).cloned().collect();
            let all = self.granted(*capability).iter().chain(&names);
            let line = line(*capability, all.map(String::as_str));
            (!names.is_empty()).then_some(Missing { capability: *capability, names, line })
        });
        missing.collect()
    }
}

/// What is asked for and not granted, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The kind.
    pub capability: Capability,
    /// What of it.
    pub names: Vec<String>,
    /// The line of the config that would grant it, and what is granted already.
    pub line: String,
}

/// The lines of the config that grant all that a description asks for.
pub fn lines(description: &Description) -> Vec<String> {
    let asked =
        Capability::ALL.iter().map(|capability| (*capability, capability.asked(description)));
    let asked = asked.filter(|(_, names)| !names.is_empty());
    asked.map(|(capability, names)| line(capability, names.iter().map(String::as_str))).collect()
}

fn line<'a>(capability: Capability, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    format!("{} = [{}]", capability.key(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Description {
            name: "novel".to_owned(),
            version: "1".to_owned(),
            summary: String::new(),
            wakes: owned(&["attacker.observed"]),
            poll_seconds: 60,
            reads: owned(&["attackers", "credentials"]),
            writes: owned(&["put-state"]),
            kernels: Vec::new(),
            settings: Vec::new(),
        }
    }

    #[test]
    fn a_stranger_is_granted_nothing_and_told_the_lines_that_would_do() {
        let missing = Grants::of(&PluginConfig::default(), None).missing(&description());
        let told: Vec<&str> = missing.iter().map(|missing| missing.line.as_str()).collect();
        assert_eq!(
            told,
            [
                r#"reads = ["attackers", "credentials"]"#,
                r#"writes = ["put-state"]"#,
                r#"wakes = ["attacker.observed"]"#
            ]
        );
        assert_eq!(lines(&description()), told);
    }

    #[test]
    fn what_the_config_says_comes_before_the_default_of_a_built_in_name() {
        let default = Grants::all_of(&description());
        assert_eq!(
            Grants::of(&PluginConfig::default(), Some(&default)).missing(&description()),
            []
        );
        let fewer =
            PluginConfig { reads: Some(vec!["attackers".to_owned()]), ..PluginConfig::default() };
        let granted = Grants::of(&fewer, Some(&default));
        assert!(granted.has(Capability::Read, "attackers"));
        assert!(!granted.has(Capability::Read, "credentials"));
        assert!(granted.has(Capability::Write, "put-state"), "of this the config says nothing");
        let missing = granted.missing(&description());
        assert_eq!(missing[0].names, ["credentials"]);
        assert_eq!(missing[0].line, r#"reads = ["attackers", "credentials"]"#);
    }
}

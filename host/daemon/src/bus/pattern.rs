//! Which topics a pattern means: DECNET's wildcards.
//!
//! Topics and patterns are tokens between dots. `*` stands for exactly one token that is not empty, `>` for
//! one or more, up to the end of the topic: what follows it in the pattern is not looked at. Any other token
//! stands for itself. Nothing is validated: a pattern that makes no sense matches what the rule says.

/// Whether a topic is one that the pattern means.
pub fn matches(pattern: &str, topic: &str) -> bool {
    let mut tokens = topic.split('.');
    for wanted in pattern.split('.') {
        let Some(token) = tokens.next() else { return false };
        match wanted {
            ">" => return true,
            "*" if !token.is_empty() => {}
            _ if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_what_the_table_says() {
        let table = [
            ("identity.formed", "identity.formed", true),
            ("identity.formed", "identity.merged", false),
            ("identity.formed", "identity", false),
            ("identity", "identity.formed", false),
            ("identity.*", "identity.formed", true),
            ("identity.*", "identity.observation.linked", false),
            ("identity.*", "identity", false),
            ("identity.*", "identity.", false),
            ("*.formed", "campaign.formed", true),
            ("*.formed", ".formed", false),
            ("*", "identity", true),
            ("*", "", false),
            ("*", "identity.formed", false),
            ("*.*", "identity.formed", true),
            ("system.*.control", "system.clusterer.control", true),
            ("system.*.control", "system..control", false),
            ("system.*.control", "system.control", false),
            ("attacker.observation.>", "attacker.observation.motor.input_modality", true),
            ("attacker.observation.>", "attacker.observation", false),
            ("topology.>", "topology", false),
            ("topology.>", "topology.", true),
            ("topology.>", "topology.a.b.c", true),
            (">", "identity", true),
            (">", "identity.formed", true),
            (">", "", true),
            // `>` ends the matching wherever it stands.
            ("identity.>.formed", "identity.anything.else", true),
            ("identity.>.formed", "identity", false),
            // Wildcards inside a token are letters.
            ("ident*", "identity", false),
            ("ident*", "ident*", true),
            ("identity.>>", "identity.formed", false),
            // A wildcard in a topic is a letter too.
            ("identity.*", "identity.*", true),
            ("identity.formed", "identity.*", false),
            ("identity..formed", "identity..formed", true),
            ("", "", true),
            ("", "identity", false),
            ("Identity.formed", "identity.formed", false),
        ];
        for (pattern, topic, meant) in table {
            assert_eq!(matches(pattern, topic), meant, "{pattern:?} and {topic:?}");
        }
    }
}

//! The phase of an attack that an ATT&CK tactic belongs to, in the terms of the Unified Kill Chain
//! (Pols, 2017) as DECNET uses them.

/// Tactic and phase. Tactics of ATT&CK for ICS follow those of the enterprise matrix; others have none.
pub(crate) const PHASES: [(&str, &str); 18] = [
    ("TA0043", "reconnaissance"),
    ("TA0042", "resource_development"),
    ("TA0001", "delivery"),
    ("TA0002", "execution"),
    ("TA0003", "persistence"),
    ("TA0004", "privilege_escalation"),
    ("TA0005", "defense_evasion"),
    ("TA0006", "credential_access"),
    ("TA0007", "discovery"),
    ("TA0008", "lateral_movement"),
    ("TA0009", "collection"),
    ("TA0011", "command_and_control"),
    ("TA0010", "exfiltration"),
    ("TA0040", "impact"),
    ("TA0100", "collection"),
    ("TA0102", "discovery"),
    ("TA0105", "impact"),
    ("TA0106", "impact"),
];

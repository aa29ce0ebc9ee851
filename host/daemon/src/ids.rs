//! Ids that follow from what they name: the only file that makes any.
//!
//! Each is a UUID of version 5 (RFC 9562) over the kind and the natural key, so that the same logs
//! give the same ids on every machine, in every order. Only an envelope of the bus, which names nothing
//! that is kept, has one that is drawn.

use uuid::Uuid;

use crate::clock::Timestamp;

/// The name space of all ids of Corral.
const NAMESPACE: Uuid = Uuid::from_u128(0x0c77_a1c0_44a1_5000_8000_c0bb_a11e_d001);

fn derive(kind: &str, parts: &[&str]) -> String {
    // The separator cannot stand in an address, a UUID or a hash, so two keys never run together.
    let mut name = String::from(kind);
    for part in parts {
        name.push('\u{1f}');
        name.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).hyphenated().to_string()
}

/// The id of the attacker with this address, in its canonical text form.
pub fn attacker(ip: &str) -> String {
    derive("attacker", &[ip])
}

/// The id of the identity whose smallest member is this attacker.
pub fn identity(smallest_member: &str) -> String {
    derive("identity", &[smallest_member])
}

/// The id of the campaign whose smallest member is this identity.
pub fn campaign(smallest_member: &str) -> String {
    derive("campaign", &[smallest_member])
}

/// The id of the tag that a rule gave to one command of a session.
pub fn command_tag(session: &str, at: i64, hash: u64, rule: &str) -> String {
    derive("command-tag", &[session, &at.to_string(), &hash.to_string(), rule])
}

/// The id of a behaviour sample: what shows it, and what about.
pub fn observation(evidence_ref: &str, primitive: &str) -> String {
    derive("observation", &[evidence_ref, primitive])
}

/// The id of a reused credential.
pub fn credential_reuse(secret_sha256: &str, secret_kind: &str, principal_key: &str) -> String {
    derive("credential-reuse", &[secret_sha256, secret_kind, principal_key])
}

/// The name of a process, for people and for the lease: no two processes have the same.
pub fn instance(host: &str, process: u32, started: Timestamp) -> String {
    format!("corral on {host}, process {process} since {started}")
}

/// The id of one envelope of the bus: 32 hexadecimal digits, drawn anew each time (version 4).
pub fn envelope() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_dashed_stable_and_differ_by_kind() {
        let id = attacker("203.0.113.9");
        assert_eq!(id.len(), 36);
        assert_eq!(id, attacker("203.0.113.9"));
        assert_ne!(identity(&id), campaign(&id));
    }

    #[test]
    fn an_envelope_has_32_digits_and_never_the_same() {
        let id = envelope();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, envelope());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(credential_reuse("a", "bc", "d"), credential_reuse("ab", "c", "d"));
    }
}

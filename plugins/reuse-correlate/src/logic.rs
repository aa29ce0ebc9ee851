//! The reuse correlator's decision: which keys to hand over.

use std::collections::HashSet;

/// Keys of reused credentials, as codes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Keys {
    pub(crate) secret_sha256: Vec<u32>,
    pub(crate) secret_kind: Vec<u32>,
    pub(crate) principal_key: Vec<u32>,
}

/// The keys of the groups whose first credentials are `first`, each once: a credential without a user
/// name and one with an empty user name are two groups, but have one key.
pub(crate) fn keys(
    first: &[u32],
    secret_sha256: &[u32],
    secret_kind: &[u32],
    principal_key: &[u32],
) -> Keys {
    let mut keys = Keys::default();
    let mut met = HashSet::new();
    for &row in first {
        let row = row as usize;
        let (secret, kind, principal) = (secret_sha256[row], secret_kind[row], principal_key[row]);
        if met.insert((secret, kind, principal)) {
            keys.secret_sha256.push(secret);
            keys.secret_kind.push(kind);
            keys.principal_key.push(principal);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_of_one_key_are_one() {
        let keys = keys(&[0, 2, 3], &[10, 11, 10, 12], &[20, 20, 20, 20], &[30, 30, 30, 31]);
        assert_eq!(
            keys,
            Keys {
                secret_sha256: vec![10, 12],
                secret_kind: vec![20, 20],
                principal_key: vec![30, 31]
            }
        );
    }
}

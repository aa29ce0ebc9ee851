//! The clusterer's decision: what the rule looks at, a pure function from columns to columns.

/// No value.
pub(crate) const NONE: u32 = u32::MAX;

/// The codes of the feature kinds that the rule looks at.
pub(crate) struct Kinds {
    /// Those that stand in an identity's columns too, and those that only group.
    pub(crate) ja3: [u32; 2],
    pub(crate) hassh: [u32; 2],
    /// SHA-256 and MD5 of files that were brought: one name space, as no text is both.
    pub(crate) payloads: [u32; 2],
    pub(crate) endpoint: u32,
}

/// What the rule knows of each attacker.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) ja3: Vec<u32>,
    pub(crate) hassh: Vec<u32>,
    pub(crate) payloads: Tokens,
    pub(crate) endpoints: Tokens,
}

/// Tokens of attackers, in the attackers' order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tokens {
    pub(crate) row: Vec<u32>,
    pub(crate) token: Vec<u32>,
}

/// Picks the last JA3 and the last HASSH of each attacker, and all its payloads and endpoints.
/// `row`, `kind` and `value` are the features, sorted by row, in the order they were first seen.
pub(crate) fn project(
    attackers: usize,
    row: &[u32],
    kind: &[u32],
    value: &[u32],
    kinds: &Kinds,
) -> Known {
    let mut known =
        Known { ja3: vec![NONE; attackers], hassh: vec![NONE; attackers], ..Known::default() };
    for ((&row, &kind), &value) in row.iter().zip(kind).zip(value) {
        if kinds.ja3.contains(&kind) {
            known.ja3[row as usize] = value;
        } else if kinds.hassh.contains(&kind) {
            known.hassh[row as usize] = value;
        } else if kinds.payloads.contains(&kind) {
            known.payloads.row.push(row);
            known.payloads.token.push(value);
        } else if kind == kinds.endpoint {
            known.endpoints.row.push(row);
            known.endpoints.token.push(value);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fingerprint_counts_and_all_tokens() {
        let kinds = Kinds { ja3: [10, 20], hassh: [11, 21], payloads: [12, 14], endpoint: 13 };
        let known =
            project(2, &[0, 0, 0, 1, 1, 1], &[11, 21, 12, 14, 99, 12], &[1, 2, 3, 5, 4, 3], &kinds);
        assert_eq!(known.hassh, [2, NONE]);
        assert_eq!(known.ja3, [NONE, NONE]);
        assert_eq!(known.payloads, Tokens { row: vec![0, 1, 1], token: vec![3, 5, 3] });
        assert_eq!(known.endpoints, Tokens::default());
    }
}

//! The decision: who is joined to whom. Pure functions from columns to columns, tried out by `cargo test`.

use std::collections::HashMap;

/// Pairs of attackers, by row, and the value that both have.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Edges {
    pub(crate) a: Vec<u32>,
    pub(crate) b: Vec<u32>,
    pub(crate) value: Vec<u32>,
}

/// Joins every holder of a value to the first one: as many edges as holders, not as many as pairs.
///
/// `row`, `kind` and `value` are the columns of the view `features`, and `wanted` is the code of the kind that counts.
pub(crate) fn edges(row: &[u32], kind: &[u32], value: &[u32], wanted: u32) -> Edges {
    // The map is only asked, never gone through: its order is nobody's.
    let mut first = HashMap::new();
    let mut edges = Edges::default();
    for ((&row, &kind), &value) in row.iter().zip(kind).zip(value) {
        if kind != wanted {
            continue;
        }
        let holder = *first.entry(value).or_insert(row);
        if holder != row {
            edges.a.push(holder);
            edges.b.push(row);
            edges.value.push(value);
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_of_one_value_are_joined_to_the_first_and_other_kinds_do_not_count() {
        let edges = edges(&[0, 1, 1, 2, 3], &[7, 7, 8, 7, 8], &[50, 50, 60, 50, 60], 7);
        assert_eq!(edges, Edges { a: vec![0, 0], b: vec![1, 2], value: vec![50, 50] });
    }

    #[test]
    fn nothing_joins_nobody() {
        assert_eq!(edges(&[], &[], &[], 7), Edges::default());
    }
}

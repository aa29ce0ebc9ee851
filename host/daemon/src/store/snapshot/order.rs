//! In which order rows lie: by some of their columns.

use std::cmp::Ordering;

use corral_kernels::{ABSENT, Column, Frame, Interner};

use super::scan::not_as_scanned;
use crate::store::StoreError;

/// Puts rows of a frame in the order of some of its columns; rows that are equal in all stay as they are.
///
/// Codes say nothing of an order that another process would see too, so texts go by the alphabet. They are
/// only looked at where the columns before them leave it open.
pub(super) fn sort(
    frame: &Frame,
    columns: &[&str],
    texts: &Interner,
    rows: &mut [u32],
) -> Result<(), StoreError> {
    let columns = columns.iter().map(|name| frame.column(name)).collect::<Result<Vec<_>, _>>();
    sort_by(&columns.map_err(not_as_scanned)?, texts, rows);
    Ok(())
}

fn sort_by(columns: &[&Column], texts: &Interner, rows: &mut [u32]) {
    let Some((column, rest)) = columns.split_first() else { return };
    match column {
        Column::Uint32(values) => by_number(values, rows),
        Column::Uint64(values) => by_number(values, rows),
        Column::Int64(values) => by_number(values, rows),
        Column::Float64(values) => rows.sort_by(|a, b| {
            let value = |row: &u32| values.get(*row as usize).copied().unwrap_or(f64::NAN);
            value(a).total_cmp(&value(b))
        }),
        Column::Text(codes) => by_text(codes, texts, rows),
    }
    if rest.is_empty() {
        return;
    }
    for equal in rows.chunk_by_mut(|a, b| is_equal(column, *a as usize, *b as usize)) {
        if equal.len() > 1 {
            sort_by(rest, texts, equal);
        }
    }
}

fn by_number<T: Ord>(values: &[T], rows: &mut [u32]) {
    rows.sort_by(|a, b| values.get(*a as usize).cmp(&values.get(*b as usize)));
}

fn by_text(codes: &[u32], texts: &Interner, rows: &mut [u32]) {
    let code = |row: &u32| codes.get(*row as usize).copied().unwrap_or(ABSENT);
    let Some(first) = rows.first().map(code) else { return };
    if rows.iter().all(|row| code(row) == first) {
        return;
    }
    let texts = texts.texts(&rows.iter().map(code).collect::<Vec<_>>());
    // What is absent comes before an empty text.
    let mut named: Vec<_> = rows
        .iter()
        .zip(texts.iter())
        .map(|(row, text)| (code(row) != ABSENT, text, *row))
        .collect();
    named.sort_by_key(|(is_there, text, _)| (*is_there, *text));
    for (row, (.., named)) in rows.iter_mut().zip(named) {
        *row = named;
    }
}

fn is_equal(column: &Column, a: usize, b: usize) -> bool {
    match column {
        Column::Uint32(values) | Column::Text(values) => values.get(a) == values.get(b),
        Column::Uint64(values) => values.get(a) == values.get(b),
        Column::Int64(values) => values.get(a) == values.get(b),
        Column::Float64(values) => {
            let bits = |at: usize| values.get(at).map(|value| value.to_bits());
            bits(a) == bits(b)
        }
    }
}

/// A column of one frame and the same of another.
pub(super) type Pair<'f> = (&'f Column, &'f Column);

/// These columns of two frames.
pub(super) fn pairs<'f>(
    (a, b): (&'f Frame, &'f Frame),
    columns: &[&str],
) -> Result<Vec<Pair<'f>>, StoreError> {
    let pair = |name: &&str| Ok((a.column(name)?, b.column(name)?));
    columns.iter().map(pair).collect::<Result<_, _>>().map_err(not_as_scanned)
}

/// Compares a row of one frame with a row of the other, by numbers and texts. For few rows: each text is
/// looked up.
pub(super) fn across(pairs: &[Pair<'_>], (a, b): (usize, usize), texts: &Interner) -> Ordering {
    let mut orders = pairs.iter().map(|pair| match pair {
        (Column::Int64(left), Column::Int64(right)) => left.get(a).cmp(&right.get(b)),
        (Column::Text(left), Column::Text(right)) => {
            let (left, right) = (left.get(a), right.get(b));
            let text = |code: Option<&u32>| code.and_then(|code| texts.text(*code));
            if left == right { Ordering::Equal } else { text(left).cmp(&text(right)) }
        }
        _ => Ordering::Equal,
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_by_the_alphabet_and_not_by_their_codes() {
        let texts = Interner::new(1 << 10);
        let codes: Vec<u32> =
            ["b", "c", "a", "", "b"].map(|text| texts.code(text).unwrap()).to_vec();
        let codes = [codes, vec![ABSENT]].concat();
        let measures = vec![1.0, -0.5, f64::NAN, 0.0, -1.0, 7.0];
        let columns = [("t", Column::text(codes)), ("x", Column::from(measures))];
        let frame = Frame::new(6, columns).unwrap();
        let sorted = |columns: &[&str]| {
            let mut rows: Vec<u32> = (0..6).collect();
            sort(&frame, columns, &texts, &mut rows).unwrap();
            rows
        };
        assert_eq!(sorted(&["t"]), [5, 3, 2, 0, 4, 1], "equal ones stay as they are");
        assert_eq!(sorted(&["t", "x"]), [5, 3, 2, 4, 0, 1]);
        assert_eq!(sorted(&["x"]), [4, 1, 3, 0, 5, 2]);
        assert_eq!(sorted(&[]), [0, 1, 2, 3, 4, 5]);
    }
}

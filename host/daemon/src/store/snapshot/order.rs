//! In which order rows lie: by some of their columns.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use corral_kernels::{Column, Frame, Interner};

use super::scan::not_as_scanned;
use crate::store::StoreError;

/// What rows are compared by.
pub(super) enum Key<'f> {
    /// Numbers, as they are; and texts, as their places in the alphabet.
    Numbers(Cow<'f, [i64]>),
    /// Measures.
    Measures(&'f [f64]),
}

/// The keys of these columns. Codes say nothing of an order that another process would see too, so
/// texts are ranked.
pub(super) fn keys<'f>(
    frame: &'f Frame,
    columns: &[&str],
    texts: &Interner,
) -> Result<Vec<Key<'f>>, StoreError> {
    let key = |name: &&str| {
        Ok(match frame.column(name).map_err(not_as_scanned)? {
            Column::Text(codes) => {
                let ranks = ranks(codes, texts);
                Key::Numbers(codes.iter().filter_map(|code| ranks.get(code).copied()).collect())
            }
            Column::Uint32(values) => Key::Numbers(values.iter().copied().map(i64::from).collect()),
            Column::Uint64(values) => {
                Key::Numbers(values.iter().map(|value| value.cast_signed()).collect())
            }
            Column::Int64(values) => Key::Numbers(Cow::Borrowed(values)),
            Column::Float64(values) => Key::Measures(values),
        })
    };
    columns.iter().map(key).collect()
}

/// The place of each text in the alphabet.
fn ranks(codes: &[u32], texts: &Interner) -> HashMap<u32, i64> {
    let mut distinct = codes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let texts = texts.texts(&distinct);
    let mut named: Vec<_> = texts.iter().zip(distinct).collect();
    named.sort_unstable();
    named.into_iter().map(|(_, code)| code).zip(0..).collect()
}

/// Compares two rows.
pub(super) fn compare(keys: &[Key<'_>], a: u32, b: u32) -> Ordering {
    let (a, b) = (a as usize, b as usize);
    let mut orders = keys.iter().map(|key| match key {
        Key::Numbers(values) => values.get(a).cmp(&values.get(b)),
        Key::Measures(values) => match (values.get(a), values.get(b)) {
            (Some(a), Some(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        },
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
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
        let codes: Vec<u32> = ["b", "c", "a"].map(|text| texts.code(text).unwrap()).to_vec();
        let columns = [("t", Column::text(codes)), ("x", Column::from(vec![1.0, -0.5, f64::NAN]))];
        let frame = Frame::new(3, columns).unwrap();
        let by_text = keys(&frame, &["t"], &texts).unwrap();
        assert_eq!(compare(&by_text, 2, 0), Ordering::Less);
        assert_eq!(compare(&by_text, 1, 0), Ordering::Greater);
        let by_measure = keys(&frame, &["x", "t"], &texts).unwrap();
        assert_eq!(compare(&by_measure, 1, 0), Ordering::Less);
        assert_eq!(compare(&by_measure, 0, 2), Ordering::Less);
        assert_eq!(compare(&by_measure, 0, 0), Ordering::Equal);
    }
}

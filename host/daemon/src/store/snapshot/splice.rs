//! A view of now from the view of before and the rows that changed: pure, and linear in the rows.
//!
//! The kept rows whose keys changed go, and the fresh rows come in their places: what is between them is
//! copied in stretches. A child's rows follow their parents, which may have come or moved. The result is
//! what a reading of the whole would give, to the bit.

use std::ops::Range;

use corral_kernels::{ABSENT, Column, Frame, FrameError, Interner};
use rustc_hash::FxHashMap;

use super::order;
use super::scan::not_as_scanned;
use super::shape::Shape;
use crate::store::StoreError;

/// Codes of keys. All keys of a view are held against some, so this is a bit for each code there is.
#[derive(Debug, Default)]
pub(super) struct Codes(Vec<u64>);

impl Codes {
    pub(super) fn contains(&self, code: u32) -> bool {
        self.0.get(code as usize / 64).is_some_and(|word| word & (1 << (code % 64)) != 0)
    }
}

impl FromIterator<u32> for Codes {
    fn from_iter<I: IntoIterator<Item = u32>>(codes: I) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for code in codes.into_iter().filter(|code| *code != ABSENT) {
            let at = code as usize / 64;
            if at >= words.len() {
                words.resize(at + 1, 0);
            }
            if let Some(word) = words.get_mut(at) {
                *word |= 1 << (code % 64);
            }
        }
        Self(words)
    }
}

/// A stretch of rows.
#[derive(Debug, PartialEq)]
enum Stretch {
    Kept(Range<usize>),
    Fresh(Range<usize>),
}

/// Stretches in the order of the new frame.
#[derive(Debug, Default)]
struct Stretches(Vec<Stretch>);

impl Stretches {
    fn kept(&mut self, rows: Range<usize>) {
        match self.0.last_mut() {
            Some(Stretch::Kept(last)) if last.end == rows.start => last.end = rows.end,
            _ if rows.is_empty() => {}
            _ => self.0.push(Stretch::Kept(rows)),
        }
    }

    fn fresh(&mut self, rows: Range<usize>) {
        match self.0.last_mut() {
            Some(Stretch::Fresh(last)) if last.end == rows.start => last.end = rows.end,
            _ if rows.is_empty() => {}
            _ => self.0.push(Stretch::Fresh(rows)),
        }
    }

    fn gather<T: Copy>(&self, kept: &[T], fresh: &[T]) -> Vec<T> {
        let mut values = Vec::with_capacity(kept.len() + fresh.len());
        for stretch in &self.0 {
            let stretch = match stretch {
                Stretch::Kept(rows) => kept.get(rows.clone()),
                Stretch::Fresh(rows) => fresh.get(rows.clone()),
            };
            values.extend_from_slice(stretch.unwrap_or_default());
        }
        values
    }

    /// A column of the new frame. One that stays is shared.
    fn column(&self, name: &str, kept: &Column, fresh: &Frame) -> Result<Column, FrameError> {
        if matches!(self.0.as_slice(), [Stretch::Kept(rows)] if *rows == (0..kept.len())) {
            return Ok(kept.clone());
        }
        Ok(match kept {
            Column::Uint32(values) => self.gather(values, fresh.uint32(name)?).into(),
            Column::Uint64(values) => self.gather(values, fresh.uint64(name)?).into(),
            Column::Int64(values) => self.gather(values, fresh.int64(name)?).into(),
            Column::Float64(values) => self.gather(values, fresh.float64(name)?).into(),
            Column::Text(codes) => Column::text(self.gather(codes, fresh.text(name)?)),
        })
    }
}

/// Puts the `fresh` rows in place of those of the `changed` keys. Both frames lie in the view's order.
pub(super) fn replace(
    kept: &Frame,
    fresh: &Frame,
    changed: &Codes,
    shape: &Shape,
    texts: &Interner,
) -> Result<Frame, StoreError> {
    let keys = kept.text(shape.key).map_err(not_as_scanned)?;
    let gone = (0..).zip(keys).filter(|(_, key)| changed.contains(**key)).map(|(row, _)| row);
    let mut gone = gone.peekable();
    let pairs = order::pairs((kept, fresh), shape.order)?;
    let mut stretches = Stretches::default();
    let mut next = 0;
    for row in (0..fresh.rows()).map(Some).chain([None]) {
        let place = match row {
            Some(row) => first_not(next..kept.rows(), |kept| {
                order::across(&pairs, (kept, row), texts).is_lt()
            }),
            None => kept.rows(),
        };
        while let Some(gone) = gone.next_if(|gone| *gone < place) {
            stretches.kept(next..gone);
            next = gone + 1;
        }
        stretches.kept(next..place);
        next = place;
        stretches.fresh(row.map_or(0..0, |row| row..row + 1));
    }
    let columns = kept
        .columns()
        .map(|(name, column)| Ok::<_, FrameError>((name, stretches.column(name, column, fresh)?)));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(not_as_scanned)?;
    Frame::new(length(&columns), columns).map_err(not_as_scanned)
}

/// The same for a child: `fresh` points into the attackers of now, whose uuids are `parents`, and `kept`
/// into those of `before`.
pub(super) fn replace_children(
    kept: &Frame,
    fresh: &Frame,
    changed: &Codes,
    (before, parents): (&[u32], &[u32]),
) -> Result<Frame, StoreError> {
    let kept_rows = kept.uint32("row").map_err(not_as_scanned)?;
    let fresh_rows = fresh.uint32("row").map_err(not_as_scanned)?;
    let mut places = places(before, parents);
    for (place, _) in places.iter_mut().zip(parents).filter(|(_, uuid)| changed.contains(**uuid)) {
        *place = ABSENT;
    }
    let mut stretches = Stretches::default();
    let mut rows: Vec<u32> = Vec::with_capacity(kept_rows.len() + fresh_rows.len());
    let mut now: u32 = 0;
    // Parents that stood in this order before, or whose rows are all fresh.
    let follows = |a: &u32, b: &u32| if *a == ABSENT { *b == ABSENT } else { *a + 1 == *b };
    for alike in places.chunk_by(follows) {
        let first = alike.first().copied().unwrap_or(ABSENT);
        // A frame has fewer rows than 2^32.
        let count = u32::try_from(alike.len()).unwrap_or(ABSENT);
        if first == ABSENT {
            let these = of_parents(fresh_rows, now, count);
            rows.extend_from_slice(fresh_rows.get(these.clone()).unwrap_or_default());
            stretches.fresh(these);
        } else {
            let these = of_parents(kept_rows, first, count);
            let kept = kept_rows.get(these.clone()).unwrap_or_default();
            rows.extend(kept.iter().map(|row| row - first + now));
            stretches.kept(these);
        }
        now += count;
    }
    let rest = kept.columns().filter(|(name, _)| *name != "row");
    let rest = rest.map(|(name, column)| Ok((name, stretches.column(name, column, fresh)?)));
    let rest = rest.collect::<Result<Vec<_>, FrameError>>().map_err(not_as_scanned)?;
    Frame::new(rows.len(), std::iter::once(("row", Column::from(rows))).chain(rest))
        .map_err(not_as_scanned)
}

/// Of each of `now`, where it stood `before`; absent if it is new. Mostly new attackers come at the end,
/// so only what lies between a common beginning and a common end is looked up.
fn places(before: &[u32], now: &[u32]) -> Vec<u32> {
    let same = |(a, b): &(&u32, &u32)| a == b;
    let begin = before.iter().zip(now).take_while(same).count();
    let (rest_before, rest_now) =
        (before.get(begin..).unwrap_or_default(), now.get(begin..).unwrap_or_default());
    let end = rest_before.iter().rev().zip(rest_now.iter().rev()).take_while(same).count();
    let changed = rest_now.len() - end;
    let moved: FxHashMap<u32, u32> = rest_before.iter().copied().zip((0..).skip(begin)).collect();
    let ended = (0..).take(before.len()).skip(before.len() - end);
    (0..)
        .take(begin)
        .chain(rest_now.iter().take(changed).map(|uuid| moved.get(uuid).copied().unwrap_or(ABSENT)))
        .chain(ended)
        .collect()
}

/// Where the rows of `count` parents from `first` on lie.
fn of_parents(rows: &[u32], first: u32, count: u32) -> Range<usize> {
    let end = first.saturating_add(count);
    rows.partition_point(|row| *row < first)..rows.partition_point(|row| *row < end)
}

/// The first of some rows, which lie in order, that is not before something; the end if all are.
fn first_not(rows: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = rows;
    while start < end {
        let middle = start.midpoint(end);
        if is_before(middle) { start = middle + 1 } else { end = middle }
    }
    start
}

fn length(columns: &[(&str, Column)]) -> usize {
    columns.first().map_or(0, |(_, column)| column.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_where_it_stood() {
        let cases: [(&[u32], &[u32], &[u32]); 8] = [
            (&[], &[7], &[ABSENT]),
            (&[7], &[], &[]),
            (&[7, 8, 9], &[7, 8, 9], &[0, 1, 2]),
            (&[7, 8], &[7, 8, 9], &[0, 1, ABSENT]),
            (&[7, 8], &[9, 7, 8], &[ABSENT, 0, 1]),
            (&[7, 8], &[7, 9, 8], &[0, ABSENT, 1]),
            (&[7, 8, 9], &[7, 9], &[0, 2]),
            (&[1, 7, 8, 9, 2], &[1, 9, 7, 3, 8, 2], &[0, 3, 1, ABSENT, 2, 4]),
        ];
        for (before, now, expected) in cases {
            assert_eq!(places(before, now), expected, "{before:?} {now:?}");
        }
    }

    fn child(rows: Vec<u32>, values: Vec<f64>) -> Frame {
        Frame::new(rows.len(), [("row", rows.into()), ("x", Column::from(values))]).unwrap()
    }

    #[test]
    fn children_follow_their_parents_and_what_changed_is_replaced() {
        let kept = child(vec![0, 0, 1, 3], vec![0.1, 0.2, 1.0, 3.0]);
        // 23 comes before all, 24 is new, 21 has one row more, 20 has none any more.
        let (before, now) = ([20, 21, 22, 23], [23, 20, 21, 24, 22]);
        let fresh = child(vec![2, 2, 3], vec![1.1, f64::NAN, 4.0]);
        let changed: Codes = [20, 21, 24].into_iter().collect();
        let new = replace_children(&kept, &fresh, &changed, (&before, &now)).unwrap();
        assert_eq!(new, child(vec![0, 2, 2, 3], vec![3.0, 1.1, f64::NAN, 4.0]));
        let none = child(vec![], vec![]);
        let new = replace_children(&kept, &none, &Codes::default(), (&before, &now)).unwrap();
        assert_eq!(new, child(vec![0, 1, 1, 2], vec![3.0, 0.1, 0.2, 1.0]));
    }
}

//! A log cut into rows: one a line, or the elements of a JSON array, wherever its lines end.
//!
//! A row is lent from the buffer, so nothing is copied; the buffer grows to the longest row that is
//! allowed and no further. A longer one is passed over as it is read. NUL bytes in front of a row go the same way:
//! a log that was truncated while its writer kept its place begins with a hole, which can be as long
//! as the log ever was.
//!
//! What comes first decides: `[` makes the rows those of an array, in which each object from `{` to its
//! `}` is a row, with or without commas between; so does `{"attacks":[`, as Honeytrap frames them;
//! everything else makes them lines.

use std::io::{self, Read};

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr3};

const BUFFER_BYTES: usize = 256 << 10;

/// What stands between the brace and the bracket of an array with a name, white space aside.
const NAMED: &[u8] = b"{\"attacks\":[";
/// The most bytes that it takes with white space.
const NAMED_BYTES_MAX: usize = 64;

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The number of the line on which it ends, from 1.
    pub line: u64,
    /// The row, without the white space around it.
    pub bytes: &'a [u8],
    /// How it ends.
    pub end: End,
}

/// How a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Whole,
    /// The file ends first: it is still written, or was cut off.
    Cut,
    /// It is longer than allowed, and its bytes were not kept.
    TooLong,
}

/// Reads rows.
pub struct Rows<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What is to be looked at next.
    start: usize,
    /// Behind the last byte that was read.
    end: usize,
    row_bytes_max: usize,
    line: u64,
    is_array: Option<bool>,
    is_done: bool,
}

/// Where a row lies in the buffer.
struct Found {
    range: Range<usize>,
    line: u64,
    end: End,
}

impl<R: Read> Rows<R> {
    /// Rows of at most `row_bytes_max` bytes.
    pub fn new(reader: R, row_bytes_max: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES.min(row_bytes_max.max(1))];
        Self {
            reader,
            buffer,
            start: 0,
            end: 0,
            row_bytes_max,
            line: 0,
            is_array: None,
            is_done: false,
        }
    }

    /// The lines that ended so far.
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// Gives the reader back.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// The next row that is not empty.
    ///
    /// # Errors
    /// What the reader said. What was read before is lost if it was no whole row.
    pub fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        if self.is_array.is_none() && self.skip(|byte| byte == 0 || byte.is_ascii_whitespace())? {
            self.is_array = Some(self.rest().first() == Some(&b'[') || self.enter_named()?);
        }
        let found = if self.is_array == Some(true) { self.element()? } else { self.text_line()? };
        let Some(Found { range, line, end }) = found else { return Ok(None) };
        let bytes = self.buffer.get(range).unwrap_or_default().trim_ascii();
        Ok(Some(Row { line, bytes, end }))
    }

    /// Steps into an array that has a name; `false` if there is none.
    fn enter_named(&mut self) -> io::Result<bool> {
        loop {
            let start =
                self.rest().get(..NAMED_BYTES_MAX.min(self.rest().len())).unwrap_or_default();
            let mut expected = NAMED.iter();
            let mut wanted = expected.next();
            let fits = start.iter().take_while(|byte| match wanted {
                Some(next) if next == *byte => {
                    wanted = expected.next();
                    true
                }
                Some(_) => byte.is_ascii_whitespace(),
                None => false,
            });
            let length = fits.count();
            if wanted.is_none() {
                let newlines = memchr_iter(b'\n', start.get(..length).unwrap_or_default()).count();
                self.line += newlines as u64;
                self.start += length;
                return Ok(true);
            }
            if length < start.len() || start.len() == NAMED_BYTES_MAX || !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// A row up to the next line feed.
    fn text_line(&mut self) -> io::Result<Option<Found>> {
        if !self.skip(|byte| byte == 0 || byte.is_ascii_whitespace())? {
            return Ok(None);
        }
        let mut looked_at = 0;
        loop {
            let unseen = self.buffer.get(self.start + looked_at..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', unseen) {
                let range = self.start..self.start + looked_at + at;
                self.start = range.end + 1;
                self.line += 1;
                let end = if range.len() > self.row_bytes_max { End::TooLong } else { End::Whole };
                return Ok(Some(Found { range, line: self.line, end }));
            }
            looked_at = self.end - self.start;
            if looked_at > self.row_bytes_max {
                return self.pass_over().map(Some);
            }
            if !self.fill()? {
                self.line += 1;
                return Ok(Some(Found { range: self.take(), line: self.line, end: End::Cut }));
            }
        }
    }

    /// A row from the next `{` to its `}`.
    fn element(&mut self) -> io::Result<Option<Found>> {
        if !self.skip(|byte| byte != b'{')? {
            return Ok(None);
        }
        let mut scan = Scan::default();
        loop {
            if let Some(length) = scan.advance(self.rest()) {
                let range = self.start..self.start + length;
                if length > self.row_bytes_max {
                    return self.pass_over().map(Some);
                }
                let newlines =
                    memchr_iter(b'\n', self.buffer.get(range.clone()).unwrap_or_default()).count();
                self.start = range.end;
                self.line += newlines as u64;
                return Ok(Some(Found { range, line: self.line + 1, end: End::Whole }));
            }
            if self.end - self.start > self.row_bytes_max {
                return self.pass_over().map(Some);
            }
            if !self.fill()? {
                return Ok(Some(Found { range: self.take(), line: self.line + 1, end: End::Cut }));
            }
        }
    }

    /// Steps over the rest of a row that is too long.
    fn pass_over(&mut self) -> io::Result<Found> {
        loop {
            if let Some(at) = memchr(b'\n', self.rest()) {
                self.start += at + 1;
                break;
            }
            self.start = self.end;
            if !self.fill()? {
                break;
            }
        }
        self.line += 1;
        Ok(Found { range: 0..0, line: self.line, end: End::TooLong })
    }

    /// All that is left.
    fn take(&mut self) -> Range<usize> {
        let range = self.start..self.end;
        self.start = self.end;
        range
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more behind what is there, and makes room for it. `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_done {
            return Ok(false);
        }
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.buffer.len() {
                // One byte more than a row may have shows that it has more.
                let longest = self.row_bytes_max.saturating_add(2);
                self.buffer
                    .resize((self.buffer.len() * 2).min(longest).max(self.buffer.len() + 1), 0);
            }
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += count;
        self.is_done = count == 0;
        Ok(count > 0)
    }

    /// Steps over bytes that are not wanted, and counts the lines that end in them. `false` if nothing
    /// else is left.
    fn skip(&mut self, is_unwanted: impl Fn(u8) -> bool) -> io::Result<bool> {
        loop {
            let rest = self.rest();
            let count = rest.iter().take_while(|byte| is_unwanted(**byte)).count();
            let newlines = rest.iter().take(count).filter(|byte| **byte == b'\n').count();
            self.line += newlines as u64;
            self.start += count;
            if self.start < self.end {
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }
}

/// The objects that stand one behind the other in `text`, which is not the JSON it should be: two rows
/// that share a line because a line feed is missing, or a row with a comma behind it.
pub fn objects(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, object) = rest.split_at_checked(memchr(b'{', rest)?)?;
        let (object, after) = object.split_at_checked(Scan::default().advance(object)?)?;
        rest = after;
        Some(object)
    })
}

/// Looks for the end of an object, which may come in parts.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: u32,
    in_string: bool,
}

impl Scan {
    /// The length of the object that `text` begins with, once it is all there. `text` is the same as
    /// in the last call, or longer. An object that was broken off ends where the next line begins one
    /// of its own, or where its line ends inside of a string.
    fn advance(&mut self, text: &[u8]) -> Option<usize> {
        loop {
            let rest = text.get(self.at..)?;
            let found = if self.in_string {
                memchr3(b'"', b'\\', b'\n', rest)
            } else {
                memchr3(b'"', b'{', b'}', rest)
            };
            let Some(found) = found else {
                self.at = text.len();
                return None;
            };
            let at = self.at + found;
            self.at = at + 1;
            match (self.in_string, text.get(at)?) {
                (true, b'\\') => self.at += 1,
                (true, b'\n') => return Some(at),
                (_, b'"') => self.in_string = !self.in_string,
                (_, b'{') => {
                    if self.depth > 0 && begins_row(text.get(..at)?) {
                        return Some(at);
                    }
                    self.depth += 1;
                }
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
            }
        }
    }
}

/// Whether an object behind `before` begins a line, and is no value of a key.
fn begins_row(before: &[u8]) -> bool {
    let text = before.trim_ascii_end();
    let gap = before.get(text.len()..).unwrap_or_default();
    gap.contains(&b'\n') && !text.ends_with(b":")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader that hands out a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn rows(text: &[u8], max: usize, step: usize) -> Vec<(u64, String, End)> {
        let mut rows = Rows::new(Slow(text, step), max);
        let mut found = Vec::new();
        while let Some(Row { line, bytes, end }) = rows.next_row().unwrap() {
            // What is left of a row that was passed over is nobody's business.
            let bytes = if end == End::TooLong { b"" } else { bytes };
            found.push((line, String::from_utf8_lossy(bytes).into_owned(), end));
        }
        found
    }

    fn whole(text: &str) -> Vec<(u64, String)> {
        rows(text.as_bytes(), 1_000, 3).into_iter().map(|(line, text, _)| (line, text)).collect()
    }

    fn row(line: u64, text: &str) -> (u64, String) {
        (line, text.to_owned())
    }

    #[test]
    fn lines_are_rows_without_the_white_space_around_them() {
        assert_eq!(whole("{1}\r\n\n  {2} \n{3}\n"), [row(1, "{1}"), row(3, "{2}"), row(4, "{3}")]);
        assert_eq!(whole(""), []);
        assert_eq!(whole("\n\n"), []);
    }

    #[test]
    fn the_last_line_without_a_line_feed_is_cut() {
        let found = rows(b"{1}\n{2", 100, 100);
        assert_eq!(found[1], (2, "{2".to_owned(), End::Cut));
    }

    #[test]
    fn a_hole_of_nul_bytes_in_front_of_a_row_is_no_part_of_it() {
        let text = [&vec![0; 5_000][..], b"{1}\n"].concat();
        assert_eq!(rows(&text, 100, 4_096), [(1, "{1}".to_owned(), End::Whole)]);
    }

    #[test]
    fn a_line_at_the_limit_is_kept_and_a_longer_one_is_passed_over() {
        let text = format!("{}\n{}\n{{1}}\n", "a".repeat(100), "b".repeat(101));
        for step in [1, 7, 64, 1_000] {
            let found = rows(text.as_bytes(), 100, step);
            assert_eq!(found.len(), 3);
            assert_eq!((found[0].1.len(), found[0].2), (100, End::Whole));
            assert_eq!((found[1].0, found[1].2), (2, End::TooLong));
            assert_eq!(found[2], (3, "{1}".to_owned(), End::Whole));
        }
    }

    #[test]
    fn the_buffer_never_holds_more_than_the_longest_row() {
        let mut rows = Rows::new(io::repeat(b'x').take(10 << 20), 1_000_000);
        assert_eq!(rows.next_row().unwrap().unwrap().end, End::TooLong);
        assert!(rows.buffer.len() <= 1_000_002, "{}", rows.buffer.len());
    }

    #[test]
    fn an_array_has_its_elements_as_rows_with_or_without_commas() {
        let expected = [row(2, "{\"a\":1}"), row(3, "{\"b\":\"}]{\\\"\"}"), row(3, "{\"c\":{}}")];
        assert_eq!(whole("[\n{\"a\":1},\n{\"b\":\"}]{\\\"\"},{\"c\":{}}\n]\n"), expected);
        assert_eq!(whole("[\n{\"a\":1}\n{\"b\":\"}]{\\\"\"} {\"c\":{}}"), expected);
        assert_eq!(
            whole("[\n  {\n    \"a\": {\n\"b\": 1}\n  },\n{}]"),
            [row(5, "{\n    \"a\": {\n\"b\": 1}\n  }"), row(6, "{}")]
        );
    }

    #[test]
    fn an_array_with_a_name_is_an_array() {
        for named in ["{\"attacks\":[\n{1},\n{2}\n]}", "{ \"attacks\" : [\n{1}\n{2} ]}\n"] {
            assert_eq!(whole(named), [row(2, "{1}"), row(3, "{2}")]);
        }
        assert_eq!(whole("\n{\n\"attacks\":\n[{1}]}"), [row(4, "{1}")]);
        // An object is none, and neither is what only begins like one.
        for text in ["{\"attacks\":1}", "{\"attack\":[{1}]}", "{\"attacks\":", "{"] {
            assert_eq!(whole(text), [row(1, text)]);
        }
    }

    #[test]
    fn a_broken_element_does_not_swallow_the_next() {
        assert_eq!(whole("[\n{\"a\":1,\n{\"b\":2}\n]"), [row(3, "{\"a\":1,"), row(3, "{\"b\":2}")]);
        assert_eq!(
            whole("[\n{\"a\":\"1,\n{\"b\":2}\n]"),
            [row(2, "{\"a\":\"1,"), row(3, "{\"b\":2}")]
        );
    }

    #[test]
    fn an_element_that_is_too_long_is_passed_over_to_the_end_of_its_line() {
        let text = b"[{\"a\":\"0123456789\",\n\"b\":{}}\n,{1}]";
        let expected = [
            (1, String::new(), End::TooLong),
            (2, "{}".to_owned(), End::Whole),
            (3, "{1}".to_owned(), End::Whole),
        ];
        for step in [1, 7, 100] {
            assert_eq!(rows(text, 20, step), expected);
        }
    }

    #[test]
    fn rows_that_share_a_line_are_told_apart() {
        let found: Vec<&[u8]> = objects(b"{\"a\":\"}\"}{\"b\":2},").collect();
        assert_eq!(found, [&b"{\"a\":\"}\"}"[..], b"{\"b\":2}"]);
        assert_eq!(objects(b"{\"a\":").count(), 0);
    }

    proptest! {
        #[test]
        fn rows_do_not_depend_on_how_the_bytes_come_in(
            text in "(\\[\n|[{]\"attacks\":\\[)?([{}\"a\\\\,: \n]|\u{0}){0,200}",
            step in 1_usize..40,
            max in 1_usize..100,
        ) {
            prop_assert_eq!(rows(text.as_bytes(), max, step), rows(text.as_bytes(), max, 1_000));
        }
    }
}

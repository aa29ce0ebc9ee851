//! Cowrie's recordings of terminals, decoded: what was entered, and when.
//!
//! A recording is a row of records, each a head of 24 bytes, little-endian, and what the head says
//! follows it: `op` (i32), `tty` (u32), `length` (i32), `direction` (i32), seconds and microseconds
//! since 1970 (u32 each). Of the operations 1 opens, 2 closes, 3 writes and 4 executes; the last two
//! carry bytes. A write goes in (1, what the client sent), out (2), or came without a terminal (3, the
//! line of an `exec`). Only what went in was perhaps entered by somebody.
//!
//! A recording may break off or be something else: what was read before counts.

pub(super) use folders::Recordings;

mod folders;

const HEAD_BYTES: usize = 24;
const WRITE: i32 = 3;
const EXECUTE: i32 = 4;
const INWARDS: i32 = 1;

/// What a client sent at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What.
    pub bytes: &'a [u8],
}

/// The inputs of a recording, in its order; empty ones left out.
pub fn inputs(mut recording: &[u8]) -> impl Iterator<Item = Input<'_>> {
    let records = std::iter::from_fn(move || {
        let (head, rest) = recording.split_first_chunk::<HEAD_BYTES>()?;
        let (words, _) = head.as_chunks::<4>();
        let [operation, _tty, length, direction, seconds, micros] = *words else { return None };
        let operation = i32::from_le_bytes(operation);
        let length = match operation {
            1 | 2 => 0,
            WRITE | EXECUTE => usize::try_from(i32::from_le_bytes(length)).ok()?,
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(length)?;
        recording = rest;
        let is_input = operation == WRITE && i32::from_le_bytes(direction) == INWARDS;
        let at = i64::from(u32::from_le_bytes(seconds)) * 1_000_000
            + i64::from(u32::from_le_bytes(micros));
        Some((is_input && !bytes.is_empty()).then_some(Input { at, bytes }))
    });
    records.flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record with these bytes behind its head.
    fn record(
        operation: i32,
        direction: i32,
        (seconds, micros): (u32, u32),
        bytes: &[u8],
    ) -> Vec<u8> {
        let length = i32::try_from(bytes.len()).unwrap();
        let mut record = Vec::new();
        for word in [operation, 7, length, direction] {
            record.extend(word.to_le_bytes());
        }
        record.extend(seconds.to_le_bytes());
        record.extend(micros.to_le_bytes());
        record.extend(bytes);
        record
    }

    #[test]
    fn only_what_went_in_is_an_input() {
        let recording = [
            record(1, 0, (1, 0), b""),
            record(WRITE, 2, (1, 1), b"$ "),
            record(WRITE, INWARDS, (1_616_000_000, 999_999), b"l"),
            record(WRITE, 3, (2, 1), b"uname -a"),
            record(EXECUTE, INWARDS, (2, 2), b"sh"),
            record(WRITE, INWARDS, (3, 0), b""),
            record(WRITE, INWARDS, (u32::MAX, 5), b"s\r"),
            record(2, 0, (4, 0), b""),
        ];
        let recording = recording.concat();
        let found: Vec<_> = inputs(&recording).collect();
        let late = i64::from(u32::MAX) * 1_000_000 + 5;
        assert_eq!(
            found,
            [Input { at: 1_616_000_000_999_999, bytes: b"l" }, Input { at: late, bytes: b"s\r" }]
        );
        // Cut anywhere, it tells what stands before the cut.
        for end in 0..recording.len() {
            let before: Vec<_> = inputs(&recording[..end]).collect();
            assert_eq!(before, found[..before.len()]);
        }
    }

    #[test]
    fn what_is_no_record_ends_the_recording() {
        let good = record(WRITE, INWARDS, (1, 0), b"x");
        for bad in [[0xff; 24], [0; 24], *b"// this is a text file. "] {
            let recording = [&good[..], &bad, &good].concat();
            assert_eq!(inputs(&recording).count(), 1);
        }
        // A length that is negative, or longer than what is there.
        for length in [-1, i32::MIN, 2, i32::MAX] {
            let mut recording = good.clone();
            recording[8..12].copy_from_slice(&length.to_le_bytes());
            assert_eq!(inputs(&recording).count(), 0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(
            records in prop::collection::vec((0..6_i32, -1..30_i32, 0..4_i32, prop::collection::vec(any::<u8>(), 0..30)), 0..20),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut recording = Vec::new();
            for (operation, length, direction, bytes) in records {
                let mut record = record(operation, direction, (1, 2), &bytes);
                record[8..12].copy_from_slice(&length.to_le_bytes());
                recording.extend(record);
            }
            recording.extend(&noise);
            for recording in [&recording, &noise] {
                let bytes: usize = inputs(recording).map(|input| input.bytes.len() + HEAD_BYTES).sum();
                prop_assert!(bytes <= recording.len());
                let _samples = super::super::behaviour::samples(recording);
            }
        }
    }
}

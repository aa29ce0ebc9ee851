//! What the keys tell: the two primitives that follow from the recording of a terminal.
//!
//! The table of all primitives stands in [`crate::store::record::behaviour`]; here is how these two
//! come about.
//!
//! * **`motor.input_modality`**. A key comes alone, as one or two bytes or as the escape sequence of an
//!   arrow, at least 20 ms after the input before it; all else comes in blocks, as pasted text and
//!   scripts do. The share of the bytes that are keys decides. A Telnet client that sends whole lines
//!   looks as if it pasted, whoever sits there.
//! * **`motor.digraph_simhash`**, by DECNET's recipe, so that both find the same typist near: pairs of
//!   inputs of one character each, not more than 1.5 s apart; for each pair of characters the median
//!   of its times, in one of seven classes; of `ab:class` the first eight bytes of MD5; and of these,
//!   weighted by how often the pair came, Charikar's hash. At least 8 pairs and 20 times. Hashes are
//!   near if few bits differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use md5::{Digest, Md5};

use super::tty::{self, Input};
use crate::store::record::behaviour::{Primitive, Sample, confidence};

/// Inputs that tell how somebody enters them.
const INPUTS_MIN: usize = 8;
/// Nobody hits two keys within a shorter time, in microseconds, over and over.
const KEY_GAP_MIN: i64 = 20_000;
/// Bytes of a key: of a character, or of two that came together.
const KEY_BYTES_MAX: usize = 2;
/// Bytes of the escape sequence that a special key sends.
const SEQUENCE_BYTES_MAX: usize = 6;
/// Per cent of keys from which on input is typed.
const TYPED_MIN: usize = 80;
/// Per cent of keys up to which input is pasted.
const PASTED_MAX: usize = 20;

/// Microseconds between two keys that belong together.
const FLIGHT_MAX: i64 = 1_500_000;
/// Distinct pairs that make a rhythm.
const PAIRS_MIN: usize = 8;
/// Times between keys that make a rhythm.
const FLIGHTS_MIN: usize = 20;
/// Where the classes of times begin, in microseconds; the first begins at 0.
const CLASSES: [i64; 6] = [30_000, 60_000, 120_000, 250_000, 500_000, 1_000_000];

/// The samples that a recording gives.
pub(super) fn samples(recording: &[u8]) -> Box<[Sample]> {
    let inputs: Vec<Input<'_>> = tty::inputs(recording).collect();
    let Some(modality) = modality(&inputs) else { return Box::default() };
    let mut samples = vec![Sample {
        primitive: Primitive::InputModality,
        value: Arc::from(modality),
        confidence: confidence(inputs.len()),
    }];
    if modality != "pasted" {
        samples.extend(rhythm(&inputs));
    }
    samples.into_boxed_slice()
}

fn modality(inputs: &[Input<'_>]) -> Option<&'static str> {
    let (mut keys, mut bytes) = (0, 0);
    let mut before = None;
    for input in inputs {
        let is_alone = before.is_none_or(|before| input.at - before >= KEY_GAP_MIN);
        keys += if is_alone && is_key(input.bytes) { input.bytes.len() } else { 0 };
        bytes += input.bytes.len();
        before = Some(input.at);
    }
    let value = if keys * 100 >= bytes * TYPED_MIN {
        "typed"
    } else if keys * 100 <= bytes * PASTED_MAX {
        "pasted"
    } else {
        "mixed"
    };
    (inputs.len() >= INPUTS_MIN).then_some(value)
}

fn is_key(bytes: &[u8]) -> bool {
    let is_sequence = bytes.starts_with(b"\x1b") && bytes.len() <= SEQUENCE_BYTES_MAX;
    bytes.len() <= KEY_BYTES_MAX || is_sequence
}

fn rhythm(inputs: &[Input<'_>]) -> Option<Sample> {
    let mut flights: BTreeMap<(char, char), Vec<i64>> = BTreeMap::new();
    let mut before = None;
    for input in inputs {
        let Some(key) = single(input.bytes) else {
            before = None;
            continue;
        };
        if let Some((first, at)) = before.replace((key, input.at))
            && (1..=FLIGHT_MAX).contains(&(input.at - at))
        {
            flights.entry((first, key)).or_default().push(input.at - at);
        }
    }
    let count: usize = flights.values().map(Vec::len).sum();
    if flights.len() < PAIRS_MIN || count < FLIGHTS_MIN {
        return None;
    }
    let pairs = flights.len();
    let tokens = flights.into_iter().map(|((first, second), mut times)| {
        (format!("{first}{second}:{}", class(&mut times)), times.len())
    });
    Some(Sample {
        primitive: Primitive::Digraphs,
        value: Arc::from(format!("{:016x}", simhash(tokens))),
        confidence: confidence(pairs),
    })
}

/// The character that bytes are, if they are one.
fn single(bytes: &[u8]) -> Option<char> {
    let mut chars = std::str::from_utf8(bytes).ok()?.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// The class of the median of some times.
fn class(times: &mut [i64]) -> usize {
    times.sort_unstable();
    let (below, above) = times.split_at(times.len() / 2);
    let middle = above.first().copied().unwrap_or(0);
    // Doubled, so that the mean of the two in the middle is a whole number.
    let doubled = if above.len() > below.len() {
        2 * middle
    } else {
        middle + below.last().unwrap_or(&middle)
    };
    CLASSES.iter().filter(|edge| doubled >= 2 * **edge).count()
}

/// Charikar's hash: each bit as the weighted majority of the tokens' hashes has it.
fn simhash(tokens: impl Iterator<Item = (String, usize)>) -> u64 {
    let mut sums = [0_i64; 64];
    for (token, weight) in tokens {
        let digest = Md5::digest(token.as_bytes());
        let hash = digest.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
        let weight = i64::try_from(weight).unwrap_or(i64::MAX);
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += if hash >> bit & 1 == 1 { weight } else { -weight };
        }
    }
    let bits = sums.iter().enumerate().filter(|(_, sum)| **sum > 0);
    bits.fold(0, |hash, (bit, _)| hash | 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs at these milliseconds.
    fn inputs<'a>(keys: &[(i64, &'a str)]) -> Vec<Input<'a>> {
        keys.iter().map(|(at, text)| Input { at: at * 1_000, bytes: text.as_bytes() }).collect()
    }

    /// Somebody who types at this pace, in milliseconds.
    fn typist(text: &str, pace: i64) -> Vec<Input<'_>> {
        let keys = text.char_indices().zip(0..);
        keys.map(|((at, c), nth)| Input {
            at: nth * pace * 1_000,
            bytes: &text.as_bytes()[at..at + c.len_utf8()],
        })
        .collect()
    }

    #[test]
    fn keys_that_come_one_by_one_are_typed() {
        assert_eq!(modality(&typist("ls -la\rw", 20)), Some("typed"));
        assert_eq!(modality(&typist("ls -la\rw", 19)), Some("pasted"), "nobody is that fast");
        assert_eq!(modality(&typist("ls -la\r", 200)), None, "seven keys are too few");
        assert_eq!(modality(&[]), None);
        let arrows = [(0, "\x1b[A"); 8].iter().zip(0..).map(|((_, key), nth)| (nth * 100, *key));
        assert_eq!(modality(&inputs(&arrows.collect::<Vec<_>>())), Some("typed"));
    }

    #[test]
    fn text_that_comes_in_blocks_is_pasted() {
        let lines = [(0, "enable\r\n"), (500, "system\r\n"), (900, "shell\r\n"), (1_400, "sh\r\n")];
        let twice: Vec<_> = lines
            .iter()
            .chain(&lines)
            .zip(0..)
            .map(|((_, line), nth)| (nth * 500, *line))
            .collect();
        assert_eq!(modality(&inputs(&twice)), Some("pasted"));
    }

    #[test]
    fn the_share_of_keys_decides() {
        // So many keys, and a block of so many bytes.
        let share = |keys: i64, block: usize| {
            let block = "x".repeat(block);
            let mut all: Vec<_> = (0..keys).map(|nth| (nth * 100, "k")).collect();
            all.push((keys * 100, &block));
            modality(&inputs(&all)).unwrap()
        };
        assert_eq!((share(80, 20), share(79, 21)), ("typed", "mixed"));
        assert_eq!((share(21, 79), share(20, 80)), ("mixed", "pasted"));
    }

    #[test]
    fn a_rhythm_needs_eight_pairs_and_twenty_times() {
        let text = "abcdefghi";
        assert_eq!(rhythm(&typist(&text.repeat(2), 100)), None, "seventeen times");
        assert!(rhythm(&typist(&text.repeat(3), 100)).is_some());
        assert_eq!(rhythm(&typist(&"abcdefg".repeat(9), 100)), None, "seven pairs");
        assert!(rhythm(&typist(&"abcdefgh".repeat(9), 100)).is_some(), "eight pairs");
    }

    #[test]
    fn a_pair_is_two_single_keys_in_time() {
        let text = "abcdefghi".repeat(3);
        assert!(rhythm(&typist(&text, 1_500)).is_some());
        assert_eq!(rhythm(&typist(&text, 1_501)), None);
        assert_eq!(rhythm(&typist(&text, 0)), None);
        let blocks: Vec<_> =
            typist(&text, 100).into_iter().map(|key| Input { bytes: b"ab", ..key }).collect();
        assert_eq!(rhythm(&blocks), None);
        assert_eq!(single("é".as_bytes()), Some('é'));
        assert_eq!((single(b"\xff"), single(b"ab"), single(b"")), (None, None, None));
    }

    #[test]
    fn a_time_has_the_class_of_its_median() {
        for (times, expected) in [
            (vec![1], 0),
            (vec![29_999], 0),
            (vec![30_000], 1),
            (vec![59_999], 1),
            (vec![60_000], 2),
            (vec![120_000], 3),
            (vec![250_000], 4),
            (vec![500_000], 5),
            (vec![999_999], 5),
            (vec![1_000_000], 6),
            (vec![1_000_000, 1, 30_000], 1),
            (vec![50_000, 10_000], 1),
            (vec![49_999, 10_000], 0),
        ] {
            assert_eq!(class(&mut times.clone()), expected, "{times:?}");
        }
    }

    #[test]
    fn a_hash_is_the_weighted_majority_of_its_tokens() {
        let of = |tokens: &[(&str, usize)]| {
            simhash(tokens.iter().map(|(token, weight)| ((*token).to_owned(), *weight)))
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[("ab:1", 1)]), 0xf045_7278_743a_4af5, "the first half of its MD5");
        let (a, b, c) = (of(&[("ab:1", 1)]), of(&[("bc:2", 1)]), of(&[("cd:3", 1)]));
        assert_eq!(of(&[("ab:1", 3), ("bc:2", 1), ("cd:3", 1)]), a);
        assert_eq!(of(&[("ab:1", 1), ("bc:2", 1)]), a & b, "what is even is no majority");
        assert_eq!(of(&[("ab:1", 2), ("bc:2", 2), ("cd:3", 2)]), (a & b) | (b & c) | (a & c));
    }
}

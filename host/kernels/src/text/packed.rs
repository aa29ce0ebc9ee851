//! One text in few bytes.
//!
//! Most texts are identifiers and hashes, which are hexadecimal digits: those take half a byte each. A
//! text has exactly one packed form, so two texts are equal if and only if their packed forms are, and nobody
//! needs to unpack anything to find one.

/// Bytes of a length with its form, at most.
const HEAD_MAX: usize = 10;
/// Dashes of a UUID (RFC 9562), by where they stand.
const DASHES: [usize; 4] = [8, 13, 18, 23];
const UUID_LEN: usize = 36;

/// How the bytes behind the head are to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are, in UTF-8.
    Plain = 0,
    /// Two lowercase hexadecimal digits each.
    Hex = 1,
    /// The same, of a UUID.
    Uuid = 2,
}

/// Puts the packed form of `text` behind what `into` holds.
pub(super) fn pack(text: &str, into: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let start = into.len();
    let form = form(bytes);
    let len = match form {
        Form::Plain => bytes.len(),
        Form::Hex => bytes.len() / 2,
        Form::Uuid => 16,
    };
    head((len << 2) | form as usize, into);
    if form == Form::Plain {
        into.extend_from_slice(bytes);
        return;
    }
    let digits = bytes.iter().filter(|byte| **byte != b'-');
    let mut high = None;
    for digit in digits.map(|byte| value(*byte)) {
        match high.take() {
            None => high = Some(digit),
            Some(high) => into.push((high << 4) | digit),
        }
    }
    debug_assert!(into.len() - start <= len + HEAD_MAX);
}

/// The packed form that `bytes` begin with.
pub(super) fn first(bytes: &[u8]) -> &[u8] {
    let (_, len, head) = read_head(bytes);
    bytes.get(..head + len).unwrap_or_default()
}

/// Puts the text of a packed form behind what `into` holds.
pub(super) fn unpack(packed: &[u8], into: &mut String) {
    let (form, len, head) = read_head(packed);
    let bytes = packed.get(head..head + len).unwrap_or_default();
    match form {
        // It was a text when it came.
        Form::Plain => into.push_str(std::str::from_utf8(bytes).unwrap_or_default()),
        Form::Hex => into.extend(bytes.iter().flat_map(|byte| digits(*byte))),
        Form::Uuid => {
            for (at, byte) in bytes.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    into.push('-');
                }
                into.extend(digits(*byte));
            }
        }
    }
}

fn form(bytes: &[u8]) -> Form {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if bytes.len() == UUID_LEN {
        let fits = |(at, byte): (usize, &u8)| {
            if DASHES.contains(&at) { *byte == b'-' } else { is_digit(byte) }
        };
        if bytes.iter().enumerate().all(fits) {
            return Form::Uuid;
        }
    }
    let is_hex = bytes.len().is_multiple_of(2) && bytes.iter().all(is_digit);
    if is_hex { Form::Hex } else { Form::Plain }
}

fn value(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
}

fn digits(byte: u8) -> [char; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]))
}

/// A number in groups of seven bits, the lowest first (LEB128).
fn head(mut number: usize, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    into.push(number.to_le_bytes()[0]);
}

/// Form, bytes behind the head, bytes of the head.
fn read_head(bytes: &[u8]) -> (Form, usize, usize) {
    let (mut number, mut head) = (0_usize, 0);
    for byte in bytes.iter().take(HEAD_MAX) {
        number |= usize::from(byte & 0x7f) << (7 * head);
        head += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let form = match number & 3 {
        1 => Form::Hex,
        2 => Form::Uuid,
        _ => Form::Plain,
    };
    (form, number >> 2, head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(text: &str) -> usize {
        let mut packed = Vec::new();
        pack(text, &mut packed);
        let len = packed.len();
        packed.extend_from_slice(b"more");
        assert_eq!(first(&packed).len(), len, "{text:?}");
        let mut back = String::from(".");
        unpack(first(&packed), &mut back);
        assert_eq!(back, format!(".{text}"));
        len
    }

    #[test]
    fn identifiers_and_hashes_take_half_and_others_come_back_as_well() {
        assert_eq!(there_and_back("01234567-89ab-cdef-0123-456789abcdef"), 17);
        assert_eq!(there_and_back(&"0f".repeat(32)), 34);
        assert_eq!(there_and_back(""), 1);
        for plain in [
            "ABCDEF",
            "abc",
            "192.0.2.1",
            "01234567-89AB-cdef-0123-456789abcdef",
            "0123456789ab-cdef-0123-456789abcdef-",
        ] {
            // From 32 bytes on the length takes two.
            let head = if plain.len() < 32 { 1 } else { 2 };
            assert_eq!(there_and_back(plain), head + plain.len());
        }
        there_and_back(&"é".repeat(100_000));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "(?s).{0,80}|[0-9a-f]{0,80}|[0-9a-f-]{36}") {
            there_and_back(&text);
        }
    }
}

//! What Python's `float` reads in a text: more than Rust does, and not the same.
//!
//! White space around it, underscores between digits, the decimal digits of any script. The number itself
//! both languages read alike, rounded to the nearest.

/// The zeros of the scripts beyond ASCII that have decimal digits, each followed by its one to nine:
/// category Nd of Unicode 14, which is what CPython 3.11 knows.
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The number that `text` says, if it says one.
pub(super) fn python_float(text: &str) -> Option<f64> {
    // The white space of Rust is that of `float`; Python's `str.isspace` has four more.
    let text: String = text.trim().chars().map(in_ascii).collect();
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_digit())
    };
    let between_digits = |at: usize| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
    if !text.match_indices('_').all(|(at, _)| between_digits(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// The ASCII digit for a decimal digit of another script; anything else stays what it is.
fn in_ascii(letter: char) -> char {
    let point = u32::from(letter);
    let script = ZEROS.partition_point(|&zero| zero <= point);
    let digit = script.checked_sub(1).map(|script| point - ZEROS[script]);
    digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As CPython 3.11 answers.
    #[test]
    fn texts_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("1_000", 1000.0),
            (" 7 ", 7.0),
            ("\u{2003}1\n", 1.0),
            ("1\u{85}", 1.0),
            ("\u{a0}1", 1.0),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("5.e3", 5000.0),
            ("1_0.5_0e1_0", 1.05e11),
            ("1e999", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("iNfInItY", f64::INFINITY),
            ("-0", -0.0),
            ("\u{661}", 1.0),
            ("\u{661}_\u{662}", 12.0),
            ("\u{ff11}.\u{1d7ff}", 1.9),
            ("\u{1fbf9}", 9.0),
        ] {
            assert_eq!(python_float(text).map(f64::to_bits), Some(expected.to_bits()), "{text:?}");
        }
        assert!(python_float("+nan").is_some_and(f64::is_nan));
        for text in [
            "",
            " ",
            ".",
            "abc",
            "0x10",
            "1 2",
            "+-1",
            "1__0",
            "_1",
            "1_",
            "1._5",
            "1_.5",
            "1e5_",
            "1e_5",
            "infinity_",
            "n_an",
            "\u{1c}1",
            "\u{1c}\u{661}",
            "\u{b2}",
            "\u{66a}",
            "1\0",
            "e5",
            "1e",
        ] {
            assert_eq!(python_float(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_zeros_rise_and_their_digits_do_not_overlap() {
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 10 <= pair[1]));
    }
}

//! One JSON value as Python reads it: what it equals, and what number it is.
//!
//! Not a JSON library: of lists and objects only the outside is looked at, since no rule can use them.
//! What is here is exact where libraries are not: whole numbers have any length, strings may hold halves
//! of surrogate pairs, and the words `NaN` and `Infinity` are numbers, as Python's `json` has it.

use super::Problem;
use super::python_float::python_float;

/// A value, as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    /// By the grammar of JSON, or one of Python's three words.
    Number(&'a str),
    /// In UTF-16, because JSON escapes can say what no `str` may hold.
    Text(Vec<u16>),
    List,
    Object,
}

/// What a value equals: two values have one key if and only if Python counts them as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    /// A whole number, be it written `1`, `1.0` or `true`: its decimal digits.
    Whole(Box<str>),
    /// Any other number, by its bits.
    Other(u64),
    Nan,
    Text(Box<[u16]>),
}

impl<'a> Scalar<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, Problem> {
        let json = json.trim_matches([' ', '\t', '\n', '\r']);
        match json.as_bytes() {
            b"null" => Ok(Self::Null),
            b"true" => Ok(Self::Boolean(true)),
            b"false" => Ok(Self::Boolean(false)),
            b"NaN" | b"Infinity" | b"-Infinity" => Ok(Self::Number(json)),
            [b'[', .., b']'] => Ok(Self::List),
            [b'{', .., b'}'] => Ok(Self::Object),
            [b'"', .., b'"'] => {
                unescape(&json[1..json.len() - 1]).map(Self::Text).ok_or(Problem::NotJson)
            }
            _ if is_number(json) => Ok(Self::Number(json)),
            _ => Err(Problem::NotJson),
        }
    }

    pub(super) fn key(&self) -> Result<Key, Problem> {
        match self {
            Self::Null => Ok(Key::Null),
            Self::Boolean(value) => Ok(Key::Whole(if *value { "1" } else { "0" }.into())),
            Self::Number(text) => Ok(number_key(text)),
            Self::Text(units) => Ok(Key::Text(units.as_slice().into())),
            Self::List => Err(Problem::List),
            Self::Object => Err(Problem::Object),
        }
    }

    /// What Python's `float` makes of it, with 0 for null as DECNET has it.
    pub(super) fn number(&self) -> Result<f64, Problem> {
        match self {
            Self::Null => Ok(0.0),
            Self::Boolean(value) => Ok(f64::from(u8::from(*value))),
            Self::Number(text) => {
                let number: f64 = text.parse().map_err(|_| Problem::NotJson)?;
                match (is_whole(text), number.is_infinite()) {
                    // Too long an integer raises; too large a float is infinite.
                    (true, true) => Err(Problem::TooLarge),
                    // An integer has no negative zero.
                    (true, false) => Ok(number + 0.0),
                    (false, _) => Ok(number),
                }
            }
            Self::Text(units) => String::from_utf16(units)
                .ok()
                .and_then(|text| python_float(&text))
                .ok_or(Problem::NotANumber),
            Self::List => Err(Problem::List),
            Self::Object => Err(Problem::Object),
        }
    }
}

/// Whether Python reads this number as an integer.
fn is_whole(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn number_key(text: &str) -> Key {
    let digits = if is_whole(text) {
        text.to_owned()
    } else {
        match text.parse::<f64>() {
            // All digits of it: 1e23 is the integer 99999999999999991611392.
            Ok(number) if number.is_finite() && number.fract() == 0.0 => format!("{number:.0}"),
            Ok(number) if !number.is_nan() => return Key::Other(number.to_bits()),
            _ => return Key::Nan,
        }
    };
    Key::Whole(if digits == "-0" { "0".into() } else { digits.into() })
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let padded = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !padded && digits(fraction) && digits(exponent)
}

/// The text between two quotes; none if it is not JSON.
fn unescape(text: &str) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\0'..='\x1f' => return None,
            '\\' => units.push(escaped(&mut letters)?),
            letter => units.extend_from_slice(letter.encode_utf16(&mut [0; 2])),
        }
    }
    Some(units)
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Option<u16> {
    Some(match letters.next()? {
        letter @ ('"' | '\\' | '/') => letter as u16,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'u' => {
            let mut unit = 0;
            for _ in 0..4 {
                unit = (unit << 4) | letters.next()?.to_digit(16)?;
            }
            u16::try_from(unit).ok()?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(json: &str) -> Result<Key, Problem> {
        Scalar::read(json)?.key()
    }

    fn number(json: &str) -> Result<f64, Problem> {
        Scalar::read(json)?.number()
    }

    /// Each line is what CPython 3.11 counts as one value, and no two lines are.
    #[test]
    fn equality_is_pythons() {
        let classes: &[&[&str]] = &[
            &["null", " null\n"],
            &["1", "1.0", "true", "1e0", "0.1e1", "10E-1"],
            &["0", "-0", "0.0", "-0.0", "false", "1e-999"],
            &["\"1\"", "\"\\u0031\""],
            &["\"\""],
            &["\"null\""],
            &["0.1", "0.10000000000000001"],
            &["-1", "-1.0"],
            &["1e400", "Infinity"],
            &["-Infinity"],
            &["NaN"],
            &["1e22", "10000000000000000000000"],
            &["1e23", "99999999999999991611392"],
            &["100000000000000000000000"],
            &["9007199254740993"],
            &["9007199254740992", "9007199254740993.0"],
            &["\"\u{1f600}\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\""],
            &["\"\\ud83d\""],
            &[
                "\"a/\\\"\\\\\\b\\f\\n\\r\\t\"",
                "\"a\\/\\u0022\\u005c\\u0008\\u000c\\u000a\\u000d\\u0009\"",
            ],
        ];
        let keys = classes.iter().map(|class| key(class[0]).unwrap());
        let distinct: std::collections::HashSet<Key> = keys.collect();
        assert_eq!(distinct.len(), classes.len());
        for class in classes {
            for json in *class {
                assert_eq!(key(json), key(class[0]), "{json}");
            }
        }
    }

    #[test]
    fn numbers_are_pythons() {
        for (json, expected) in [
            ("null", 0.0),
            ("true", 1.0),
            ("false", 0.0),
            ("-0", 0.0),
            ("-0.0", -0.0),
            ("5010.3", 5010.3),
            ("1E5", 1e5),
            ("1e999", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("100000000000000000000000", 1e23),
            ("\" 1_000\\u0661 \"", 10_001.0),
        ] {
            assert_eq!(number(json).map(f64::to_bits), Ok(f64::to_bits(expected)), "{json}");
        }
        assert!(number("NaN").unwrap().is_nan());
        assert_eq!(number(&"9".repeat(309)), Err(Problem::TooLarge));
        assert_eq!(number("\"0x10\""), Err(Problem::NotANumber));
        assert_eq!(number("\"\\ud800\""), Err(Problem::NotANumber));
    }

    #[test]
    fn what_no_rule_can_use_is_named() {
        assert_eq!((key("[1]"), number("[]")), (Err(Problem::List), Err(Problem::List)));
        assert_eq!((key("{}"), number("{\"a\": 1}")), (Err(Problem::Object), Err(Problem::Object)));
        for json in [
            "",
            " ",
            "\"",
            "\"a",
            "a",
            "nul",
            "[",
            "{]",
            "+1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "--1",
            "0x10",
            "inf",
            "nan",
            "\"\t\"",
            "\"a\"b\"",
            "\"\\\"",
            "\"\\x41\"",
            "\"\\u12\"",
            "\"\\u+123\"",
        ] {
            assert_eq!(Scalar::read(json), Err(Problem::NotJson), "{json}");
        }
    }
}

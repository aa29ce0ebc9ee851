//! Timestamps, as a dozen log writers and exporters spell them.
//!
//! One hand-written reader for all forms: `2022-05-29T00:00:04.387278Z`, `+0200` without a colon (what
//! Python's `%z` gives, and strict RFC 3339 readers refuse), a space or `T`, `/` between the parts of
//! the date, a comma before the fraction, no zone at all, or a bare number since the epoch in s, ms,
//! µs or ns. It is on the path of every log line, which is why it is not a library's general parser.
//!
//! A clock that was never set says 1970: no event of that year is believed.

use crate::clock::Timestamp;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// 1971-01-01 in seconds: what lies before comes from a clock that was not set.
const BELIEVED_FROM: i64 = 365 * DAY;
/// 10000-01-01 in seconds: from here on no calendar form of ours has room for the year.
const BELIEVED_UNTIL: i64 = 253_402_300_800;

/// How far east of UTC a timestamp is that names no zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    seconds: i64,
}

impl Zone {
    /// The zone this many hours east of UTC, to the minute; `None` if no place on Earth has it.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn east(hours: f64) -> Option<Self> {
        (-24.0..=24.0)
            .contains(&hours)
            .then(|| Self { seconds: (hours * 60.0).round() as i64 * 60 })
    }
}

/// Reads a timestamp; `None` if it is none, or one of 1970.
pub fn parse(text: &str, zone: Zone) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let (seconds, micros) = match text.as_bytes() {
        [_, _, _, _, b'-' | b'/', ..] => civil(text.as_bytes(), zone)?,
        _ => epoch(text)?,
    };
    (BELIEVED_FROM..BELIEVED_UNTIL)
        .contains(&seconds)
        .then_some(Timestamp(seconds * SECOND + micros))
}

/// A number since the epoch; its magnitude tells the unit, for any moment after 1973.
fn epoch(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    Some(match number.saturating_abs() {
        0..100_000_000_000 => (number, micros(fraction.as_bytes())?),
        100_000_000_000..100_000_000_000_000 => (number / 1_000, number % 1_000 * 1_000),
        100_000_000_000_000..100_000_000_000_000_000 => (number / SECOND, number % SECOND),
        _ => (number / 1_000_000_000, number % 1_000_000_000 / 1_000),
    })
}

fn civil(text: &[u8], zone: Zone) -> Option<(i64, i64)> {
    let (year, rest) = number(text, 4)?;
    let (&separator, rest) = rest.split_first()?;
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest.strip_prefix(&[separator])?, 2)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.' | b',', rest @ ..] => {
            rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
        }
        _ => (&[][..], rest),
    };
    let east = offset(rest.trim_ascii_start(), zone)?;
    let seconds = days(year, month, day)? * DAY + hour * 3_600 + minute * 60 + second - east;
    Some((seconds, micros(fraction)?))
}

/// Seconds east of UTC: `Z`, `UTC`, `+02`, `+0200`, `+02:00`, or nothing.
fn offset(text: &[u8], zone: Zone) -> Option<i64> {
    let (sign, rest) = match text {
        [] => return Some(zone.seconds),
        b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { number(rest, 2)? };
    (rest.is_empty() && hours <= 24 && minutes < 60)
        .then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Exactly `length` digits, and what follows them.
fn number(text: &[u8], length: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(length)?;
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some((value, rest))
}

/// The microseconds of a fraction; digits after the sixth are cut off.
fn micros(fraction: &[u8]) -> Option<i64> {
    let mut value = 0;
    for at in 0..6 {
        let digit = fraction
            .get(at)
            .map_or(Some(0), |digit| digit.checked_sub(b'0').filter(|digit| *digit < 10))?;
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar, if there is such a day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year and months follow one
    // formula (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text, Zone::default()).map(|at| at.to_string())
    }

    #[test]
    fn every_spelling_of_a_moment_is_the_same_moment() {
        for text in [
            "2022-05-29T00:00:04.387278Z",
            "2022-05-29 00:00:04.387278Z",
            "2022-05-29T00:00:04.387278",
            "2022/05/29 00:00:04.387278",
            "2022-05-29T00:00:04,387278+0000",
            "2022-05-29T02:00:04.387278+0200",
            "2022-05-29T02:00:04.387278+02:00",
            "2022-05-28T19:00:04.387278 -05",
            "2022-05-29T00:00:04.387278999Z",
            "1653782404.387278",
            "1653782404387278",
            "1653782404387278000",
        ] {
            assert_eq!(read(text).as_deref(), Some("2022-05-29T00:00:04.387278Z"), "{text}");
        }
        assert_eq!(read("1653782404387").as_deref(), Some("2022-05-29T00:00:04.387000Z"));
        assert_eq!(read("1653782404").as_deref(), Some("2022-05-29T00:00:04.000000Z"));
        assert_eq!(read("2022-05-29 00:00:04,387").as_deref(), Some("2022-05-29T00:00:04.387000Z"));
    }

    #[test]
    fn a_moment_without_a_zone_is_in_the_configured_one() {
        let zone = Zone::east(5.5).unwrap();
        let at = parse("2022-05-29T05:30:00", zone).unwrap();
        assert_eq!(at.to_string(), "2022-05-29T00:00:00.000000Z");
        assert_eq!(
            parse("2022-05-29T05:30:00Z", zone).unwrap().to_string(),
            "2022-05-29T05:30:00.000000Z"
        );
        assert_eq!(Zone::east(f64::NAN), None);
        assert_eq!(Zone::east(25.0), None);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2022",
            "2022-05-29",
            "2022-13-01T00:00:00Z",
            "2022-02-29T00:00:00Z",
            "2022-05-29T24:00:00Z",
            "2022-05-29T00:00:04.38x",
            "2022-05-29T00:00:04+2:00",
            "2022-05-29T00:00:04 noon",
            "1e9",
            "-5",
            "10000-01-01T00:00:00Z",
            "2022-0é-29T00:00:04Z",
            "99999999999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_that_was_never_set_is_not_believed() {
        assert_eq!(read("1970-01-01T00:00:00Z"), None);
        assert_eq!(read("1970-01-01T08:00:07.123456Z"), None);
        assert_eq!(read("0"), None);
    }

    #[test]
    fn days_agree_with_the_calendar() {
        let mut date = jiff::civil::date(1971, 1, 1);
        let mut day = 365;
        while date.year() < 2101 {
            assert_eq!(
                days(date.year().into(), date.month().into(), date.day().into()),
                Some(day),
                "{date}"
            );
            date = date.tomorrow().unwrap();
            day += 1;
        }
    }
}

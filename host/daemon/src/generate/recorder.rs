//! Takes events in time order and sees to it that each lands in the right file, at a time of its own.
//!
//! Here a moment becomes a day: which file it belongs to, what the sensor is called that day, and which
//! of Cowrie's schemas it writes. Here, too, it is known when there is enough. What happens is decided
//! elsewhere: the recorder leaves out only what the honeypot of that day could not have seen.

use jiff::Span;
use jiff::civil::Date;

use super::cast::{Chapter, DAY, Flaws};
use super::cowrie::{Contact, Era, Sensor, write_line};
use super::dice::{Dice, mix};
use super::flaws::{Flaw, FlawKind, Vandal};
use super::rotation::{Journal, LogFile};
use super::script::Event;
use super::{GenerateError, Options, Volume};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    More,
    Enough,
}

/// What was recorded in all.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) files: Vec<LogFile>,
    pub(super) flaws: Vec<Flaw>,
    pub(super) events: u64,
    pub(super) sessions: u64,
}

/// Writes events down.
pub(super) struct Recorder<'a> {
    options: &'a Options,
    start: i64,
    journal: Journal<'a>,
    sensor: Option<Sensor>,
    vandal: Option<Vandal>,
    last: i64,
    events: u64,
    sessions: u64,
}

impl<'a> Recorder<'a> {
    /// A recorder that begins at this midnight, with flaws for the first chapter if there are any.
    pub(super) fn new(options: &'a Options, first: &Chapter, journal: Journal<'a>) -> Self {
        let vandal = (options.flaws == Flaws::On).then(|| Vandal::new(first));
        Self {
            options,
            start: first.start,
            journal,
            sensor: None,
            vandal,
            last: i64::MIN,
            events: 0,
            sessions: 0,
        }
    }

    /// A session id: twelve hexadecimal digits that no other session has.
    pub(super) fn session_id(&mut self) -> String {
        const MASK: u64 = (1 << 48) - 1;
        self.sessions += 1;
        // Odd factors and shifted sums permute the numbers of 48 bits.
        let mut id = self.sessions.wrapping_add(mix(self.options.seed)) & MASK;
        for factor in [0x9e37_79b9_7f4b_u64, 0xbf58_476d_1ce5] {
            id = id.wrapping_mul(factor) & MASK;
            id ^= id >> 23;
        }
        format!("{id:012x}")
    }

    /// Writes an event at its time, or a microsecond after the last one if that is later: no two events
    /// have the same time.
    pub(super) fn record(
        &mut self,
        contact: &mut Contact,
        at: i64,
        event: &Event<'_>,
    ) -> Result<Flow, GenerateError> {
        let at = at.max(self.last.saturating_add(1));
        self.turn_day(at)?;
        let Some(sensor) = &self.sensor else { return Ok(Flow::Enough) };
        match event {
            Event::Connect { .. } => contact.connected = at,
            Event::Shell { .. } => contact.shell = at,
            _ => {}
        }
        if !sensor.era.writes(event) {
            return Ok(Flow::More);
        }
        self.last = at;
        self.events += 1;
        let place = self.journal.line(|out| write_line(out, sensor, contact, at, event))?;
        if let Some(vandal) = &mut self.vandal {
            if let Some(kind) = FlawKind::of(event) {
                vandal.note(place, kind);
            }
            vandal.after(at, place, &mut self.journal)?;
        }
        let enough = match self.options.until {
            Some(Volume::Bytes(limit)) => self.journal.bytes() >= limit,
            Some(Volume::Events(limit)) => self.events >= limit,
            None => false,
        };
        Ok(if enough { Flow::Enough } else { Flow::More })
    }

    /// Goes to the day of this moment.
    fn turn_day(&mut self, at: i64) -> Result<(), GenerateError> {
        if self.sensor.as_ref().is_some_and(|sensor| at < sensor.midnight + DAY) {
            return Ok(());
        }
        let day = (at - self.start).div_euclid(DAY);
        let date = date_after(self.options.start, day)?;
        let mut dice = Dice::new(self.options.seed, &[4, day.unsigned_abs()]);
        let name = dice.hex(12);
        let uuid =
            format!("{}-{}-11f1-9{}-{}", dice.hex(8), dice.hex(4), dice.hex(3), dice.hex(12));
        self.journal.turn_day(&date)?;
        let midnight = self.start + day * DAY;
        self.sensor = Some(Sensor { era: era(day, self.options.days), name, uuid, date, midnight });
        Ok(())
    }

    /// Ends the log.
    pub(super) fn finish(mut self) -> Result<Recorded, GenerateError> {
        if let Some(vandal) = &mut self.vandal {
            vandal.cut(&mut self.journal)?;
        }
        let files = self.journal.finish()?;
        let flaws = self.vandal.map(|vandal| vandal.list(&files)).unwrap_or_default();
        Ok(Recorded { files, flaws, events: self.events, sessions: self.sessions })
    }
}

/// The date so many days after another.
fn date_after(start: Date, days: i64) -> Result<String, GenerateError> {
    let days = Span::new().try_days(days).map_err(|_| GenerateError::Calendar)?;
    Ok(start.checked_add(days).map_err(|_| GenerateError::Calendar)?.to_string())
}

/// The honeypot is updated twice in the first chapter: its first fifth is written as in 2020, the
/// next two as in 2022, and everything after that as in 2026.
fn era(day: i64, days: u32) -> Era {
    let days = i64::from(days.max(1));
    match (day * 5 + 4) / days {
        _ if day >= days => Era::Y2026,
        0 => Era::Y2020,
        1 | 2 => Era::Y2022,
        _ => Era::Y2026,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_honeypot_is_updated_twice_and_never_back() {
        let eras =
            |days: u32| (0..i64::from(days) + 2).map(|day| era(day, days)).collect::<Vec<_>>();
        assert_eq!(eras(1), [Era::Y2026; 3]);
        let five =
            [Era::Y2020, Era::Y2022, Era::Y2022, Era::Y2026, Era::Y2026, Era::Y2026, Era::Y2026];
        assert_eq!(eras(5), five);
        assert!(eras(30).is_sorted());
    }

    #[test]
    fn dates_end_with_the_calendar() {
        let start = jiff::civil::date(2026, 2, 27);
        assert_eq!(date_after(start, 2).unwrap(), "2026-03-01");
        assert!(matches!(date_after(start, 4_000_000), Err(GenerateError::Calendar)));
    }
}

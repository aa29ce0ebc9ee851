//! Time as an argument: the only file that asks the machine what time it is.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// A moment: microseconds of UTC since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The microseconds.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The day since 1970-01-01, UTC.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }
}

impl fmt::Display for Timestamp {
    /// As `2026-03-22T10:00:00.000000Z`; a moment out of any calendar prints its number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(formatter, "{moment:.6}"),
            Err(_) => write!(formatter, "{}us", self.0),
        }
    }
}

/// What tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// A clock that only runs forward, for durations.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that the others take")]
impl SystemClock {
    /// Clocks that start now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that the others take")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        Instant::now().duration_since(self.started)
    }
}

/// A clock that stands still, so that a test's rows have known times.
#[derive(Debug)]
pub struct StoppedClock(pub Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

//! What all ticks of one plugin share of its limits: words in the log, and texts that stay for good.
//!
//! Everything else that a guest uses goes with its instance. These two do not: who reads the log reads all ticks,
//! and a text that was interned has its code for as long as the process lives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// After a silence, so many seconds' worth of lines may come at once.
const BURST_SECONDS: f64 = 10.0;

/// The shares of all plugins, by name: another version of a plugin goes on where the one before it was.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<BTreeMap<String, Arc<Share>>>);

/// One plugin's.
#[derive(Debug, Default)]
pub(super) struct Share {
    voice: Mutex<Voice>,
    interned_bytes: AtomicUsize,
}

/// A bucket of lines that fills with time.
#[derive(Debug, Default)]
struct Voice {
    /// Lines that were written, as far as time has not made up for them.
    owed: f64,
    at: Duration,
    dropped: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is written, and so many before it were not.
    After(u64),
    /// It is dropped, and is the first of them.
    FirstDropped,
    /// It is dropped as others were.
    Dropped,
}

impl Shares {
    /// The share of a plugin.
    pub(super) fn of(&self, plugin: &str) -> Arc<Share> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares.entry(plugin.to_owned()).or_default().clone()
    }
}

impl Share {
    /// Takes a line's place in the log, at most `per_second`.
    pub(super) fn speak(&self, now: Duration, per_second: u32) -> Heard {
        self.voice.lock().unwrap_or_else(PoisonError::into_inner).speak(now, per_second)
    }

    /// Counts new text, unless all of it together would then be more than `bytes_max`.
    pub(super) fn intern(&self, bytes: usize, bytes_max: usize) -> bool {
        let with = |all: usize| all.checked_add(bytes).filter(|all| *all <= bytes_max);
        self.interned_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_ok()
    }
}

impl Voice {
    fn speak(&mut self, now: Duration, per_second: u32) -> Heard {
        let rate = f64::from(per_second);
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        self.owed = (self.owed - passed * rate).max(0.0);
        if self.owed + 1.0 <= rate * BURST_SECONDS {
            self.owed += 1.0;
            return Heard::After(std::mem::take(&mut self.dropped));
        }
        self.dropped += 1;
        if self.dropped == 1 { Heard::FirstDropped } else { Heard::Dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_counted_and_told_once() {
        let mut voice = Voice::default();
        let at = Duration::from_secs;
        let burst: Vec<Heard> = (0..23).map(|_| voice.speak(at(100), 2)).collect();
        assert!(burst[..20].iter().all(|heard| *heard == Heard::After(0)));
        assert_eq!(burst[20..], [Heard::FirstDropped, Heard::Dropped, Heard::Dropped]);
        assert_eq!(voice.speak(at(101), 2), Heard::After(3));
        assert_eq!(voice.speak(at(101), 2), Heard::After(0));
        assert_eq!(voice.speak(at(101), 2), Heard::FirstDropped);
        // A long silence is worth no more than a burst.
        assert!((0..20).all(|_| voice.speak(at(10_000), 2) != Heard::Dropped));
        assert_eq!(voice.speak(at(10_000), 2), Heard::FirstDropped);
    }

    #[test]
    fn a_plugin_has_one_share_in_all_of_its_ticks() {
        let shares = Shares::default();
        assert!(shares.of("a").intern(3, 7));
        assert!(shares.of("b").intern(7, 7));
        assert!(!shares.of("a").intern(5, 7) && shares.of("a").intern(4, 7));
    }
}

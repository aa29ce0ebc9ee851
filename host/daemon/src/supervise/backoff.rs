//! How long to wait after a failure: 1 s, twice as long after each further one, 30 s at most, and 1 s
//! again after a healthy minute.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// What has to pass without a failure until the next counts as a first one.
const HEALTHY: Duration = Duration::from_secs(60);

/// The waits of one worker.
#[derive(Clone, Debug)]
pub struct Backoff {
    longest: Duration,
    /// The last wait and when it was over; nothing before the first failure.
    last: Option<(Duration, Duration)>,
}

impl Backoff {
    /// No failure so far; waits are at most `longest`.
    pub fn new(longest: Duration) -> Self {
        Self { longest, last: None }
    }

    /// A failure at this moment of a clock that only runs forward: how long to wait.
    pub fn failed(&mut self, at: Duration) -> Duration {
        let wait = match self.last {
            Some((wait, over)) if at.saturating_sub(over) < HEALTHY => wait.saturating_mul(2),
            _ => FIRST,
        };
        let wait = wait.min(self.longest);
        self.last = Some((wait, at.saturating_add(wait)));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest_and_stay_there() {
        let mut backoff = Backoff::new(30 * SECOND);
        let mut now = Duration::ZERO;
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                let wait = backoff.failed(now);
                now += wait;
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_healthy_minute_forgives_and_less_does_not() {
        let mut backoff = Backoff::new(30 * SECOND);
        assert_eq!(backoff.failed(Duration::ZERO), SECOND);
        // That wait was over after one second.
        assert_eq!(backoff.failed(60 * SECOND), 2 * SECOND);
        assert_eq!(backoff.failed(122 * SECOND), SECOND);
    }

    #[test]
    fn a_short_limit_holds_from_the_first_wait() {
        assert_eq!(Backoff::new(SECOND / 10).failed(Duration::ZERO), SECOND / 10);
    }
}

//! A wish that somebody ticks: raised by anybody, any number of times, taken as one.
//!
//! A worker takes the wish *before* it begins: one that comes while it ticks stays and causes another tick,
//! so none is lost, and a thousand of them cause one.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::plugin::Reason;

/// Whether somebody is to tick, and why.
#[derive(Debug, Default)]
pub struct Wake {
    wish: Mutex<Option<Reason>>,
    raised: Notify,
}

impl Wake {
    /// Wishes for a tick. Of several reasons the first is told.
    pub fn raise(&self, reason: Reason) {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        // One waiter; a permit is kept where nobody waits yet.
        self.raised.notify_one();
    }

    /// Waits for a wish and takes it. Safe to drop before it is done: nothing is lost.
    pub async fn take(&self) -> Reason {
        loop {
            if let Some(reason) = self.wish.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return reason;
            }
            self.raised.notified().await;
        }
    }

    /// Whether a wish waits.
    #[cfg(test)]
    fn is_raised(&self) -> bool {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_wishes_are_one_and_one_that_comes_during_a_tick_is_another() {
        let wake = Wake::default();
        wake.raise(Reason::Event);
        wake.raise(Reason::Poll);
        assert!(wake.is_raised());
        assert!(matches!(wake.take().await, Reason::Event));
        // The tick goes on here.
        assert!(!wake.is_raised());
        wake.raise(Reason::Command);
        assert!(matches!(wake.take().await, Reason::Command));
    }

    // Whoever raises a wish after changing something must find a tick that begins after the change,
    // whatever the two threads do in between.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_changed_before_a_wish_is_seen_by_a_tick_after_it() {
        let (wake, changes) = (Arc::new(Wake::default()), Arc::new(AtomicU32::new(0)));
        let (seen, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let worker = tokio::spawn({
            let (wake, changes, seen, ended) =
                (wake.clone(), changes.clone(), seen.clone(), ended.clone());
            async move {
                while !ended.load(Ordering::Acquire) {
                    wake.take().await;
                    seen.store(changes.load(Ordering::Acquire), Ordering::Release);
                    tokio::task::yield_now().await;
                }
            }
        });
        for change in 1..=20_000 {
            changes.store(change, Ordering::Release);
            wake.raise(Reason::Event);
            if change % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        while seen.load(Ordering::Acquire) != 20_000 {
            tokio::task::yield_now().await;
        }
        ended.store(true, Ordering::Release);
        wake.raise(Reason::Command);
        worker.await.unwrap();
    }
}

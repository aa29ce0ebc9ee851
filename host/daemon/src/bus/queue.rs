//! A queue between one who must not wait and one who may be slow: bounded, and the oldest go.
//!
//! The bounds are a number of items and a number of bytes, and the newest item always fits. What went is
//! counted, and whoever takes from the queue hears the count before anything that came later: nothing is
//! lost in silence. Many may put in, one takes out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::config::BusConfig;

/// The queue.
#[derive(Debug)]
pub struct Queue<T> {
    bounds: Bounds,
    state: Mutex<State<T>>,
    changed: Notify,
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items.
    pub items_max: usize,
    /// What the items say they take, together.
    pub bytes_max: usize,
}

impl Bounds {
    /// The bounds that the config has, for either side.
    pub fn new(config: &BusConfig) -> Self {
        Self { items_max: config.queue_max, bytes_max: config.queue_bytes_max }
    }
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    dropped: u64,
    is_closed: bool,
}

/// What was taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The oldest item.
    Item(T),
    /// So many went before they were taken, all of them older than what is still there.
    Dropped(u64),
}

/// What became of an item that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is in the queue.
    Kept,
    /// It is in the queue, and for the first time since something was taken older ones had to go.
    Overrun,
    /// The queue is closed.
    Closed,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, dropped: 0, is_closed: false };
        Self { bounds, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item of so many bytes in, at the cost of older ones if need be.
    pub fn put(&self, bytes: usize, item: T) -> Put {
        let mut state = self.state();
        if state.is_closed {
            return Put::Closed;
        }
        let before = state.dropped;
        while state.items.len() >= self.bounds.items_max
            || state.bytes.saturating_add(bytes) > self.bounds.bytes_max
        {
            let Some((gone, _)) = state.items.pop_front() else { break };
            state.bytes -= gone;
            state.dropped += 1;
        }
        state.bytes += bytes;
        state.items.push_back((bytes, item));
        let is_overrun = before == 0 && state.dropped > 0;
        drop(state);
        self.changed.notify_one();
        if is_overrun { Put::Overrun } else { Put::Kept }
    }

    /// Takes the oldest item, or hears how many went; waits for one. Nothing once the queue is closed and
    /// empty.
    ///
    /// Dropping the future loses nothing.
    pub async fn take(&self) -> Option<Taken<T>> {
        loop {
            {
                let mut state = self.state();
                if state.dropped > 0 {
                    return Some(Taken::Dropped(std::mem::take(&mut state.dropped)));
                }
                if let Some((bytes, item)) = state.items.pop_front() {
                    state.bytes -= bytes;
                    return Some(Taken::Item(item));
                }
                if state.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Takes nothing more in; what is there can still be taken.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Closes the queue and throws away what is in it: nobody will take it.
    pub fn abandon(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.items = VecDeque::new();
        state.bytes = 0;
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(items_max: usize, bytes_max: usize) -> Queue<u32> {
        Queue::new(Bounds { items_max, bytes_max })
    }

    #[tokio::test]
    async fn the_oldest_go_and_are_counted_before_what_is_left() {
        let queue = queue(3, usize::MAX);
        let put: Vec<Put> = (0..6).map(|n| queue.put(1, n)).collect();
        assert_eq!(put, [Put::Kept, Put::Kept, Put::Kept, Put::Overrun, Put::Kept, Put::Kept]);
        assert_eq!(queue.take().await, Some(Taken::Dropped(3)));
        for left in 3..6 {
            assert_eq!(queue.take().await, Some(Taken::Item(left)));
        }
        assert_eq!(queue.put(1, 6), Put::Kept);
        queue.close();
        assert_eq!(queue.put(1, 7), Put::Closed);
        assert_eq!(queue.take().await, Some(Taken::Item(6)));
        assert_eq!(queue.take().await, None);
    }

    #[tokio::test]
    async fn bytes_bound_it_too_and_the_newest_always_fits() {
        let queue = queue(100, 10);
        for (bytes, item) in [(4, 0), (4, 1), (4, 2), (50, 3)] {
            queue.put(bytes, item);
        }
        assert_eq!(queue.take().await, Some(Taken::Dropped(3)));
        assert_eq!(queue.take().await, Some(Taken::Item(3)));
        queue.put(10, 4);
        queue.abandon();
        assert_eq!(queue.take().await, None);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let queue = std::sync::Arc::new(queue(1, 1));
        let taker = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take().await }
        });
        tokio::task::yield_now().await;
        queue.put(1, 9);
        assert_eq!(taker.await.unwrap(), Some(Taken::Item(9)));
    }
}

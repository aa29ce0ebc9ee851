//! Plays a chapter: who acts next, until the curtain.
//!
//! One queue holds an entry for each attacker still to come (its next session) and one for each open
//! session (its next step). The earliest is taken, acts, and is put back with its next time. So memory
//! grows with the attackers and the sessions open at once, never with what is written, and lines of
//! sessions interleave as in a real log.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::GenerateError;
use super::cast::{Attacker, Cast, Chapter};
use super::cowrie::Contact;
use super::recorder::{Flow, Recorder};
use super::script::{self, Event, Step};

/// An entry of the queue.
struct Turn<'c> {
    at: i64,
    /// Breaks ties, in the order of entry.
    order: u64,
    what: What<'c>,
}

enum What<'c> {
    /// An attacker's session of this number begins.
    Arrive { attacker: usize, nth: u32 },
    /// A session goes on.
    Act(Box<Open<'c>>),
}

/// A session under way.
struct Open<'c> {
    contact: Contact,
    event: Event<'c>,
    rest: std::vec::IntoIter<Step<'c>>,
}

impl PartialEq for Turn<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn<'_> {}

impl PartialOrd for Turn<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn<'_> {
    /// The greatest is the next: the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// A chapter being played.
struct Stage<'c> {
    cast: &'c Cast,
    queue: BinaryHeap<Turn<'c>>,
    order: u64,
    /// Whom the honeypot has seen, by place in the cast.
    seen: Vec<bool>,
}

/// Plays a chapter, or the part of it that fits the volume. Says whom the honeypot saw.
pub(super) fn play(
    chapter: &Chapter,
    cast: &Cast,
    recorder: &mut Recorder<'_>,
) -> Result<(Flow, Vec<bool>), GenerateError> {
    let mut stage =
        Stage { cast, queue: BinaryHeap::new(), order: 0, seen: vec![false; cast.attackers.len()] };
    for (place, attacker) in cast.attackers.iter().enumerate() {
        stage.enqueue(attacker.first, What::Arrive { attacker: place, nth: 0 });
    }
    while let Some(Turn { at, what, .. }) = stage.queue.pop() {
        // Whatever comes now comes after the end; sessions still open never close in the log.
        if at >= chapter.end() {
            break;
        }
        let open = match what {
            What::Act(open) => open,
            What::Arrive { attacker, nth } => {
                match stage.arrive(chapter, recorder, at, attacker, nth) {
                    Some(open) => open,
                    None => continue,
                }
            }
        };
        if stage.act(recorder, at, open)? == Flow::Enough {
            return Ok((Flow::Enough, stage.seen));
        }
    }
    Ok((Flow::More, stage.seen))
}

impl<'c> Stage<'c> {
    fn enqueue(&mut self, at: i64, what: What<'c>) {
        self.order += 1;
        self.queue.push(Turn { at, order: self.order, what });
    }

    /// Opens a session and plans the attacker's next one.
    fn arrive(
        &mut self,
        chapter: &Chapter,
        recorder: &mut Recorder<'_>,
        at: i64,
        place: usize,
        nth: u32,
    ) -> Option<Box<Open<'c>>> {
        let attacker: &'c Attacker = self.cast.attackers.get(place)?;
        let (steps, next) = script::session(self.cast, attacker, chapter.seed, nth);
        if nth + 1 < attacker.sessions {
            self.enqueue(at.saturating_add(next), What::Arrive { attacker: place, nth: nth + 1 });
        }
        *self.seen.get_mut(place)? = true;
        let mut rest = steps.into_iter();
        let event = rest.next()?.event;
        let contact = Contact {
            address: attacker.address,
            id: recorder.session_id(),
            protocol: script::protocol(attacker),
            connected: at,
            shell: at,
        };
        Some(Box::new(Open { contact, event, rest }))
    }

    /// Writes a session's event and plans its next.
    fn act(
        &mut self,
        recorder: &mut Recorder<'_>,
        at: i64,
        mut open: Box<Open<'c>>,
    ) -> Result<Flow, GenerateError> {
        let flow = recorder.record(&mut open.contact, at, &open.event)?;
        if let Some(Step { wait, event }) = open.rest.next() {
            open.event = event;
            self.enqueue(at.saturating_add(wait), What::Act(open));
        }
        Ok(flow)
    }
}

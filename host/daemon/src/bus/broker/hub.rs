//! Who is connected, what each wants, and the way of an event to all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::bus::queue::{Bounds, Put, Queue};
use crate::bus::wire::{self, Verb, WireError};
use crate::bus::{envelope, pattern};
use crate::clock::Clock;

/// All connections of a broker.
#[derive(Debug)]
pub(super) struct Hub {
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    by_number: BTreeMap<u64, Member>,
    /// The number of the next one; none is used twice.
    next: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Member {
    name: String,
    patterns: BTreeSet<String>,
    /// Whole packets, which all members share.
    outbound: Arc<Queue<Bytes>>,
}

impl Hub {
    pub(super) fn new(bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        Self { bounds, clock, members: Mutex::default() }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection: its number and the packets that go to it.
    pub(super) fn join(&self) -> (u64, Arc<Queue<Bytes>>) {
        let outbound = Arc::new(Queue::new(self.bounds));
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        if members.is_closed {
            outbound.close();
        }
        let member =
            Member { name: String::new(), patterns: BTreeSet::new(), outbound: outbound.clone() };
        members.by_number.insert(number, member);
        (number, outbound)
    }

    /// A connection has ended.
    pub(super) fn leave(&self, number: u64) {
        self.members().by_number.remove(&number);
    }

    /// Notes what a connection calls itself.
    pub(super) fn name(&self, number: u64, name: &str) {
        if let Some(member) = self.members().by_number.get_mut(&number) {
            member.name = wire::quoted(name);
        }
    }

    /// What a connection calls itself.
    pub(super) fn name_of(&self, number: u64) -> String {
        self.members().by_number.get(&number).map(|member| member.name.clone()).unwrap_or_default()
    }

    /// Subscribes a connection; says how many patterns it has then.
    pub(super) fn subscribe(&self, number: u64, pattern: String) -> usize {
        let mut members = self.members();
        let Some(member) = members.by_number.get_mut(&number) else { return 0 };
        member.patterns.insert(pattern);
        member.patterns.len()
    }

    /// Takes a pattern back; one that was not there is no error.
    pub(super) fn unsubscribe(&self, number: u64, pattern: &str) {
        if let Some(member) = self.members().by_number.get_mut(&number) {
            member.patterns.remove(pattern);
        }
    }

    /// Hands over what a connection published, to all but itself.
    pub(super) fn publish(
        &self,
        origin: u64,
        topic: &str,
        kind: &str,
        payload: &(impl Serialize + ?Sized),
    ) {
        self.hand_over(Some(origin), topic, kind, payload);
    }

    /// Hands over what the broker itself has to say.
    pub(super) fn announce(&self, topic: &str, kind: &str, payload: &(impl Serialize + ?Sized)) {
        self.hand_over(None, topic, kind, payload);
    }

    fn hand_over(
        &self,
        origin: Option<u64>,
        topic: &str,
        kind: &str,
        payload: &(impl Serialize + ?Sized),
    ) {
        let packet = match self.packet(topic, kind, payload) {
            Ok(packet) => packet,
            Err(error) => {
                // What just fits as it is published need not fit in the broker's envelope.
                tracing::warn!(topic, %error, "an event that cannot be handed over is dropped");
                return;
            }
        };
        let members = self.members();
        for (number, member) in &members.by_number {
            let wants = |pattern: &String| pattern::matches(pattern, topic);
            if Some(*number) == origin || !member.patterns.iter().any(wants) {
                continue;
            }
            if member.outbound.put(packet.len(), packet.clone()) == Put::Overrun {
                tracing::warn!(
                    connection = number,
                    name = ?member.name,
                    queue = self.bounds.items_max,
                    "a connection does not read as fast as events come; its oldest go"
                );
            }
        }
    }

    fn packet(
        &self,
        topic: &str,
        kind: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<Bytes, WireError> {
        let body = envelope::write(topic, kind, self.clock.now(), payload)
            .map_err(std::io::Error::from)?;
        wire::encode(Verb::Evt, topic, &body)
    }

    /// Says BYE to all: what is in their queues still goes to them, and then nothing.
    pub(super) fn close(&self) {
        let bye = wire::encode(Verb::Bye, "", b"").unwrap_or_default();
        let mut members = self.members();
        members.is_closed = true;
        for member in members.by_number.values() {
            member.outbound.put(bye.len(), bye.clone());
            member.outbound.close();
        }
    }
}

//! The bus, on which the parts of a deception network tell each other what happened: DECNET's protocol,
//! to the byte, over a UNIX socket.
//!
//! It delivers at most once, replays nothing, and says nothing back: an event is a hint, the database is
//! the truth. So whoever listens makes a full pass after each [`client::Signal`] that says something may
//! have been missed, and whoever publishes counts an event as gone when all of it was written.
//!
//! [`wire`] has the packets, [`pattern`] the wildcards, [`envelope`] what an event's body holds, [`queue`]
//! the bounded queue on both sides. [`client`] keeps one connection for ever; [`broker`] is the other side,
//! for those who have no DECNET. No store and no plugin is known here.

pub mod broker;
pub mod client;
pub mod envelope;
pub mod pattern;
pub mod queue;
pub mod wire;

/// What DECNET calls an event's type: its topic without the root.
pub fn kind_of(topic: &str) -> &str {
    topic.split_once('.').map_or("", |(_, kind)| kind)
}

//! Who asks: the user on the other end of the socket, as the system knows them and nobody can claim otherwise.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Uid, User};

use super::Listener;

/// The user who asks.
#[derive(Clone, Debug)]
pub(super) struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|credentials| credentials.uid()))
    }
}

impl Peer {
    /// The user's name, or number where it has none here.
    pub(super) fn name(&self) -> String {
        let Some(uid) = self.0 else { return "somebody".to_owned() };
        match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.name,
            _ => format!("uid {uid}"),
        }
    }
}

//! What can be set about the bus, and where its socket is looked for.

use std::path::PathBuf;

use serde::Deserialize;

/// Where DECNET's services have their socket.
const SYSTEM_SOCKET: &str = "/run/decnet/bus.sock";

/// Where it is for somebody who runs DECNET in his own account: below the home directory.
const HOME_SOCKET: &str = ".decnet/bus.sock";

/// The bus: where it is, and what a connection may use.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BusConfig {
    /// Whether changes are announced on it and events heard.
    pub enabled: bool,
    /// Its socket; empty: DECNET's places are searched.
    pub socket: String,
    /// The group that our broker gives the socket to; empty: none. A group that does not exist is no error.
    pub group: String,
    /// The name that our client gives.
    pub name: String,
    /// Events kept for a slow hearer, of each connection; then the oldest go.
    pub queue_max: usize,
    /// Bytes that they may take.
    pub queue_bytes_max: usize,
    /// Our own events, a second.
    pub publish_per_second: u32,
    /// Our own events that go at once after a pause.
    pub publish_burst: u32,
    /// Seconds in which a packet that has begun has to be whole.
    pub packet_seconds: u64,
    /// Seconds in which the broker has to take a packet of ours.
    pub write_seconds: u64,
    /// Connections that our broker holds.
    pub connections_max: usize,
    /// Patterns that one connection may subscribe to at our broker.
    pub patterns_max: usize,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            socket: String::new(),
            group: "decnet".to_owned(),
            name: "corral".to_owned(),
            queue_max: 1024,
            queue_bytes_max: 16 << 20,
            publish_per_second: 2000,
            publish_burst: 256,
            packet_seconds: 30,
            write_seconds: 5,
            connections_max: 1000,
            patterns_max: 1024,
        }
    }
}

impl BusConfig {
    /// The sockets to try, in this order: the one that is set, or DECNET's places.
    ///
    /// DECNET passes over its system socket where it may not write the folder, though connecting needs
    /// no such right; here it is tried whenever it is there.
    pub fn sockets(&self) -> Vec<PathBuf> {
        if !self.socket.is_empty() {
            return vec![PathBuf::from(&self.socket)];
        }
        let home = etcetera::home_dir().ok().map(|home| home.join(HOME_SOCKET));
        std::iter::once(PathBuf::from(SYSTEM_SOCKET)).chain(home).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_set_is_the_only_one() {
        let set = BusConfig { socket: "/tmp/bus.sock".into(), ..BusConfig::default() };
        assert_eq!(set.sockets(), [PathBuf::from("/tmp/bus.sock")]);
    }

    #[test]
    fn the_system_socket_comes_before_the_one_at_home() {
        let sockets = BusConfig::default().sockets();
        assert_eq!(sockets[0], PathBuf::from(SYSTEM_SOCKET));
        assert!(sockets[1..].iter().all(|socket| socket.ends_with(HOME_SOCKET)), "{sockets:?}");
    }
}

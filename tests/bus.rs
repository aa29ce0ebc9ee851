//! The bus over real sockets: our broker and our client, each opposite bytes that were recorded or that lie.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod broker;
mod client;
mod command;
mod crowd;
mod line;
mod replay;
mod slow;
mod violations;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corral::bus::broker::{Broker, BrokerSettings};
use corral::bus::client::{Client, ClientSettings, Events, Signal};
use corral::clock::SystemClock;
use corral::config::BusConfig;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at something that is about to happen.
const LOOK: Duration = Duration::from_millis(5);

/// What a future gives, which it has to before we lose patience.
#[track_caller]
fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let waited = tokio::time::timeout(PATIENCE, future).await;
        waited.unwrap_or_else(|_| panic!("{caller}: nothing happened in {PATIENCE:?}"))
    }
}

/// A folder for a socket.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("bus.sock")
    }

    /// Our broker, here.
    async fn serve(&self) -> Served {
        self.serve_with(|_| {}).await
    }

    /// Our broker, here, with other settings.
    async fn serve_with(&self, change: impl FnOnce(&mut BrokerSettings)) -> Served {
        let settings = self.broker_settings(change);
        let broker = Broker::bind(settings, Arc::new(SystemClock::start())).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(broker.run(async {
            let _either_way = stopped.await;
        }));
        Served { stop, task }
    }

    fn broker_settings(&self, change: impl FnOnce(&mut BrokerSettings)) -> BrokerSettings {
        let mut settings = BrokerSettings::new(&BusConfig::default());
        settings.sockets = vec![self.socket()];
        settings.group = None;
        // Nobody expects to hear of it unless he asks for it.
        settings.health_every = Duration::from_secs(3600);
        change(&mut settings);
        settings
    }

    /// Our client, connected here or waiting to be.
    fn client(&self, patterns: &[&str]) -> (Client, Events) {
        self.client_with(patterns, |_| {})
    }

    fn client_with(
        &self,
        patterns: &[&str],
        change: impl FnOnce(&mut ClientSettings),
    ) -> (Client, Events) {
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let mut settings =
            ClientSettings::new(&BusConfig::default(), vec![self.socket()], patterns);
        change(&mut settings);
        Client::start(settings, Arc::new(SystemClock::start())).unwrap()
    }
}

/// A broker at work.
struct Served {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    async fn stop(self) {
        let _gone_already = self.stop.send(());
        soon(self.task).await.unwrap();
    }
}

async fn connected(events: &mut Events) {
    while soon(events.next()).await.unwrap() != Signal::Connected {}
}

/// Why the connection ended, after whatever was heard before.
async fn disconnected(events: &mut Events) -> String {
    loop {
        if let Signal::Disconnected { why } = soon(events.next()).await.unwrap() {
            return why;
        }
    }
}

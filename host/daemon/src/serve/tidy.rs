//! What commits leave for later is done while nobody waits for it.

use std::time::Duration;

use super::Daemon;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Tidies up until it is dropped.
pub(super) async fn tidy(daemon: &Daemon) -> &'static str {
    loop {
        tokio::time::sleep(EVERY).await;
        // Whatever is in the way now is so for others too, and they say it; the log keeps what it has.
        if let Err(error) = daemon.store.tidy().await {
            tracing::debug!(%error, "the log was not copied into place");
        }
    }
}

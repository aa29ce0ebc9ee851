//! The import `log`: a guest's words, under its name, within its allowance.

use super::bindings::log::{Host, Level};
use super::guest::Guest;

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let plugin = self.name.as_str();
        let before = self.used.log_bytes;
        self.used.log_bytes = before.saturating_add(message.len());
        if self.used.log_bytes > self.limits.log_bytes_max {
            if before <= self.limits.log_bytes_max {
                let limit = self.limits.log_bytes_max;
                tracing::warn!(
                    plugin,
                    limit,
                    "log: limits.log-bytes-max is used up; the rest is dropped"
                );
            }
            return Ok(());
        }
        match level {
            Level::Debug => tracing::debug!(plugin, "{message}"),
            Level::Info => tracing::info!(plugin, "{message}"),
            Level::Warn => tracing::warn!(plugin, "{message}"),
            Level::Error => tracing::error!(plugin, "{message}"),
        }
        Ok(())
    }
}

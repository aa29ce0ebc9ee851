//! The import `log`: a guest's words, under its name, within its allowance.
//!
//! Bytes are limited in each tick, lines over all of them. What is too much is dropped, and that it is dropped is
//! told once, so a guest that floods the log costs it two lines of ours. Words are made such that none looks like
//! a line of ours.

use super::bindings::log::{Host, Level};
use super::guest::Guest;
use super::share::Heard;
use super::trap::printable;

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
        let limit = self.limits.log_lines_per_second;
        match self.share.speak(self.clock.elapsed(), limit) {
            Heard::After(0) => {}
            Heard::After(dropped) => tracing::warn!(plugin, dropped, "log: lines were dropped"),
            Heard::FirstDropped => {
                tracing::warn!(
                    plugin,
                    limit,
                    "log: limits.log-lines-per-second is used up; lines are dropped"
                );
                return Ok(());
            }
            Heard::Dropped => return Ok(()),
        }
        let message = printable(&message);
        match level {
            Level::Debug => tracing::debug!(plugin, "{message}"),
            Level::Info => tracing::info!(plugin, "{message}"),
            Level::Warn => tracing::warn!(plugin, "{message}"),
            Level::Error => tracing::error!(plugin, "{message}"),
        }
        Ok(())
    }
}

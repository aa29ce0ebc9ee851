//! What a plugin may use: a limit for everything that it can make large, all on by default.

use std::time::Duration;

use serde::Deserialize;

/// What a plugin may use, most of it in one tick. All are on by default, and each has a hostile guest that
/// a test holds to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Size of a component file.
    pub component_bytes_max: u64,
    /// Wall clock of compiling one that is not built in.
    pub compile_seconds: u64,
    /// Address space of the process that compiles it.
    pub compile_memory_bytes_max: u64,
    /// Bytes of what `describe` says; each text counts 16 beside its own.
    pub describe_bytes_max: usize,
    /// Wall clock of a tick, kernels and database included.
    pub tick_seconds: u64,
    /// Time inside the guest's own code.
    pub guest_milliseconds: u64,
    /// Linear memory, of all memories together.
    pub memory_bytes_max: usize,
    /// Elements of all tables.
    pub table_elements_max: usize,
    /// The guest's call stack.
    pub stack_bytes_max: usize,
    /// Bytes that one call brings to the host, and of the texts that one call gives.
    pub call_bytes_max: usize,
    /// Frames held at one time.
    pub frames_max: usize,
    /// Rows of one frame that a guest builds.
    pub frame_rows_max: usize,
    /// Bytes of the frames held at one time that are the guest's own: built, taken, parts of a view, answers
    /// of kernels. Whole views are everybody's and count for nobody.
    pub frame_bytes_max: usize,
    /// Bytes of text that a guest interns in a tick.
    pub text_bytes_max: usize,
    /// The same, of all its ticks while the host lives: what is interned stays.
    pub interned_bytes_max: usize,
    /// Kernels run.
    pub kernel_calls_max: usize,
    /// Rows given to kernels.
    pub kernel_rows_max: usize,
    /// Rows named in a commit, and changes.
    pub changes_max: usize,
    /// Bytes of one event; larger ones are split.
    pub event_bytes_max: usize,
    /// Bytes written to the log.
    pub log_bytes_max: usize,
    /// Lines written to the log, of all ticks together; ten seconds' worth may come at once.
    pub log_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes_max: 64 << 20,
            compile_seconds: 60,
            compile_memory_bytes_max: 1 << 30,
            describe_bytes_max: 64 << 10,
            tick_seconds: 300,
            guest_milliseconds: 10_000,
            memory_bytes_max: 512 << 20,
            table_elements_max: 100_000,
            stack_bytes_max: 1 << 20,
            call_bytes_max: 256 << 20,
            frames_max: 256,
            frame_rows_max: 50_000_000,
            frame_bytes_max: 1 << 30,
            text_bytes_max: 16 << 20,
            interned_bytes_max: 128 << 20,
            kernel_calls_max: 1_000,
            kernel_rows_max: 1_000_000_000,
            changes_max: 50_000_000,
            event_bytes_max: 1 << 20,
            log_bytes_max: 64 << 10,
            log_lines_per_second: 20,
        }
    }
}

impl Limits {
    /// The limit that has this name in the config.
    pub fn named(&self, name: &str) -> Option<u64> {
        let wide = |limit: usize| u64::try_from(limit).ok();
        match name {
            "component-bytes-max" => Some(self.component_bytes_max),
            "compile-seconds" => Some(self.compile_seconds),
            "compile-memory-bytes-max" => Some(self.compile_memory_bytes_max),
            "describe-bytes-max" => wide(self.describe_bytes_max),
            "tick-seconds" => Some(self.tick_seconds),
            "guest-milliseconds" => Some(self.guest_milliseconds),
            "memory-bytes-max" => wide(self.memory_bytes_max),
            "table-elements-max" => wide(self.table_elements_max),
            "stack-bytes-max" => wide(self.stack_bytes_max),
            "call-bytes-max" => wide(self.call_bytes_max),
            "frames-max" => wide(self.frames_max),
            "frame-rows-max" => wide(self.frame_rows_max),
            "frame-bytes-max" => wide(self.frame_bytes_max),
            "text-bytes-max" => wide(self.text_bytes_max),
            "interned-bytes-max" => wide(self.interned_bytes_max),
            "kernel-calls-max" => wide(self.kernel_calls_max),
            "kernel-rows-max" => wide(self.kernel_rows_max),
            "changes-max" => wide(self.changes_max),
            "event-bytes-max" => wide(self.event_bytes_max),
            "log-bytes-max" => wide(self.log_bytes_max),
            "log-lines-per-second" => Some(self.log_lines_per_second.into()),
            _ => None,
        }
    }

    /// The wall clock of a tick.
    pub fn tick(&self) -> Duration {
        Duration::from_secs(self.tick_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_FILE;

    #[test]
    fn every_limit_has_its_name() {
        let defaults: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
        let limits = defaults["limits"].as_table().unwrap();
        assert!(limits.len() > 15);
        for (name, value) in limits {
            let value = u64::try_from(value.as_integer().unwrap()).unwrap();
            assert_eq!(Limits::default().named(name), Some(value), "{name}");
        }
        assert_eq!(Limits::default().named("novel"), None);
    }
}

//! A bar on the terminal for long work; nothing where nobody looks.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Context;
use super::output;
use crate::ingest::{Progress, Silent};

/// What shows how far work has come: a bar, or with `--quiet` or without a terminal nothing.
pub(super) fn shown(context: &Context) -> Arc<dyn Progress> {
    if context.quiet || !std::io::stderr().is_terminal() {
        return Arc::new(Silent);
    }
    Arc::new(Bar::new())
}

/// A bar of bytes with the rate in lines.
struct Bar {
    bar: ProgressBar,
    lines: Arc<AtomicU64>,
}

impl Bar {
    fn new() -> Self {
        let lines = Arc::new(AtomicU64::new(0));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(Self::style(
            "{spinner} {bytes} at {binary_bytes_per_sec}, {lines} lines ({lines_per_sec}/s) {wide_msg}",
            &lines,
        ));
        Self { bar, lines }
    }

    fn style(template: &str, lines: &Arc<AtomicU64>) -> ProgressStyle {
        let (count, rate) = (Arc::clone(lines), Arc::clone(lines));
        let per_second = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let milliseconds = state.elapsed().as_millis().max(1);
            let rate = u128::from(rate.load(Ordering::Relaxed)) * 1_000 / milliseconds;
            // What cannot be drawn is not worth an error.
            let _ignored = write!(text, "{}", HumanCount(u64::try_from(rate).unwrap_or(u64::MAX)));
        };
        let total = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ignored = write!(text, "{}", HumanCount(count.load(Ordering::Relaxed)));
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("lines", total)
            .with_key("lines_per_sec", per_second)
    }
}

impl Progress for Bar {
    fn begin(&self, bytes: u64) {
        if bytes > 0 {
            self.bar.set_length(bytes);
            self.bar.set_style(Self::style(
                "{bar:24} {bytes}/{total_bytes}, {lines} lines ({lines_per_sec}/s), {eta} left {wide_msg}",
                &self.lines,
            ));
        }
    }

    fn file(&self, path: &Path) {
        self.bar.set_message(output::printable(&path.display().to_string()));
    }

    fn bytes(&self, count: u64) {
        self.bar.inc(count);
    }

    fn lines(&self, count: u64) {
        self.lines.fetch_add(count, Ordering::Relaxed);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

//! How a guest died, in words: in one line, with the limit that it met, and without the guest's own frames.

use wasmtime::Trap;

/// What wasmtime says where a call brought more than `limits.call-bytes-max`. It has no type of its own.
const BROUGHT_TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";
/// What is told of a guest's own words.
const WORDS_TOLD_MAX: usize = 1_000;

/// A trap in one line: the reason first, without the guest's frames.
pub(super) fn describe_trap(error: &wasmtime::Error) -> String {
    let root = error.root_cause().to_string();
    if root.contains(BROUGHT_TOO_MUCH) {
        return "one call brought more than limits.call-bytes-max".to_owned();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => {
            "it panicked; its last words are in the log".to_owned()
        }
        Some(Trap::StackOverflow) => "its calls went deeper than limits.stack-bytes-max".to_owned(),
        Some(trap) => trap.to_string(),
        None => printable(&root),
    }
}

/// A guest's words as they can stand in one line of ours: bounded, and nothing that a terminal or a log's reader
/// would take for more than words.
pub(super) fn printable(words: &str) -> String {
    let mut told: String = words
        .chars()
        .take(WORDS_TOLD_MAX)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if words.chars().nth(WORDS_TOLD_MAX).is_some() {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_words_cannot_look_like_lines_of_ours() {
        assert_eq!(
            printable("done\n2026-01-01 ERROR corral: \x1b[2J"),
            "done\\n2026-01-01 ERROR corral: \\u{1b}[2J"
        );
        assert_eq!(printable(&"é".repeat(2_000)).chars().count(), WORDS_TOLD_MAX + 1);
        assert_eq!(printable("plain"), "plain");
    }
}

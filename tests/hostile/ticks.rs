//! Crimes in a tick.

use super::About::{Limit, Promise};
use super::{Crime, crime, scene};

const SANDBOX: super::About = Promise("a guest reaches nothing but its own memory");
const HANDLES: super::About = Promise("a handle that was not given is none");
const LISTS: super::About = Promise("what a guest passes lies in its memory");
const FRAMES: super::About = Promise("a frame is what its rows and columns say");
const KERNELS: super::About = Promise("a kernel takes what its signature says");
const GRANTS: super::About = Promise("what was not asked for is refused");
const COMMITS: super::About = Promise("a commit is about rows that the guest has read");
const ALL_OR_NOTHING: super::About = Promise("a tick that does not end well writes nothing");
const WORDS: super::About = Promise("a guest's words are one line of bounded length");

/// Every crime that a setting names, but those that take several ticks.
pub(super) const CRIMES: &[Crime] = &[
    crime(
        "spin",
        Limit("guest-milliseconds"),
        "died: spent more than limits.guest-milliseconds = 200",
    ),
    crime(
        "spin-through-the-host",
        Limit("guest-milliseconds"),
        "died: spent more than limits.guest-milliseconds = 200",
    ),
    crime(
        "grow",
        Limit("memory-bytes-max"),
        "bytes of memory are more than limits.memory-bytes-max = 67108864",
    ),
    crime("recurse", SANDBOX, "died: "),
    crime("panic", SANDBOX, "died: it panicked; its last words are in the log"),
    crime("abort", SANDBOX, "died: it panicked"),
    crime("read-wild-memory", SANDBOX, "died: wasm trap: out of bounds memory access"),
    crime(
        "call-a-wild-function",
        SANDBOX,
        "died: wasm trap: undefined element: out of bounds table access",
    ),
    crime("give-up", ALL_OR_NOTHING, "conflict: it is not my day"),
    crime("give-up-at-length", WORDS, "invalid: \\u{1b}[2Jno\\n\\u{1b}[2Jno\\n"),
    crime(
        "give-up-with-more-than-a-call",
        Limit("call-bytes-max"),
        "died: one call brought more than limits.call-bytes-max",
    ),
    crime("hoard-frames", Limit("frames-max"), "limit: limits.frames-max = 256 frames at one time"),
    crime(
        "hoard-builders",
        Limit("frames-max"),
        "died: builds more than limits.frames-max = 256 frames at one time",
    ),
    crime(
        "hoard-bytes",
        Limit("frame-bytes-max"),
        "limit: limits.frame-bytes-max = 16777216 bytes of frames",
    ),
    crime(
        "hoard-bytes-in-builders",
        Limit("frame-bytes-max"),
        "limit: limits.frame-bytes-max = 16777216",
    ),
    crime(
        "hoard-bytes-by-select",
        Limit("frame-bytes-max"),
        "limit: limits.frame-bytes-max = 16777216",
    ),
    crime(
        "hoard-bytes-by-take",
        Limit("frame-bytes-max"),
        "limit: limits.frame-bytes-max = 16777216",
    ),
    crime("build-too-many-rows", Limit("frame-rows-max"), "limit: limits.frame-rows-max = 1000000"),
    crime("take-too-many-rows", Limit("frame-rows-max"), "limit: limits.frame-rows-max = 1000000"),
    crime(
        "bring-too-much",
        Limit("call-bytes-max"),
        "died: one call brought more than limits.call-bytes-max",
    ),
    crime("too-many-columns", FRAMES, "limit: 64 columns a frame"),
    crime("a-long-name", FRAMES, "limit: 256 bytes a column's name"),
    crime("one-column-twice", FRAMES, "invalid: column 'a' stands twice"),
    crime("ragged-column", FRAMES, "invalid: column 'a' has 1 values for 3 rows"),
    crime("read-past-the-end", FRAMES, "invalid: rows 1 to 1 + 4294967295 of a frame of 2"),
    crime("read-no-such-column", FRAMES, "not found: no column 'xxxx"),
    crime("read-as-another-type", FRAMES, "invalid: column 'uuid' is text, not uint64"),
    crime("take-no-such-row", FRAMES, "invalid: row 7 does not exist (there are 2)"),
    crime("select-without-end", FRAMES, "invalid: select: 1000 columns of "),
    crime("find-in-numbers", FRAMES, "invalid: column 'asn' is uint32, not text"),
    crime("ask-for-a-million-texts", FRAMES, "limit: 1000000 texts a call"),
    crime(
        "ask-for-one-text-a-million-times",
        Limit("call-bytes-max"),
        "limit: limits.call-bytes-max = 8388608 bytes of texts a call",
    ),
    crime(
        "intern-without-end",
        Limit("text-bytes-max"),
        "limit: limits.text-bytes-max = 1048576 bytes of new text",
    ),
    crime("forge-a-handle", HANDLES, "died: unknown handle index 77"),
    crime("forge-handle-zero", HANDLES, "died: unknown handle index 0"),
    crime("use-after-drop", HANDLES, "died: unknown handle index"),
    crime("drop-twice", HANDLES, "died: unknown handle index"),
    crime("pass-a-builder-for-a-frame", HANDLES, "died: handle index"),
    crime("finish-twice", HANDLES, "died: handle index 1 used with the wrong type"),
    crime(
        "pass-a-list-outside-of-memory",
        LISTS,
        "died: list pointer/length out of bounds of memory",
    ),
    crime(
        "pass-a-list-that-wraps-around",
        LISTS,
        "died: list pointer/length out of bounds of memory",
    ),
    crime("pass-a-list-off-its-alignment", LISTS, "died: list pointer is not aligned"),
    crime(
        "pass-a-text-outside-of-memory",
        LISTS,
        "died: string pointer/length out of bounds of memory",
    ),
    crime("pass-a-text-that-is-none", LISTS, "died: invalid utf-8 sequence"),
    crime(
        "pass-one-text-a-million-times",
        Limit("call-bytes-max"),
        "died: one call brought more than limits.call-bytes-max",
    ),
    crime("ask-for-the-answer-outside-of-memory", LISTS, "died: pointer out of bounds"),
    crime("ask-for-a-view-that-is-none", LISTS, "died: unexpected discriminant: 99"),
    crime("ask-at-a-level-that-is-none", LISTS, "died: unexpected discriminant: 99"),
    crime("run-unasked", GRANTS, "refused: kernel 'attribution-states'"),
    crime("run-unknown", KERNELS, "not found: no kernel 'bitcoin'"),
    crime(
        "run-without-inputs",
        KERNELS,
        "invalid: connected-components: takes 2 inputs (nodes, edges), was given 0",
    ),
    crime("run-with-a-thousand-inputs", KERNELS, "invalid: connected-components: takes 2 inputs"),
    crime(
        "run-without-end",
        Limit("kernel-calls-max"),
        "limit: limits.kernel-calls-max = 100 kernels a tick",
    ),
    crime(
        "run-with-too-many-rows",
        Limit("kernel-rows-max"),
        "limit: connected-components: limits.kernel-rows-max = 100000 rows",
    ),
    crime("run-with-a-missing-column", KERNELS, "no column 'a'"),
    crime("run-with-a-column-of-another-type", KERNELS, "column 'a' is text, not uint32"),
    crime("run-with-wild-edges", KERNELS, "invalid: "),
    crime("run-with-unequal-weights", KERNELS, "invalid: "),
    crime("run-with-an-unknown-parameter", KERNELS, "invalid: "),
    crime(
        "run-with-a-long-parameter",
        KERNELS,
        "limit: connected-components: 4096 bytes of parameters",
    ),
    crime("run-with-one-frame-for-all", KERNELS, ""),
    crime(
        "update-what-is-not-kept",
        KERNELS,
        "refused: connected-components: nothing is kept of it",
    ),
    crime(
        "update-from-what-never-was",
        KERNELS,
        "conflict: identity-components: what is kept is not of the version",
    ),
    crime(
        "update-to-a-long-version",
        KERNELS,
        "limit: identity-components: a version of more than 1024 bytes",
    ),
    crime(
        "update-with-too-many-gone",
        Limit("kernel-rows-max"),
        "limit: identity-components: limits.kernel-rows-max = 100000 rows",
    ),
    crime("update-without-a-key", KERNELS, "no column 'key'"),
    crime("ask-for-changes", GRANTS, ""),
    crime("read-unasked", GRANTS, "refused: view 'credentials'"),
    crime("read-too-many-keys", COMMITS, "limit: 20000 keys a reading"),
    crime(
        "read-keys-of-what-has-none",
        COMMITS,
        "invalid: the view 'state' is not read by its keys",
    ),
    crime("commit-unasked", GRANTS, "refused: change 'unmerge-identities'"),
    crime("commit-twice", ALL_OR_NOTHING, "refused: commit: this tick has committed already"),
    crime(
        "commit-no-such-row",
        COMMITS,
        "invalid: commit: form-identities: row 4294967295 of a view of 2 rows",
    ),
    crime("commit-a-row-twice", COMMITS, "invalid: commit: form-identities: row 0 stands twice"),
    crime(
        "commit-groups-out-of-order",
        COMMITS,
        "invalid: commit: form-identities: groups are not numbered 0, 1, 2",
    ),
    crime(
        "commit-lists-of-two-lengths",
        COMMITS,
        "invalid: commit: form-identities: 2 rows for 1 groups",
    ),
    crime(
        "commit-too-many-rows",
        Limit("changes-max"),
        "limit: commit: limits.changes-max = 10000 rows",
    ),
    crime(
        "commit-too-many-changes",
        Limit("changes-max"),
        "limit: commit: limits.changes-max = 10000 rows",
    ),
    crime(
        "commit-another-frame",
        COMMITS,
        "invalid: commit: form-identities: needs a whole reading of the view 'attackers'",
    ),
    crime(
        "commit-about-a-part",
        COMMITS,
        "invalid: commit: form-identities: needs a whole reading of the view 'attackers'",
    ),
    crime(
        "commit-a-group-of-members",
        COMMITS,
        "invalid: commit: merge-identities: needs a whole reading of the view 'identities'",
    ),
    crime(
        "commit-edges-to-nowhere",
        COMMITS,
        "invalid: commit: explain-identities: row 9 of a view of 2 rows",
    ),
    crime("commit-edges-without-a-reason", COMMITS, "no column 'reason'"),
    crime("commit-state-without-a-key", COMMITS, "no column 'key'"),
    crime("commit-then-panic", ALL_OR_NOTHING, "died: it panicked"),
    crime("commit-then-spin", ALL_OR_NOTHING, "died: spent more than limits.guest-milliseconds"),
    crime("commit-then-give-up", ALL_OR_NOTHING, "conflict: second thoughts"),
    crime("flood-log", Limit("log-bytes-max"), ""),
    crime("flood-log-with-one-message", Limit("log-bytes-max"), ""),
];

#[tokio::test]
async fn every_crime_is_stopped_named_and_leaves_no_trace() {
    let (mut scene, guest) = scene().await;
    let before = scene.dump().await;
    let mut wrong = Vec::new();
    for Crime { name, about, told } in CRIMES {
        match scene.tick(&guest, &[("crime", name)]).await {
            Ok(ticked) if told.is_empty() && ticked.committed.is_empty() => {}
            Ok(_) => wrong.push(format!("{name}: nobody stopped it ({about:?})")),
            Err(error) => {
                let error = error.to_string();
                let is_right = error.starts_with("plugin 'hostile'")
                    && error.contains(told)
                    && !told.is_empty()
                    && error.len() < 2_000
                    && !error.contains(char::is_control);
                if !is_right {
                    wrong.push(format!("{name}: expected {told:?}, got {error:?}"));
                }
            }
        }
        if scene.dump().await != before {
            wrong.push(format!("{name} wrote something"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The host and the other correlators live.
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

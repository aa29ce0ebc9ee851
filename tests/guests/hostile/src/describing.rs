//! What the guest says of itself, and crimes while it does: a tick's settings are not there yet, so the crime stands
//! in the component's bytes, where the test writes it.

use corral_sdk::{Commit, Description, FrameBuilder, Problem, Setting, View, kernels, log, store};

use crate::spending::{grow, panic_with_words, spin};

/// Behind the colon stands a crime's name, filled up with dots.
#[used]
static MARK: [u8; 64] = *b"CRIME:..........................................................";

pub(crate) fn describe() -> Description {
    let honest = honest();
    // SAFETY: a static. It is read as if somebody had changed it, because somebody may have.
    let mark = unsafe { std::ptr::read_volatile(&raw const MARK) };
    let crime = String::from_utf8_lossy(&mark[6..]).trim_end_matches('.').to_owned();
    match &*crime {
        "" => honest,
        "spin-in-describe" => spin(),
        "grow-in-describe" => grow(),
        "panic-in-describe" => {
            let _unreached = panic_with_words();
            honest
        }
        "log-without-end-in-describe" => loop {
            log::error("me, me, me");
        },
        // What it does not get it may well live without.
        "work-in-describe" => {
            let refused = [
                store::read(View::Attackers).is_err(),
                kernels::run("connected-components", &[], &[]).is_err(),
                remember_something().is_err(),
            ];
            Description { summary: format!("{refused:?}"), ..honest }
        }
        "describe-at-length" => Description { summary: "I ".repeat(40_000), ..honest },
        "describe-without-end" => Description { wakes: vec![String::new(); 1_000_000], ..honest },
        "describe-many-settings" => {
            let setting = || Setting { name: "a".into(), default: "".into(), summary: "".into() };
            Description { settings: (0..10_000).map(|_| setting()).collect(), ..honest }
        }
        "describe-more-than-a-call" => Description { summary: "I".repeat(10 << 20), ..honest },
        "have-no-name" => Description { name: String::new(), ..honest },
        "have-a-path-for-a-name" => Description { name: "../../etc/passwd".into(), ..honest },
        "have-a-long-name" => Description { name: "a".repeat(65), ..honest },
        "ask-for-an-unknown-view" => Description { reads: vec!["passwords".into()], ..honest },
        "ask-for-an-unknown-change" => Description { writes: vec!["drop-table".into()], ..honest },
        "ask-for-an-unknown-kernel" => Description { kernels: vec!["bitcoin".into()], ..honest },
        other => Description { summary: format!("no such crime '{other}'"), ..honest },
    }
}

fn honest() -> Description {
    Description::new("hostile", "0.1.0", "Misbehaves as its setting says")
        .reads(&[View::Attackers, View::State])
        .writes(&["form-identities", "merge-identities", "explain-identities", "put-state"])
        .kernels(&["connected-components", "identity-components"])
        .setting("crime", "", "what to do wrong")
}

fn remember_something() -> Result<(), Problem> {
    let rows = FrameBuilder::new(1).texts("key", &[0]).texts("value", &[0]).finish()?;
    Commit::new().put_state(&rows).send()
}

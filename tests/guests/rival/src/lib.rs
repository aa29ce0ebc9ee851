//! A component that wants to be the clusterer. How it behaves stands in its own data, where a test patches it, so
//! that one build is many components with digests of their own.

use corral_sdk::{Commit, Context, Correlator, Description, Problem, View, export, log, store};

/// `MODE:` and a word, filled up with dots.
static MODE: [u8; 16] = *b"MODE:lonely.....";

struct Rival;

impl Correlator for Rival {
    fn describe() -> Description {
        Description::new("clusterer", "9.0.0", "Makes an identity of every attacker, or worse")
            .reads(&[View::Attackers])
            .writes(&["form-identities"])
    }

    fn tick(_: Context) -> Result<(), Problem> {
        // SAFETY: a reference is a valid pointer; the compiler must not know what stands there.
        let mode = unsafe { std::ptr::read_volatile(&MODE) };
        let mode = mode.iter().skip(5).take_while(|byte| **byte != b'.');
        let mode: String = mode.map(|byte| char::from(*byte)).collect();
        match mode.as_str() {
            "lonely" => lonely(),
            "panic" => panic_with_words(),
            "problem" => Err(Problem::Invalid("it does not want to".to_owned())),
            _ => Ok(()),
        }
    }
}

export!(Rival);

fn lonely() -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let identities = attackers.u32s("identity")?;
    let alone = (0..).zip(&identities).filter(|(_, identity)| **identity == u32::MAX);
    let alone: Vec<u32> = alone.map(|(row, _)| row).collect();
    log::info(&format!("{} lonely attackers", alone.len()));
    let groups = (0..).zip(&alone).map(|(group, _)| group).collect();
    Commit::new().form_identities(&attackers, alone, groups).send()
}

fn panic_with_words() -> Result<(), Problem> {
    let nothing: Option<u32> = std::hint::black_box(None);
    assert!(nothing.is_some(), "it is only a rival");
    Ok(())
}

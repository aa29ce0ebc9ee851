//! One guest, many crimes. The setting `crime` names one to commit in a tick, a mark in the component's own bytes
//! one to commit in `describe`, before there are any settings. tests/hostile.rs knows them all, and fails for one
//! that it does not know.
//!
//! A file a subject: what is spent, frames, raw calls that no binding would make, kernels, commits, words, and what
//! is said in `describe`.

mod commits;
mod describing;
mod frames;
mod kernels;
mod raw;
mod spending;
mod words;

use corral_sdk::{Context, Correlator, Description, Problem, export};

struct Hostile;

impl Correlator for Hostile {
    fn describe() -> Description {
        describing::describe()
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let crime = context.setting("crime");
        if crime.is_empty() {
            return Ok(());
        }
        let subjects = [
            spending::commit,
            frames::commit,
            raw::commit,
            kernels::commit,
            commits::commit,
            words::commit,
        ];
        subjects
            .into_iter()
            .find_map(|commit| commit(&context))
            .unwrap_or_else(|| Err(Problem::Invalid(format!("no such crime '{crime}'"))))
    }
}

export!(Hostile);

/// What a crime comes to; nothing if it is of another subject.
type Done = Option<Result<(), Problem>>;

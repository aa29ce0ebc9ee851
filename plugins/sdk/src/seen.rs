//! What a plugin saw when it last finished, so that a tick with nothing new costs nothing.
//!
//! A tick is a function of what it reads. So a plugin whose own changes touch none of the views it reads
//! may stop at once while those have the versions that it saw last. The versions are kept as the row
//! `seen` of the plugin's own state, in the commit that acted on them.

use crate::frame::{FrameBuilder, codes, codes_of, texts};
use crate::store::{read, read_since};
use crate::{ABSENT, Frame, Problem, View};

const KEY: &str = "seen";

/// Versions of views that have not been acted on yet.
#[derive(Debug)]
pub struct Seen(String);

impl Seen {
    /// What `views` have now; `None` if that was acted on already. `with` is whatever else decides: the
    /// plugin's version, its settings.
    ///
    /// # Errors
    /// As [`read`].
    pub fn unless_known(views: &[View], with: &str) -> Result<Option<Self>, Problem> {
        // The bar keeps `a=2` from being taken for the beginning of `a=20`.
        let mut now = format!("{with} |");
        let known = recall()?;
        let mut known = known.as_deref().and_then(|known| known.strip_prefix(&now)).map(revisions);
        let mut is_known = known.is_some();
        for view in views {
            let revision = known.as_mut().and_then(Iterator::next);
            let reading = match revision {
                Some(revision) => read_since(*view, revision)?,
                None => read(*view)?,
            };
            is_known &= revision == Some(reading.revision);
            now.push(' ');
            now.push_str(&reading.revision.to_string());
        }
        Ok((!is_known).then_some(Self(now)))
    }

    /// The row to put into the plugin's state.
    ///
    /// # Errors
    /// [`Problem::Limit`] if the plugin interns more text than it may.
    pub fn row(&self) -> Result<Frame, Problem> {
        let codes = codes_of(&[KEY.to_owned(), self.0.clone()])?;
        FrameBuilder::new(1).texts("key", &codes[..1]).texts("value", &codes[1..]).finish()
    }
}

fn recall() -> Result<Option<String>, Problem> {
    let state = read(View::State)?.rows;
    let [key] = codes([KEY])?;
    let at = state.u32s("key")?.iter().position(|other| *other == key);
    let values = state.u32s("value")?;
    match at.map(|at| values[at]).filter(|code| *code != ABSENT) {
        Some(code) => Ok(texts(&[code])?.pop()),
        None => Ok(None),
    }
}

fn revisions(known: &str) -> impl Iterator<Item = u64> {
    known.split_ascii_whitespace().map_while(|revision| revision.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_end_where_something_else_begins() {
        assert_eq!(revisions(" 3 14 x 5").collect::<Vec<_>>(), [3, 14]);
    }
}

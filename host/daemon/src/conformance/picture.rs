//! The rows of a world as text, to be held against those of another.

use std::sync::Arc;

use corral_kernels::{Column, Frame, Interner};

use crate::store::commit::Layer;
use crate::store::outbox::End;
use crate::store::resident::Resident;
use crate::store::revision::View;
use crate::store::{Store, StoreError};

/// Text of a picture that fits into memory many times over.
const TEXT_BYTES_MAX: usize = 1 << 30;
/// Events that are looked at: as many as an outbox keeps.
const EVENTS_MAX: usize = 100_000;

/// Views whose rows a plugin decides about.
const DERIVED: [View; 5] =
    [View::Attackers, View::Identities, View::Campaigns, View::Attribution, View::Reuse];

/// The column that says when the host wrote a row first.
const WRITTEN_AT: &str = "created_at";

/// Whether the times at which the host wrote, and what a plugin remembers, are looked at too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Everything has to be the same.
    Told,
    /// Only what follows from facts.
    Left,
}

/// Rows as lines, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture(Vec<String>);

impl Picture {
    pub(super) async fn take(
        store: &Store,
        plugin: &str,
        times: Times,
    ) -> Result<Self, StoreError> {
        let texts = Arc::new(Interner::new(TEXT_BYTES_MAX));
        let resident = Arc::new(Resident::new(texts.clone(), 0));
        let mut snapshot = store.snapshot(resident).await?;
        let mut lines = Vec::new();
        for view in DERIVED {
            add(&mut lines, view, &snapshot.read(view, plugin).await?, (&texts, times));
        }
        if times == Times::Told {
            let state = snapshot.read(View::State, plugin).await?;
            add(&mut lines, View::State, &state, (&texts, times));
            for event in store.waiting(End::Oldest, EVENTS_MAX).await? {
                lines.push(format!("event: {} {}", event.topic, event.payload));
            }
        }
        for (layer, name) in [(Layer::Identity, "identity"), (Layer::Campaign, "campaign")] {
            for edge in store.stored_layer(layer).await?.edges {
                let (a, b) = (&edge.a, &edge.b);
                lines.push(format!("evidence: {name} {a} {b} {} {}", edge.reason, edge.value));
            }
        }
        lines.sort_unstable();
        Ok(Self(lines))
    }

    /// The first row that only one of the two has.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let only = |one: &Self, two: &Self| {
            one.0.iter().find(|line| two.0.binary_search(line).is_err()).cloned()
        };
        match (only(self, other), only(other, self)) {
            (Some(here), Some(there)) => Some(format!("[{here}] and [{there}]")),
            (Some(line), None) | (None, Some(line)) => Some(format!("[{line}] or nothing")),
            (None, None) => Some("the same rows in other numbers".to_owned()),
        }
    }
}

fn add(lines: &mut Vec<String>, view: View, frame: &Frame, (texts, times): (&Interner, Times)) {
    let columns: Vec<(&str, &Column)> =
        frame.columns().filter(|(name, _)| times == Times::Told || *name != WRITTEN_AT).collect();
    for row in 0..frame.rows() {
        let cells =
            columns.iter().map(|(name, column)| format!("{name}={}", cell(column, row, texts)));
        lines.push(format!("{}: {}", view.name(), cells.collect::<Vec<_>>().join(" ")));
    }
}

/// A value; floats by their bits, so that "the same" means the same.
fn cell(column: &Column, row: usize, texts: &Interner) -> String {
    let text = match column {
        Column::Text(codes) => codes.get(row).and_then(|code| texts.text(*code)),
        Column::Uint32(values) => values.get(row).map(u32::to_string),
        Column::Uint64(values) => values.get(row).map(u64::to_string),
        Column::Int64(values) => values.get(row).map(i64::to_string),
        Column::Float64(values) => values.get(row).map(|value| format!("{value:?}")),
    };
    text.unwrap_or_else(|| "-".to_owned())
}

//! Recorded ticks: what one has read and committed, in a file, and another component on the same.
//!
//! A tick is a function of what it reads, so the views that it read, the time and its settings are all that is needed to
//! have another component do it again, anywhere, without the database. A host that records writes a file for each tick
//! that changed something. What is replayed reads wholes, always: a recording is one moment and has no earlier one.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corral_kernels::{ABSENT, Column, Frame, FrameError, Interner};
use serde::{Deserialize, Serialize};

use super::guest::Mode;
use super::kept::Lane;
use super::outcome::{Outcome, told::Told};
use super::shadow::Witness;
use super::tick::{Call, Called};
use super::{Difference, Host, Plugin, Reason, TickError, Ticked, Wake};
use crate::clock::Timestamp;
use crate::files;
use crate::store::StoreError;
use crate::store::revision::View;

/// The form of the file.
const FORMAT: u32 = 1;

/// A tick as a file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    format: u32,
    /// The plugin.
    pub plugin: String,
    /// The SHA-256 of its component.
    pub digest: String,
    /// What it was told the time is, in microseconds of UTC.
    pub now: i64,
    /// The settings that the operator gave.
    settings: Vec<(String, String)>,
    views: Vec<RecordedView>,
    outcome: Told,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedView {
    view: String,
    revision: u64,
    rows: usize,
    columns: Vec<(String, Values)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Values {
    Text(Vec<Option<String>>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int64(Vec<i64>),
    /// The bits of floats.
    Float64(Vec<u64>),
}

/// Where a host writes what its ticks did.
#[derive(Debug)]
pub(super) struct Recorder {
    folder: PathBuf,
    ticks: AtomicU64,
}

/// The views of a recording, for a guest.
#[derive(Debug)]
pub(super) struct Recorded(HashMap<View, (u64, Frame)>);

impl Recording {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recording: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if recording.format == FORMAT {
            return Ok(recording);
        }
        Err(format!("it has format {}, this program reads {FORMAT}", recording.format))
    }

    fn frames(&self, texts: &Interner) -> Result<Recorded, StoreError> {
        let mut frames = HashMap::new();
        for recorded in &self.views {
            let Some(view) = View::ALL.into_iter().find(|view| view.name() == recorded.view) else {
                continue;
            };
            let columns = recorded
                .columns
                .iter()
                .map(|(name, values)| Ok::<_, StoreError>((name.as_str(), values.column(texts)?)));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let frame = Frame::new(recorded.rows, columns).map_err(unreadable)?;
            frames.insert(view, (recorded.revision, frame));
        }
        Ok(Recorded(frames))
    }
}

impl Values {
    fn of(column: &Column, texts: &Interner) -> Self {
        match column {
            Column::Text(codes) => Self::Text(codes.iter().map(|code| texts.text(*code)).collect()),
            Column::Uint32(values) => Self::Uint32(values.to_vec()),
            Column::Uint64(values) => Self::Uint64(values.to_vec()),
            Column::Int64(values) => Self::Int64(values.to_vec()),
            Column::Float64(values) => {
                Self::Float64(values.iter().map(|value| value.to_bits()).collect())
            }
        }
    }

    fn column(&self, texts: &Interner) -> Result<Column, StoreError> {
        Ok(match self {
            Self::Text(values) => {
                let code = |text: &Option<String>| match text {
                    Some(text) => texts.code(text),
                    None => Ok(ABSENT),
                };
                Column::text(values.iter().map(code).collect::<Result<_, _>>()?)
            }
            Self::Uint32(values) => values.clone().into(),
            Self::Uint64(values) => values.clone().into(),
            Self::Int64(values) => values.clone().into(),
            Self::Float64(bits) => {
                bits.iter().map(|bits| f64::from_bits(*bits)).collect::<Vec<_>>().into()
            }
        })
    }
}

fn unreadable(error: FrameError) -> StoreError {
    StoreError::Corrupt {
        table: "a recording",
        row: "a view".to_owned(),
        reason: error.to_string(),
    }
}

const NOT_THERE: StoreError = StoreError::Unsupported(
    "the recording has no such view: the plugin that was recorded did not read it",
);

impl Recorded {
    /// A whole view, and its version.
    pub(super) fn read(&self, view: View) -> Result<(u64, Frame), StoreError> {
        self.0.get(&view).cloned().ok_or(NOT_THERE)
    }

    /// The rows of some keys, as a part of the view has them.
    pub(super) fn rows_of(&self, view: View, keys: &[u32]) -> Result<Option<Frame>, StoreError> {
        let (_, frame) = self.read(view)?;
        let key = match view {
            View::Attackers | View::Identities | View::Campaigns | View::Reuse => "uuid",
            View::Attribution => "identity",
            View::Credentials => "attacker",
            View::Features | View::Sessions | View::Behaviour | View::Phases => {
                return self.children_of(&frame, keys).map(Some);
            }
            View::Constraints | View::State => return Ok(None),
        };
        let wanted: HashSet<u32> = keys.iter().copied().collect();
        let named = frame.text(key).map_err(unreadable)?;
        let rows = (0..).zip(named).filter(|(_, key)| wanted.contains(*key));
        frame.take(&rows.map(|(row, _)| row).collect::<Vec<u32>>()).map(Some).map_err(unreadable)
    }

    fn children_of(&self, frame: &Frame, keys: &[u32]) -> Result<Frame, StoreError> {
        let (_, attackers) = self.read(View::Attackers)?;
        let uuids = attackers.text("uuid").map_err(unreadable)?;
        let parents = frame.uint32("row").map_err(unreadable)?;
        let owner = |row: &u32| uuids.get(*row as usize).copied().unwrap_or(ABSENT);
        let wanted: HashSet<u32> = keys.iter().copied().collect();
        let rows = (0..).zip(parents).filter(|(_, parent)| wanted.contains(&owner(parent)));
        let rows: Vec<u32> = rows.map(|(row, _)| row).collect();
        let some = frame.take(&rows).map_err(unreadable)?;
        let owners = some.uint32("row").map_err(unreadable)?.iter().map(owner).collect();
        let own = some.columns().map(|(name, column)| (name, column.clone()));
        let all = own.chain([("attacker", Column::text(owners))]);
        Frame::new(some.rows(), all).map_err(unreadable)
    }
}

impl Host {
    /// Writes a file for each tick that changes something from now on.
    pub fn record_into(&mut self, folder: PathBuf) {
        self.recorder = Some(Arc::new(Recorder { folder, ticks: AtomicU64::new(0) }));
    }

    /// Writes what a tick did; that it cannot is no reason for the tick to fail.
    pub(super) async fn record(&self, plugin: &Plugin, ticked: &Ticked, witness: Witness) {
        let Some(recorder) = &self.recorder else { return };
        if ticked.committed.is_empty() {
            return;
        }
        let number = recorder.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        let name = &plugin.description().name;
        let path = recorder.folder.join(format!("{number:04}-{name}.json"));
        let written = match self.recording(plugin, ticked, witness).await {
            Ok(recording) => {
                let text = serde_json::to_vec(&recording).unwrap_or_default();
                files::write_whole(&path, &text).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            tracing::error!(plugin = name, error, "a tick was not recorded");
        }
    }

    async fn recording(
        &self,
        plugin: &Plugin,
        ticked: &Ticked,
        witness: Witness,
    ) -> Result<Recording, StoreError> {
        let Witness { snapshot, changes, wake, now } = witness;
        let name = plugin.description().name.clone();
        let (mut views, mut attribution) = (Vec::new(), None);
        if let Some(mut snapshot) = snapshot {
            for view in View::ALL {
                if !ticked.usage.reads.contains(view.name()) {
                    continue;
                }
                let frame = snapshot.read(view, &name).await?;
                let columns = frame
                    .columns()
                    .map(|(name, column)| (name.to_owned(), Values::of(column, &self.texts)));
                views.push(RecordedView {
                    view: view.name().to_owned(),
                    revision: snapshot.revision(view).await?,
                    rows: frame.rows(),
                    columns: columns.collect(),
                });
                if view == View::Attribution {
                    attribution = Some(frame);
                }
            }
        }
        let outcome = Outcome::of(&changes, attribution.as_ref()).map_err(unreadable)?;
        Ok(Recording {
            format: FORMAT,
            plugin: name,
            digest: plugin.digest().to_owned(),
            now: now.micros(),
            settings: wake.settings,
            views,
            outcome: outcome.told(&self.texts),
        })
    }

    /// Has another component do a recorded tick, and tells how its commit differs. Nothing is written.
    ///
    /// # Errors
    /// [`TickError`], of the component; [`TickError::Store`] if the recording cannot be read.
    pub async fn replay(
        &self,
        plugin: &Plugin,
        recording: &Recording,
    ) -> Result<Difference, TickError> {
        let recorded = Arc::new(recording.frames(&self.texts)?);
        let attribution = recorded.read(View::Attribution).ok().map(|(_, frame)| frame);
        let wake = Wake { reason: Reason::Command, settings: recording.settings.clone() };
        let now = Timestamp(recording.now);
        let call = Call {
            recorded: Some(recorded),
            ..Call::new(plugin, &wake, now, Mode::Shadow, Lane::Shadow)
        };
        let Called { answer, changes, kept, .. } = self.call(call).await?;
        drop(kept);
        answer?;
        let candidate = Outcome::of_tick(plugin, &changes, attribution.as_ref())?;
        let live = Outcome::of_told(&recording.outcome, &self.texts).map_err(StoreError::from)?;
        Ok(live.difference(&candidate, &self.texts))
    }
}

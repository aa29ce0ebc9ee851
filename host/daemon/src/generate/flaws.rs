//! What is wrong with real log files, done on purpose and written down.
//!
//! Honeypots are killed while they write, disks fill up, and copies of a file are joined. Each flaw is
//! listed in `flaws.json` with its file and line, so that a test can hold an ingester's counts against
//! the list. Flaws come on top: no event of the story is lost to one. Those that lie in an event's own
//! content come from two attackers of the cast, the others are made here.

use serde::Serialize;

use super::GenerateError;
use super::cast::{Chapter, DAY};
use super::dice::Dice;
use super::rotation::{Journal, LogFile, Place};
use super::script::Event;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlawKind {
    /// The first part of an event, then a line break.
    BrokenJson,
    /// The first part of an event, then the end of the file.
    PartialLastLine,
    /// Half a megabyte.
    LongLine,
    /// A text has bytes that are not UTF-8.
    InvalidUtf8,
    /// The copy of an earlier line.
    DuplicateLine,
}

/// Whether a JSON parser can read a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// As it is.
    Yes,
    /// Once its invalid bytes are replaced.
    Lossily,
    /// In no way.
    No,
}

/// One flaw, as `flaws.json` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: FlawKind,
    /// Whether it can be read.
    pub reads: Reads,
    /// File and line of what it is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<(String, u64)>,
}

impl FlawKind {
    fn reads(self) -> Reads {
        match self {
            Self::BrokenJson | Self::PartialLastLine => Reads::No,
            Self::InvalidUtf8 => Reads::Lossily,
            Self::LongLine | Self::DuplicateLine => Reads::Yes,
        }
    }

    /// The flaw that an event's own content is.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        match event {
            Event::GarbledLogin(_) => Some(Self::InvalidUtf8),
            Event::Command(input) if input.len() > 100_000 => Some(Self::LongLine),
            _ => None,
        }
    }
}

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Break,
    /// Remembers the last line.
    Keep,
    /// Writes the remembered line again.
    Repeat,
}

/// The flaws to come and those done.
#[derive(Debug, Default)]
pub(super) struct Vandal {
    /// Deeds and their times, the next one last.
    plan: Vec<(i64, Deed)>,
    kept: Option<(Vec<u8>, Place)>,
    done: Vec<(Place, FlawKind, Option<Place>)>,
}

impl Vandal {
    /// Flaws for a chapter: two broken lines, one line repeated at once, two much later.
    pub(super) fn new(chapter: &Chapter) -> Self {
        let mut dice = Dice::new(chapter.seed, &[5, chapter.number]);
        // Each pair of deeds has a fifth of the time to itself, so that a kept line is repeated before
        // the next one is kept.
        let span = chapter.end() - chapter.start;
        let mut plan = Vec::new();
        for (part, deeds) in (0..).zip([
            [Deed::Break, Deed::Break],
            [Deed::Keep, Deed::Repeat],
            [Deed::Keep, Deed::Repeat],
            [Deed::Break, Deed::Break],
            [Deed::Keep, Deed::Repeat],
        ]) {
            let start = chapter.start + span * part / 5;
            let first = start + dice.between(0, span / 12);
            let wait = match part {
                1 => 0,
                _ => dice.between(span / 40, (span / 10).min(DAY / 2)),
            };
            plan.extend(deeds.into_iter().zip([first, first + wait]).map(|(deed, at)| (at, deed)));
        }
        plan.reverse();
        Self { plan, ..Self::default() }
    }

    /// Does what is due now that a line has been written there.
    pub(super) fn after(
        &mut self,
        at: i64,
        place: Place,
        journal: &mut Journal<'_>,
    ) -> Result<(), GenerateError> {
        while let Some((_, deed)) = self.plan.pop_if(|(due, _)| *due <= at) {
            match deed {
                Deed::Break => {
                    let mut line = first_part(journal.last_line());
                    line.push(b'\n');
                    let place = journal.line(|out| out.extend(line))?;
                    self.note(place, FlawKind::BrokenJson);
                    // The broken line is now the last one, and nothing to keep or repeat.
                    return Ok(());
                }
                Deed::Keep => self.kept = Some((journal.last_line(), place)),
                Deed::Repeat => {
                    if let Some((line, original)) = self.kept.take() {
                        let place = journal.line(|out| out.extend(line))?;
                        self.done.push((place, FlawKind::DuplicateLine, Some(original)));
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Cuts the log off in the middle of a line.
    pub(super) fn cut(&mut self, journal: &mut Journal<'_>) -> Result<(), GenerateError> {
        let line = first_part(journal.last_line());
        if !line.is_empty() {
            let place = journal.line(|out| out.extend(line))?;
            self.note(place, FlawKind::PartialLastLine);
        }
        Ok(())
    }

    pub(super) fn note(&mut self, place: Place, kind: FlawKind) {
        self.done.push((place, kind, None));
    }

    /// What was done, with the names that the files have in the end.
    pub(super) fn list(self, files: &[LogFile]) -> Vec<Flaw> {
        let named = |place: Place| {
            let name = files.get(place.file).map(|file| file.name.clone()).unwrap_or_default();
            (name, place.line)
        };
        self.done
            .into_iter()
            .map(|(place, kind, original)| {
                let (file, line) = named(place);
                Flaw { file, line, kind, reads: kind.reads(), copy_of: original.map(named) }
            })
            .collect()
    }
}

/// The first three fifths of a line, never all of it.
fn first_part(mut line: Vec<u8>) -> Vec<u8> {
    line.truncate(line.len() * 3 / 5);
    line
}

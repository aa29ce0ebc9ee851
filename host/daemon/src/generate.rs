//! Makes up the log of a honeypot, with the truth beside it.
//!
//! Real logs cannot be shipped and have no truth: nobody knows which of their addresses were one actor.
//! So the demo, the tests and the benches read logs that are written here. They have the shapes that
//! were measured on real ones, above all the two that defeat simple rules: a library's fingerprint that
//! hundreds of strangers share, and one worm that has six fingerprints.
//!
//! A cast is called together (who attacks, and what each owns), a stage plays it (who acts next), a
//! script says what a session does, Cowrie's scribe writes it down in the schema of its day, and the
//! recorder puts each line into the right day's file. When more is asked for than one chapter has, the
//! next one begins with a new cast, so that memory holds one chapter however much is written. Everything
//! follows from the seed: the same options give the same log, byte for byte, on every machine (the
//! bytes of a `.gz` may differ, what is in it does not).
//!
//! It is not a model of attackers. It does not learn from logs, and none of its lines is anybody's.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use cap_std::fs::Dir;
use jiff::civil::Date;
use serde::Serialize;

use cast::{Cast, Chapter, Registry};
use recorder::{Flow, Recorder};
use rotation::Journal;

pub use cast::{Flaws, Kind};
pub use flaws::{Flaw, FlawKind, Reads};
pub use rotation::{LogFile, Rotation};

mod addresses;
mod artefacts;
mod cast;
mod clients;
mod cowrie;
mod dice;
mod flaws;
mod recorder;
mod rotation;
mod script;
mod stage;
mod truth;
mod words;

/// The fewest attackers that make a story.
pub const ATTACKERS_MIN: u32 = 20;
/// The most attackers of one chapter: they take about a hundred bytes of memory each.
pub const ATTACKERS_MAX: u32 = 10_000_000;
/// The most days of one chapter.
pub const DAYS_MAX: u32 = 3_650;

/// What to write.
#[derive(Clone, Debug)]
pub struct Options {
    /// What everything follows from.
    pub seed: u64,
    /// Addresses in a chapter.
    pub attackers: u32,
    /// Days of a chapter.
    pub days: u32,
    /// The first day.
    pub start: Date,
    /// Goes on, or stops early, until there is so much; one whole chapter if there is no such limit.
    pub until: Option<Volume>,
    /// Whether files get flaws.
    pub flaws: Flaws,
    /// Whether old days are compressed.
    pub rotation: Rotation,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 7,
            attackers: 800,
            days: 5,
            start: jiff::civil::date(2026, 3, 16),
            until: None,
            flaws: Flaws::On,
            rotation: Rotation::Gzip,
        }
    }
}

/// How much is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// So many events.
    Events(u64),
    /// So many bytes of log, before compression.
    Bytes(u64),
}

/// What to do with a directory that has something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone.
    Refuse,
    /// Replace it, if an earlier run of this generator made it.
    Replace,
}

/// How far it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of log written.
    pub bytes: u64,
    /// Lines of log written.
    pub lines: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The seed it came from.
    pub seed: u64,
    /// The files of the log, the oldest first.
    pub files: Vec<LogFile>,
    /// Lines of all files.
    pub lines: u64,
    /// Bytes of all files, before compression.
    pub bytes: u64,
    /// Events among the lines: the others are flaws.
    pub events: u64,
    /// Sessions.
    pub sessions: u64,
    /// Times the story was told.
    pub chapters: u64,
    /// Addresses, by what they are part of.
    pub addresses: BTreeMap<Kind, u64>,
    /// What is wrong with the files.
    pub flaws: Vec<Flaw>,
}

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Something is in the directory.
    #[error("the directory is not empty: name a new one, or replace an earlier story with --force")]
    NotEmpty,
    /// Something is in the directory that is not this generator's to replace.
    #[error(
        "the directory holds files that `corral generate` did not write (`{name}`): name a new one"
    )]
    Foreign {
        /// One of them.
        name: String,
    },
    /// An option is out of its bounds.
    #[error("{name} must be from {min} to {max}")]
    Bounds {
        /// The option.
        name: &'static str,
        /// Its least value.
        min: u32,
        /// Its greatest.
        max: u32,
    },
    /// The calendar ends in the year 9999.
    #[error("the days run past the end of the calendar: start earlier or write less")]
    Calendar,
    /// The reserved networks have a hundred million addresses.
    #[error("there are no more reserved addresses for attackers: write less")]
    Addresses,
    /// Whoever watched the progress said so.
    #[error("stopped; what was written stays, and --force replaces it")]
    Stopped,
    /// A file could not be written.
    #[error("write {name}")]
    Write {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// Writes a log and its truth into a directory. `progress` hears of each megabyte and may break off.
///
/// # Errors
/// [`GenerateError`]; what was written until then stays.
pub fn generate(
    options: &Options,
    dir: &Dir,
    existing: Existing,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Summary, GenerateError> {
    check(options)?;
    make_room(dir, existing)?;
    // Written first, so that an interrupted run can be replaced too.
    write(dir, README, truth::MARK.as_bytes())?;
    let mut told =
        Told { options, dir, counts: BTreeMap::new(), story: String::new(), chapters: 0 };
    let recorded = told.play(Journal::new(dir, options.rotation, progress))?;
    let summary = Summary {
        seed: options.seed,
        lines: recorded.files.iter().map(|file| file.lines).sum(),
        bytes: recorded.files.iter().map(|file| file.bytes).sum(),
        files: recorded.files,
        events: recorded.events,
        sessions: recorded.sessions,
        chapters: told.chapters,
        addresses: told.counts,
        flaws: recorded.flaws,
    };
    let flaws = serde_json::to_vec_pretty(&summary.flaws).map_err(io::Error::from);
    write(
        dir,
        FLAWS,
        &flaws.map_err(|error| GenerateError::Write { name: FLAWS.to_owned(), error })?,
    )?;
    write(dir, README, truth::readme(options, &summary, &told.story).as_bytes())?;
    Ok(summary)
}

const TRUTH: &str = "truth.csv";
const FLAWS: &str = "flaws.json";
const README: &str = "README.txt";

/// The chapters told so far.
struct Told<'a> {
    options: &'a Options,
    dir: &'a Dir,
    counts: BTreeMap<Kind, u64>,
    story: String,
    chapters: u64,
}

impl<'a> Told<'a> {
    /// Plays chapter after chapter until there is enough.
    fn play(&mut self, journal: Journal<'a>) -> Result<recorder::Recorded, GenerateError> {
        let Options { seed, attackers, days, start, until, flaws, .. } = *self.options;
        let start = start.duration_since(jiff::civil::date(1970, 1, 1)).as_secs() * 1_000_000;
        let mut chapter = Chapter { seed, number: 0, attackers, start, days, flaws };
        let mut registry = Registry::new(seed);
        let mut recorder = Recorder::new(self.options, &chapter, journal);
        let failed = |error| GenerateError::Write { name: TRUTH.to_owned(), error };
        let mut truth = io::BufWriter::new(self.dir.create(TRUTH).map_err(failed)?);
        io::Write::write_all(&mut truth, truth::HEADING.as_bytes()).map_err(failed)?;
        loop {
            let cast = Cast::assemble(&chapter, &mut registry)?;
            let (flow, seen) = stage::play(&chapter, &cast, &mut recorder)?;
            truth::write_rows(&mut truth, &cast, &seen, &mut self.counts).map_err(failed)?;
            if chapter.number == 0 {
                self.story = truth::tell(&cast, &seen);
            }
            self.chapters += 1;
            if flow == Flow::Enough || until.is_none() {
                break;
            }
            chapter.start = chapter.end();
            chapter.number += 1;
        }
        io::Write::flush(&mut truth).map_err(failed)?;
        recorder.finish()
    }
}

fn check(options: &Options) -> Result<(), GenerateError> {
    for (name, value, min, max) in [
        ("attackers", options.attackers, ATTACKERS_MIN, ATTACKERS_MAX),
        ("days", options.days, 1, DAYS_MAX),
    ] {
        if !(min..=max).contains(&value) {
            return Err(GenerateError::Bounds { name, min, max });
        }
    }
    Ok(())
}

/// Sees to it that the directory is empty. Real logs are never removed: only a directory whose README
/// says that this generator wrote it is cleared, and only of files that it writes.
fn make_room(dir: &Dir, existing: Existing) -> Result<(), GenerateError> {
    let failed = |error| GenerateError::Write { name: ".".to_owned(), error };
    let mut names = Vec::new();
    for entry in dir.entries().map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    if names.is_empty() {
        return Ok(());
    }
    if existing == Existing::Refuse {
        return Err(GenerateError::NotEmpty);
    }
    let ours = dir.read_to_string(README).is_ok_and(|text| text.starts_with(truth::MARK));
    for name in &names {
        let name = name.to_string_lossy().into_owned();
        let known =
            [TRUTH, FLAWS, README].contains(&name.as_str()) || name.starts_with(rotation::TODAY);
        if !ours || !known {
            return Err(GenerateError::Foreign { name });
        }
    }
    for name in names {
        dir.remove_file(name).map_err(failed)?;
    }
    Ok(())
}

fn write(dir: &Dir, name: &str, bytes: &[u8]) -> Result<(), GenerateError> {
    dir.write(name, bytes).map_err(|error| GenerateError::Write { name: name.to_owned(), error })
}

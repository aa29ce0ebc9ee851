//! The thread that reads: files into batches.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::cowrie::{self, Event, Reject};
use super::discover::{self, Input};
use super::lines::{self, End, Row, Rows};
use super::session::Assembler;
use super::tactics::Tactics;
use super::tty::Recordings;
use super::unpack::Unpacked;
use super::{PassedOver, Problem, Progress, Settings, address};
use crate::clock::Timestamp;
use crate::files::{self, Opened};
use crate::store::record::{Batch, Source};

/// Broken lines of one file that are reported one by one.
const PROBLEMS_A_FILE_MAX: u32 = 5;
/// Lines between two reports of progress.
const LINES_A_REPORT: u64 = 4_096;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) events: u64,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    pub(super) passed_over: PassedOver,
    pub(super) problems: Vec<Problem>,
}

/// Reads everything at `paths` and sends it off in batches. Ends early if nobody receives them.
pub(super) fn read(
    paths: &[PathBuf],
    settings: &Settings,
    tactics: &Tactics,
    progress: &Arc<dyn Progress>,
    batches: &Sender<Batch>,
) -> Report {
    let found = discover::discover(paths, settings.zone);
    progress.begin(found.bytes);
    let recordings = Recordings::beside(paths, &found.inputs, settings.recording_bytes_max);
    let report =
        Report { passed_over: found.passed_over, problems: found.problems, ..Report::default() };
    let mut reader = Reader {
        settings,
        progress,
        batches,
        assembler: Assembler::new(settings, tactics, &recordings),
        report,
    };
    for input in &found.inputs {
        if reader.file(input).is_none() {
            return reader.report;
        }
    }
    // Whoever received is gone if this fails, and nobody asks for the report either.
    let _gone = reader.send();
    reader.report
}

struct Reader<'r> {
    settings: &'r Settings,
    progress: &'r Arc<dyn Progress>,
    batches: &'r Sender<Batch>,
    assembler: Assembler<'r>,
    report: Report,
}

/// What one file held.
#[derive(Default)]
struct Tally {
    events: u64,
    skipped: BTreeMap<&'static str, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Broken lines that were reported.
    reported: u32,
}

impl Reader<'_> {
    /// Sends the batch; `None` if nobody receives it.
    fn send(&mut self) -> Option<()> {
        self.batches.blocking_send(self.assembler.take()).ok()
    }

    /// Reads one file to its end, or as far as it goes; `None` if nobody receives batches any more.
    fn file(&mut self, input: &Input) -> Option<()> {
        self.progress.file(input.path());
        let unpacked =
            match open(input).and_then(|raw| Unpacked::new(raw, Arc::clone(self.progress))) {
                Ok(unpacked) => unpacked,
                Err(error) => {
                    self.report.problems.push(Problem::file(input.path(), &error));
                    return Some(());
                }
            };
        self.report.files += 1;
        let mut tally = Tally::default();
        let is_packed = unpacked.is_packed();
        let mut rows = Rows::new(unpacked, self.settings.line_bytes_max);
        let result = self.rows(input, &mut rows, &mut tally)?;
        let lines = rows.lines();
        self.progress.lines(lines % LINES_A_REPORT);
        let content = rows.into_reader().finish();
        if let Err(error) =
            result.and(content.as_ref().map(|_| ()).map_err(|error| error.kind().into()))
        {
            self.report.problems.push(unread(input, is_packed, lines, &error));
        }
        if let Ok(content) = content {
            self.report.bytes += content.bytes;
            self.assembler.finish(Source {
                kind: "cowrie",
                path: input.path().display().to_string(),
                sha256: content.sha256,
                bytes: content.bytes,
                lines,
                events: tally.events,
                skipped: serde_json::to_string(&tally.skipped).unwrap_or_default(),
                first_event_at: tally.first,
                last_event_at: tally.last,
            });
        }
        self.report.lines += lines;
        self.report.events += tally.events;
        for (reason, count) in tally.skipped {
            *self.report.skipped.entry(reason).or_default() += count;
        }
        Some(())
    }

    /// Reads the rows of one file. `None` if nobody receives batches any more; inside, what went wrong
    /// with reading.
    fn rows(
        &mut self,
        input: &Input,
        rows: &mut Rows<Unpacked>,
        tally: &mut Tally,
    ) -> Option<io::Result<()>> {
        let mut reported = 0;
        loop {
            match rows.next_row() {
                Ok(Some(row)) => {
                    let line = row.line;
                    self.row(input, &row, tally);
                    if line - reported >= LINES_A_REPORT {
                        self.progress.lines(line - reported);
                        reported = line;
                    }
                }
                Ok(None) => return Some(Ok(())),
                Err(error) => return Some(Err(error)),
            }
            if self.assembler.is_full() {
                self.send()?;
            }
        }
    }

    fn row(&mut self, input: &Input, row: &Row<'_>, tally: &mut Tally) {
        if row.end == End::TooLong {
            let reason = format!(
                "longer than {} bytes (raise ingest.line-bytes-max)",
                self.settings.line_bytes_max
            );
            self.skip(input, row, tally, "line too long", None, reason);
            return;
        }
        let rejected = match cowrie::decode(row.bytes, self.settings.zone) {
            Ok(event) => return self.event(event, row.bytes.len(), tally),
            Err(rejected) => rejected,
        };
        let Reject::Broken { column, reason } = rejected else {
            *tally.skipped.entry(rejected.reason()).or_default() += 1;
            return;
        };
        if self.repair(row, tally) {
            return;
        }
        if row.end == End::Cut {
            let reason = "incomplete last line (read it again when it is complete)".to_owned();
            self.skip(input, row, tally, "incomplete last line", None, reason);
        } else {
            self.skip(input, row, tally, "broken JSON", Some(column), reason);
        }
    }

    /// Tries to read a row that is no JSON as what it was meant to be.
    fn repair(&mut self, row: &Row<'_>, tally: &mut Tally) -> bool {
        let zone = self.settings.zone;
        if let Some(mended) = cowrie::mend(row.bytes)
            && let Ok(event) = cowrie::decode(&mended, zone)
        {
            self.event(Event { hash: cowrie::hash(row.bytes), ..event }, row.bytes.len(), tally);
            return true;
        }
        let objects: Vec<&[u8]> = lines::objects(row.bytes).collect();
        let events: Vec<_> =
            objects.iter().map(|object| (cowrie::decode(object, zone), object.len())).collect();
        let is_all = !events.is_empty() && events.iter().all(|(event, _)| event.is_ok());
        if is_all {
            for (event, bytes) in
                events.into_iter().filter_map(|(event, bytes)| Some((event.ok()?, bytes)))
            {
                self.event(event, bytes, tally);
            }
        }
        is_all
    }

    fn event(&mut self, event: Event<'_>, bytes: usize, tally: &mut Tally) {
        if self.settings.own_networks.iter().any(|network| network.contains(event.address)) {
            *tally.skipped.entry("own network").or_default() += 1;
        } else if self.settings.drop_private && address::is_private(event.address) {
            *tally.skipped.entry("private address").or_default() += 1;
        } else {
            tally.events += 1;
            tally.first = Some(tally.first.map_or(event.at, |first| first.min(event.at)));
            tally.last = Some(tally.last.map_or(event.at, |last| last.max(event.at)));
            self.assembler.add(event, bytes);
        }
    }

    /// Counts a line that is passed over, and reports it if it is one of the file's first.
    fn skip(
        &mut self,
        input: &Input,
        row: &Row<'_>,
        tally: &mut Tally,
        reason: &'static str,
        column: Option<usize>,
        message: String,
    ) {
        *tally.skipped.entry(reason).or_default() += 1;
        if tally.reported < PROBLEMS_A_FILE_MAX {
            tally.reported += 1;
            let path = input.path().display().to_string();
            self.report.problems.push(Problem {
                path,
                line: Some(row.line),
                column,
                reason: message,
                is_unread: false,
            });
        }
    }
}

fn open(input: &Input) -> io::Result<Box<dyn Read + Send>> {
    match input {
        Input::Standard => Ok(Box::new(io::stdin())),
        Input::File(path) => match files::open(path).map_err(|error| error.error)? {
            Opened::File(file) => Ok(Box::new(file)),
            Opened::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        },
    }
}

/// A file that could not be read to its end.
fn unread(input: &Input, is_packed: bool, lines: u64, error: &io::Error) -> Problem {
    let reason = if is_packed {
        format!(
            "the gzip data is truncated or damaged: {error} (the {lines} lines before were read; copy the file again)"
        )
    } else {
        format!("{error} (the {lines} lines before were read)")
    };
    Problem { line: Some(lines), ..Problem { reason, ..Problem::file(input.path(), error) } }
}

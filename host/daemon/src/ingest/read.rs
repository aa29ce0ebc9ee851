//! The thread that reads: files into batches.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use super::dionaea::database::Connections;
use super::discover::{self, Input};
use super::format::{self, Format};
use super::lines::{self, End, Row, Rows};
use super::session::Assembler;
use super::sighting::{self, Events, Reject};
use super::tactics::Tactics;
use super::tty::Recordings;
use super::unpack::Unpacked;
use super::{PassedOver, Problem, Progress, Settings, address};
use crate::clock::Timestamp;
use crate::files::{self, Opened};
use crate::store::dionaea::DatabaseError;
use crate::store::record::{Batch, Source};

/// Broken lines of one file that are reported one by one.
const PROBLEMS_A_FILE_MAX: u32 = 5;
/// Lines between two reports of progress.
const LINES_A_REPORT: u64 = 4_096;
/// Bytes that a row of a database is taken for.
const ROW_BYTES: usize = 256;
/// Why lines are passed over, beside what a format rejects.
const BROKEN: &str = "broken JSON";
const INCOMPLETE: &str = "incomplete last line";

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
    runtime: &Handle,
    batches: &Sender<Batch>,
) -> Report {
    let found = discover::discover(paths, settings.format, settings.zone);
    progress.begin(found.bytes);
    let recordings = Recordings::beside(paths, &found.inputs, settings.recording_bytes_max);
    let report =
        Report { passed_over: found.passed_over, problems: found.problems, ..Report::default() };
    let mut reader = Reader {
        settings,
        progress,
        runtime,
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
    runtime: &'r Handle,
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
    /// Rows of a database that were read.
    rows: u64,
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
        let mut unpacked =
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
        let is_database =
            self.settings.format == Format::Dionaea && unpacked.begins_with(format::DATABASE);
        let (result, lines, unpacked) = if is_database {
            let result = self.connections(input, &mut unpacked, &mut tally)?;
            (result, tally.rows, unpacked)
        } else {
            let mut rows = Rows::new(unpacked, self.settings.line_bytes_max);
            let result = self.rows(input, &mut rows, &mut tally)?;
            (result, rows.lines(), rows.into_reader())
        };
        self.progress.lines(lines % LINES_A_REPORT);
        let content = unpacked.finish();
        if let Err(error) =
            result.and(content.as_ref().map(|_| ()).map_err(|error| error.kind().into()))
        {
            self.report.problems.push(unread(input, is_packed, lines, &error));
        }
        if let Ok(content) = content {
            self.report.bytes += content.bytes;
            self.assembler.finish(Source {
                kind: self.settings.format.name(),
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
        self.doubt(input, &tally);
        self.report.lines += lines;
        self.report.events += tally.events;
        for (reason, count) in tally.skipped {
            *self.report.skipped.entry(reason).or_default() += count;
        }
        Some(())
    }

    /// Reads the connections of Dionaea's database, likewise.
    fn connections(
        &mut self,
        input: &Input,
        file: &mut Unpacked,
        tally: &mut Tally,
    ) -> Option<io::Result<()>> {
        let opened = unfinished(input).and_then(|()| Connections::open(file, self.runtime));
        let mut connections = match opened {
            Ok(connections) => connections,
            Err(error) => return Some(Err(error)),
        };
        loop {
            match connections.next() {
                Ok(Some(Ok(events))) => self.events(events, ROW_BYTES, tally),
                Ok(Some(Err(rejected))) => self.reject(&rejected, tally),
                Ok(None) => return Some(Ok(())),
                Err(error) => return Some(Err(error)),
            }
            tally.rows += 1;
            if tally.rows.is_multiple_of(LINES_A_REPORT) {
                self.progress.lines(LINES_A_REPORT);
            }
            if self.assembler.is_full() {
                self.send()?;
            }
        }
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
        let rejected = match self.decode(row.bytes) {
            Ok(events) => return self.events(events, row.bytes.len(), tally),
            Err(rejected) => rejected,
        };
        let Reject::Broken { column, reason } = rejected else {
            return self.reject(&rejected, tally);
        };
        if self.repair(row, tally) {
            return;
        }
        if row.end == End::Cut {
            let reason = "incomplete last line (read it again when it is complete)".to_owned();
            self.skip(input, row, tally, INCOMPLETE, None, reason);
        } else {
            self.skip(input, row, tally, BROKEN, Some(column), reason);
        }
    }

    fn decode<'a>(&self, row: &'a [u8]) -> Result<Events<'a>, Reject> {
        self.settings.format.decode(row, self.settings.zone)
    }

    /// Tries to read a row that is no JSON as what it was meant to be.
    fn repair(&mut self, row: &Row<'_>, tally: &mut Tally) -> bool {
        if let Some(mended) = sighting::mend(row.bytes)
            && let Ok(events) = self.decode(&mended)
        {
            self.events(events.of(sighting::hash(row.bytes)), row.bytes.len(), tally);
            return true;
        }
        let objects: Vec<&[u8]> = lines::objects(row.bytes).collect();
        let decoded: Vec<_> =
            objects.iter().map(|object| (self.decode(object), object.len())).collect();
        let is_all = !decoded.is_empty() && decoded.iter().all(|(events, _)| events.is_ok());
        if is_all {
            for (events, bytes) in
                decoded.into_iter().filter_map(|(events, bytes)| Some((events.ok()?, bytes)))
            {
                self.events(events, bytes, tally);
            }
        }
        is_all
    }

    /// Takes over the events of one row, which are all about one address.
    fn events(&mut self, events: Events<'_>, bytes: usize, tally: &mut Tally) {
        let settings = self.settings;
        let (address, to) = (events.first().address, events.first().to);
        let is_ours = |address| settings.own_networks.iter().any(|own| own.contains(address));
        let is_inside = |address| is_ours(address) || address::is_private(address);
        // Of what was heard on the wire, only what came in from outside is about an attacker.
        if to.is_some_and(|to| is_inside(address) || !is_inside(to)) {
            return self.reject(&Reject::Own, tally);
        }
        if is_ours(address) {
            *tally.skipped.entry("own network").or_default() += 1;
        } else if settings.drop_private && address::is_private(address) {
            *tally.skipped.entry("private address").or_default() += 1;
        } else {
            // What a row takes in memory is counted once, with its first event.
            let mut bytes = bytes;
            for event in events {
                tally.events += 1;
                tally.first = Some(tally.first.map_or(event.at, |first| first.min(event.at)));
                tally.last = Some(tally.last.map_or(event.at, |last| last.max(event.at)));
                self.assembler.add(event, std::mem::take(&mut bytes));
            }
        }
    }

    fn reject(&self, rejected: &Reject, tally: &mut Tally) {
        *tally.skipped.entry(self.settings.format.reason(rejected)).or_default() += 1;
    }

    /// What there is to say of a file that told nothing.
    fn doubt(&mut self, input: &Input, tally: &Tally) {
        let format = self.settings.format;
        let own = format.reason(&Reject::Own);
        let strange = [format.reason(&Reject::Foreign), BROKEN];
        let has = |reasons: &[&'static str]| reasons.iter().any(|r| tally.skipped.contains_key(r));
        let only = |reasons: &[&'static str]| {
            has(reasons) && tally.skipped.keys().all(|r| reasons.contains(r) || *r == INCOMPLETE)
        };
        let (reason, is_unread) = if tally.events > 0 {
            return;
        } else if only(&strange) {
            (format!("0 events: is this a {} log?", format.title()), true)
        } else if only(&[own]) {
            let reason =
                "0 events: all is own traffic (list the sensor's addresses in ingest.own-networks)";
            (reason.to_owned(), false)
        } else {
            return;
        };
        let path = input.path().display().to_string();
        self.report.problems.push(Problem { path, line: None, column: None, reason, is_unread });
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

/// Refuses a database of which a part still lies in a file beside it.
fn unfinished(input: &Input) -> io::Result<()> {
    let Input::File(path) = input else { return Ok(()) };
    for rest in ["-wal", "-journal"] {
        let mut beside = path.clone().into_os_string();
        beside.push(rest);
        let Ok(Opened::File(file)) = files::open(beside.as_ref()) else { continue };
        if file.metadata()?.len() > 0 {
            let message = format!(
                "the database is in use: {} holds a part of it (copy it with `sqlite3 dionaea.sqlite \
                 '.backup COPY'`)",
                beside.display()
            );
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
    }
    Ok(())
}

/// A file that could not be read to its end.
fn unread(input: &Input, is_packed: bool, lines: u64, error: &io::Error) -> Problem {
    let is_about_content = error.kind() == io::ErrorKind::FileTooLarge
        || error.get_ref().is_some_and(|inner| inner.is::<DatabaseError>());
    let reason = if is_packed && !is_about_content {
        format!(
            "the gzip data is truncated or damaged: {error} (the {lines} lines before were read; copy the file again)"
        )
    } else {
        format!("{error} (the {lines} lines before were read)")
    };
    Problem { line: Some(lines), ..Problem { reason, ..Problem::file(input.path(), error) } }
}

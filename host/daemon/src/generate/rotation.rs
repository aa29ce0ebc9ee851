//! The files that a honeypot's day becomes.
//!
//! Today's file is `cowrie.json`. At midnight it is renamed after its day; the day before that one is
//! compressed, a day late, as log rotation usually has it. Lines gather in a buffer that is emptied
//! between lines only, so the last line can still be repeated or cut. Nothing else is held in memory.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use cap_std::fs::{Dir, File};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::{GenerateError, Progress};

/// The buffer is emptied when it has so many bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// The file of today.
pub(super) const TODAY: &str = "cowrie.json";

/// Whether old days are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// All but the last two days become `.gz`.
    Gzip,
    /// All days stay as they are.
    Plain,
}

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    /// Its name in the directory.
    pub name: String,
    /// Its lines, a partial last one included.
    pub lines: u64,
    /// Its bytes, before compression.
    pub bytes: u64,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, by its number.
    pub(super) file: usize,
    /// The line, from 1.
    pub(super) line: u64,
}

/// The log being written.
pub(super) struct Journal<'d> {
    dir: &'d Dir,
    rotation: Rotation,
    progress: &'d mut dyn FnMut(Progress) -> ControlFlow<()>,
    buffer: Vec<u8>,
    /// Where the last line begins in the buffer.
    last: usize,
    today: Option<(File, String)>,
    files: Vec<LogFile>,
    bytes: u64,
    lines: u64,
}

impl<'d> Journal<'d> {
    pub(super) fn new(
        dir: &'d Dir,
        rotation: Rotation,
        progress: &'d mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        Self {
            dir,
            rotation,
            progress,
            buffer,
            last: 0,
            today: None,
            files: Vec::new(),
            bytes: 0,
            lines: 0,
        }
    }

    /// Bytes written so far, of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins the file of the day with this date.
    pub(super) fn turn_day(&mut self, date: &str) -> Result<(), GenerateError> {
        self.flush()?;
        self.last = 0;
        self.rotate()
            .map_err(|error| GenerateError::Write { name: format!("{TODAY}.*"), error })?;
        let file = self.dir.create(TODAY).map_err(written)?;
        self.today = Some((file, date.to_owned()));
        self.files.push(LogFile { name: TODAY.to_owned(), lines: 0, bytes: 0 });
        Ok(())
    }

    /// Gives today's file the name of its day, and compresses the one before.
    fn rotate(&mut self) -> io::Result<()> {
        let Some((file, date)) = self.today.take() else { return Ok(()) };
        drop(file);
        let name = format!("{TODAY}.{date}");
        self.dir.rename(TODAY, self.dir, &name)?;
        if let Some(entry) = self.files.last_mut() {
            entry.name = name;
        }
        let before = self.files.iter_mut().nth_back(1);
        let Some(entry) = before.filter(|_| self.rotation == Rotation::Gzip) else { return Ok(()) };
        let compressed = format!("{}.gz", entry.name);
        let mut plain = self.dir.open(&entry.name)?;
        let mut encoder = GzEncoder::new(self.dir.create(&compressed)?, Compression::fast());
        // The buffer is empty here, and large: it serves both.
        self.buffer.resize(BUFFER_BYTES, 0);
        loop {
            let count = plain.read(&mut self.buffer)?;
            let Some(read) = self.buffer.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            encoder.write_all(read)?;
        }
        self.buffer.clear();
        encoder.finish()?.flush()?;
        self.dir.remove_file(&entry.name)?;
        entry.name = compressed;
        Ok(())
    }

    /// Writes one line; `write` appends it, line break included.
    pub(super) fn line(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Place, GenerateError> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        self.last = self.buffer.len();
        write(&mut self.buffer);
        let written = u64::try_from(self.buffer.len() - self.last).unwrap_or(0);
        self.bytes += written;
        self.lines += 1;
        let file = self.files.len().saturating_sub(1);
        let Some(entry) = self.files.last_mut() else { return Ok(Place { file, line: 0 }) };
        entry.bytes += written;
        entry.lines += 1;
        Ok(Place { file, line: entry.lines })
    }

    /// The last line, line break included.
    pub(super) fn last_line(&self) -> Vec<u8> {
        self.buffer.get(self.last..).unwrap_or_default().to_vec()
    }

    /// Empties the buffer into today's file and asks whether to go on.
    fn flush(&mut self) -> Result<(), GenerateError> {
        if let Some((file, _)) = &mut self.today {
            file.write_all(&self.buffer).map_err(written)?;
            self.buffer.clear();
            if (self.progress)(Progress { bytes: self.bytes, lines: self.lines }).is_break() {
                return Err(GenerateError::Stopped);
            }
        }
        Ok(())
    }

    /// Ends the log.
    pub(super) fn finish(mut self) -> Result<Vec<LogFile>, GenerateError> {
        self.flush()?;
        Ok(self.files)
    }
}

fn written(error: io::Error) -> GenerateError {
    GenerateError::Write { name: TODAY.to_owned(), error }
}

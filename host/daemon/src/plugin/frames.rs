//! The import `frames`: a guest's handles on tables that live in the host.
//!
//! Every number here comes from a stranger: ranges, lengths and rows are checked before anything is
//! allocated for them. A frame's bytes count for the guest that made it, or had it made, for as long as it holds
//! it, and in full even if it shares them with another; a whole view is everybody's, and counts for nobody.

use corral_kernels::{Column, ColumnType, Frame, FrameError};
use wasmtime::component::Resource;

use super::bindings::{Problem, frames as wit};
use super::guest::{FrameHandle, Guest};
use super::trap::printable;

/// A frame that a guest is building.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Building {
    rows: usize,
    columns: Vec<(String, Column)>,
    bytes: usize,
}

/// Texts that one call may ask for; more are asked for in pieces.
const TEXTS_MAX: usize = 1_000_000;
/// Columns of a frame that a guest builds: as many as any view or kernel has, several times over.
const COLUMNS_MAX: usize = 64;
/// Ours have a dozen.
const COLUMN_NAME_BYTES_MAX: usize = 256;

/// An answer with a problem in it, or a trap.
type Answer<T> = wasmtime::Result<Result<T, Problem>>;

impl From<FrameError> for Problem {
    fn from(error: FrameError) -> Self {
        match error {
            // Names in it may be of any length.
            FrameError::NoColumn { .. } => Self::NotFound(printable(&error.to_string())),
            _ => Self::Invalid(printable(&error.to_string())),
        }
    }
}

pub(super) fn kind(kind: ColumnType) -> wit::ColumnType {
    match kind {
        ColumnType::Uint32 => wit::ColumnType::Uint32,
        ColumnType::Uint64 => wit::ColumnType::Uint64,
        ColumnType::Int64 => wit::ColumnType::Int64,
        ColumnType::Float64 => wit::ColumnType::Float64,
        ColumnType::Text => wit::ColumnType::Text,
    }
}

/// Bytes of a row.
fn row_bytes(frame: &Frame) -> usize {
    frame.columns().map(|(_, column)| value_bytes(column.kind())).sum()
}

fn value_bytes(kind: ColumnType) -> usize {
    match kind {
        ColumnType::Uint32 | ColumnType::Text => 4,
        ColumnType::Uint64 | ColumnType::Int64 | ColumnType::Float64 => 8,
    }
}

impl Guest {
    /// Gives the guest a handle on a frame that is its own, within its allowance.
    pub(super) fn own(&mut self, frame: Frame) -> Answer<Resource<FrameHandle>> {
        let bytes = row_bytes(&frame).saturating_mul(frame.rows());
        self.hold(FrameHandle { frame, view: None, bytes })
    }

    /// Gives the guest a handle on a frame, within its allowance.
    pub(super) fn hold(&mut self, frame: FrameHandle) -> Answer<Resource<FrameHandle>> {
        if let Err(problem) = self.meet("a frame") {
            return Ok(Err(problem));
        }
        if self.used.frames >= self.limits.frames_max {
            let limit = self.limits.frames_max;
            return Ok(Err(Problem::Limit(format!(
                "limits.frames-max = {limit} frames at one time (drop some, or raise it)"
            ))));
        }
        if let Err(problem) = self.has_room(frame.bytes) {
            return Ok(Err(problem));
        }
        self.used.frames += 1;
        self.used.frame_bytes += frame.bytes;
        self.used.frames_most = self.used.frames_most.max(self.used.frames);
        Ok(Ok(self.table.push(frame)?))
    }

    /// Whether the guest may hold so many bytes more.
    fn has_room(&self, bytes: usize) -> Result<(), Problem> {
        let limit = self.limits.frame_bytes_max;
        if self.used.frame_bytes.saturating_add(bytes) <= limit {
            return Ok(());
        }
        Err(Problem::Limit(format!(
            "limits.frame-bytes-max = {limit} bytes of frames at one time (drop some, or raise it)"
        )))
    }

    /// A handle is gone, and its bytes with it.
    fn release(&mut self, bytes: usize) {
        self.used.frame_bytes = self.used.frame_bytes.saturating_sub(bytes);
    }

    fn read<T: Clone>(
        &self,
        this: &Resource<FrameHandle>,
        (start, count): (u32, u32),
        column: impl FnOnce(&Frame) -> Result<&[T], FrameError>,
    ) -> Answer<Vec<T>> {
        let values = match column(&self.table.get(this)?.frame) {
            Ok(values) => values,
            Err(error) => return Ok(Err(error.into())),
        };
        let range = (start as usize)..(start as usize).saturating_add(count as usize);
        Ok(values.get(range).map(<[T]>::to_vec).ok_or_else(|| {
            let rows = values.len();
            Problem::Invalid(format!("rows {start} to {start} + {count} of a frame of {rows}"))
        }))
    }

    fn add(&mut self, this: &Resource<Building>, name: String, column: Column) -> Answer<()> {
        if name.len() > COLUMN_NAME_BYTES_MAX {
            let limit = format!("{COLUMN_NAME_BYTES_MAX} bytes a column's name");
            return Ok(Err(Problem::Limit(limit)));
        }
        let bytes = value_bytes(column.kind()).saturating_mul(column.len());
        if let Err(problem) = self.has_room(bytes) {
            return Ok(Err(problem));
        }
        let building = self.table.get_mut(this)?;
        if column.len() != building.rows {
            let (rows, values) = (building.rows, column.len());
            return Ok(Err(Problem::Invalid(format!(
                "column '{name}' has {values} values for {rows} rows"
            ))));
        }
        if building.columns.len() >= COLUMNS_MAX {
            return Ok(Err(Problem::Limit(format!("{COLUMNS_MAX} columns a frame"))));
        }
        building.columns.push((name, column));
        building.bytes += bytes;
        self.used.frame_bytes += bytes;
        Ok(Ok(()))
    }
}

impl wit::Host for Guest {
    fn texts(&mut self, codes: Vec<u32>) -> Answer<Vec<String>> {
        if let Err(problem) = self.meet("texts") {
            return Ok(Err(problem));
        }
        if codes.len() > TEXTS_MAX {
            return Ok(Err(Problem::Limit(format!("{TEXTS_MAX} texts a call"))));
        }
        let limit = self.limits.call_bytes_max;
        let Some(texts) = self.texts.texts_within(&codes, limit) else {
            return Ok(Err(Problem::Limit(format!(
                "limits.call-bytes-max = {limit} bytes of texts a call (ask for them in pieces)"
            ))));
        };
        Ok(Ok(texts.iter().map(str::to_owned).collect()))
    }

    fn codes(&mut self, texts: Vec<String>) -> Answer<Vec<u32>> {
        if let Err(problem) = self.meet("codes") {
            return Ok(Err(problem));
        }
        let new = texts.iter().filter(|text| self.texts.lookup(text).is_none());
        let new = new.fold(0usize, |sum, text| sum.saturating_add(text.len()));
        self.used.text_bytes = self.used.text_bytes.saturating_add(new);
        if self.used.text_bytes > self.limits.text_bytes_max {
            let limit = self.limits.text_bytes_max;
            return Ok(Err(Problem::Limit(format!(
                "limits.text-bytes-max = {limit} bytes of new text"
            ))));
        }
        let limit = self.limits.interned_bytes_max;
        if !self.share.intern(new, limit) {
            return Ok(Err(Problem::Limit(format!(
                "limits.interned-bytes-max = {limit} bytes of text in all ticks (until the host starts anew)"
            ))));
        }
        Ok(self
            .texts
            .codes(texts.iter().map(String::as_str))
            .map_err(|full| Problem::Limit(full.to_string())))
    }
}

impl wit::HostFrame for Guest {
    fn rows(&mut self, this: Resource<FrameHandle>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.table.get(&this)?.frame.rows())?)
    }

    fn columns(&mut self, this: Resource<FrameHandle>) -> wasmtime::Result<Vec<wit::Column>> {
        let columns = self.table.get(&this)?.frame.columns();
        Ok(columns
            .map(|(name, column)| wit::Column { name: name.to_owned(), kind: kind(column.kind()) })
            .collect())
    }

    fn read_u32(
        &mut self,
        this: Resource<FrameHandle>,
        column: String,
        start: u32,
        count: u32,
    ) -> Answer<Vec<u32>> {
        self.read(&this, (start, count), |frame| match frame.column(&column)? {
            Column::Text(codes) => Ok(codes),
            _ => frame.uint32(&column),
        })
    }

    fn read_u64(
        &mut self,
        this: Resource<FrameHandle>,
        column: String,
        start: u32,
        count: u32,
    ) -> Answer<Vec<u64>> {
        self.read(&this, (start, count), |frame| frame.uint64(&column))
    }

    fn read_s64(
        &mut self,
        this: Resource<FrameHandle>,
        column: String,
        start: u32,
        count: u32,
    ) -> Answer<Vec<i64>> {
        self.read(&this, (start, count), |frame| frame.int64(&column))
    }

    fn read_f64(
        &mut self,
        this: Resource<FrameHandle>,
        column: String,
        start: u32,
        count: u32,
    ) -> Answer<Vec<f64>> {
        self.read(&this, (start, count), |frame| frame.float64(&column))
    }

    fn select(
        &mut self,
        this: Resource<FrameHandle>,
        columns: Vec<String>,
    ) -> Answer<Resource<FrameHandle>> {
        let FrameHandle { frame, view, bytes } = self.table.get(&this)?.clone();
        let there_are = frame.columns().len();
        if columns.len() > there_are {
            let what = format!("select: {} columns of {there_are}", columns.len());
            return Ok(Err(Problem::Invalid(what)));
        }
        match frame.select(&columns) {
            Ok(frame) => {
                let own = row_bytes(&frame).saturating_mul(frame.rows());
                self.hold(FrameHandle { frame, view, bytes: if bytes == 0 { 0 } else { own } })
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn find(
        &mut self,
        this: Resource<FrameHandle>,
        column: String,
        codes: Vec<u32>,
    ) -> Answer<Vec<u32>> {
        Ok(self.table.get(&this)?.frame.find(&column, &codes).map_err(Problem::from))
    }

    fn present(&mut self, this: Resource<FrameHandle>, column: String) -> Answer<Vec<u32>> {
        Ok(self.table.get(&this)?.frame.present(&column).map_err(Problem::from))
    }

    fn take(
        &mut self,
        this: Resource<FrameHandle>,
        rows: Vec<u32>,
    ) -> Answer<Resource<FrameHandle>> {
        if let Err(problem) = self.may_build(rows.len()) {
            return Ok(Err(problem));
        }
        let frame = &self.table.get(&this)?.frame;
        if let Err(problem) = self.has_room(row_bytes(frame).saturating_mul(rows.len())) {
            return Ok(Err(problem));
        }
        match frame.take(&rows) {
            Ok(frame) => self.own(frame),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop(&mut self, this: Resource<FrameHandle>) -> wasmtime::Result<()> {
        let FrameHandle { bytes, .. } = self.table.delete(this)?;
        self.used.frames = self.used.frames.saturating_sub(1);
        self.release(bytes);
        Ok(())
    }
}

impl wit::HostFrameBuilder for Guest {
    fn new(&mut self, rows: u32) -> wasmtime::Result<Resource<Building>> {
        // A constructor cannot answer with a problem, so hoarding builders is a trap.
        self.used.builders += 1;
        if self.used.builders > self.limits.frames_max {
            let limit = self.limits.frames_max;
            return Err(wasmtime::Error::msg(format!(
                "builds more than limits.frames-max = {limit} frames at one time"
            )));
        }
        let building = Building { rows: rows as usize, columns: Vec::new(), bytes: 0 };
        Ok(self.table.push(building)?)
    }

    fn add_u32(&mut self, this: Resource<Building>, name: String, values: Vec<u32>) -> Answer<()> {
        self.add(&this, name, values.into())
    }

    fn add_u64(&mut self, this: Resource<Building>, name: String, values: Vec<u64>) -> Answer<()> {
        self.add(&this, name, values.into())
    }

    fn add_s64(&mut self, this: Resource<Building>, name: String, values: Vec<i64>) -> Answer<()> {
        self.add(&this, name, values.into())
    }

    fn add_f64(&mut self, this: Resource<Building>, name: String, values: Vec<f64>) -> Answer<()> {
        self.add(&this, name, values.into())
    }

    fn add_text(&mut self, this: Resource<Building>, name: String, codes: Vec<u32>) -> Answer<()> {
        self.add(&this, name, Column::text(codes))
    }

    fn finish(&mut self, builder: Resource<Building>) -> Answer<Resource<FrameHandle>> {
        let Building { rows, columns, bytes } = self.table.delete(builder)?;
        self.used.builders = self.used.builders.saturating_sub(1);
        self.release(bytes);
        if let Err(problem) = self.may_build(rows) {
            return Ok(Err(problem));
        }
        match Frame::new(rows, columns) {
            Ok(frame) => self.own(frame),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop(&mut self, this: Resource<Building>) -> wasmtime::Result<()> {
        let Building { bytes, .. } = self.table.delete(this)?;
        self.used.builders = self.used.builders.saturating_sub(1);
        self.release(bytes);
        Ok(())
    }
}

impl Guest {
    fn may_build(&self, rows: usize) -> Result<(), Problem> {
        let limit = self.limits.frame_rows_max;
        if rows <= limit {
            Ok(())
        } else {
            Err(Problem::Limit(format!("limits.frame-rows-max = {limit}")))
        }
    }
}

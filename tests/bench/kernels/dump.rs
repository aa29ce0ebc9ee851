//! Writes the inputs of a case as CSV, one file a frame, for other programs to work on the same.
//!
//! A text is written as its code, what is absent as nothing. `tests/splink/compare.py` reads them.

use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use corral_kernels::{ABSENT, Column, Frame, Interner};

use super::{Case, TEXT_BYTES_MAX};

pub(super) fn write(case: &Case, folder: &Path) -> Result<()> {
    let texts = Interner::new(TEXT_BYTES_MAX);
    let inputs = (case.population)(case.rows, &texts)?;
    let folder = folder.join(format!("{}, {}, {}", case.name(), case.shape, case.rows));
    create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    for (shape, frame) in case.kernel.signature().inputs.iter().zip(&inputs) {
        let path = folder.join(format!("{}.csv", shape.name));
        write_frame(frame, &path).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{}", folder.display());
    Ok(())
}

fn write_frame(frame: &Frame, path: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let names: Vec<&str> = frame.columns().map(|(name, _)| name).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in 0..frame.rows() {
        for (at, (_, column)) in frame.columns().enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            match column {
                Column::Uint32(values) | Column::Text(values) if values[row] == ABSENT => {}
                Column::Uint32(values) | Column::Text(values) => write!(out, "{}", values[row])?,
                Column::Uint64(values) => write!(out, "{}", values[row])?,
                Column::Int64(values) => write!(out, "{}", values[row])?,
                Column::Float64(values) => write!(out, "{}", values[row])?,
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

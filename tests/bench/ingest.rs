//! Reading logs: decoding alone, the whole way into SQLite, and the memory that takes.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corral::ingest::format::Format;
use corral::ingest::lines::Rows;
use corral::ingest::moment::Zone;
use flate2::read::MultiGzDecoder;

use crate::{median, timed};

const CORRAL: &str = env!("CARGO_BIN_EXE_corral");
const ROUNDS: usize = 5;

/// Makes about `bytes` of plain Cowrie logs.
fn generate(folder: &Path, bytes: &str) -> Result<()> {
    let made = Command::new(CORRAL)
        .args(["--quiet", "generate", "--seed", "1", "--no-flaws", "--no-gzip", "--bytes", bytes])
        .arg(folder)
        .stdout(Stdio::null())
        .status()?;
    ensure!(made.success(), "corral generate failed");
    Ok(())
}

/// All lines of a folder's logs.
fn lines(folder: &Path) -> Result<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("cowrie.json"))
    });
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(std::fs::read(file)?);
    }
    Ok(all)
}

/// Seconds that Python's `json.loads` alone takes for the lines of `file`.
fn json_loads(file: &Path) -> Result<f64> {
    let program = "import json,sys,time\nlines=open(sys.argv[1],'rb').read().splitlines()\n\
                   start=time.perf_counter()\nfor line in lines: json.loads(line)\n\
                   print(time.perf_counter()-start)";
    let output =
        Command::new("python3").arg("-c").arg(program).arg(file).output().context("run python3")?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

pub(crate) fn decode() -> Result<()> {
    let folder = tempfile::tempdir()?;
    generate(&folder.path().join("logs"), "60MB")?;
    let all = lines(&folder.path().join("logs"))?;
    let file = folder.path().join("all.json");
    std::fs::write(&file, &all)?;
    let zone = Zone::default();
    let (mut ours, mut python, mut count) = (Vec::new(), Vec::new(), 0usize);
    for _ in 0..ROUNDS {
        let (took, decoded) = timed(|| {
            let lines = all.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines
                .filter(|line| std::hint::black_box(Format::Cowrie.decode(line, zone)).is_ok())
                .count()
        });
        count = decoded;
        ours.push(took.as_secs_f64());
        python.push(json_loads(&file)?);
    }
    tell("decode", count, all.len(), median(ours), median(python));
    Ok(())
}

/// Rows of a log that decode, and the seconds that takes.
fn decoded(format: Format, log: &[u8]) -> Result<(f64, usize)> {
    let (took, rows) = timed(|| -> std::io::Result<usize> {
        let (mut rows, mut count) = (Rows::new(log, 4 << 20), 0);
        while let Some(row) = rows.next_row()? {
            let events = std::hint::black_box(format.decode(row.bytes, Zone::default()));
            count += usize::from(events.is_ok());
        }
        Ok(count)
    });
    Ok((took.as_secs_f64(), rows?))
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
pub(crate) fn sensors() -> Result<()> {
    let folder = tempfile::tempdir()?;
    generate(&folder.path().join("logs"), "60MB")?;
    let cowrie = lines(&folder.path().join("logs"))?;
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/uqo_2025");
    for format in [Format::Heralding, Format::Dionaea, Format::Honeytrap] {
        let packed = std::fs::read(real.join(format!("{}.json.gz", format.name())))?;
        let mut log = Vec::new();
        MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut log)?;
        let (mut ours, mut theirs, mut count) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (took, rows) = decoded(format, &log)?;
            count = rows;
            ours.push(took / log.len() as f64);
            theirs.push(decoded(Format::Cowrie, &cowrie)?.0 / cowrie.len() as f64);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "  {}: {count} rows, {:.0} rows/s ({:.0} MB/s), Cowrie {:.0} MB/s: {:.2} x",
            format.name(),
            count as f64 / (ours * log.len() as f64),
            1e-6 / ours,
            1e-6 / theirs,
            theirs / ours
        );
    }
    Ok(())
}

pub(crate) fn end_to_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let logs = folder.path().join("logs");
    generate(&logs, "60MB")?;
    let all = lines(&logs)?;
    let count = all.iter().filter(|byte| **byte == b'\n').count();
    let file = folder.path().join("all.json");
    std::fs::write(&file, &all)?;
    let (mut ours, mut python) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let database = folder.path().join(format!("{round}.db"));
        let (took, done) = timed(|| ingest(&logs, &database).status());
        ensure!(done?.success(), "corral ingest failed");
        ours.push(took.as_secs_f64());
        python.push(json_loads(&file)?);
    }
    tell("ingest", count, all.len(), median(ours), median(python));
    Ok(())
}

fn ingest(logs: &Path, database: &Path) -> Command {
    let mut command = Command::new(CORRAL);
    command.arg("--db").arg(format!("sqlite://{}", database.display()));
    command.args(["--quiet", "ingest", "cowrie"]).arg(logs).stdout(Stdio::null());
    command
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn tell(what: &str, lines: usize, bytes: usize, ours: f64, python: f64) {
    println!(
        "  {lines} lines, {:.0} MB: {what} {:.0} lines/s ({:.0} MB/s), json.loads {:.0} lines/s: {:.2} x",
        bytes as f64 / 1e6,
        lines as f64 / ours,
        bytes as f64 / 1e6 / ours,
        lines as f64 / python,
        python / ours
    );
}

pub(crate) fn memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut peaks = Vec::new();
    for bytes in ["10MB", "1GB"] {
        let logs = folder.path().join(bytes);
        generate(&logs, bytes)?;
        let peak = peak_memory(ingest(&logs, &folder.path().join(format!("{bytes}.db"))))?;
        println!("  {bytes}: {peak:.0} MB resident at most");
        peaks.push(peak);
        std::fs::remove_dir_all(&logs)?;
    }
    if let [small, large] = peaks[..] {
        println!("  ratio {:.2}", large / small);
    }
    Ok(())
}

/// The most memory that a child had resident, in MB: Linux keeps it in `VmHWM`, which only grows.
pub(crate) fn peak_memory(mut command: Command) -> Result<f64> {
    let mut child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kilobytes) =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok())
        {
            peak = kilobytes * 1024.0 / 1e6;
        }
        if let Some(done) = child.try_wait()? {
            ensure!(done.success(), "the child failed");
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! What the sandbox costs where nothing else does: an instance, a call of a kernel, a column, and the end of a guest
//! that spins. Each stands beside its target and beside the same thing without a guest, in the same run.
//!
//! Targets are for a quiet machine. A figure for one call is the difference of two ticks that differ in their number,
//! so that what every tick has is in neither; rounds of both take turns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::{Config, Limits};
use corral::plugin::{Host, Plugin, Reason, Source, Wake};
use corral::pool::{Call, Pool};
use corral::store::Store;
use corral_kernels::{Column, Frame, Interner, find};

use crate::daemon::table::{Line, Table};
use crate::tick::BUSY;
use crate::{median, timed, timed_async};

/// Empty ticks that are timed, and hand-overs.
const TICKS: usize = 2_000;
/// Kernel calls of a tick, and rounds of it.
const CALLS: usize = 200;
const ROUNDS: usize = 31;
/// Rows of a column, and how often a tick reads it.
const ROWS: usize = 1_000_000;
const READS: usize = 20;
/// Guests that spin until they are ended.
const SPINS: usize = 15;
const BUDGET: Duration = Duration::from_millis(100);
const CLOCK: Duration = Duration::from_secs(1);

pub(crate) fn guests() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut table = Table::default();
    let measured = runtime.block_on(measure(folder.path(), &mut table));
    table.print();
    measured
}

async fn measure(folder: &Path, table: &mut Table) -> Result<()> {
    let stage = Stage::open(folder, Limits::default()).await?;
    instances(&stage, table).await?;
    for (rows, how) in [(10, "where it is asked for"), (1_000, "on the pool")] {
        kernel_calls(&stage, rows, how, table).await?;
    }
    columns(&stage, table).await?;
    let budget = u64::try_from(BUDGET.as_millis())?;
    let limits = Limits { guest_milliseconds: budget, ..Limits::default() };
    let stage = Stage::open(folder, limits).await?;
    spins(&stage, "its budget is spent", BUDGET, table).await?;
    let limits =
        Limits { guest_milliseconds: 60_000, tick_seconds: CLOCK.as_secs(), ..Limits::default() };
    let stage = Stage::open(folder, limits).await?;
    spins(&stage, "the clock ran out", CLOCK, table).await
}

/// A host with the guest that is timed.
struct Stage {
    host: Host,
    probe: Plugin,
    clock: Arc<dyn Clock>,
}

impl Stage {
    async fn open(folder: &Path, limits: Limits) -> Result<Self> {
        let store = Store::open(&format!("sqlite://{}/corral.db", folder.display()), BUSY).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let mut config = Config { limits, ..Config::default() };
        env!("CARGO_BIN_EXE_corral").clone_into(&mut config.plugins.compiler);
        let host = Host::start(&config, store, clock.clone())?;
        let guests =
            std::env::var_os("CORRAL_GUESTS").context("start it by `cargo xtask bench`")?;
        let file = PathBuf::from(guests).join("probe.wasm");
        let bytes = std::fs::read(&file)?;
        let probe = Box::pin(host.inspect(Source::Named(file), &bytes)).await?;
        host.allow(&probe);
        Ok(Self { host, probe, clock })
    }

    /// Seconds of a tick that does this so often.
    async fn tick(&self, work: &str, times: usize, rows: usize) -> Result<f64> {
        let (took, ticked) =
            timed_async(Box::pin(self.host.tick(&self.probe, wake(work, times, rows)))).await;
        ensure!(ticked?.attempts == 1, "a tick that changes nothing ran twice");
        Ok(took.as_secs_f64())
    }

    /// Seconds of doing it once more, and how much of a whole tick that was.
    async fn once(&self, work: &str, times: usize, rows: usize) -> Result<f64> {
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            few.push(self.tick(work, 1, rows).await?);
            many.push(self.tick(work, 1 + times, rows).await?);
        }
        Ok((median(many) - median(few)) / times as f64)
    }
}

fn wake(work: &str, times: usize, rows: usize) -> Wake {
    let numbers = [("times", times.to_string()), ("rows", rows.to_string())];
    let settings = [("work", work.to_owned())].into_iter().chain(numbers);
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
    Wake { reason: Reason::Command, settings }
}

async fn instances(stage: &Stage, table: &mut Table) -> Result<()> {
    let (mut ticks, mut handed) = (Vec::new(), Vec::new());
    for round in 0..TICKS + TICKS / 10 {
        let tick = stage.tick("", 0, 0).await?;
        // A guest runs on a runtime of its own, with a deadline; a task that does nothing is handed over too.
        let nothing = async {
            let task = tokio::time::timeout(Duration::from_secs(300), tokio::spawn(async {}));
            task.await
        };
        let (took, done) = timed_async(nothing).await;
        done??;
        // The first ones find nothing warm.
        if round >= TICKS / 10 {
            ticks.push(tick);
            handed.push(took.as_secs_f64());
        }
    }
    let at = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        [500, 990].map(|per_mille| values[(values.len() - 1) * per_mille / 1_000] * 1e6)
    };
    let ([tick, tick_99], [empty, empty_99]) = (at(&ticks), at(&handed));
    table.add(Line {
        work: "an instance and an empty tick".to_owned(),
        measured: format!("{tick:.0} µs, 99 of 100 {tick_99:.0} µs"),
        baseline: format!("{empty:.0} µs, 99 of 100 {empty_99:.0} µs: a task without a guest"),
        ratio: Some(tick_99 / empty_99),
        target: "median ≤ 100 µs",
        is_met: tick <= 100.0,
        ..Line::default()
    });
    Ok(())
}

async fn kernel_calls(stage: &Stage, rows: usize, how: &str, table: &mut Table) -> Result<()> {
    let config = Config::default();
    let pool = Pool::start(&config.pool, &config.verify, stage.clock.clone())?;
    let call = chain(rows)?;
    let mut native = Vec::new();
    for _ in 0..ROUNDS {
        let (took, done) = timed_async(calls(&pool, &call)).await;
        done?;
        native.push(took.as_secs_f64() / CALLS as f64);
    }
    let (native, guest) = (median(native) * 1e6, stage.once("kernel", CALLS, rows).await? * 1e6);
    table.add(Line {
        work: format!("guest, kernel over {rows} rows {how}, guest"),
        measured: format!("{:.1} µs beyond the kernel", guest - native),
        baseline: format!("{native:.1} µs: the kernel and its check, called natively"),
        ratio: Some(guest / native),
        target: "≤ 30 µs beyond it",
        is_met: guest - native <= 30.0,
        ..Line::default()
    });
    Ok(())
}

/// One call after the other, from a task, as a guest's are.
async fn calls(pool: &Pool, call: &Call) -> Result<()> {
    let (pool, call) = (pool.clone(), copy(call));
    tokio::spawn(async move {
        for _ in 0..CALLS {
            pool.run(copy(&call)).await?;
        }
        Ok(())
    })
    .await?
}

fn copy(call: &Call) -> Call {
    let Call { kernel, inputs, texts, .. } = call;
    Call { kernel: *kernel, inputs: inputs.clone(), parameters: Vec::new(), texts: texts.clone() }
}

/// What the guest gives the kernel: nodes in a row, each joined to the next.
fn chain(rows: usize) -> Result<Call> {
    let nodes = Frame::new(rows, std::iter::empty::<(&str, Column)>())?;
    let a: Vec<u32> = (1..).take(rows.saturating_sub(1)).collect();
    let b: Vec<u32> = a.iter().map(|node| node - 1).collect();
    let edges = Frame::new(a.len(), [("a", Column::from(a)), ("b", Column::from(b))])?;
    let kernel = find("connected-components").context("no kernel")?;
    let texts = Arc::new(Interner::new(1));
    Ok(Call { kernel, inputs: vec![nodes, edges], parameters: Vec::new(), texts })
}

async fn columns(stage: &Stage, table: &mut Table) -> Result<()> {
    let column = vec![7_u32; ROWS];
    let copies = (0..ROUNDS).map(|_| timed(|| std::hint::black_box(&column).to_vec()).0);
    let copied = median(copies.map(|took| took.as_secs_f64()).collect()) * 1e3;
    let read = stage.once("read", READS, ROWS).await? * 1e3;
    table.add(Line {
        work: format!("a guest reads a column of {ROWS} rows"),
        measured: format!("{read:.2} ms"),
        baseline: format!("{copied:.2} ms: one copy of it"),
        ratio: Some(read / copied),
        target: "≤ 2 ms",
        is_met: read <= 2.0,
        ..Line::default()
    });
    Ok(())
}

async fn spins(stage: &Stage, why: &str, deadline: Duration, table: &mut Table) -> Result<()> {
    let (mut late, mut slept) = (Vec::new(), Vec::new());
    for _ in 0..SPINS {
        let spin = Box::pin(stage.host.tick(&stage.probe, wake("spin", 0, 0)));
        let (took, ended) = timed_async(spin).await;
        ensure!(ended.is_err(), "a guest that spins came to an end");
        late.push(took.saturating_sub(deadline).as_secs_f64() * 1e3);
        let (took, ()) = timed_async(tokio::time::sleep(deadline)).await;
        slept.push(took.saturating_sub(deadline).as_secs_f64() * 1e3);
    }
    let worst = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (late_most, slept_most) = (worst(&late), worst(&slept));
    table.add(Line {
        work: format!("a guest that spins is gone, after {why}"),
        measured: format!("{:.1} ms, worst of {SPINS} {late_most:.1} ms", median(late.clone())),
        baseline: format!("{:.1} ms, worst {slept_most:.1} ms: a sleep as long", median(slept)),
        target: "≤ 50 ms",
        // The worst is a matter of who else has the machine: a guest that does not run spends no budget.
        is_met: median(late) <= 50.0,
        ..Line::default()
    });
    Ok(())
}

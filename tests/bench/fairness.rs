//! How long small kernels take while a long one has the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use corral::config::PoolConfig;
use corral::pool::{Call, Pool};
use corral_kernels::{Column, Frame, Interner, find};

/// Identities of the long kernel.
const LONG_ROWS: u32 = 400_000;
/// Attackers of a small one.
const SMALL_ROWS: u32 = 1_000;
const SMALL_CALLS: usize = 200;

pub(crate) fn fairness() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let texts = Arc::new(Interner::new(1 << 30));
    let pool = Pool::start(&PoolConfig::default())?;
    let alone = runtime.block_on(latencies(&pool, &texts))?;
    let started = Instant::now();
    let long = runtime.spawn({
        let (pool, call) = (pool.clone(), long(&texts)?);
        async move { pool.run(call).await }
    });
    std::thread::sleep(Duration::from_millis(50));
    let beside = runtime.block_on(latencies(&pool, &texts))?;
    let was_running = !long.is_finished();
    runtime.block_on(long)??;
    let took = started.elapsed().as_secs_f64();
    ensure!(was_running, "the long kernel ended after {took:.2} s, before the small ones did");
    println!(
        "  a campaign kernel over {LONG_ROWS} identities took {took:.2} s; identity-components over {SMALL_ROWS} attackers, {SMALL_CALLS} times:"
    );
    for (name, quantile) in [("median", 0.5), ("99 of 100", 0.99), ("worst", 1.0)] {
        let at = |times: &[f64]| {
            let last = times.len() - 1;
            times[(last as f64 * quantile) as usize] * 1e3
        };
        let (alone, beside) = (at(&alone), at(&beside));
        println!(
            "  {name:10} alone {alone:.2} ms, beside it {beside:.2} ms: {:.1} x",
            beside / alone
        );
    }
    Ok(())
}

/// Seconds of each small call, ascending.
async fn latencies(pool: &Pool, texts: &Arc<Interner>) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..SMALL_CALLS {
        let call = small(texts)?;
        let started = Instant::now();
        pool.run(call).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn small(texts: &Arc<Interner>) -> Result<Call> {
    let rows = SMALL_ROWS as usize;
    let prints =
        |salt: u32| Column::text((0..SMALL_ROWS).map(|row| row.wrapping_mul(salt) % 311).collect());
    let child = || {
        let tokens = (0..SMALL_ROWS).map(|row| row * 7 % 911).collect();
        Frame::new(
            rows,
            [
                ("row", Column::from((0..SMALL_ROWS).collect::<Vec<_>>())),
                ("token", Column::text(tokens)),
            ],
        )
    };
    let attackers = Frame::new(rows, [("ja3", prints(2_654_435_761)), ("hassh", prints(40_503))])?;
    let inputs = vec![attackers, child()?, child()?];
    let kernel = find("identity-components").context("no kernel")?;
    Ok(Call { kernel, inputs, parameters: Vec::new(), texts: texts.clone() })
}

/// Identities of which each has four pieces of infrastructure out of few: many candidates, much to weigh.
fn long(texts: &Arc<Interner>) -> Result<Call> {
    let kernel = find("campaign-components").context("no kernel")?;
    let tokens: Vec<u32> =
        (0..5_000).map(|token| texts.code(&format!("host-{token}"))).collect::<Result<_, _>>()?;
    let mut inputs = Vec::new();
    for shape in kernel.signature().inputs {
        let frame = match shape.name {
            "identities" => Frame::new(
                LONG_ROWS as usize,
                [("rank", Column::from((0..LONG_ROWS).collect::<Vec<_>>()))],
            )?,
            "infra" => {
                let items = || (0..LONG_ROWS).flat_map(|row| (0..4).map(move |n| (row, n)));
                let token = |(row, n): (u32, u32)| {
                    tokens[((row ^ n << 13).wrapping_mul(0x9e37_79b1) >> 7) as usize % tokens.len()]
                };
                let rows: Vec<u32> = items().map(|(row, _)| row).collect();
                Frame::new(
                    rows.len(),
                    [
                        ("row", Column::from(rows)),
                        ("token", Column::text(items().map(token).collect())),
                    ],
                )?
            }
            _ => {
                let columns = shape.columns.iter().map(|(name, kind)| (*name, empty(*kind)));
                Frame::new(0, columns)?
            }
        };
        inputs.push(frame);
    }
    Ok(Call { kernel, inputs, parameters: Vec::new(), texts: texts.clone() })
}

fn empty(kind: corral_kernels::ColumnType) -> Column {
    use corral_kernels::ColumnType;
    match kind {
        ColumnType::Uint32 => Column::from(Vec::<u32>::new()),
        ColumnType::Uint64 => Column::from(Vec::<u64>::new()),
        ColumnType::Int64 => Column::from(Vec::<i64>::new()),
        ColumnType::Float64 => Column::from(Vec::<f64>::new()),
        ColumnType::Text => Column::text(Vec::new()),
    }
}

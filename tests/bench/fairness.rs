//! How long small kernels take while a long one has the pool.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use corral::clock::SystemClock;
use corral::config::{PoolConfig, VerifyConfig};
use corral::pool::{Call, Pool};
use corral_kernels::{Column, Frame, Interner, find};

/// Identities of the long kernel.
const LONG_ROWS: u32 = 3_000_000;
/// Attackers of a small one.
const SMALL_ROWS: u32 = 1_000;
/// Small calls that are timed while nothing else runs.
const CALLS_ALONE: usize = 500;

pub(crate) fn fairness() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let texts = Arc::new(Interner::new(1 << 30));
    // Unchecked: what is measured is the pool.
    let verify = VerifyConfig { rows_max: 0, sample: 0 };
    let pool = Pool::start(&PoolConfig::default(), &verify, Arc::new(SystemClock::start()))?;
    let mut calls = 0;
    let alone = runtime.block_on(latencies(&pool, &texts, || {
        calls += 1;
        calls <= CALLS_ALONE
    }))?;
    let call = long(&texts)?;
    let started = Instant::now();
    let long = runtime.spawn({
        let pool = pool.clone();
        async move { pool.run(call).await }
    });
    let beside = runtime.block_on(latencies(&pool, &texts, || !long.is_finished()))?;
    runtime.block_on(long)??;
    let took = started.elapsed().as_secs_f64();
    println!(
        "  campaign-components over {LONG_ROWS} identities, {took:.2} s; identity-components over {SMALL_ROWS} attackers meanwhile, {} times:",
        beside.len()
    );
    for (name, per_mille) in [("median", 500), ("99 of 100", 990), ("worst", 1_000)] {
        let at = |times: &[f64]| times[(times.len() - 1) * per_mille / 1_000] * 1e3;
        let (alone, beside) = (at(&alone), at(&beside));
        println!(
            "  {name:10} alone {alone:.2} ms, beside it {beside:.2} ms: {:.1} x",
            beside / alone
        );
    }
    Ok(())
}

/// Seconds of each small call, ascending, for as long as it is to go on.
async fn latencies(
    pool: &Pool,
    texts: &Arc<Interner>,
    mut goes_on: impl FnMut() -> bool,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while goes_on() {
        let call = small(texts)?;
        let started = Instant::now();
        pool.run(call).await?;
        times.push(started.elapsed().as_secs_f64());
    }
    ensure!(!times.is_empty(), "no small call was timed");
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

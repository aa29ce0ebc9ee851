//! The pool: fair, cancelled, and alive whatever a kernel does.

use super::*;
use crate::clock::{StoppedClock, Timestamp};
use corral_kernels::{Column, Job, Signature};
use std::cell::Cell;

mod checked;
mod wrong;

fn clock() -> Arc<dyn Clock> {
    Arc::new(StoppedClock(Timestamp(0)))
}

#[derive(Debug)]
struct Misbehaving;

static SIGNATURE: Signature = Signature {
    name: "misbehaving",
    summary: "panics on an empty frame, else spins until it is cancelled",
    inputs: &[corral_kernels::Shape { name: "rows", columns: &[] }],
    parameters: &[],
    outputs: &[],
};
static STOPPED: AtomicBool = AtomicBool::new(false);
/// The most spinning kernels that were on one stack.
static DEEPEST: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

impl Kernel for Misbehaving {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        assert!(job.inputs[0].rows() > 0, "no rows");
        DEPTH.set(DEPTH.get() + 1);
        DEEPEST.fetch_max(DEPTH.get(), Ordering::SeqCst);
        while job.pace.check().is_ok() {}
        DEPTH.set(DEPTH.get() - 1);
        STOPPED.store(true, Ordering::SeqCst);
        Err(KernelError::Cancelled)
    }

    fn verify(&self, _job: &Job<'_>, _outputs: &[Frame]) -> Result<(), KernelError> {
        Ok(())
    }
}

fn call(rows: usize) -> Call {
    let inputs = vec![Frame::new(rows, [("n", Column::from(vec![0u32; rows]))]).unwrap()];
    Call { kernel: &Misbehaving, inputs, parameters: vec![], texts: Arc::new(Interner::new(0)) }
}

#[tokio::test]
async fn a_panic_is_the_calls_error_and_the_pool_lives() {
    let config = PoolConfig { inline_rows: 0, ..PoolConfig::default() };
    let pool = Pool::start(&config, &VerifyConfig::default(), clock()).unwrap();
    for _ in 0..3 {
        let error = pool.run(call(0)).await.unwrap_err();
        assert!(error.to_string().contains("'misbehaving' failed: no rows"), "{error}");
    }
}

#[tokio::test]
async fn a_dropped_call_cancels_its_kernel_and_frees_its_permit() {
    let config =
        PoolConfig { inline_rows: 0, large_rows: 0, large_kernels_max: 1, ..PoolConfig::default() };
    let pool = Pool::start(&config, &VerifyConfig::default(), clock()).unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), pool.run(call(1)));
    assert!(waiting.await.is_err());
    // The one permit comes back only when the kernel has ended.
    assert!(pool.run(call(0)).await.is_err());
    assert!(STOPPED.load(Ordering::SeqCst));
}

/// A pool of one thread on which `call(1)` is large and `call(0)` is not.
fn one_thread() -> Pool {
    let config = PoolConfig { threads: 1, inline_rows: 0, large_rows: 1, ..PoolConfig::default() };
    Pool::start(&config, &VerifyConfig::default(), clock()).unwrap()
}

#[tokio::test]
async fn a_kernel_runs_in_between_the_steps_of_a_large_one_on_one_thread() {
    let pool = one_thread();
    let large = pool.run(call(1));
    tokio::pin!(large);
    // The large one never ends by itself; the other, which panics at once, comes back.
    tokio::select! {
        _ = &mut large => panic!("it spins until it is cancelled"),
        other = pool.run(call(0)) => assert!(other.is_err()),
    }
}

#[tokio::test]
async fn nothing_large_runs_in_between() {
    let pool = one_thread();
    let (first, second) = (pool.run(call(1)), pool.run(call(1)));
    tokio::pin!(first, second);
    // Both are asked for, one has the thread; the second must not sit on top of the first.
    tokio::select! {
        _ = &mut first => panic!("it spins until it is cancelled"),
        _ = &mut second => panic!("it spins until it is cancelled"),
        other = pool.run(call(0)) => assert!(other.is_err()),
    }
    assert_eq!(DEEPEST.load(Ordering::SeqCst), 1, "large kernels on one stack");
}

//! The shared pool of kernel threads: the only place where tokio and rayon meet.
//!
//! The pool is a value, and shares its threads fairly. Small inputs run where they are asked for. A
//! kernel of middling size goes into a queue, and whatever thread is free takes it; so does, at its next
//! checkpoint, a large kernel that has a thread. So what takes a millisecond never waits for what takes a
//! minute. Large ones, which would also hold much memory, wait for one of a few permits, and nothing runs
//! in between the steps of one but queued work: rayon's own yielding would as well take the next large
//! kernel, and the one that yielded would wait for all of it.
//!
//! Whoever stops waiting, because a deadline passed or the daemon stops, cancels the kernel: it notices at
//! its next checkpoint. A panic in a kernel is that call's error and nobody else's.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use corral_kernels::{Frame, Interner, Job, Kernel, KernelError, Pace, Parameter};
use tokio::sync::{Semaphore, oneshot};

use crate::config::PoolConfig;

/// Threads that run kernels.
#[derive(Clone)]
pub struct Pool {
    threads: Arc<rayon::ThreadPool>,
    queue: Arc<Queue>,
    permits: Arc<Semaphore>,
    inline_rows: usize,
    large_rows: usize,
}

/// Why a kernel gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The kernel said so.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel panicked; the text is its message.
    #[error("kernel '{name}' failed: {message} (this is a bug in corral)")]
    Panicked {
        /// The kernel.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// The pool is going away.
    #[error("the kernel pool is stopping")]
    Stopping,
    /// The threads could not be made.
    #[error("start the kernel threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads.current_num_threads();
        formatter.debug_struct("Pool").field("threads", &threads).finish_non_exhaustive()
    }
}

/// Work of middling size that waits for a thread, in the order in which it came.
#[derive(Default)]
struct Queue {
    works: Mutex<VecDeque<Box<dyn FnOnce() + Send>>>,
    /// How many there are: checkpoints look here, and they are many.
    waiting: AtomicUsize,
}

impl Queue {
    fn push(&self, work: impl FnOnce() + Send + 'static) {
        self.works.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(work));
        self.waiting.fetch_add(1, Ordering::Release);
    }

    /// Runs the first that waits; false if none does.
    fn run_one(&self) -> bool {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return false;
        }
        let work = self.works.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(work) = work else { return false };
        self.waiting.fetch_sub(1, Ordering::Release);
        work();
        true
    }
}

/// A kernel call, owned, so that it can move to another thread.
pub struct Call {
    /// What to run.
    pub kernel: &'static dyn Kernel,
    /// Its inputs.
    pub inputs: Vec<Frame>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Where texts have their codes.
    pub texts: Arc<Interner>,
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Call").field(&self.kernel.signature().name).finish()
    }
}

impl Call {
    fn run(&self, pace: &Pace<'_>) -> Result<Vec<Frame>, PoolError> {
        let signature = self.kernel.signature();
        let job = Job::new(signature, &self.inputs, &self.parameters, &self.texts, pace)?;
        match catch_unwind(AssertUnwindSafe(|| self.kernel.run(&job))) {
            Ok(answer) => Ok(answer?),
            Err(panic) => {
                let message = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "a panic without a message".to_owned());
                Err(PoolError::Panicked { name: signature.name, message })
            }
        }
    }
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`PoolError::Threads`].
    pub fn start(config: &PoolConfig) -> Result<Self, PoolError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads =
            if config.threads == 0 { cores.saturating_sub(1).max(1) } else { config.threads };
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("kernel-{index}"))
            .build()?;
        Ok(Self {
            threads: Arc::new(threads),
            queue: Arc::default(),
            permits: Arc::new(Semaphore::new(config.large_kernels_max.max(1))),
            inline_rows: config.inline_rows,
            large_rows: config.large_rows,
        })
    }

    /// Runs a kernel and waits for its answer. Dropping the future cancels the kernel.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run(&self, call: Call) -> Result<Vec<Frame>, PoolError> {
        let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
        let rows = call.inputs.iter().map(Frame::rows).sum::<usize>();
        if rows < self.inline_rows {
            return call.run(&Pace::new(&cancel.0));
        }
        let (answer, answered) = oneshot::channel();
        let (cancelled, queue) = (cancel.0.clone(), self.queue.clone());
        // If nobody waits any more when there is an answer, nobody misses it.
        if rows < self.large_rows {
            self.queue.push(move || {
                let _unheard = answer.send(call.run(&Pace::new(&cancelled)));
            });
            // A large kernel may have taken it before this comes to it.
            self.threads.spawn(move || {
                queue.run_one();
            });
        } else {
            // Fair: permits go in the order of asking. Dropped only when the kernel has really ended.
            let permit = self.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| PoolError::Stopping)?;
            self.threads.spawn(move || {
                let _permit = permit;
                let between = || while queue.run_one() {};
                let _unheard = answer.send(call.run(&Pace::doing(&cancelled, &between)));
            });
        }
        answered.await.map_err(|_| PoolError::Stopping)?
    }
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corral_kernels::{Column, Signature};
    use std::cell::Cell;

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
        let pool = Pool::start(&config).unwrap();
        for _ in 0..3 {
            let error = pool.run(call(0)).await.unwrap_err();
            assert!(error.to_string().contains("'misbehaving' failed: no rows"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_dropped_call_cancels_its_kernel_and_frees_its_permit() {
        let config = PoolConfig {
            inline_rows: 0,
            large_rows: 0,
            large_kernels_max: 1,
            ..PoolConfig::default()
        };
        let pool = Pool::start(&config).unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), pool.run(call(1)));
        assert!(waiting.await.is_err());
        // The one permit comes back only when the kernel has ended.
        assert!(pool.run(call(0)).await.is_err());
        assert!(STOPPED.load(Ordering::SeqCst));
    }

    /// A pool of one thread on which `call(1)` is large and `call(0)` is not.
    fn one_thread() -> Pool {
        let config =
            PoolConfig { threads: 1, inline_rows: 0, large_rows: 1, ..PoolConfig::default() };
        Pool::start(&config).unwrap()
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
}

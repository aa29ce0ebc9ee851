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
//!
//! An answer that is to be checked ([`verify`]) is checked where it was made, as part of the same work: on
//! the same thread, under the same permit, with the same checkpoints.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corral_kernels::{Frame, Interner, Kept, Kernel, KernelError, Pace, Parameter};
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::config::{PoolConfig, VerifyConfig};
use verify::{Check, Verifier};

pub use verify::Checked;

#[cfg(test)]
mod tests;
mod verify;

/// Threads that run kernels.
#[derive(Clone)]
pub struct Pool {
    threads: Arc<rayon::ThreadPool>,
    queue: Arc<Queue>,
    permits: Arc<Semaphore>,
    inline_rows: usize,
    large_rows: usize,
    verifier: Arc<Verifier>,
}

/// Why a kernel gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The kernel said so.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel, or the check of its answer, panicked; the text is its message.
    #[error("{what} '{name}' failed: {message} (this is a bug in corral)")]
    Panicked {
        /// What of it.
        what: &'static str,
        /// The kernel.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// There was an answer, and the check found it wrong.
    #[error("kernel '{name}' gave a wrong answer: {fault} (this is a bug in corral)")]
    Wrong {
        /// The kernel.
        name: &'static str,
        /// The first fault that the check found.
        fault: String,
        /// How long that took.
        took: Took,
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
    /// The rows of all inputs together.
    pub fn rows(&self) -> usize {
        self.inputs.iter().map(Frame::rows).sum()
    }
}

/// What a kernel keeps, and what is to be brought to it.
#[derive(Debug)]
pub struct Update {
    /// The kernel, and the rows that are new or changed.
    pub call: Call,
    /// What it keeps.
    pub state: Box<dyn Kept>,
    /// The keys of the rows that are gone.
    pub gone: Vec<u32>,
}

/// What a kernel keeps after an update.
#[derive(Debug)]
pub struct Updated {
    /// That.
    pub state: Box<dyn Kept>,
    /// What the update changed.
    pub answer: Answer,
}

/// What a kernel answered.
#[derive(Debug)]
pub struct Answer {
    /// Its outputs.
    pub outputs: Vec<Frame>,
    /// How long that took.
    pub took: Took,
}

/// How long a thread worked on a call, waiting for one not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// On the answer.
    pub run: Duration,
    /// On checking it, if it was.
    pub verify: Option<Duration>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`PoolError::Threads`].
    pub fn start(
        config: &PoolConfig,
        verify: &VerifyConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PoolError> {
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
            verifier: Arc::new(Verifier::new(verify, clock)),
        })
    }

    /// Runs a kernel and waits for its answer, which is checked if the config says so. Dropping the future
    /// cancels both.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run(&self, call: Call) -> Result<Answer, PoolError> {
        let check = self.verifier.due(call.kernel.signature().name, call.rows());
        self.answer(call, check).await
    }

    /// As [`Pool::run`], and checks the answer whatever the config says.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn prove(&self, call: Call) -> Result<Answer, PoolError> {
        self.answer(call, Check::Due).await
    }

    /// What was answered and checked since the start, by kernel.
    pub fn checked(&self) -> BTreeMap<&'static str, Checked> {
        self.verifier.checked()
    }

    /// Brings what is kept of a kernel's input up to date. After an error it is lost.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn update(&self, update: Update) -> Result<Updated, PoolError> {
        let (rows, verifier) = (update.call.rows(), self.verifier.clone());
        let check = verifier.due(update.call.kernel.signature().name, rows);
        self.schedule(rows, move |pace| verifier.update(update, check, pace)).await
    }

    async fn answer(&self, call: Call, check: Check) -> Result<Answer, PoolError> {
        let (rows, verifier) = (call.rows(), self.verifier.clone());
        self.schedule(rows, move |pace| verifier.answer(&call, check, pace)).await
    }

    /// Works where work of so many rows is done.
    async fn schedule<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Pace<'_>) -> Result<T, PoolError> + Send + 'static,
    ) -> Result<T, PoolError> {
        let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
        if rows < self.inline_rows {
            return work(&Pace::new(&cancel.0));
        }
        let (answer, answered) = oneshot::channel();
        let (cancelled, queue) = (cancel.0.clone(), self.queue.clone());
        // If nobody waits any more when there is an answer, nobody misses it.
        if rows < self.large_rows {
            self.queue.push(move || {
                let _unheard = answer.send(work(&Pace::new(&cancelled)));
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
                let _unheard = answer.send(work(&Pace::doing(&cancelled, &between)));
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

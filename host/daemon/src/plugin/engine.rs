//! The wasmtime engine, its epochs, and the runtime that guests run on.

use std::time::Duration;

use wasmtime::{
    Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};

use super::HostError;
use super::guest::Guest;
use crate::config::Limits;

/// How often a running guest is looked at: its budget counts these, and it yields at each.
pub(super) const EPOCH: Duration = Duration::from_millis(5);
/// Instances alive at one time: every correlator, its shadow, and room.
const INSTANCES_MAX: u32 = 32;

/// The engine. Dropping it ends the epochs and the guests' runtime.
pub(super) struct Engine {
    wasm: wasmtime::Engine,
    counting: Counting,
    guests: Option<tokio::runtime::Runtime>,
}

/// Whether instructions are counted, which makes guests slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Nobody asks for them.
    Nothing,
    /// They are.
    Instructions,
}

impl Engine {
    pub(super) fn start(limits: &Limits, counting: Counting) -> Result<Self, HostError> {
        let mut config = code(counting);
        config
            .max_wasm_stack(limits.stack_bytes_max)
            .async_stack_size(limits.stack_bytes_max + (512 << 10))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(limits)));
        let wasm = wasmtime::Engine::new(&config).map_err(HostError::Engine)?;
        let weak = wasm.weak();
        std::thread::Builder::new()
            .name("guest-epochs".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(EPOCH);
                }
            })
            .map_err(HostError::Runtime)?;
        let guests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("guest")
            .enable_all()
            .build()
            .map_err(HostError::Runtime)?;
        Ok(Self { wasm, counting, guests: Some(guests) })
    }

    pub(super) fn counting(&self) -> Counting {
        self.counting
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.wasm
    }

    /// Runs a guest's future on the guests' runtime; dropping the handle stops it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<AbortOnDrop<T>> {
        self.guests.as_ref().map(|guests| AbortOnDrop(guests.spawn(future)))
    }

    /// A Store whose guest is looked at every epoch: it pays from its budget and yields.
    pub(super) fn new_store(&self, guest: Guest, limits: &Limits) -> Store<Guest> {
        let mut store = Store::new(&self.wasm, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(limits.call_bytes_max);
        if self.counting == Counting::Instructions {
            // Of an engine that counts, this cannot fail.
            let _infallible = store.set_fuel(u64::MAX);
        }
        let milliseconds = limits.guest_milliseconds;
        let epoch = u64::try_from(EPOCH.as_millis()).unwrap_or(1);
        store.epoch_deadline_callback(move |mut context| {
            // Time spent waiting in the host passes epochs too, but is seen here as one.
            let used = &mut context.data_mut().used;
            used.guest_epochs += 1;
            if used.guest_epochs.saturating_mul(epoch) > milliseconds {
                return Err(wasmtime::Error::msg(format!(
                    "spent more than limits.guest-milliseconds = {milliseconds}"
                )));
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store.set_epoch_deadline(1);
        store
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime must not be dropped where it would block an async context.
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background();
        }
    }
}

/// A spawned task that ends with whoever waits for it.
pub(super) struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    pub(super) async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What compiled code depends on: code for one engine is code for the other if they agree in this.
fn code(counting: Counting) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(true).concurrency_support(false);
    config.consume_fuel(counting == Counting::Instructions);
    config
}

/// An engine whose code an [`Engine`] runs, and that runs none itself. How memories are allocated is no part of
/// the code: this one reserves no addresses for them, and so fits into a process that may have few.
pub(super) fn for_compiling(counting: Counting) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&code(counting))
}

fn pooling(limits: &Limits) -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::default();
    pooling
        .total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * 4)
        .total_memories(INSTANCES_MAX * 2)
        .total_tables(INSTANCES_MAX * 4)
        .total_stacks(INSTANCES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements_max)
        // What is kept is cleared at each tick, touched or not, which for the whole stack of a guest would take longer
        // than the empty tick itself; the few pages that a small one touches are cheaper to fault in again.
        .linear_memory_keep_resident(64 << 10);
    pooling
}

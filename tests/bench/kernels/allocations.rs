//! How much memory some work has at once, beyond what was there before.
//!
//! What is counted is what was asked of the allocator, whether or not the pages were ever touched: that
//! is what a limit on memory has to allow for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// The system's allocator, with a counter that is off but for [`peak_of`]: timed runs pay for a look at
/// a flag, and no more.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// The most bytes that were allocated at one time during `work`, less those before, and its result.
pub(super) fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    BYTES.store(0, Ordering::Relaxed);
    PEAK.store(0, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
    let result = work();
    IS_ON.store(false, Ordering::Relaxed);
    (PEAK.load(Ordering::Relaxed).unsigned_abs(), result)
}

/// Counts a change of so many bytes. None has more than `isize::MAX`: no allocation may.
fn count(allocated: usize, freed: usize) {
    if IS_ON.load(Ordering::Relaxed) {
        let change = allocated.cast_signed() - freed.cast_signed();
        let bytes = BYTES.fetch_add(change, Ordering::Relaxed) + change;
        PEAK.fetch_max(bytes, Ordering::Relaxed);
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be counted without being one. It is sound as each call goes to the \
              system's allocator unchanged, and only benchmarks link it. Crates that do this zero and \
              copy by hand what the system gives zeroed or moved, which would be measured along"
)]
// SAFETY: every method hands its arguments on to `System` and returns what that returns; counting
// touches atomics alone, and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

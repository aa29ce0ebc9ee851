//! Time, memory, the stack, and ways to die.

use corral_sdk::{Context, FrameBuilder, Problem};

use crate::Done;

pub(crate) fn commit(context: &Context) -> Done {
    Some(match context.setting("crime") {
        "spin" => spin(),
        "spin-past-the-clock" => spin(),
        "spin-through-the-host" => spin_through_the_host(),
        "grow" => grow(),
        "recurse" => recurse(1).map(drop),
        "panic" => panic_with_words(),
        "abort" => core::arch::wasm32::unreachable(),
        "read-wild-memory" => read_wild_memory(),
        "call-a-wild-function" => call_a_wild_function(),
        "give-up" => Err(Problem::Conflict("it is not my day".to_owned())),
        "give-up-at-length" => Err(Problem::Invalid("\x1b[2Jno\n".repeat(10_000))),
        "give-up-with-more-than-a-call" => Err(Problem::Invalid("no".repeat(5 << 20))),
        _ => return None,
    })
}

pub(crate) fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// Most of the time is the host's, and the guest's budget has to end it all the same.
fn spin_through_the_host() -> Result<(), Problem> {
    let frame = FrameBuilder::new(0).finish()?;
    loop {
        std::hint::black_box(frame.rows());
    }
}

pub(crate) fn grow() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the crime")]
fn recurse(depth: u64) -> Result<u64, Problem> {
    let weight = std::hint::black_box([depth; 64]);
    Ok(recurse(depth + 1)? + weight[(depth % 64) as usize])
}

pub(crate) fn panic_with_words() -> Result<(), Problem> {
    let nothing: Option<u32> = std::hint::black_box(None);
    assert!(nothing.is_some(), "famous last words");
    Ok(())
}

fn read_wild_memory() -> Result<(), Problem> {
    let wild = std::hint::black_box(0xffff_fff0_usize) as *const u8;
    // SAFETY: there is none; the sandbox has to do without.
    std::hint::black_box(unsafe { wild.read_volatile() });
    Ok(())
}

fn call_a_wild_function() -> Result<(), Problem> {
    let wild = std::hint::black_box(0x00ff_ffff_usize);
    // SAFETY: there is none; the sandbox has to do without.
    let function: fn() = unsafe { std::mem::transmute(wild) };
    function();
    Ok(())
}

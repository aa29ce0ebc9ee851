//! Calls that no binding would make: the imports as the core module has them, with handles that were never given,
//! lists that lie outside of memory, and values that no type has.
//!
//! The declarations repeat what the SDK's bindings import under the same names.

use corral_sdk::Context;

use crate::Done;

#[link(wasm_import_module = "corral:correlator/frames@0.1.1")]
unsafe extern "C" {
    #[link_name = "[method]frame.rows"]
    fn rows(frame: u32) -> u32;
    #[link_name = "[resource-drop]frame"]
    fn drop_frame(frame: u32);
    #[link_name = "[constructor]frame-builder"]
    fn builder(rows: u32) -> u32;
    #[link_name = "[static]frame-builder.finish"]
    fn finish(builder: u32, answer: *mut u8);
    #[link_name = "[method]frame.take"]
    fn take(frame: u32, rows: usize, count: usize, answer: *mut u8);
    #[link_name = "codes"]
    fn codes(texts: *const u8, count: usize, answer: *mut u8);
    #[link_name = "texts"]
    fn texts(codes: usize, count: usize, answer: *mut u8);
}

#[link(wasm_import_module = "corral:correlator/store@0.1.1")]
unsafe extern "C" {
    #[link_name = "read"]
    fn read(view: i32, has_since: i32, since: i64, answer: *mut u8);
}

#[link(wasm_import_module = "corral:correlator/log@0.1.1")]
unsafe extern "C" {
    #[link_name = "write"]
    fn write(level: i32, message: usize, length: usize);
}

/// Room for any answer, aligned as the bindings align theirs.
#[repr(align(8))]
struct Answer([u8; 64]);

pub(crate) fn commit(context: &Context) -> Done {
    let mut answer = Answer([0; 64]);
    let to = answer.0.as_mut_ptr();
    // SAFETY: none of these calls is sound, and the host has to end each of them.
    unsafe {
        match context.setting("crime") {
            "forge-a-handle" => drop(rows(77)),
            "forge-handle-zero" => drop(rows(0)),
            "use-after-drop" => {
                let frame = made(to);
                drop_frame(frame);
                rows(frame);
            }
            "drop-twice" => {
                let frame = made(to);
                drop_frame(frame);
                drop_frame(frame);
            }
            "pass-a-builder-for-a-frame" => drop(rows(builder(0))),
            "finish-twice" => {
                let building = builder(0);
                finish(building, to);
                finish(building, to);
            }
            "pass-a-list-outside-of-memory" => take(made(to), 0xffff_fff0, 1_000, to),
            "pass-a-list-that-wraps-around" => take(made(to), 16, 0xffff_ffff, to),
            "pass-a-list-off-its-alignment" => take(made(to), 1_025, 1, to),
            "pass-a-text-outside-of-memory" => write(2, 0xffff_fff0, 1_000),
            "pass-a-text-that-is-none" => {
                let none = [0xff_u8, 0xfe, 0xc0, 0x80];
                write(2, none.as_ptr() as usize, none.len());
            }
            "pass-one-text-a-million-times" => pass_one_text_a_million_times(to),
            "ask-for-the-answer-outside-of-memory" => texts(1_024, 1, 0xffff_ff00 as *mut u8),
            "ask-for-a-view-that-is-none" => read(99, 0, 0, to),
            "ask-at-a-level-that-is-none" => write(99, 1_024, 0),
            _ => return None,
        }
    }
    // Nobody lives to tell.
    Some(Ok(()))
}

/// The handle of a frame without rows.
unsafe fn made(to: *mut u8) -> u32 {
    // SAFETY: sound, for once: a builder's handle is given and consumed, and the answer has room.
    unsafe {
        finish(builder(0), to);
        to.add(4).cast::<u32>().read()
    }
}

/// A list of texts takes eight bytes each, and all of them may be the same megabyte.
unsafe fn pass_one_text_a_million_times(to: *mut u8) {
    let text = vec![b'a'; 1 << 20];
    let list = vec![(text.as_ptr() as usize, text.len()); 1_000_000];
    // SAFETY: sound, but a terabyte.
    unsafe { codes(list.as_ptr().cast(), list.len(), to) };
}

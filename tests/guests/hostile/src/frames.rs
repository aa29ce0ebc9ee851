//! Frames: too many, too large, ragged, and asked for what they do not have.

use corral_sdk::wit::corral::correlator::frames::FrameBuilder as RawBuilder;
use corral_sdk::{Context, Frame, FrameBuilder, Problem, View, codes, codes_of, store, texts};

use crate::Done;

/// A column of so many values takes a megabyte.
const MEGABYTE: usize = 1 << 18;

pub(crate) fn commit(context: &Context) -> Done {
    Some(match context.setting("crime") {
        "hoard-frames" => without_end(|| FrameBuilder::new(0).finish()),
        "hoard-builders" => {
            (0..1_000_000).for_each(|_| std::mem::forget(RawBuilder::new(1)));
            Ok(())
        }
        "hoard-bytes" => without_end(megabyte),
        "hoard-bytes-in-builders" => hoard_bytes_in_builders(),
        "hoard-bytes-by-select" => {
            megabyte().and_then(|frame| without_end(|| frame.select(&["a".to_owned()])))
        }
        "hoard-bytes-by-take" => hoard_bytes_by_take(),
        "build-too-many-rows" => RawBuilder::finish(RawBuilder::new(u32::MAX)).map(drop),
        "take-too-many-rows" => {
            attackers().and_then(|frame| frame.take(&vec![0; 1_000_001])).map(drop)
        }
        "bring-too-much" => RawBuilder::new(3_000_000).add_u32("a", &vec![0; 3_000_000]),
        "too-many-columns" => {
            let builder = RawBuilder::new(0);
            (0..).try_for_each(|n: u32| builder.add_u32(&n.to_string(), &[]))
        }
        "a-long-name" => RawBuilder::new(0).add_u32(&"a".repeat(257), &[]),
        "one-column-twice" => FrameBuilder::new(0).u32s("a", &[]).u32s("a", &[]).finish().map(drop),
        "ragged-column" => FrameBuilder::new(3).u32s("a", &[1]).finish().map(drop),
        "read-past-the-end" => {
            attackers().and_then(|frame| frame.read_u32("uuid", 1, u32::MAX)).map(drop)
        }
        "read-no-such-column" => {
            attackers().and_then(|frame| frame.u32s(&"x".repeat(1 << 20))).map(drop)
        }
        "read-as-another-type" => attackers().and_then(|frame| frame.u64s("uuid")).map(drop),
        "take-no-such-row" => attackers().and_then(|frame| frame.take(&[0, 7])).map(drop),
        "select-without-end" => {
            attackers().and_then(|frame| frame.select(&vec!["uuid".to_owned(); 1_000])).map(drop)
        }
        "find-in-numbers" => attackers().and_then(|frame| frame.find("asn", &[0])).map(drop),
        "ask-for-a-million-texts" => texts(&vec![0; 1_000_001]).map(drop),
        "ask-for-one-text-a-million-times" => ask_for_one_text_a_million_times(),
        "intern-without-end" => {
            (0..).try_for_each(|n: u64| codes([&*format!("{n:01000}")]).map(drop))
        }
        "intern-something-new" => intern_something_new(context.now),
        _ => return None,
    })
}

fn attackers() -> Result<Frame, Problem> {
    Ok(store::read(View::Attackers)?.rows)
}

fn megabyte() -> Result<Frame, Problem> {
    FrameBuilder::new(MEGABYTE).u32s("a", &vec![0; MEGABYTE]).finish()
}

fn without_end(mut make: impl FnMut() -> Result<Frame, Problem>) -> Result<(), Problem> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(make()?);
    }
}

/// Columns of frames that are never finished are columns too.
fn hoard_bytes_in_builders() -> Result<(), Problem> {
    let (values, mut hoard) = (vec![0; MEGABYTE], Vec::new());
    loop {
        let builder = RawBuilder::new(MEGABYTE as u32);
        builder.add_u32("a", &values)?;
        hoard.push(builder);
    }
}

/// A handful of rows, taken many times over.
fn hoard_bytes_by_take() -> Result<(), Problem> {
    let (frame, rows) = (attackers()?, vec![0; 50_000]);
    without_end(|| frame.take(&rows))
}

fn ask_for_one_text_a_million_times() -> Result<(), Problem> {
    let [code] = codes([&*"long ".repeat(1_000)])?;
    texts(&vec![code; 1_000_000]).map(drop)
}

/// 60,000 bytes that no tick before this one has interned.
fn intern_something_new(now: i64) -> Result<(), Problem> {
    codes_of(&[format!("{now:060000}")]).map(drop)
}

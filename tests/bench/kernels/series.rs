//! Series of observations for `attribution-states`; the size is the number of samples.
//!
//! The typical ones are those of a behavioural extractor: dozens of series an identity, nearly all of
//! them of a few words, and a hash that is another one each time.

use anyhow::Result;
use corral_kernels::{Column, Frame, Interner};

use super::Population;
use super::chance::Chance;

pub(super) const SHAPES: &[(&str, Population)] = &[
    ("typical", typical),
    ("one series of words", |samples, texts| one_series("categorical", samples, texts)),
    ("one series of numbers", |samples, texts| one_series("numeric", samples, texts)),
    ("one series of hashes", |samples, texts| one_series("hash", samples, texts)),
    ("series of ten", series_of_ten),
];

const SERIES_PER_IDENTITY: u32 = 38;

#[derive(Default)]
struct Samples {
    row: Vec<u32>,
    value: Vec<u32>,
    at: Vec<f64>,
}

impl Samples {
    fn push(&mut self, row: u32, value: u32, at: f64) {
        self.row.push(row);
        self.value.push(value);
        self.at.push(at);
    }

    fn below(self, kinds: Vec<u32>) -> Result<Vec<Frame>> {
        let columns = [
            ("row", Column::from(self.row)),
            ("value", Column::text(self.value)),
            ("at", self.at.into()),
        ];
        let parent = Frame::new(kinds.len(), [("kind", Column::text(kinds))])?;
        Ok(vec![parent, Frame::new(columns[0].1.len(), columns)?])
    }
}

fn words(texts: &Interner) -> Result<Vec<u32>> {
    let words: Vec<String> = (0..6).map(|word| format!("\"word {word}\"")).collect();
    Ok(texts.codes(words.iter().map(String::as_str))?)
}

fn typical(count: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(2);
    let words = words(texts)?;
    let [categorical, numeric, hash] =
        [texts.code("categorical")?, texts.code("numeric")?, texts.code("hash")?];
    let (mut kinds, mut samples) = (Vec::new(), Samples::default());
    while samples.row.len() < count as usize {
        let sessions = 1 + chance.heavy(200, 3);
        for primitive in 0..SERIES_PER_IDENTITY {
            let series = u32::try_from(kinds.len())?;
            kinds.push([hash, numeric].get(primitive as usize).copied().unwrap_or(categorical));
            for session in 0..sessions {
                let value = match primitive {
                    0 => texts.code(&format!("\"{:016x}\"", chance.next().to_bits()))?,
                    1 => texts.code(&format!("{:.1}", 5000.0 + chance.next() * 100.0))?,
                    _ => words[chance.heavy(6, 3) as usize],
                };
                samples.push(series, value, f64::from(session) * 7200.0);
            }
        }
    }
    // The last series may be cut short, or come away empty.
    samples.row.truncate(count as usize);
    samples.value.truncate(count as usize);
    samples.at.truncate(count as usize);
    samples.below(kinds)
}

fn one_series(kind: &str, count: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let values = texts.codes(["1", "2", "3"])?;
    let mut samples = Samples::default();
    for (at, &value) in (0..count).zip(values.iter().cycle()) {
        samples.push(0, value, f64::from(at));
    }
    samples.below(vec![texts.code(kind)?])
}

/// As short as a series can be with everything that its rule looks at.
fn series_of_ten(count: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(4);
    let words = words(texts)?;
    let mut samples = Samples::default();
    for at in 0..count {
        samples.push(at / 10, words[chance.heavy(6, 3) as usize], f64::from(at));
    }
    samples.below(vec![texts.code("categorical")?; count.div_ceil(10) as usize])
}

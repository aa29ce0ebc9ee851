//! What to measure: the words after `kernels --`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::Subject;

/// The words, read.
#[derive(Default)]
pub(super) struct Options {
    kernels: Vec<String>,
    shapes: Vec<String>,
    rows: Vec<u32>,
    reach: Reach,
    pub(super) mode: Mode,
    pub(super) json: Option<PathBuf>,
}

/// What is done to a case.
#[derive(Default)]
pub(super) enum Mode {
    /// It is measured.
    #[default]
    Measure,
    /// It is run once, without a clock: `--once`, which `cargo xtask bench instructions` counts.
    Once,
    /// Its inputs are written there.
    Dump(PathBuf),
}

/// How far the sizes go.
#[derive(Clone, Copy, Default)]
enum Reach {
    /// To 10^5.
    Quick,
    /// To 10^7.
    #[default]
    Usual,
    /// To 10^8 where a kernel can be asked for that; takes many gigabytes.
    Huge,
}

impl Options {
    pub(super) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--shape" => options.shapes.push(value()?.clone()),
                "--rows" => {
                    let rows = value()?;
                    let rows = rows.parse().with_context(|| format!("{rows:?} is no size"))?;
                    options.rows.push(rows);
                }
                "--quick" => options.reach = Reach::Quick,
                "--huge" => options.reach = Reach::Huge,
                "--once" => options.mode = Mode::Once,
                "--dump" => options.mode = Mode::Dump(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                other if other.starts_with('-') => bail!("kernels has no option {other:?}"),
                kernel => options.kernels.push(kernel.to_owned()),
            }
        }
        Ok(options)
    }

    pub(super) fn selects_kernel(&self, name: &str) -> bool {
        self.kernels.is_empty() || self.kernels.iter().any(|asked| asked == name)
    }

    pub(super) fn selects_shape(&self, name: &str) -> bool {
        self.shapes.is_empty() || self.shapes.iter().any(|asked| asked == name)
    }

    /// The sizes, ascending.
    pub(super) fn sizes(&self, subject: &Subject) -> Vec<u32> {
        if !self.rows.is_empty() {
            return self.rows.clone();
        }
        let powers = match self.reach {
            Reach::Quick => 3..=5,
            Reach::Huge if subject.huge => 3..=8,
            Reach::Usual | Reach::Huge => 3..=7,
        };
        powers.map(|power| 10_u32.pow(power)).collect()
    }
}

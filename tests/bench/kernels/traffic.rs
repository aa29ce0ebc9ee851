//! The memory traffic that a kernel cannot avoid, whatever its algorithm.
//!
//! Inputs and outputs are streamed once. Besides, a value that is compared with the same value elsewhere
//! has to be looked up somewhere, and the end of an edge has to find its group, at a place that the value
//! or the node decides, which is as good as random. So there is one gather
//!
//! | kernel | for each |
//! |---|---|
//! | `identity-components` | JA3, HASSH and token that is there |
//! | `campaign-components` | token, cohort value, rhythm and phase |
//! | `attribution-states` | value that a rule looks at: the last ten of a series, all of a hash's |
//! | `credential-reuse` | credential's group, target and address |
//! | `connected-components` | end of an edge |

use anyhow::{Result, bail};
use corral_kernels::{ABSENT, Column, Frame, Interner};

use super::limits::Limits;

/// How much of a series the rules look at, unless it is of hashes.
const WINDOW: u64 = 10;

/// How many gathers, and how many bytes in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub(super) gathers: u64,
    pub(super) bytes: u64,
}

impl Traffic {
    /// Of one run.
    pub(super) fn of(
        kernel: &str,
        inputs: &[Frame],
        outputs: &[Frame],
        texts: &Interner,
    ) -> Result<Self> {
        let rows = |input: usize| inputs[input].rows() as u64;
        let gathers = match kernel {
            "identity-components" => {
                let known = |name: &str| -> Result<u64> {
                    let values = inputs[0].text(name)?.iter();
                    Ok(values.filter(|value| **value != ABSENT).count() as u64)
                };
                known("ja3")? + known("hassh")? + rows(1) + rows(2)
            }
            "campaign-components" => rows(1) + rows(2) + rows(3) + rows(5),
            "attribution-states" => looked_at(inputs, texts)?,
            "credential-reuse" => 3 * rows(0),
            "connected-components" => 2 * rows(1),
            other => bail!("nobody has said what {other} cannot avoid"),
        };
        let bytes = inputs.iter().chain(outputs).map(bytes).sum();
        Ok(Self { gathers, bytes })
    }

    /// The time of it at these limits, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    pub(super) fn milliseconds(self, limits: Limits) -> f64 {
        (self.gathers as f64 * limits.gather + self.bytes as f64 * limits.byte) / 1e6
    }
}

fn looked_at(inputs: &[Frame], texts: &Interner) -> Result<u64> {
    let hash = texts.lookup("hash").unwrap_or(ABSENT);
    let kinds = inputs[0].text("kind")?;
    let mut lengths = vec![0_u64; kinds.len()];
    for &row in inputs[1].uint32("row")? {
        lengths[row as usize] += 1;
    }
    let values =
        |(&kind, &length): (&u32, &u64)| if kind == hash { length } else { length.min(WINDOW) };
    Ok(kinds.iter().zip(&lengths).map(values).sum())
}

/// The size of a frame's columns.
pub(super) fn bytes(frame: &Frame) -> u64 {
    let width = |column: &Column| match column {
        Column::Uint32(_) | Column::Text(_) => 4,
        Column::Uint64(_) | Column::Int64(_) | Column::Float64(_) => 8,
    };
    frame.columns().map(|(_, column)| width(column) * column.len() as u64).sum()
}

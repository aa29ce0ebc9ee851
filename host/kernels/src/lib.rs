//! Columns, frames and the native kernels of Corral.
//!
//! A *frame* is a table of typed columns; a *kernel* is a pure function from frames to frames. This
//! crate knows neither wasm nor a database nor an async runtime: it can be used, tested and measured
//! alone. Read [`frame`] for the data, [`kernel`] for the contract that every kernel keeps, then the
//! kernel you care about: [`identity_components`] is the one that Corral exists for,
//! [`connected_components`] the smallest to copy from.
//! A kernel may also keep what it read, so that the next answer costs what changed: [`kept`].
//!
//! What every kernel promises:
//!
//! * the same bits on any number of threads, with no clock, no input or output, no unseeded chance;
//! * a call of [`pace::Pace::check`] at least every millisecond, so that it can be cancelled and
//!   smaller work can run in between;
//! * an answer that carries its own proof: labels come with the spanning forest that made them, and
//!   [`kernel::Kernel::verify`] checks both against the input in one linear pass.

#![expect(
    clippy::indexing_slicing,
    reason = "kernels index columns whose lengths and row references were checked on entry"
)]

pub mod attribution_states;
pub mod campaign_components;
pub mod column;
pub mod connected_components;
pub mod credential_reuse;
mod first;
pub mod forest;
pub mod frame;
pub mod identity_components;
pub mod kept;
pub mod kernel;
mod links;
pub mod pace;
mod sort;
pub mod text;
pub mod weights;
mod words;

pub use column::{ABSENT, Column, ColumnType};
pub use frame::{Frame, FrameError};
pub use kept::Kept;
pub use kernel::{Job, Kernel, KernelError, Parameter, Shape, Signature, Value, find};
pub use pace::Pace;
pub use text::{Interner, Texts};

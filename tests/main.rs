//! The integration tests: one binary, a module a subject, driving the library and the real executable.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod certificate;
mod commands;
mod correlators;
mod desk;
mod generate;
mod hostile;
mod ingest;
mod report;
mod resident;
mod scene;
mod tidy;

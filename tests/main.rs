//! The integration tests: one binary, a module a subject, driving the library and the real executable.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod bus;
mod certificate;
mod commands;
mod conformance;
mod correlators;
mod decnet;
mod decnet_config;
mod deploy;
mod desk;
mod doctor;
mod generate;
mod hostile;
mod ingest;
mod life;
mod newcomer;
mod places;
mod replay;
mod report;
mod resident;
mod scene;
mod serve;
mod servers;
mod signing;
mod sql;
mod store;
mod tidy;
mod tree;
mod versions;

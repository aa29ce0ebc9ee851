//! Corral rounds up attackers: it reads what honeypots saw and says which source addresses are the
//! same identity, with the evidence for every answer.
//!
//! Follow one attacker from log line to identity: [`ingest`] decodes the line and hands its session
//! to [`store`]; [`supervise`] wakes a correlator; [`plugin`] runs it in its sandbox, where it reads
//! frames of one snapshot and calls kernels that [`pool`] executes natively; what it commits,
//! [`store`] writes in one transaction; [`report`] tells the story. ARCHITECTURE.md has the map and
//! the invariants.

pub mod bus;
pub mod certificate;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod files;
pub mod generate;
pub mod ids;
pub mod ingest;
pub mod notify;
pub mod plugin;
pub mod pool;
pub mod report;
pub mod serve;
pub mod shell;
pub mod socket;
pub mod store;
pub mod supervise;

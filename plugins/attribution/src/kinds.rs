//! What kind of value each behaviour primitive has, which decides how its samples are merged.
//!
//! Names and kinds are those of the BEHAVE registry (PyPI `behave-shell` 0.1.4). Whatever is not listed,
//! known to the registry or not, is categorical.

/// Hashes: a rotation is a change of operator or tool.
pub(crate) const HASH: [&str; 11] = [
    "motor.digraph_simhash",
    "toolchain.tls.ja3_client",
    "toolchain.tls.ja3s_server",
    "toolchain.tls.ja4_client",
    "toolchain.tls.ja4s_server",
    "toolchain.tls.jarm_server",
    "toolchain.tls.tls_cert_simhash",
    "toolchain.ssh.hassh_client",
    "toolchain.ssh.hassh_server",
    "toolchain.protocol_abuse.kerberos_etype_offer",
    "toolchain.payload.payload_simhash",
];

/// Numbers: a shift of the mean is a drift.
pub(crate) const NUMERIC: [&str; 2] =
    ["toolchain.c2.beacon_interval_ms", "toolchain.c2.beacon_jitter_cv"];

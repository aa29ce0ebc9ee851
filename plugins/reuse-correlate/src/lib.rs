//! The reuse correlator: which credentials come back on other targets.
//!
//! A *target* is a service of a sensor. A credential is a secret with its user name; one that was tried
//! on at least `min-targets` targets is reused. The plugin only says which those are: who tried them,
//! where and how often is derived by the host from the credentials themselves, so that nothing is ever
//! counted twice.
//!
//! While the credentials are those that were correlated last, a tick reads nothing ([`Seen`]).

mod logic;

use corral_sdk::{
    Commit, Context, Correlator, Description, FrameBuilder, Problem, Seen, View, export, kernels,
    store,
};

use logic::keys;

struct ReuseCorrelate;

impl Correlator for ReuseCorrelate {
    fn describe() -> Description {
        Description::new(
            "reuse-correlate",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_DESCRIPTION"),
        )
        .wakes(&["credential.captured", "attacker.observed"])
        .reads(&[View::Credentials, View::State])
        .writes(&["put-reuse", "put-state"])
        .kernels(&["credential-reuse"])
        .setting("min-targets", "2", "targets on which a credential must have been tried")
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let given = context.setting("min-targets");
        let min_targets = given.parse().map_err(|_| {
            Problem::Invalid(format!("setting 'min-targets': '{given}' is no whole number"))
        })?;
        let with = format!("{} min-targets={given}", env!("CARGO_PKG_VERSION"));
        match Seen::unless_known(&[View::Credentials], &with)? {
            Some(seen) => correlate(min_targets, &seen),
            None => Ok(()),
        }
    }
}

export!(ReuseCorrelate);

fn correlate(min_targets: u64, seen: &Seen) -> Result<(), Problem> {
    let credentials = store::read(View::Credentials)?.rows;
    let found = kernels::credential_reuse(&credentials, min_targets)?;
    let keys = keys(
        &found.groups.u32s("first")?,
        &credentials.u32s("secret_sha256")?,
        &credentials.u32s("secret_kind")?,
        &credentials.u32s("principal_key")?,
    );
    let reused = FrameBuilder::new(keys.secret_sha256.len())
        .texts("secret_sha256", &keys.secret_sha256)
        .texts("secret_kind", &keys.secret_kind)
        .texts("principal_key", &keys.principal_key)
        .finish()?;
    Commit::new().put_reuse(&reused).put_state(&seen.row()?).send()
}

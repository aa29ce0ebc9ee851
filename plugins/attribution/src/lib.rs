//! The attribution correlator: how steady each identity behaves.
//!
//! Sensors leave behaviour samples: a primitive such as `toolchain.ssh.hassh_client`, a value, a time.
//! All samples of one primitive of one identity are a series, and a kernel says of each whether it is
//! stable, drifting, in conflict with itself or looks like several operators in turn. Rules and
//! thresholds are DECNET's. The host announces changes of state, and identities of which two primitives
//! or more look like several operators.
//!
//! DECNET looks at the attackers that name an identity, and forgets those of identities that were
//! merged into it (setting `merged` = `apart`). By default they count: an identity is what it is made of.

mod kinds;
mod logic;

use corral_sdk::reconcile::NONE;
use corral_sdk::{
    Commit, Context, Correlator, Description, Frame, FrameBuilder, Problem, Seen, View, codes,
    codes_of, export, kernels, log, store,
};

use logic::{Series, States, changed, group};

struct Attribution;

impl Correlator for Attribution {
    fn describe() -> Description {
        Description::new("attribution", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .wakes(&["attacker.observation.>", "identity.>"])
            .reads(&[
                View::Attackers,
                View::Identities,
                View::Behaviour,
                View::Attribution,
                View::State,
            ])
            .writes(&["put-attribution", "put-state"])
            .kernels(&["attribution-states"])
            .setting(
                "merged",
                "unite",
                "samples of identities that were merged: unite them with the winner's, or keep them apart",
            )
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let merged = context.setting("merged");
        let is_united = match merged {
            "unite" => true,
            "apart" => false,
            other => {
                return Err(Problem::Invalid(format!(
                    "setting 'merged': '{other}' is neither unite nor apart"
                )));
            }
        };
        let with = format!("{} merged={merged}", env!("CARGO_PKG_VERSION"));
        let views = [View::Attackers, View::Identities, View::Behaviour];
        match Seen::unless_known(&views, &with)? {
            Some(seen) => correlate(is_united, &seen),
            None => Ok(()),
        }
    }
}

export!(Attribution);

fn correlate(is_united: bool, seen: &Seen) -> Result<(), Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let identities = store::read(View::Identities)?.rows;
    let behaviour = store::read(View::Behaviour)?.rows;

    let uuids = identities.u32s("uuid")?;
    let mut identity = identities.rows_of("uuid", &attackers.u32s("identity")?)?;
    if is_united {
        identity = identities.merges()?.speakers(&identity);
    }
    let at = behaviour.f64s("at")?;
    let series =
        group(&identity, uuids.len(), &behaviour.u32s("row")?, &behaviour.u32s("primitive")?, &at);
    let states = kernels::attribution_states(
        &kinds_of(&series.primitive)?,
        &samples(&series, &behaviour.u32s("value")?, &at)?,
    )?;

    let [invalid, nothing] = codes(["invalid", "null"])?;
    let new = computed(&series, &uuids, &states, nothing)?;
    let count = new.state.iter().filter(|state| **state == invalid).count();
    if count > 0 {
        log::warn(&format!(
            "{count} series hold a value that cannot be merged; they were left out"
        ));
    }
    let (rows, changed_at) = changed(&new, &stored()?, invalid);
    let rows = put(&new, &rows, &changed_at)?;
    Commit::new().put_attribution(&rows).put_state(&seen.row()?).send()
}

/// The kernel's series: the kind of each primitive.
fn kinds_of(primitive: &[u32]) -> Result<Frame, Problem> {
    let [hash, numeric, categorical] = codes(["hash", "numeric", "categorical"])?;
    let (hashes, numbers) = (codes(kinds::HASH)?, codes(kinds::NUMERIC)?);
    let kind = |primitive: &u32| {
        if hashes.contains(primitive) {
            hash
        } else if numbers.contains(primitive) {
            numeric
        } else {
            categorical
        }
    };
    let kinds: Vec<u32> = primitive.iter().map(kind).collect();
    FrameBuilder::new(kinds.len()).texts("kind", &kinds).finish()
}

/// The kernel's samples, in the order of the series.
fn samples(series: &Series, value: &[u32], at: &[f64]) -> Result<Frame, Problem> {
    let values: Vec<u32> = series.sample.iter().map(|&sample| value[sample as usize]).collect();
    let times: Vec<f64> = series.sample.iter().map(|&sample| at[sample as usize]).collect();
    FrameBuilder::new(values.len())
        .u32s("row", &series.row)
        .texts("value", &values)
        .f64s("at", &times)
        .finish()
}

/// What the kernel says, as rows of the view; a number becomes the JSON text that it is stored as.
fn computed(
    series: &Series,
    uuids: &[u32],
    states: &Frame,
    nothing: u32,
) -> Result<States, Problem> {
    let mut value = states.u32s("value")?;
    for (value, number) in value.iter_mut().zip(states.f64s("number")?) {
        if *value == NONE {
            *value = if number.is_nan() { nothing } else { codes_of(&[format!("{number:?}")])?[0] };
        }
    }
    Ok(States {
        identity: series.identity.iter().map(|&row| uuids[row as usize]).collect(),
        primitive: series.primitive.clone(),
        value,
        state: states.u32s("state")?,
        confidence: states.f64s("confidence")?,
        samples: states.u32s("samples")?,
        changed_at: Vec::new(),
        observed_at: states.f64s("observed_at")?,
    })
}

fn stored() -> Result<States, Problem> {
    let stored = store::read(View::Attribution)?.rows;
    Ok(States {
        identity: stored.u32s("identity")?,
        primitive: stored.u32s("primitive")?,
        value: stored.u32s("value")?,
        state: stored.u32s("state")?,
        confidence: stored.f64s("confidence")?,
        samples: stored.u32s("samples")?,
        changed_at: stored.f64s("changed_at")?,
        observed_at: stored.f64s("observed_at")?,
    })
}

/// The rows to write, with the columns of the view.
fn put(new: &States, rows: &[u32], changed_at: &[f64]) -> Result<Frame, Problem> {
    let codes = |values: &[u32]| rows.iter().map(|&row| values[row as usize]).collect::<Vec<_>>();
    let numbers = |values: &[f64]| rows.iter().map(|&row| values[row as usize]).collect::<Vec<_>>();
    FrameBuilder::new(rows.len())
        .texts("identity", &codes(&new.identity))
        .texts("primitive", &codes(&new.primitive))
        .texts("value", &codes(&new.value))
        .texts("state", &codes(&new.state))
        .f64s("confidence", &numbers(&new.confidence))
        .u32s("samples", &codes(&new.samples))
        .f64s("changed_at", changed_at)
        .f64s("observed_at", &numbers(&new.observed_at))
        .finish()
}

//! The campaign clusterer: which identities act as one campaign.
//!
//! This file is glue: it reads views, puts together what the rule looks at of each identity ([`logic`]),
//! lets a kernel group them, and commits the difference. Model `parity` is DECNET's documented rule: one
//! takes over at a sensor where another left off within a day, or they share their infrastructure, or
//! overlapping sessions, common networks and tools and a typist's rhythm add up.
//!
//! DECNET's adapter fills little of that. Here each input has what the sensors tell:
//!
//! | input | from |
//! |---|---|
//! | infrastructure | features: files that were brought, hosts they came from, relay targets, probes |
//! | cohort | the attackers' networks (ASN), client versions, sensors where tactics were seen |
//! | keystrokes | the centroid of `motor.digraph_simhash` |
//! | windows | sessions |
//! | phases | ATT&CK tactics per sensor |

mod logic;
mod phases;

use corral_sdk::reconcile::{NONE, UNKNOWN, reconcile};
use corral_sdk::{
    Commit, Context, Correlator, Description, Frame, FrameBuilder, Merges, Problem, View, codes,
    codes_of, export, kernels, store, texts,
};

use kernels::CampaignInputs;
use logic::{Tokens, centroid, in_time, owned, ranks, seconds, simhash};
use phases::PHASES;

struct CampaignClusterer;

impl Correlator for CampaignClusterer {
    fn describe() -> Description {
        Description::new(
            "campaign-clusterer",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_DESCRIPTION"),
        )
        .wakes(&["identity.>"])
        .reads(&[
            View::Attackers,
            View::Features,
            View::Sessions,
            View::Identities,
            View::Campaigns,
            View::Behaviour,
            View::Phases,
        ])
        .writes(&[
            "form-campaigns",
            "assign-identities",
            "merge-campaigns",
            "unmerge-campaigns",
            "explain-campaigns",
        ])
        .kernels(&["campaign-components"])
        .setting("model", "parity", "the rule that joins identities: parity")
        .setting(
            "merged",
            "unite",
            "what is known of identities that were merged: unite it with the winner's, or leave it out",
        )
    }

    fn tick(context: Context) -> Result<(), Problem> {
        let merged = match context.setting("merged") {
            "unite" => Merged::Unite,
            "apart" => Merged::Apart,
            other => {
                return Err(Problem::Invalid(format!(
                    "setting 'merged': '{other}' is neither unite nor apart"
                )));
            }
        };
        match context.setting("model") {
            "parity" => parity(merged),
            other => Err(Problem::Invalid(format!(
                "setting 'model': no model '{other}' (there is: parity)"
            ))),
        }
    }
}

export!(CampaignClusterer);

/// What becomes of the attackers of an identity that was merged.
#[derive(Clone, Copy, PartialEq)]
enum Merged {
    /// They speak for its winner.
    Unite,
    /// They take no part, as DECNET has it.
    Apart,
}

fn parity(merged: Merged) -> Result<(), Problem> {
    let identities = store::read(View::Identities)?.rows;
    let campaigns = store::read(View::Campaigns)?.rows;
    let merges = identities.merges()?;

    let grouping = kernels::campaign_components(&inputs(&identities, &merges, merged)?)?;

    let mut campaign = campaigns.rows_of("uuid", &identities.u32s("campaign")?)?;
    // A merged identity keeps its campaign and has no say.
    for (loser, _) in merges.iter() {
        campaign[loser as usize] = UNKNOWN;
    }
    let plan = reconcile(&grouping.labels.u32s("label")?, &campaign, &campaigns.merges()?);
    Commit::new().regroup_campaigns(&identities, &campaigns, plan, &grouping.forest).send()
}

/// What the rule looks at. Merged identities are rows without anything.
fn inputs(identities: &Frame, merges: &Merges, merged: Merged) -> Result<CampaignInputs, Problem> {
    let attackers = store::read(View::Attackers)?.rows;
    let identity = identities.rows_of("uuid", &attackers.u32s("identity")?)?;
    let owner = match merged {
        Merged::Unite => merges.speakers(&identity),
        Merged::Apart => identity.into_iter().map(|row| live(row, merges)).collect(),
    };
    let ranks = ranks(&identities.s64s("created_at")?);
    let owners = Owners { owner, identities: ranks.len() };
    let (infra, tools) = owners.features()?;
    let (phases, sensors) = owners.phases()?;
    let mut cohort = owners.networks(&attackers.u32s("asn")?)?;
    cohort.extend(tools);
    cohort.extend(sensors);
    let cohort = Tokens::sorted(cohort);
    let infra = Tokens::sorted(infra);
    Ok(CampaignInputs {
        identities: FrameBuilder::new(ranks.len()).u32s("rank", &ranks).finish()?,
        infra: FrameBuilder::new(infra.row.len())
            .u32s("row", &infra.row)
            .texts("token", &infra.value)
            .finish()?,
        cohort: FrameBuilder::new(cohort.row.len())
            .u32s("row", &cohort.row)
            .texts("kind", &cohort.kind)
            .texts("value", &cohort.value)
            .finish()?,
        keystrokes: owners.keystrokes()?,
        windows: owners.windows()?,
        phases,
    })
}

/// An identity that was not merged; nobody for one that was.
fn live(row: u32, merges: &Merges) -> u32 {
    if row < UNKNOWN && merges.target(row) == NONE { row } else { NONE }
}

/// (identity, kind, value).
type Loose = Vec<(u32, u32, u32)>;

/// Who speaks for each attacker.
struct Owners {
    owner: Vec<u32>,
    identities: usize,
}

impl Owners {
    fn owned(&self, attacker: &[u32]) -> Vec<(u32, u32)> {
        owned(&self.owner, self.identities, attacker)
    }

    /// Infrastructure and tools. All infrastructure is one name space, as DECNET has it.
    fn features(&self) -> Result<(Loose, Loose), Problem> {
        let features = store::read(View::Features)?.rows;
        let infra_kinds = codes([
            "payload-sha256",
            "payload-md5",
            "download-host",
            "relay-target",
            "probe-sha256",
        ])?;
        let [tool, version] = codes(["tool", "client-version"])?;
        let (kind, value) = (features.u32s("kind")?, features.u32s("value")?);
        let (mut infra, mut tools) = (Vec::new(), Vec::new());
        for (identity, item) in self.owned(&features.u32s("row")?) {
            let (kind, value) = (kind[item as usize], value[item as usize]);
            if infra_kinds.contains(&kind) {
                infra.push((identity, NONE, value));
            } else if kind == version {
                tools.push((identity, tool, value));
            }
        }
        Ok((infra, tools))
    }

    /// The networks of the attackers.
    fn networks(&self, asn: &[u32]) -> Result<Loose, Problem> {
        let [kind] = codes(["asn"])?;
        let known: Vec<(u32, u32)> = self
            .owner
            .iter()
            .copied()
            .zip(asn.iter().copied())
            .filter(|&(identity, asn)| (identity as usize) < self.identities && asn != NONE)
            .collect();
        let names: Vec<String> = known.iter().map(|(_, asn)| asn.to_string()).collect();
        let names = codes_of(&names)?;
        Ok(known.iter().zip(names).map(|((identity, _), name)| (*identity, kind, name)).collect())
    }

    /// The phases of identities at sensors, and the sensors.
    fn phases(&self) -> Result<(Frame, Loose), Problem> {
        let tags = store::read(View::Phases)?.rows;
        let tactics = codes(PHASES.map(|(tactic, _)| tactic))?;
        let names = codes(PHASES.map(|(_, phase)| phase))?;
        let phase_of = |tactic: &u32| {
            tactics.iter().position(|other| other == tactic).map_or(NONE, |at| names[at])
        };
        let phase: Vec<u32> = tags.u32s("tactic")?.iter().map(phase_of).collect();
        let at = tags.s64s("at")?;
        let items = in_time(self.owned(&tags.u32s("row")?), &at);
        let found = logic::phases(&items, &tags.u32s("decky")?, &phase, &at);
        let [kind] = codes(["decky"])?;
        let sensors =
            found.row.iter().zip(&found.decky).map(|(row, decky)| (*row, kind, *decky)).collect();
        let frame = FrameBuilder::new(found.row.len())
            .u32s("row", &found.row)
            .texts("decky", &found.decky)
            .texts("first_phase", &found.first_phase)
            .texts("last_phase", &found.last_phase)
            .f64s("first_seen", &found.first_seen)
            .f64s("last_seen", &found.last_seen)
            .finish()?;
        Ok((frame, sensors))
    }

    /// When each identity was there.
    fn windows(&self) -> Result<Frame, Problem> {
        let sessions = store::read(View::Sessions)?.rows;
        let (start, end) = (sessions.s64s("started_at")?, sessions.s64s("ended_at")?);
        let items = in_time(self.owned(&sessions.u32s("row")?), &start);
        let rows: Vec<u32> = items.iter().map(|(identity, _)| *identity).collect();
        let times = |of: &[i64]| -> Vec<f64> {
            items.iter().map(|&(_, item)| seconds(of[item as usize])).collect()
        };
        FrameBuilder::new(rows.len())
            .u32s("row", &rows)
            .f64s("start", &times(&start))
            .f64s("end", &times(&end))
            .finish()
    }

    /// The rhythm of each identity.
    fn keystrokes(&self) -> Result<Frame, Problem> {
        let behaviour = store::read(View::Behaviour)?.rows;
        let [primitive] = codes(["motor.digraph_simhash"])?;
        let (primitives, values) = (behaviour.u32s("primitive")?, behaviour.u32s("value")?);
        let mut items = self.owned(&behaviour.u32s("row")?);
        items.retain(|&(_, item)| primitives[item as usize] == primitive);
        items.sort_unstable();
        let codes: Vec<u32> = items.iter().map(|&(_, item)| values[item as usize]).collect();
        let hashes: Vec<Option<u64>> = texts(&codes)?.iter().map(|text| simhash(text)).collect();
        let (mut rows, mut simhashes) = (Vec::new(), Vec::new());
        let all: Vec<(u32, u64)> = items
            .iter()
            .zip(hashes)
            .filter_map(|((identity, _), hash)| Some((*identity, hash?)))
            .collect();
        for of_one in all.chunk_by(|a, b| a.0 == b.0) {
            let samples: Vec<u64> = of_one.iter().map(|(_, hash)| *hash).collect();
            if let (Some((identity, _)), Some(hash)) = (of_one.first(), centroid(&samples)) {
                rows.push(*identity);
                simhashes.push(hash);
            }
        }
        FrameBuilder::new(rows.len()).u32s("row", &rows).u64s("simhash", &simhashes).finish()
    }
}

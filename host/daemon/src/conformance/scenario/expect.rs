//! What has come of people after a step, held against what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use corral_kernels::{Frame, FrameError, Interner};

use super::people::{self, People};
use super::{About, Expect, Stated};
use crate::conformance::Failed;
use crate::ids;
use crate::store::commit::Layer;
use crate::store::resident::Resident;
use crate::store::revision::View;
use crate::store::{Store, StoreError};

/// Text of a scenario's rows, many times over.
const TEXT_BYTES_MAX: usize = 1 << 26;
/// Merge pointers followed at most: one that goes round ends nowhere.
const HOPS_MAX: usize = 64;

/// Groups and rows after a step.
pub(super) struct Scene {
    /// The member of the layer that stands for each person: an attacker, or its identity.
    members: BTreeMap<String, String>,
    /// Of each member the group that its row names.
    groups: BTreeMap<String, String>,
    merged: BTreeMap<String, String>,
    edges: Vec<(String, String)>,
    /// By person: when the attacker was seen last, and what its identity says.
    seen: BTreeMap<String, (i64, Option<i64>)>,
    /// By identity and primitive: state and samples.
    states: BTreeMap<(String, String), (String, u32)>,
    identities: BTreeMap<String, String>,
    /// Secrets that are reused.
    reused: BTreeSet<String>,
}

/// What finds out whether something is as expected.
type Expectation<'a> = &'a dyn Fn() -> Result<(), Failed>;

impl Scene {
    pub(super) async fn look(
        store: &Store,
        about: About,
        people: &People,
    ) -> Result<Self, StoreError> {
        let layer = if about == About::Campaigns { Layer::Campaign } else { Layer::Identity };
        let stored = store.stored_layer(layer).await?;
        let groups = stored.members.into_iter();
        let groups = groups.filter_map(|member| Some((member.uuid, member.group?))).collect();
        let edges = stored.edges.into_iter().map(|edge| (edge.a, edge.b)).collect();
        let merged = stored.merged.into_iter().collect();
        let texts = Arc::new(Interner::new(TEXT_BYTES_MAX));
        let resident = Arc::new(Resident::new(texts.clone(), 0));
        let mut snapshot = store.snapshot(resident).await?;
        let mut scene = Self {
            members: BTreeMap::new(),
            groups,
            merged,
            edges,
            seen: BTreeMap::new(),
            states: BTreeMap::new(),
            identities: BTreeMap::new(),
            reused: BTreeSet::new(),
        };
        let attackers = snapshot.read(View::Attackers, "").await?;
        let identities = snapshot.read(View::Identities, "").await?;
        let attribution = snapshot.read(View::Attribution, "").await?;
        let reuse = snapshot.read(View::Reuse, "").await?;
        let read =
            scene.read(people, about, [&attackers, &identities, &attribution, &reuse], &texts);
        read.map_err(|error| StoreError::Corrupt {
            table: "a view",
            row: "of the kit".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(scene)
    }

    fn read(
        &mut self,
        people: &People,
        about: About,
        [attackers, identities, attribution, reuse]: [&Frame; 4],
        texts: &Interner,
    ) -> Result<(), FrameError> {
        let column = |frame: &Frame, name: &str| -> Result<Vec<String>, FrameError> {
            Ok(texts.texts(frame.text(name)?).iter().map(str::to_owned).collect())
        };
        let late = column(identities, "uuid")?.into_iter();
        let late: BTreeMap<String, i64> =
            late.zip(identities.int64("last_seen")?.iter().copied()).collect();
        let rows = column(attackers, "uuid")?.into_iter();
        let rows = rows.zip(column(attackers, "identity")?).zip(attackers.int64("last_seen")?);
        for ((uuid, identity), seen) in rows {
            let who = people.all().find(|(_, ip)| ids::attacker(ip) == uuid);
            let Some((who, _)) = who else { continue };
            let member = if about == About::Campaigns { identity.clone() } else { uuid };
            self.members.insert(who.to_owned(), member);
            self.seen.insert(who.to_owned(), (*seen, late.get(&identity).copied()));
            self.identities.insert(who.to_owned(), identity);
        }
        let keys =
            column(attribution, "identity")?.into_iter().zip(column(attribution, "primitive")?);
        let values = column(attribution, "state")?
            .into_iter()
            .zip(attribution.uint32("samples")?.iter().copied());
        self.states = keys.zip(values).collect();
        self.reused = column(reuse, "secret_sha256")?.into_iter().collect();
        Ok(())
    }

    /// The live group of somebody.
    fn group(&self, who: &str) -> Option<&String> {
        let mut at = self.groups.get(self.members.get(who)?)?;
        for _ in 0..HOPS_MAX {
            match self.merged.get(at) {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
        None
    }

    /// Holds what is expected against what is; says how much that was.
    pub(super) fn holds(&self, expect: &Expect, past: &[Self]) -> Result<usize, Failed> {
        let Expect { together, apart, keep, merged, back, explained, up_to_date, .. } = expect;
        let (before, first) = (past.last(), past.first());
        let named: [(&[String], Expectation<'_>); 9] = [
            (together, &|| self.are_together(together)),
            (apart, &|| self.are_apart(apart)),
            (keep, &|| self.have_group_of(keep, before, "before this step")),
            (merged, &|| self.have_merged(merged, before)),
            (back, &|| self.have_group_of(back, first, "after the first step")),
            (explained, &|| self.are_explained(explained)),
            (up_to_date, &|| self.are_up_to_date(up_to_date)),
            (&expect.reused, &|| self.is_reused(&expect.reused)),
            (&expect.not_reused, &|| self.is_not_reused(&expect.not_reused)),
        ];
        let asked = named.iter().filter(|(people, _)| !people.is_empty());
        let mut held = 0;
        for (_, holds) in asked {
            holds()?;
            held += 1;
        }
        if let Some(stated) = &expect.state {
            self.is_stated(stated)?;
            held += 1;
        }
        Ok(held)
    }

    fn are_together(&self, people: &[String]) -> Result<(), Failed> {
        let groups: BTreeSet<Option<&String>> = people.iter().map(|who| self.group(who)).collect();
        if groups.len() == 1 && !groups.contains(&None) {
            return Ok(());
        }
        let found = format!(
            "{} are not in one group: they share everything that sensors see",
            people.join(" and ")
        );
        Err(broken(
            found,
            "join who shares what the rule looks at, and whoever is joined to those, directly or not",
        ))
    }

    fn are_apart(&self, people: &[String]) -> Result<(), Failed> {
        for (at, who) in people.iter().enumerate() {
            let group = self.group(who);
            let other = people.iter().take(at).find(|other| self.group(other) == group);
            if let (Some(other), Some(_)) = (other, group) {
                let found = format!("{other} and {who} are in one group, and share nothing");
                return Err(broken(
                    found,
                    "join only by values that are there: absent is not equal to absent",
                ));
            }
        }
        Ok(())
    }

    fn have_group_of(
        &self,
        people: &[String],
        then: Option<&Self>,
        when: &str,
    ) -> Result<(), Failed> {
        for who in people {
            let was = then.and_then(|then| then.group(who));
            if was.is_none() || self.group(who) != was {
                let found = format!("{who} is not in the group that it was in {when}");
                return Err(broken(
                    found,
                    "groups keep their ids: newcomers link to the group that is there, the smallest of several wins, \
                     and a merged one whose evidence is gone comes back (the SDK's reconcile does all that)",
                ));
            }
        }
        Ok(())
    }

    fn have_merged(&self, people: &[String], then: Option<&Self>) -> Result<(), Failed> {
        self.are_together(people)?;
        let before: BTreeSet<&String> =
            people.iter().filter_map(|who| then.and_then(|then| then.group(who))).collect();
        let live = before.iter().filter(|group| !self.merged.contains_key(**group));
        let live: Vec<&&String> = live.collect();
        if before.len() > 1 && live.len() == 1 {
            return Ok(());
        }
        let found = format!(
            "the {} groups of {} should have become one of them, and {} are live",
            before.len(),
            people.join(", "),
            live.len()
        );
        Err(broken(
            found,
            "merge groups into the smallest of them, which keeps its id, and move no member",
        ))
    }

    fn are_explained(&self, people: &[String]) -> Result<(), Failed> {
        let members: Vec<&String> = people.iter().filter_map(|who| self.members.get(who)).collect();
        let Some(first) = members.first() else { return Ok(()) };
        let mut reached: BTreeSet<&String> = BTreeSet::from([*first]);
        loop {
            let before = reached.len();
            for (a, b) in &self.edges {
                if reached.contains(a) || reached.contains(b) {
                    reached.extend([a, b]);
                }
            }
            if reached.len() == before {
                break;
            }
        }
        if members.iter().all(|member| reached.contains(*member)) {
            return Ok(());
        }
        let found = format!("no evidence leads from one of {} to the other", people.join(", "));
        Err(broken(found, "explain every group that changes by the edges of its spanning forest"))
    }

    fn are_up_to_date(&self, people: &[String]) -> Result<(), Failed> {
        for who in people {
            if let Some((seen, Some(says))) = self.seen.get(who)
                && says >= seen
            {
                continue;
            }
            let found = format!("the identity of {who} does not know that it was seen again");
            return Err(broken(found, "refresh the identities whose column `stale` is 1"));
        }
        Ok(())
    }

    fn is_stated(&self, stated: &Stated) -> Result<(), Failed> {
        let Stated { who, primitive, is, samples } = stated;
        let key = self.identities.get(who).map(|identity| (identity.clone(), primitive.clone()));
        let found = key.and_then(|key| self.states.get(&key));
        let expected = is.join(" or ");
        let Some((state, number)) = found else {
            let found = format!("there is no state of {primitive} of {who}; expected {expected}");
            return Err(broken(
                found,
                "put a row for every identity that has samples of a primitive",
            ));
        };
        if !is.contains(state) {
            let found = format!("{primitive} of {who} is {state}; expected {expected}");
            return Err(broken(
                found,
                "what never changes is stable, and what was turned round for good is not",
            ));
        }
        match samples {
            Some(samples) if samples != number => {
                let found =
                    format!("{primitive} of {who} has {number} samples; expected {samples}");
                Err(broken(
                    found,
                    "count every sample of the attackers that the identity speaks for, once",
                ))
            }
            _ => Ok(()),
        }
    }

    fn is_reused(&self, secrets: &[String]) -> Result<(), Failed> {
        match secrets.iter().find(|secret| !self.reused.contains(&people::hash(secret))) {
            None => Ok(()),
            Some(secret) => Err(broken(
                format!("the secret '{secret}' was tried on several targets and is not reused"),
                "a credential that came back on another target is reused, whoever tried it",
            )),
        }
    }

    fn is_not_reused(&self, secrets: &[String]) -> Result<(), Failed> {
        match secrets.iter().find(|secret| self.reused.contains(&people::hash(secret))) {
            None => Ok(()),
            Some(secret) => Err(broken(
                format!("the secret '{secret}' was tried on one target only, and is called reused"),
                "count targets, not attempts or attackers",
            )),
        }
    }
}

fn broken(found: impl Into<String>, remedy: &str) -> Failed {
    Failed { found: found.into(), remedy: remedy.to_owned() }
}

//! DECNET's other tables: whether they changed, and of whom.
//!
//! One statement counts all of them and asks for their latest times; where it answers as it did before,
//! nothing changed. Where it does not, and the rows that came are all recent, their keys are listed; else
//! nobody knows what changed, and the view counts as new as a whole.
//!
//! Corral writes identities and campaigns too, and logs what it changes: only what the log does not have is
//! somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::attackers::before;
use super::marks::{Mark, Marks};
use super::{FLOAT_SLACK, Look};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::changes::{self, KEYS_MAX, Touched};
use crate::store::db::{Connection, query};
use crate::store::encoding::datetime;
use crate::store::revision::{self, View};

/// What all tables say of themselves.
#[derive(Debug, Deserialize)]
struct Summary {
    observations: i64,
    observed_at: Option<f64>,
    observed: i64,
    credentials: i64,
    attributed: i64,
    tried_at: Option<String>,
    tags: i64,
    tagged_at: Option<String>,
    tagged: i64,
    identities: i64,
    identities_at: Option<String>,
    identified: i64,
    campaigns: i64,
    campaigns_at: Option<String>,
    campaigned: i64,
}

const SUMMARY: &str = "SELECT (SELECT COUNT(*) FROM observations) AS observations,
     (SELECT MAX(ts) FROM observations) AS observed_at,
     (SELECT COUNT(*) FROM observations WHERE ts >= ?) AS observed,
     (SELECT COUNT(*) FROM credentials) AS credentials,
     (SELECT COUNT(attacker_uuid) FROM credentials) AS attributed,
     (SELECT MAX(last_seen) FROM credentials) AS tried_at,
     (SELECT COUNT(*) FROM ttp_tag) AS tags,
     (SELECT MAX(created_at) FROM ttp_tag) AS tagged_at,
     (SELECT COUNT(*) FROM ttp_tag WHERE created_at >= ?) AS tagged,
     (SELECT COUNT(*) FROM attacker_identities) AS identities,
     (SELECT MAX(updated_at) FROM attacker_identities) AS identities_at,
     (SELECT COUNT(*) FROM attacker_identities WHERE updated_at >= ?) AS identified,
     (SELECT COUNT(*) FROM campaigns) AS campaigns,
     (SELECT MAX(updated_at) FROM campaigns) AS campaigns_at,
     (SELECT COUNT(*) FROM campaigns WHERE updated_at >= ?) AS campaigned";

/// Recent rows of a table that are listed at most.
const ROWS_MAX: usize = 1_000;

const OBSERVED: &str = "SELECT DISTINCT attacker_uuid FROM observations WHERE ts >= ?";
const TAGGED: &str = "SELECT DISTINCT attacker_uuid FROM ttp_tag WHERE created_at >= ?";
const IDENTITIES: &str = "SELECT uuid, updated_at FROM attacker_identities WHERE updated_at >= ?";
const CAMPAIGNS: &str = "SELECT uuid, updated_at FROM campaigns WHERE updated_at >= ?";

/// What changed of a table.
enum What {
    Nothing,
    /// Only rows that are recent.
    Recent,
    Anything,
}

/// Looks at all tables but the attackers; says what changed, and what is wrong with identities if these did.
pub(super) async fn look(
    connection: &mut Connection,
    look: Look,
    marks: &mut Marks,
) -> Result<(Touched, Option<BTreeMap<String, String>>), StoreError> {
    let of =
        |mark: &Option<Mark>| mark.as_ref().map(|mark| mark.latest.clone()).unwrap_or_default();
    let summary: Summary = query(SUMMARY)
        .bind(float_before(&of(&marks.observations)))
        .bind(before(&of(&marks.tags)))
        .bind(before(&of(&marks.identities)))
        .bind(before(&of(&marks.campaigns)))
        .one(&mut *connection)
        .await?;
    let mut table = Tables { connection, now: look.now, touched: Touched::default() };
    table.observations(&summary, &mut marks.observations).await?;
    table.credentials(&summary, &mut marks.credentials).await?;
    table.tags(&summary, &mut marks.tags).await?;
    let identities = Seen {
        count: summary.identities,
        latest: summary.identities_at,
        recent: summary.identified,
    };
    let changed =
        table.groups(View::Identities, IDENTITIES, identities, &mut marks.identities).await?;
    let campaigns =
        Seen { count: summary.campaigns, latest: summary.campaigns_at, recent: summary.campaigned };
    table.groups(View::Campaigns, CAMPAIGNS, campaigns, &mut marks.campaigns).await?;
    let touched = table.touched;
    let poison = if changed { Some(pointers(connection).await?) } else { None };
    Ok((touched, poison))
}

/// After the views' versions were bumped for what was found, these are the ones that were seen.
pub(super) async fn adopt(
    connection: &mut Connection,
    marks: &mut Marks,
) -> Result<(), StoreError> {
    let revisions = revision::current(connection).await?;
    let of = [(View::Identities, &mut marks.identities), (View::Campaigns, &mut marks.campaigns)];
    for (view, mark) in of {
        if let Some(mark) = mark {
            mark.revision = revisions.of(view);
        }
    }
    Ok(())
}

/// What a table with times says of itself.
struct Seen {
    count: i64,
    latest: Option<String>,
    /// Rows of the last mark and after it.
    recent: i64,
}

struct Tables<'c> {
    connection: &'c mut Connection,
    now: Timestamp,
    touched: Touched,
}

impl Tables<'_> {
    async fn observations(
        &mut self,
        summary: &Summary,
        mark: &mut Option<Mark>,
    ) -> Result<(), StoreError> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of our century are below 2^53"
        )]
        let now = self.now.micros() as f64 / 1e6;
        let latest = summary.observed_at.unwrap_or(f64::MIN);
        // A time to come must not hide what comes before it.
        let latest = match mark {
            Some(mark) if latest > now => mark.latest.clone(),
            _ => latest.min(now).to_string(),
        };
        let seen = Seen {
            count: summary.observations,
            latest: Some(latest.clone()),
            recent: summary.observed,
        };
        let recent = float_before(&mark.as_ref().map_or(String::new(), |mark| mark.latest.clone()));
        match what(mark.as_ref(), &seen, &latest) {
            What::Nothing => return Ok(()),
            What::Recent => {
                let keys: Vec<Option<String>> =
                    query(OBSERVED).bind(recent).all(&mut *self.connection).await?;
                self.touch(View::Behaviour, keys);
            }
            What::Anything => self.touched.add_unlisted(View::Behaviour),
        }
        let recent = query("SELECT COUNT(*) FROM observations WHERE ts >= ?")
            .bind(float_before(&latest))
            .one(&mut *self.connection)
            .await?;
        *mark = Some(Mark { count: seen.count, latest, recent, ..Mark::default() });
        Ok(())
    }

    /// Credentials are written again in place, and get their attackers later than they come.
    async fn credentials(
        &mut self,
        summary: &Summary,
        mark: &mut Option<Mark>,
    ) -> Result<(), StoreError> {
        let latest = self.latest(summary.tried_at.as_deref(), mark.as_ref());
        let since = before(mark.as_ref().map_or("", |mark| &mark.latest));
        let rows: Vec<(i64, i64, Option<String>)> = match mark {
            Some(_) => {
                query(
                    "SELECT id, attempt_count, attacker_uuid FROM credentials WHERE last_seen >= ? ORDER BY id",
                )
                .bind(&since)
                .all(&mut *self.connection)
                .await?
            }
            None => Vec::new(),
        };
        let sum = digest(&rows);
        let now = Mark {
            count: summary.credentials,
            recent: summary.attributed,
            latest: latest.clone(),
            sum,
            ..Mark::default()
        };
        if mark.as_ref() == Some(&now) {
            return Ok(());
        }
        let came = mark.as_ref().map(|mark| (now.count - mark.count, now.recent - mark.recent));
        match came {
            // Whoever came has an attacker, and nobody else got one.
            Some((came, attributed)) if came >= 0 && came == attributed => {
                self.touch(View::Credentials, rows.into_iter().map(|(.., uuid)| uuid));
            }
            _ => self.touched.add_unlisted(View::Credentials),
        }
        let rows: Vec<(i64, i64, Option<String>)> = query(
            "SELECT id, attempt_count, attacker_uuid FROM credentials WHERE last_seen >= ? ORDER BY id",
        )
        .bind(before(&latest))
        .all(&mut *self.connection)
        .await?;
        *mark = Some(Mark { sum: digest(&rows), ..now });
        Ok(())
    }

    async fn tags(&mut self, summary: &Summary, mark: &mut Option<Mark>) -> Result<(), StoreError> {
        let seen =
            Seen { count: summary.tags, latest: summary.tagged_at.clone(), recent: summary.tagged };
        let latest = self.latest(seen.latest.as_deref(), mark.as_ref());
        let recent = before(mark.as_ref().map_or("", |mark| &mark.latest));
        match what(mark.as_ref(), &seen, &latest) {
            What::Nothing => return Ok(()),
            What::Recent => {
                let keys: Vec<Option<String>> =
                    query(TAGGED).bind(recent).all(&mut *self.connection).await?;
                self.touch(View::Phases, keys);
            }
            What::Anything => self.touched.add_unlisted(View::Phases),
        }
        let recent = query("SELECT COUNT(*) FROM ttp_tag WHERE created_at >= ?")
            .bind(before(&latest))
            .one(&mut *self.connection)
            .await?;
        *mark = Some(Mark { count: seen.count, latest, recent, ..Mark::default() });
        Ok(())
    }

    /// Identities or campaigns; whether any changed, by whomever.
    async fn groups(
        &mut self,
        view: View,
        keys: &'static str,
        seen: Seen,
        mark: &mut Option<Mark>,
    ) -> Result<bool, StoreError> {
        let latest = self.latest(seen.latest.as_deref(), mark.as_ref());
        let change = what(mark.as_ref(), &seen, &latest);
        let now = revision::current(&mut *self.connection).await?.of(view);
        match (change, &mark) {
            (What::Nothing, _) => return Ok(false),
            (_, None) => self.touched.add_unlisted(view),
            (change, Some(mark)) => {
                let between = (mark.revision, now);
                let own = changes::between(&mut *self.connection, view, between, KEYS_MAX).await?;
                // What was too much for the log was ours: nobody else writes so much.
                if let Some(own) = own {
                    let own: BTreeSet<String> = own.into_iter().collect();
                    let all: Vec<(String, String)> =
                        query(keys).bind(before(&mark.latest)).all(&mut *self.connection).await?;
                    let others = all
                        .into_iter()
                        .filter(|(key, at)| !own.contains(key) && mark.is_news(key, at))
                        .map(|(key, _)| Some(key));
                    match change {
                        What::Anything if own.is_empty() => self.touched.add_unlisted(view),
                        _ => self.touch(view, others),
                    }
                }
            }
        }
        let rows: Vec<(String, String)> =
            query(keys).bind(before(&latest)).all(&mut *self.connection).await?;
        let recent = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let rows = if rows.len() > ROWS_MAX { BTreeMap::new() } else { rows.into_iter().collect() };
        *mark = Some(Mark { count: seen.count, latest, recent, revision: now, rows, sum: 0 });
        Ok(true)
    }

    /// The latest time, but none to come: it would hide what comes before it.
    fn latest(&self, latest: Option<&str>, mark: Option<&Mark>) -> String {
        let latest = latest.unwrap_or_default();
        let now = datetime(self.now);
        if latest <= now.as_str() {
            return latest.to_owned();
        }
        mark.map_or(now, |mark| mark.latest.clone())
    }

    /// Rows of these keys changed; a row without one is not to be found by it.
    fn touch(&mut self, view: View, keys: impl IntoIterator<Item = Option<String>>) {
        for key in keys {
            match key {
                Some(key) => self.touched.add(view, [key]),
                None => self.touched.add_unlisted(view),
            }
        }
    }
}

impl Mark {
    /// Whether a row was written since.
    fn is_news(&self, key: &str, at: &str) -> bool {
        match self.rows.get(key) {
            Some(before) => before != at,
            // Where the recent rows were too many to be listed, only what is later is told.
            None => i64::try_from(self.rows.len()) == Ok(self.recent) || at > self.latest.as_str(),
        }
    }
}

/// What changed since the mark.
fn what(mark: Option<&Mark>, seen: &Seen, latest: &str) -> What {
    let Some(mark) = mark else { return What::Anything };
    let (came, recent) = (seen.count - mark.count, seen.recent - mark.recent);
    if came == 0 && recent == 0 && latest == mark.latest {
        What::Nothing
    } else if came >= 0 && (came == recent || came == 0) {
        What::Recent
    } else {
        What::Anything
    }
}

/// The beginning of what is looked at again, in seconds.
fn float_before(latest: &str) -> f64 {
    latest.parse::<f64>().map_or(f64::MIN, |latest| latest - FLOAT_SLACK)
}

fn digest(rows: &[(i64, i64, Option<String>)]) -> i64 {
    xxh3_64(serde_json::to_string(rows).unwrap_or_default().as_bytes()).cast_signed()
}

/// Identities whose merge pointers lead nowhere, or round in a circle.
async fn pointers(connection: &mut Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String, Option<String>)> = query(
        "SELECT i.uuid, i.merged_into_uuid, w.uuid FROM attacker_identities i
         LEFT JOIN attacker_identities w ON w.uuid = i.merged_into_uuid
         WHERE i.merged_into_uuid IS NOT NULL",
    )
    .all(connection)
    .await?;
    let into: BTreeMap<&str, &str> =
        rows.iter().map(|(uuid, into, _)| (uuid.as_str(), into.as_str())).collect();
    let mut reasons = BTreeMap::new();
    for (uuid, pointer, winner) in &rows {
        if winner.is_none() {
            let reason = format!("merged into {pointer}, which is not there");
            reasons.insert(uuid.clone(), reason);
        } else if is_round(&into, uuid) {
            let reason = format!("merged into {pointer}, which leads back to itself");
            reasons.insert(uuid.clone(), reason);
        }
    }
    Ok(reasons)
}

/// Whether the pointers lead from an identity back to it.
fn is_round(into: &BTreeMap<&str, &str>, uuid: &str) -> bool {
    let mut at = uuid;
    for _ in 0..into.len() {
        let Some(next) = into.get(at) else { return false };
        if *next == uuid {
            return true;
        }
        at = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_in_a_circle_lead_back_to_themselves() {
        let into = BTreeMap::from([("a", "b"), ("b", "c"), ("c", "b"), ("d", "d"), ("e", "f")]);
        let round: Vec<&str> = into.keys().copied().filter(|uuid| is_round(&into, uuid)).collect();
        assert_eq!(round, ["b", "c", "d"]);
    }
}

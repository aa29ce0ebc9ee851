//! Events that follow from changes, with DECNET's topics and payloads, kept until the bus has them.

use corral_kernels::Texts;
use serde_json::{Value, json};

use super::formed::Formed;
use super::spray::Sprays;
use super::{CommitError, Committer, Layer};
use crate::store::db::{Connection, Rows, Sql, query};

/// Events kept for a bus that does not come; older ones go.
const ROWS_MAX: usize = 100_000;

/// The events of one commit, by kind: formed first, then linked, merged, unmerged, then those of rows.
///
/// What forms and links is kept as it came, and becomes events one by one while they are written.
#[derive(Debug, Default)]
pub(super) struct Events {
    formed: Vec<Formed>,
    linked: Vec<Linked>,
    merged: Vec<Event>,
    others: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    topic: &'static str,
    payload: Value,
}

/// Members that joined groups.
#[derive(Debug)]
struct Linked {
    layer: Layer,
    members: Texts,
    groups: Texts,
}

impl Events {
    pub(super) fn formed(&mut self, formed: Formed) {
        self.formed.push(formed);
    }

    pub(super) fn linked(&mut self, layer: Layer, members: Texts, groups: Texts) {
        self.linked.push(Linked { layer, members, groups });
    }

    pub(super) fn merged(&mut self, layer: Layer, winner: &str, loser: &str) {
        let mut payload = json!({"winner_uuid": winner, "loser_uuid": loser});
        let topic = match layer {
            Layer::Identity => "identity.merged",
            Layer::Campaign => "campaign.merged",
        };
        if let (Layer::Identity, Value::Object(payload)) = (layer, &mut payload) {
            // DECNET's worker for tactics passes by whatever names no identity and no attacker so.
            payload.insert("identity_uuid".to_owned(), json!(winner));
        }
        self.merged.push(Event { topic, payload });
    }

    pub(super) fn unmerged(&mut self, layer: Layer, back: &str, former: &str) {
        let topic = match layer {
            Layer::Identity => "identity.unmerged",
            Layer::Campaign => "campaign.unmerged",
        };
        let payload = json!({"resurrected_uuid": back, "former_winner_uuid": former});
        self.merged.push(Event { topic, payload });
    }

    /// An event about a row.
    pub(super) fn add(&mut self, topic: &'static str, payload: Value) {
        self.others.push(Event { topic, payload });
    }

    pub(super) async fn write(
        self,
        connection: &mut Connection,
        by: Committer<'_>,
    ) -> Result<(), CommitError> {
        self.write_newest(ROWS_MAX, connection, by).await
    }

    async fn write_newest(
        self,
        rows_max: usize,
        connection: &mut Connection,
        by: Committer<'_>,
    ) -> Result<(), CommitError> {
        let sprays = self.sprays(connection).await?;
        // Those for which there is no room are not even made. Of the first, each makes one at least.
        let mut beyond = self.least().saturating_sub(rows_max);
        let mut outbox = Outbox {
            connection,
            rows: Rows::default(),
            written: 0,
            now: by.now.micros().to_string(),
        };
        for formed in &self.formed {
            let skipped = beyond.min(formed.len());
            beyond -= skipped;
            for group in skipped..formed.len() {
                for mut event in formed_events(formed, group, by.event_bytes_max) {
                    event.tell(&sprays);
                    outbox.put(&event).await?;
                }
            }
        }
        for Linked { layer, members, groups } in &self.linked {
            let skipped = beyond.min(members.len());
            beyond -= skipped;
            for (member, group) in members.iter().zip(groups.iter()).skip(skipped) {
                for event in link(*layer, group, member) {
                    outbox.put(&event).await?;
                }
            }
        }
        for mut event in self.merged {
            event.tell(&sprays);
            outbox.put(&event).await?;
        }
        for event in self.others {
            outbox.put(&event).await?;
        }
        outbox.end(rows_max).await
    }
}

/// Events on their way into the table.
struct Outbox<'a> {
    connection: &'a mut Connection,
    rows: Rows,
    written: u64,
    now: String,
}

impl Outbox<'_> {
    async fn put(&mut self, event: &Event) -> Result<(), CommitError> {
        // DECNET's type is the topic without its root.
        let kind = event.topic.split_once('.').map_or("", |(_, kind)| kind);
        self.rows.push(&(event.topic, kind, event.payload.to_string()))?;
        if self.rows.is_full() { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), CommitError> {
        let rows = std::mem::take(&mut self.rows);
        self.written += rows.write(self.connection, &INSERT, &self.now).await?;
        Ok(())
    }

    /// Writes the last, and makes room if there are more than are kept.
    async fn end(mut self, rows_max: usize) -> Result<(), CommitError> {
        self.flush().await?;
        if self.written == 0 {
            return Ok(());
        }
        query(
            "DELETE FROM corral_outbox WHERE id <=
                 (SELECT n.newest FROM (SELECT MAX(id) AS newest FROM corral_outbox) AS n) - ?",
        )
        .bind(i64::try_from(rows_max).unwrap_or(i64::MAX))
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

impl Events {
    /// How many there are at least.
    fn least(&self) -> usize {
        let formed: usize = self.formed.iter().map(Formed::len).sum();
        let linked: usize = self.linked.iter().map(|linked| linked.members.len()).sum();
        formed + linked + self.merged.len() + self.others.len()
    }

    /// What the identities tried that were formed or merged.
    async fn sprays(&self, connection: &mut Connection) -> Result<Sprays, CommitError> {
        let mut identities = Vec::new();
        for formed in self.formed.iter().filter(|formed| formed.layer == Layer::Identity) {
            identities.extend((0..formed.len()).map(|group| formed.id(group)));
        }
        identities.extend(self.merged.iter().flat_map(Event::identities));
        Sprays::of(connection, identities).await
    }
}

impl Event {
    /// The identities that an event about forming or merging speaks of.
    fn identities(&self) -> impl Iterator<Item = &str> {
        let keys: &[&str] = match self.topic {
            "identity.formed" => &["identity_uuid"],
            "identity.merged" => &["winner_uuid", "loser_uuid"],
            _ => &[],
        };
        keys.iter().filter_map(|key| self.payload.get(key)?.as_str())
    }

    fn tell(&mut self, sprays: &Sprays) {
        let identities: Vec<String> = self.identities().map(str::to_owned).collect();
        let identities: Vec<&str> = identities.iter().map(String::as_str).collect();
        if let Value::Object(payload) = &mut self.payload {
            sprays.tell(&identities, payload);
        }
    }
}

/// One `formed`, or, where that is too long for the bus, a shorter one and a `linked` for each of the rest.
fn formed_events(formed: &Formed, group: usize, bytes_max: usize) -> Vec<Event> {
    let (layer, id) = (formed.layer, formed.id(group));
    // An id with its quotes and comma, and room for the rest of the payload.
    let all = formed.members_of(group);
    let bytes_a_member = all.get(0).map_or(1, |member| member.len() + 3);
    let fit = bytes_max.saturating_sub(512) / bytes_a_member;
    let members: Vec<&str> = all.iter().take(fit).collect();
    let (topic, payload) = match layer {
        Layer::Identity => {
            ("identity.formed", json!({"identity_uuid": id, "observation_uuids": members}))
        }
        Layer::Campaign => {
            ("campaign.formed", json!({"campaign_uuid": id, "identity_uuids": members}))
        }
    };
    let mut events = vec![Event { topic, payload }];
    if layer == Layer::Campaign {
        events.extend(members.iter().map(|member| assigned(id, member)));
    }
    events.extend(all.iter().skip(fit).flat_map(|member| link(layer, id, member)));
    events
}

/// What is told of a member that joined a group.
fn link(layer: Layer, group: &str, member: &str) -> Vec<Event> {
    match layer {
        Layer::Identity => {
            let payload = json!({
                "identity_uuid": group,
                "observation_uuid": member,
                "attacker_uuid": member,
            });
            vec![Event { topic: "identity.observation.linked", payload }]
        }
        Layer::Campaign => {
            let event = assigned(group, member);
            let payload = event.payload.clone();
            vec![Event { topic: "campaign.identity.assigned", payload }, event]
        }
    }
}

fn assigned(campaign: &str, identity: &str) -> Event {
    let payload = json!({
        "campaign_uuid": campaign,
        "identity_uuid": identity,
        "prior_campaign_uuid": null,
    });
    Event { topic: "identity.campaign.assigned", payload }
}

const INSERT: Sql = Sql::of(
    "INSERT INTO corral_outbox (topic, type, payload, created_at)
     SELECT n.topic, n.type, n.payload, {int ?2} FROM {?1: topic text, type text, payload text} AS n",
);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use corral_kernels::Interner;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::Store;
    use crate::store::db::Begin;

    fn formed(members: &[String], groups: &[u32]) -> Formed {
        let texts = Arc::new(Interner::new(1 << 20));
        let members = texts.codes(members.iter().map(String::as_str)).unwrap();
        Formed::new(Layer::Identity, texts, members, groups)
    }

    #[test]
    fn a_formed_event_that_is_too_long_goes_on_as_links() {
        let members: Vec<String> = (0..40).map(|n| format!("{n:036}")).collect();
        let formed = formed(&members, &[0; 40]);
        let events = formed_events(&formed, 0, 512 + 39 * 10);
        let named = events[0].payload["observation_uuids"].as_array().unwrap().len();
        assert_eq!(named, 10);
        assert_eq!(events.len(), 1 + 30);
        assert!(events[0].payload.to_string().len() <= 512 + 39 * 10);
        assert_eq!(events[1].payload["observation_uuid"], members[10]);
    }

    #[tokio::test]
    async fn only_the_newest_are_kept_and_the_others_not_even_written() {
        let (store, _folder) = Store::throwaway(Duration::from_secs(5)).await;
        let by = Committer { plugin: "test", now: Timestamp(1), event_bytes_max: 1 << 16 };
        let texts = |from: u32, to: u32| (from..to).map(|n| n.to_string()).collect::<Texts>();
        // In the first, two formed and all links have room; then there is room for links only.
        for (rows_max, kept) in [(5, ["5", "6", "10", "11", "12"]), (2, ["11", "12", "", "", ""])] {
            let mut events = Events::default();
            let members: Vec<String> = (0..7).map(|n: u32| n.to_string()).collect();
            events.formed(formed(&members, &[0, 1, 2, 3, 4, 5, 6]));
            events.linked(Layer::Identity, texts(10, 13), texts(20, 23));
            let mut transaction = store.writer.begin(Begin::Write).await.unwrap();
            events.write_newest(rows_max, &mut transaction, by).await.unwrap();
            transaction.commit().await.unwrap();
            let payloads: Vec<String> = query("SELECT payload FROM corral_outbox ORDER BY id")
                .all(&mut store.read().await.unwrap())
                .await
                .unwrap();
            let member = |payload: &String| {
                let payload: Value = serde_json::from_str(payload).unwrap();
                let of = payload.get("observation_uuid").or(payload["observation_uuids"].get(0));
                of.unwrap().as_str().unwrap().to_owned()
            };
            let members: Vec<String> = payloads.iter().map(member).collect();
            assert_eq!(members, kept[..rows_max], "{rows_max}");
        }
        let newest: i64 = query("SELECT MAX(id) FROM corral_outbox")
            .one(&mut store.read().await.unwrap())
            .await
            .unwrap();
        assert_eq!(newest, 7, "nothing was written to be dropped");
    }
}

//! Events that follow from changes, with DECNET's topics and payloads, kept until the bus has them.

use crate::store::db::{Connection, Sql, query};
use serde_json::{Value, json};

use super::spray::Sprays;
use super::{CommitError, Committer, Layer, write_rows};

/// Events kept for a bus that does not come; older ones go.
const ROWS_MAX: i64 = 100_000;

/// The events of one commit, by kind: formed first, then linked, merged, unmerged, then those of rows.
#[derive(Debug, Default)]
pub(super) struct Events {
    formed: Vec<Formed>,
    linked: Vec<Event>,
    merged: Vec<Event>,
    others: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    topic: &'static str,
    payload: Value,
}

#[derive(Debug)]
struct Formed {
    layer: Layer,
    group: String,
    members: Vec<String>,
}

impl Events {
    pub(super) fn formed(&mut self, layer: Layer, group: &str, members: &[String]) {
        self.formed.push(Formed { layer, group: group.to_owned(), members: members.to_vec() });
    }

    pub(super) fn linked(&mut self, layer: Layer, group: &str, member: &str) {
        let payload = link(layer, group, member);
        match layer {
            Layer::Identity => {
                self.linked.push(Event { topic: "identity.observation.linked", payload });
            }
            Layer::Campaign => {
                let copy = payload.clone();
                self.linked.push(Event { topic: "campaign.identity.assigned", payload });
                self.linked.push(Event { topic: "identity.campaign.assigned", payload: copy });
            }
        }
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
        mut self,
        connection: &mut Connection,
        by: Committer<'_>,
    ) -> Result<(), CommitError> {
        let sprays = self.sprays(connection).await?;
        for event in &mut self.merged {
            event.tell(&sprays);
        }
        let formed = self.formed.into_iter().flat_map(|formed| {
            let mut events = formed.events(by.event_bytes_max);
            events.iter_mut().for_each(|event| event.tell(&sprays));
            events
        });
        let rows: Vec<Value> = formed
            .chain(self.linked)
            .chain(self.merged)
            .chain(self.others)
            .map(|event| {
                // DECNET's type is the topic without its root.
                let kind = event.topic.split_once('.').map_or("", |(_, kind)| kind);
                json!([event.topic, kind, event.payload.to_string()])
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        write_rows(connection, INSERT, &rows, &by.now.micros().to_string()).await?;
        query(
            "DELETE FROM corral_outbox WHERE id <=
                 (SELECT n.newest FROM (SELECT MAX(id) AS newest FROM corral_outbox) AS n) - ?",
        )
        .bind(ROWS_MAX)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Events {
    /// What the identities tried that were formed or merged.
    async fn sprays(&self, connection: &mut Connection) -> Result<Sprays, CommitError> {
        let formed = self.formed.iter().filter(|formed| formed.layer == Layer::Identity);
        let formed = formed.map(|formed| formed.group.as_str());
        let merged = self.merged.iter().flat_map(Event::identities);
        Sprays::of(connection, &formed.chain(merged).collect()).await
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

impl Formed {
    /// One `formed`, or, where that is too long for the bus, a shorter one and a `linked` for each of
    /// the rest.
    fn events(self, bytes_max: usize) -> Vec<Event> {
        let Self { layer, group, mut members } = self;
        // An id with its quotes and comma, and room for the rest of the payload.
        let bytes_a_member = members.first().map_or(0, |member| member.len() + 3).max(1);
        let fit = bytes_max.saturating_sub(512) / bytes_a_member;
        let rest = members.split_off(fit.min(members.len()));
        let (topic, group_key, members_key) = match layer {
            Layer::Identity => ("identity.formed", "identity_uuid", "observation_uuids"),
            Layer::Campaign => ("campaign.formed", "campaign_uuid", "identity_uuids"),
        };
        let assigned = members.clone();
        let mut events =
            vec![Event { topic, payload: json!({group_key: group, members_key: members}) }];
        if layer == Layer::Campaign {
            events.extend(assigned.iter().map(|member| Event {
                topic: "identity.campaign.assigned",
                payload: link(layer, &group, member),
            }));
        }
        let mut others = Events::default();
        for member in &rest {
            others.linked(layer, &group, member);
        }
        events.extend(others.linked);
        events
    }
}

fn link(layer: Layer, group: &str, member: &str) -> Value {
    match layer {
        Layer::Identity => json!({
            "identity_uuid": group,
            "observation_uuid": member,
            "attacker_uuid": member,
        }),
        Layer::Campaign => {
            json!({"campaign_uuid": group, "identity_uuid": member, "prior_campaign_uuid": null})
        }
    }
}

const INSERT: Sql = Sql::of(
    "INSERT INTO corral_outbox (topic, type, payload, created_at)
     SELECT n.topic, n.type, n.payload, {int ?2} FROM {?1: topic text, type text, payload text} AS n",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formed_event_that_is_too_long_goes_on_as_links() {
        let members: Vec<String> = (0..40).map(|n| format!("{n:036}")).collect();
        let formed = Formed { layer: Layer::Identity, group: "g".into(), members: members.clone() };
        let events = formed.events(512 + 39 * 10);
        let named = events[0].payload["observation_uuids"].as_array().unwrap().len();
        assert_eq!(named, 10);
        assert_eq!(events.len(), 1 + 30);
        assert!(events[0].payload.to_string().len() <= 512 + 39 * 10);
        assert_eq!(events[1].payload["observation_uuid"], members[10]);
    }
}

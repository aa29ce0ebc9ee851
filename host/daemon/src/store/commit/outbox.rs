//! Events that follow from changes, with DECNET's topics and payloads, kept until the bus has them.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

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
        let topic = match layer {
            Layer::Identity => "identity.merged",
            Layer::Campaign => "campaign.merged",
        };
        self.merged
            .push(Event { topic, payload: json!({"winner_uuid": winner, "loser_uuid": loser}) });
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
        connection: &mut SqliteConnection,
        by: Committer<'_>,
    ) -> Result<(), CommitError> {
        let formed = self.formed.into_iter().flat_map(|formed| formed.events(by.event_bytes_max));
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
        sqlx::query(
            "DELETE FROM corral_outbox WHERE id <= (SELECT MAX(id) FROM corral_outbox) - ?",
        )
        .bind(ROWS_MAX)
        .execute(connection)
        .await?;
        Ok(())
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
        Layer::Identity => json!({"identity_uuid": group, "observation_uuid": member}),
        Layer::Campaign => {
            json!({"campaign_uuid": group, "identity_uuid": member, "prior_campaign_uuid": null})
        }
    }
}

const INSERT: &str = "INSERT INTO corral_outbox (topic, type, payload, created_at)
     SELECT value ->> 0, value ->> 1, value ->> 2, CAST(?2 AS INTEGER) FROM json_each(?1)";

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

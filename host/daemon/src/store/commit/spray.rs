//! Password spraying: one secret, tried by one identity with many user names.
//!
//! Nothing is stored of it. It goes along with events about identities, in the words that DECNET's rule for it
//! looks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::CommitError;
use crate::store::db::{Connection, Sql, query};

/// User names that make a spray, as DECNET's rule has it.
const ACCOUNTS_MIN: usize = 3;
/// Identities that are looked at for one commit; where more are told of at once, nobody reacts one by one.
const IDENTITIES_MAX: usize = 10_000;
/// Identities in one statement.
const IDENTITIES: usize = 256;

const TRIED: Sql = Sql::of(
    "SELECT DISTINCT a.identity_id, c.secret_sha256, c.principal_key FROM {?: uuid key} AS n
     JOIN attackers a ON a.identity_id = n.uuid JOIN credentials c ON c.attacker_uuid = a.uuid",
);

/// By identity, by secret: the user names.
#[derive(Debug, Default)]
pub(super) struct Sprays(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Sprays {
    /// What these identities tried.
    pub(super) async fn of(
        connection: &mut Connection,
        mut identities: Vec<&str>,
    ) -> Result<Self, CommitError> {
        let mut sprays = Self::default();
        if identities.len() > IDENTITIES_MAX {
            return Ok(sprays);
        }
        identities.sort_unstable();
        identities.dedup();
        for chunk in identities.chunks(IDENTITIES) {
            let named = serde_json::to_string(chunk).unwrap_or_default();
            let rows: Vec<(String, String, String)> =
                query(TRIED).bind(named).all(&mut *connection).await?;
            for (identity, secret, account) in rows {
                let secrets = sprays.0.entry(identity).or_default();
                secrets.entry(secret).or_default().insert(account);
            }
        }
        Ok(sprays)
    }

    /// Adds the widest spray of these identities together to an event; of two the one with the smaller hash.
    pub(super) fn tell(&self, identities: &[&str], payload: &mut Map<String, Value>) {
        let mut secrets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (secret, accounts) in identities.iter().filter_map(|one| self.0.get(*one)).flatten() {
            secrets.entry(secret).or_default().extend(accounts.iter().map(String::as_str));
        }
        let widest = secrets.iter().rev().max_by_key(|(_, accounts)| accounts.len());
        if let Some((secret, accounts)) = widest.filter(|(_, names)| names.len() >= ACCOUNTS_MIN) {
            payload.insert("shared_password_hash".to_owned(), json!(secret));
            payload.insert("account_count".to_owned(), json!(accounts.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sprays(rows: &[(&str, &str, &str)]) -> Sprays {
        let mut sprays = Sprays::default();
        for (identity, secret, account) in rows {
            let secrets = sprays.0.entry((*identity).to_owned()).or_default();
            secrets.entry((*secret).to_owned()).or_default().insert((*account).to_owned());
        }
        sprays
    }

    #[test]
    fn the_widest_spray_of_all_that_are_one_is_told() {
        let rows =
            [("i", "s", "a"), ("i", "s", "b"), ("j", "s", "c"), ("i", "r", "a"), ("i", "r", "b")];
        let sprays = sprays(&rows);
        let mut payload = Map::new();
        sprays.tell(&["i"], &mut payload);
        assert!(payload.is_empty(), "two user names are none: {payload:?}");
        sprays.tell(&["i", "j"], &mut payload);
        assert_eq!(
            Value::Object(payload),
            json!({"shared_password_hash": "s", "account_count": 3})
        );
    }
}

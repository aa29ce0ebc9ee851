//! What reports ask of reused credentials.

use crate::store::db::query;
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// How far one reused credential spread.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SpreadRow {
    /// Its id in `credential_reuse`.
    pub id: String,
    /// Services of sensors on which it was tried.
    pub targets: i64,
    /// Addresses that tried it.
    pub addresses: i64,
}

/// A reused credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReuseRow {
    /// Its id in `credential_reuse`.
    pub id: String,
    /// The user name, if there was one.
    pub principal: Option<String>,
    /// The secret, as far as it can be printed.
    pub secret: Option<String>,
    /// Services of sensors on which it was tried.
    pub targets: i64,
    /// Addresses that tried it.
    pub addresses: i64,
    /// How often, all together.
    pub attempts: i64,
    /// The sensors, a JSON list.
    pub deckies: String,
    /// The services, a JSON list.
    pub services: String,
}

/// A credential that two attackers tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedCredential {
    /// The user name, if there was one.
    pub principal: Option<String>,
    /// The secret, as far as it can be printed.
    pub secret: Option<String>,
    /// Addresses that tried it.
    pub addresses: i64,
}

impl Store {
    /// How far each reused credential spread, and how many addresses tried any credential at all.
    ///
    /// # Errors
    /// [`StoreError`]; so for the others.
    pub async fn spread(&self) -> Result<(Vec<SpreadRow>, i64), StoreError> {
        let rows = query(
            "SELECT id, target_count AS targets, {count attacker_ips} AS addresses
             FROM credential_reuse ORDER BY id",
        )
        .all(&mut self.read().await?)
        .await?;
        let addresses = query("SELECT COUNT(DISTINCT attacker_ip) FROM credentials")
            .one(&mut self.read().await?)
            .await?;
        Ok((rows, addresses))
    }

    /// One reused credential.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reused(&self, id: &str) -> Result<Option<ReuseRow>, StoreError> {
        query(
            "SELECT r.id, r.principal, r.target_count AS targets, r.attempt_count AS attempts,
                 {count r.attacker_ips} AS addresses, r.deckies, r.services,
                 (SELECT MAX(c.secret_printable) FROM credentials c
                  WHERE c.secret_sha256 = r.secret_sha256 AND c.secret_kind = r.secret_kind
                      AND {bytes c.principal_key} = {bytes r.principal_key}) AS secret
             FROM credential_reuse r WHERE r.id = ?",
        )
        .bind(id)
        .optional(&mut self.read().await?)
        .await
    }

    /// Credentials that both attackers tried, those that fewest addresses tried first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared_credentials(
        &self,
        a: &str,
        b: &str,
        most: u32,
    ) -> Result<Vec<SharedCredential>, StoreError> {
        query(
            "SELECT MAX(x.principal) AS principal, MAX(x.secret_printable) AS secret,
                 (SELECT COUNT(DISTINCT c.attacker_ip) FROM credentials c
                  WHERE c.secret_sha256 = x.secret_sha256 AND c.secret_kind = x.secret_kind
                      AND {bytes c.principal_key} = {bytes x.principal_key}) AS addresses
             FROM credentials x JOIN credentials y ON y.secret_sha256 = x.secret_sha256
                 AND y.secret_kind = x.secret_kind AND {bytes y.principal_key} = {bytes x.principal_key}
             WHERE x.attacker_uuid = ? AND y.attacker_uuid = ?
             GROUP BY x.secret_sha256, x.secret_kind, x.principal_key
             ORDER BY addresses, principal{first}, secret{first} LIMIT ?",
        )
        .bind(a)
        .bind(b)
        .bind(most)
        .all(&mut self.read().await?)
        .await
    }
}

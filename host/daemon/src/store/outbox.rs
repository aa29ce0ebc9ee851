//! Events on their way to the bus: read in the order in which they were committed, and dropped when the
//! bus has them.

use super::db::query;
use super::{Store, StoreError};

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order.
    pub id: i64,
    /// Where it goes.
    pub topic: String,
    /// What kind of event it is: the topic without its root.
    pub kind: String,
    /// What it says, as JSON.
    pub payload: String,
}

/// Which end of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Those that wait longest.
    Oldest,
    /// Those that came last.
    Newest,
}

impl Store {
    /// Up to `count` events from one end of the queue, in the order in which they were committed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self, end: End, count: usize) -> Result<Vec<Waiting>, StoreError> {
        let sql = match end {
            End::Oldest => "SELECT id, topic, type, payload FROM corral_outbox ORDER BY id LIMIT ?",
            End::Newest => {
                "SELECT id, topic, type, payload FROM corral_outbox ORDER BY id DESC LIMIT ?"
            }
        };
        let rows: Vec<(i64, String, String, String)> = query(sql)
            .bind(i64::try_from(count).unwrap_or(i64::MAX))
            .all(&mut self.read().await?)
            .await?;
        let mut waiting: Vec<Waiting> = rows
            .into_iter()
            .map(|(id, topic, kind, payload)| Waiting { id, topic, kind, payload })
            .collect();
        waiting.sort_unstable_by_key(|event| event.id);
        Ok(waiting)
    }

    /// How many events wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_count(&self) -> Result<u64, StoreError> {
        let count: i64 =
            query("SELECT COUNT(*) FROM corral_outbox").one(&mut self.read().await?).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Drops the events up to this one: the bus has them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivered(&self, up_to: i64) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        query("DELETE FROM corral_outbox WHERE id <= ?")
            .bind(up_to)
            .execute(&mut connection)
            .await?;
        Ok(())
    }
}

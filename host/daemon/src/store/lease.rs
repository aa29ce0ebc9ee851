//! Who may write derived rows: one process at a time.
//!
//! The lease is a row. Its holder renews it well before it ends; when it ends somebody else may take it.
//! Clocks and pauses are not trusted with that alone: a store that is *fenced* asks in every commit's own
//! transaction whether the row still names its holder, so a process that slept through its lease writes
//! nothing when it wakes.

use std::sync::Arc;
use std::time::Duration;

use super::db::{Begin, Connection, Sql, query};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The one lease there is: on everything that correlators write.
const NAME: &str = "write";

/// What came of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It is ours until this moment, unless renewed.
    Held(Timestamp),
    /// Somebody else has it.
    Taken {
        /// Who, in the words that it gave.
        holder: String,
        /// Since when.
        since: Timestamp,
        /// Until when, unless renewed.
        until: Timestamp,
    },
}

/// The row, locked until the transaction ends: SQLite's is, as a whole.
const LOCK: Sql = Sql::of("SELECT holder, taken_at, expires_at FROM corral_lease WHERE name = ?")
    .mariadb("SELECT holder, taken_at, expires_at FROM corral_lease WHERE name = ? FOR UPDATE")
    .postgres("SELECT holder, taken_at, expires_at FROM corral_lease WHERE name = $1 FOR UPDATE");
const WRITE: &str =
    "UPDATE corral_lease SET holder = ?, taken_at = ?, expires_at = ? WHERE name = ?";
const GIVE_BACK: &str =
    "UPDATE corral_lease SET holder = '', expires_at = 0 WHERE name = ? AND holder = ?";

impl Store {
    /// Takes or renews the lease for `holder`, if nobody else has it, and says who has it then. `by_force`
    /// takes it from whoever has it, who notices at its next commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lease(
        &self,
        holder: &str,
        now: Timestamp,
        duration: Duration,
        by_force: bool,
    ) -> Result<Lease, StoreError> {
        let duration = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp(now.micros().saturating_add(duration));
        let mut transaction = self.writer.begin(Begin::Write).await?;
        let (other, taken_at, expires_at): (String, i64, i64) =
            query(LOCK).bind(NAME).one(&mut transaction).await?;
        let is_ours = other == holder;
        let (since, expires) = (Timestamp(taken_at), Timestamp(expires_at));
        if !is_ours && expires > now && !by_force {
            return Ok(Lease::Taken { holder: other, since, until: expires });
        }
        query(WRITE)
            .bind(holder)
            .bind(if is_ours { taken_at } else { now.micros() })
            .bind(until.micros())
            .bind(NAME)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Lease::Held(until))
    }

    /// Gives the lease back, if `holder` has it, so that the next need not wait until it ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_back_lease(&self, holder: &str) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        query(GIVE_BACK).bind(NAME).bind(holder).execute(&mut connection).await?;
        Ok(())
    }

    /// Who has the lease, since when and until when, whether or not it has ended meanwhile; `None` if it was
    /// given back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leaseholder(&self) -> Result<Option<(String, Timestamp, Timestamp)>, StoreError> {
        let row: Option<(String, i64, i64)> =
            query("SELECT holder, taken_at, expires_at FROM corral_lease WHERE name = ?")
                .bind(NAME)
                .optional(&mut self.read().await?)
                .await?;
        let row = row.filter(|(holder, ..)| !holder.is_empty());
        Ok(row.map(|(holder, since, until)| (holder, Timestamp(since), Timestamp(until))))
    }

    /// This store, as one whose commits only `holder` of the lease may make.
    #[must_use]
    pub fn fenced(&self, holder: &str) -> Self {
        Self { fence: Some(Arc::from(holder)), ..self.clone() }
    }

    /// Whether this process writes right now, through this store or one that was made of it. As long as it writes
    /// what follows from other rows, nobody can take the lease: its row is locked.
    pub fn is_writing(&self) -> bool {
        self.writer.is_busy()
    }

    /// A transaction for rows that follow from others, which nobody else may write meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the lease does not name whom this store is fenced for any more. Through a store
    /// that is not fenced anybody may write.
    pub(super) async fn begin_derived(&self) -> Result<Connection, StoreError> {
        let mut transaction = self.writer.begin(Begin::Write).await?;
        if let Some(fence) = &self.fence {
            let (holder, ..): (String, i64, i64) =
                query(LOCK).bind(NAME).one(&mut transaction).await?;
            if *holder != **fence {
                return Err(StoreError::Fenced);
            }
        }
        Ok(transaction)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::supervise::tenure::{Tenure, Terms};

    /// The first commit of a million attackers takes longer than a lease.
    #[tokio::test]
    async fn a_long_transaction_of_our_own_is_no_reason_to_stop() {
        let (store, _folder) = Store::throwaway(Duration::from_millis(100)).await;
        let lease = Duration::from_millis(300);
        let terms =
            Terms { holder: "me".to_owned(), lease, silence: Duration::ZERO, is_takeover: false };
        let tenure = Arc::new(Tenure::new(terms, store.clone()));
        let mut duty = tenure.duty();
        let held = tenure.clone();
        let holding = tokio::spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
            held.hold(&*clock, &Notify::new()).await;
        });
        duty.wait_for(|duty| duty.is_on()).await.unwrap();
        duty.mark_unchanged();
        let transaction = store.fenced("me").begin_derived().await.unwrap();
        assert!(store.is_writing());
        tokio::time::sleep(lease * 5).await;
        transaction.rollback().await.unwrap();
        tokio::time::sleep(lease).await;
        assert!(!duty.has_changed().unwrap(), "{:?}", *duty.borrow());
        holding.abort();
    }
}

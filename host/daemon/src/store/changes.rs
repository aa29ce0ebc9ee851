//! Which rows of a view each transaction changed, so that a reader need not read the others again.
//!
//! A transaction that touches a view bumps its version and logs the *keys* of the rows that it added,
//! changed or took away: one row of `corral_change` a view, with the keys in it as one JSON text, which
//! costs an ingest next to nothing. A key stands for all rows that have it: an attacker's features are
//! replaced together. Logging too much is harmless, and too little is not.
//!
//! The log vouches for itself: it says what changed between two versions only if it has a row for each
//! version between. So nothing has to be kept in step with it, whatever is missing: a database that is
//! older than the log, a transaction that touched more than is worth a list, old rows that made room for
//! new ones, somebody who bumps a version by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::store::db::{Connection, query};

use super::StoreError;
use super::revision::View;

/// Keys of a view that one transaction logs at most: with more, whoever reads is better off with the
/// whole.
pub const KEYS_MAX: usize = 20_000;
/// Keys of a view in the log, all transactions together: about eight megabytes.
const TOTAL_MAX: i64 = 200_000;

/// What a transaction changed.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<View, Keys>);

#[derive(Debug)]
enum Keys {
    Listed(BTreeSet<Arc<str>>),
    TooMany,
}

impl Touched {
    /// Adds rows of a view by their keys; a view is touched if there is at least one.
    pub(super) fn add(&mut self, view: View, keys: impl IntoIterator<Item = impl Into<Arc<str>>>) {
        for key in keys {
            let listed = match self.0.entry(view).or_insert(Keys::Listed(BTreeSet::new())) {
                Keys::Listed(listed) => listed,
                Keys::TooMany => return,
            };
            listed.insert(key.into());
            if listed.len() > KEYS_MAX {
                self.add_unlisted(view);
            }
        }
    }

    /// Adds rows of a view that nobody lists.
    pub(super) fn add_unlisted(&mut self, view: View) {
        self.0.insert(view, Keys::TooMany);
    }

    /// Whether no view was touched.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The views that were touched, each with how many keys, if they are listed.
    pub(super) fn counts(&self) -> impl Iterator<Item = (View, Option<usize>)> {
        self.0.iter().map(|(view, keys)| match keys {
            Keys::Listed(keys) => (*view, Some(keys.len())),
            Keys::TooMany => (*view, None),
        })
    }

    /// Bumps the versions of the views that were touched and logs their keys, in the caller's
    /// transaction; gives the views.
    pub(super) async fn write(self, connection: &mut Connection) -> Result<Vec<View>, StoreError> {
        let mut views = Vec::with_capacity(self.0.len());
        for (view, keys) in self.0 {
            let revision = super::revision::bump(connection, view.name()).await?;
            match keys {
                Keys::Listed(keys) => log(connection, view, revision, &keys).await?,
                // What is older is of no use any more either.
                Keys::TooMany => forget(connection, view, i64::MAX).await?,
            }
            views.push(view);
        }
        Ok(views)
    }
}

async fn log(
    connection: &mut Connection,
    view: View,
    revision: i64,
    keys: &BTreeSet<Arc<str>>,
) -> Result<(), StoreError> {
    let list: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let (before, oldest): (Option<i64>, Option<i64>) = query(
        "SELECT (SELECT total FROM corral_change WHERE view = ?1 ORDER BY revision DESC LIMIT 1),
             (SELECT total FROM corral_change WHERE view = ?1 ORDER BY revision LIMIT 1)",
    )
    .bind(view.name())
    .one(connection)
    .await?;
    let total = before.unwrap_or(0) + i64::try_from(list.len()).unwrap_or(i64::MAX);
    query("INSERT INTO corral_change (view, revision, total, `keys`) VALUES (?, ?, ?, ?)")
        .bind(view.name())
        .bind(revision)
        .bind(total)
        .bind(serde_json::to_string(&list).unwrap_or_default())
        .execute(connection)
        .await?;
    let oldest = oldest.unwrap_or(total);
    // Half of it goes, so that looking for what goes is rare.
    if total.saturating_sub(oldest) > TOTAL_MAX {
        forget(connection, view, total - TOTAL_MAX / 2).await?;
    }
    Ok(())
}

/// Drops what was logged before the view's keys were so many in total.
async fn forget(connection: &mut Connection, view: View, total: i64) -> Result<(), StoreError> {
    query("DELETE FROM corral_change WHERE view = ? AND total < ?")
        .bind(view.name())
        .bind(total)
        .execute(connection)
        .await?;
    Ok(())
}

/// The keys of a view whose rows may differ between version `since` and version `now`, which is that
/// of this moment; `None` if nobody knows, or if there are more than `keys_max`.
pub(super) async fn between(
    connection: &mut Connection,
    view: View,
    (since, now): (u64, u64),
    keys_max: usize,
) -> Result<Option<Vec<String>>, StoreError> {
    let Some(versions) = now.checked_sub(since) else { return Ok(None) };
    if versions == 0 {
        return Ok(Some(Vec::new()));
    }
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let logged: i64 = query("SELECT COUNT(*) FROM corral_change WHERE view = ? AND revision > ?")
        .bind(view.name())
        .bind(since)
        .one(&mut *connection)
        .await?;
    if u64::try_from(logged).ok() != Some(versions) {
        return Ok(None);
    }
    let mut keys: BTreeSet<String> = BTreeSet::new();
    query("SELECT `keys` FROM corral_change WHERE view = ? AND revision > ? ORDER BY revision")
        .bind(view.name())
        .bind(since)
        .each(connection, |row| {
            if keys.len() > keys_max {
                return Ok(());
            }
            let json: String = row.read()?;
            let more: Vec<String> =
                serde_json::from_str(&json).map_err(|error| StoreError::Corrupt {
                    table: "corral_change",
                    row: view.name().to_owned(),
                    reason: error.to_string(),
                })?;
            keys.extend(more);
            Ok(())
        })
        .await?;
    Ok((keys.len() <= keys_max).then(|| keys.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::db::Begin;
    use std::time::Duration;

    struct Log {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Log {
        async fn new() -> Self {
            let (store, _folder) = Store::throwaway(Duration::from_secs(5)).await;
            Self { store, _folder }
        }

        /// A transaction that touches so many keys of a view, from a first one on.
        async fn touch(&self, first: usize, count: usize) {
            let mut touched = Touched::default();
            touched.add(View::Reuse, (first..first + count).map(|key| key.to_string()));
            let mut transaction = self.store.writer.begin(Begin::Write).await.unwrap();
            touched.write(&mut transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }

        async fn since(&self, since: u64, keys_max: usize) -> Option<usize> {
            let now = self.store.revision(View::Reuse).await.unwrap();
            let mut connection = self.store.read().await.unwrap();
            let keys = between(&mut connection, View::Reuse, (since, now), keys_max).await;
            keys.unwrap().map(|keys| keys.len())
        }
    }

    #[tokio::test]
    async fn keys_of_several_versions_are_told_once_each() {
        let log = Log::new().await;
        log.touch(0, 3).await;
        log.touch(2, 3).await;
        log.touch(0, 0).await;
        assert_eq!(log.since(0, 9).await, Some(5));
        assert_eq!(log.since(1, 9).await, Some(3));
        assert_eq!(log.since(2, 9).await, Some(0), "a transaction without keys touches nothing");
        assert_eq!(log.since(0, 4).await, None, "more than were asked for");
        assert_eq!(log.since(3, 9).await, None, "a version that never was");
    }

    #[tokio::test]
    async fn what_is_too_much_for_a_list_is_not_listed() {
        let log = Log::new().await;
        log.touch(0, KEYS_MAX).await;
        assert_eq!(log.since(0, usize::MAX).await, Some(KEYS_MAX));
        log.touch(0, KEYS_MAX + 1).await;
        assert_eq!(log.since(1, usize::MAX).await, None);
        log.touch(0, 1).await;
        assert_eq!(log.since(1, usize::MAX).await, None);
        assert_eq!(log.since(2, usize::MAX).await, Some(1));
    }

    #[tokio::test]
    async fn the_log_of_a_view_is_bounded_and_what_is_cut_off_is_not_known() {
        let log = Log::new().await;
        let versions = usize::try_from(TOTAL_MAX).unwrap() / KEYS_MAX + 2;
        for _ in 0..versions {
            log.touch(0, KEYS_MAX).await;
        }
        let kept: i64 = query("SELECT SUM(json_array_length(keys)) FROM corral_change")
            .one(&mut log.store.read().await.unwrap())
            .await
            .unwrap();
        assert!((TOTAL_MAX / 2..=TOTAL_MAX).contains(&kept), "{kept}");
        assert_eq!(log.since(0, usize::MAX).await, None);
        assert_eq!(log.since(versions as u64 - 4, usize::MAX).await, Some(KEYS_MAX));
    }
}

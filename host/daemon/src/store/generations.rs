//! Which component each plugin has, and has had.
//!
//! The database is the truth about that too: a process that takes over from another, or starts again, goes on with
//! the generation that somebody put there. The component is kept whole, so that one can go back to it, even to what
//! was built into an older program: in parts of base64 (MariaDB takes no statement of more than a few megabytes),
//! with its papers. The digest is its key and is computed anew when it is read. Whoever writes here has to be on duty, as for all that correlators
//! write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::db::{Connection, query};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Generations of a plugin whose components are kept: so far one can go back.
const COMPONENTS_KEPT: i64 = 8;
/// Generations of a plugin that are remembered at all.
const HISTORY_MAX: i64 = 1_000;
/// Bytes of a component in one row, before base64.
const PART_BYTES: usize = 384 << 10;

/// One component in the life of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Generation {
    /// The plugin.
    pub plugin: String,
    /// 1, 2, 3 …
    pub number: i64,
    /// The SHA-256 of the component.
    pub digest: String,
    /// Its author's version.
    pub version: String,
    /// Where it came from.
    pub source: String,
    /// Who put it there.
    pub put_by: String,
    /// When, in microseconds of UTC.
    pub began_at: i64,
    /// When it ended, if it has.
    pub ended_at: Option<i64>,
    /// Why it ended.
    pub ended_why: Option<String>,
}

/// A generation that begins.
#[derive(Clone, Debug)]
pub struct NewGeneration<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The SHA-256 of the component.
    pub digest: &'a str,
    /// Its author's version.
    pub version: &'a str,
    /// Where it came from.
    pub source: &'a str,
    /// Who put it there.
    pub put_by: &'a str,
    /// Why the one before it ends.
    pub why: &'a str,
    /// The component.
    pub component: Component,
}

/// A component, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its papers, as JSON.
    pub papers: String,
}

/// A component that is set aside.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quarantined {
    /// The plugin.
    pub plugin: String,
    /// The SHA-256 of the component.
    pub digest: String,
    /// What it did.
    pub why: String,
    /// When, in microseconds of UTC.
    pub at: i64,
}

impl Store {
    /// The generations of all plugins, of each the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        query(
            "SELECT plugin, number, digest, version, source, put_by, began_at, ended_at, ended_why
             FROM corral_generation ORDER BY plugin, number DESC",
        )
        .all(&mut self.read().await?)
        .await
    }

    /// Ends a plugin's generation and begins this one; gives its number.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written.
    pub async fn begin_generation(
        &self,
        new: NewGeneration<'_>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut transaction = self.begin_derived().await?;
        let last: Option<i64> = query("SELECT MAX(number) FROM corral_generation WHERE plugin = ?")
            .bind(new.plugin)
            .one(&mut transaction)
            .await?;
        let number = last.unwrap_or(0) + 1;
        end(&mut transaction, new.plugin, new.why, now).await?;
        query(
            "INSERT INTO corral_generation (plugin, number, digest, version, source, put_by, began_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.plugin)
        .bind(number)
        .bind(new.digest)
        .bind(new.version)
        .bind(new.source)
        .bind(new.put_by)
        .bind(now.micros())
        .execute(&mut transaction)
        .await?;
        keep(&mut transaction, new.digest, &new.component).await?;
        prune(&mut transaction, new.plugin, number).await?;
        transaction.commit().await?;
        Ok(number)
    }

    /// Ends a plugin's generation, and no other begins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_generation(
        &self,
        plugin: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_derived().await?;
        end(&mut transaction, plugin, why, now).await?;
        transaction.commit().await
    }

    /// A component that was kept; `None` if it was not, or if what is there has another digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn component(&self, digest: &str) -> Result<Option<Component>, StoreError> {
        let parts: Vec<(String, Option<String>)> =
            query("SELECT content, papers FROM corral_component WHERE digest = ? ORDER BY part")
                .bind(digest)
                .all(&mut self.read().await?)
                .await?;
        let mut bytes = Vec::new();
        let mut papers = None;
        for (content, with) in parts {
            let corrupt = |error: base64::DecodeError| StoreError::Corrupt {
                table: "corral_component",
                row: digest.to_owned(),
                reason: error.to_string(),
            };
            STANDARD.decode_vec(content, &mut bytes).map_err(corrupt)?;
            papers = papers.or(with);
        }
        let is =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let papers = papers.unwrap_or_default();
        Ok((is == digest).then_some(Component { bytes, papers }))
    }

    /// Sets a component of a plugin aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(
        &self,
        plugin: &str,
        digest: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_derived().await?;
        query(
            "INSERT INTO corral_quarantine (plugin, digest, why, at) VALUES (?, ?, ?, ?)
             ON CONFLICT (plugin, digest) DO UPDATE SET why = excluded.why, at = excluded.at",
        )
        .bind(plugin)
        .bind(digest)
        .bind(why)
        .bind(now.micros())
        .execute(&mut transaction)
        .await?;
        transaction.commit().await
    }

    /// Takes what is set aside of a plugin back; says how many components that were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_quarantine(&self, plugin: &str) -> Result<u64, StoreError> {
        let mut transaction = self.begin_derived().await?;
        let cleared = query("DELETE FROM corral_quarantine WHERE plugin = ?")
            .bind(plugin)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(cleared)
    }

    /// What is set aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        query("SELECT plugin, digest, why, at FROM corral_quarantine ORDER BY plugin, at")
            .all(&mut self.read().await?)
            .await
    }

    /// Switches a plugin off, or on again, for this process and those that come after it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn switch_plugin(
        &self,
        plugin: &str,
        enabled: Enabled,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_derived().await?;
        query(
            "INSERT INTO corral_plugin (plugin, enabled, put_by, at) VALUES (?, ?, ?, ?)
             ON CONFLICT (plugin) DO UPDATE SET enabled = excluded.enabled, put_by = excluded.put_by,
                 at = excluded.at",
        )
        .bind(plugin)
        .bind(enabled == Enabled::Yes)
        .bind(by)
        .bind(now.micros())
        .execute(&mut transaction)
        .await?;
        transaction.commit().await
    }

    /// The plugins that somebody switched off, and who.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn switched_off(&self) -> Result<Vec<(String, String)>, StoreError> {
        query("SELECT plugin, put_by FROM corral_plugin WHERE enabled = 0 ORDER BY plugin")
            .all(&mut self.read().await?)
            .await
    }
}

/// Whether a plugin ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// It does.
    Yes,
    /// It does not.
    No,
}

async fn end(
    connection: &mut Connection,
    plugin: &str,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    query(
        "UPDATE corral_generation SET ended_at = ?, ended_why = ? WHERE plugin = ? AND ended_at IS NULL",
    )
    .bind(now.micros())
    .bind(why)
    .bind(plugin)
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep(
    connection: &mut Connection,
    digest: &str,
    component: &Component,
) -> Result<(), StoreError> {
    // Papers may be others than last time; what a digest stands for is not.
    let known = query("UPDATE corral_component SET papers = ? WHERE digest = ? AND part = 0")
        .bind(component.papers.as_str())
        .bind(digest)
        .execute(connection)
        .await?;
    let is_known: i64 = query("SELECT COUNT(*) FROM corral_component WHERE digest = ?")
        .bind(digest)
        .one(connection)
        .await?;
    if known > 0 || is_known > 0 {
        return Ok(());
    }
    for (part, bytes) in (0_i64..).zip(component.bytes.chunks(PART_BYTES)) {
        query("INSERT INTO corral_component (digest, part, content, papers) VALUES (?, ?, ?, ?)")
            .bind(digest)
            .bind(part)
            .bind(STANDARD.encode(bytes))
            .bind((part == 0).then_some(component.papers.as_str()))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Forgets what is too long ago.
async fn prune(connection: &mut Connection, plugin: &str, number: i64) -> Result<(), StoreError> {
    query("DELETE FROM corral_generation WHERE plugin = ? AND number <= ?")
        .bind(plugin)
        .bind(number - HISTORY_MAX)
        .execute(connection)
        .await?;
    let kept: Vec<String> = query(
        "SELECT DISTINCT g.digest FROM corral_generation g
         JOIN (SELECT plugin, MAX(number) AS last FROM corral_generation GROUP BY plugin) m
             ON m.plugin = g.plugin
         WHERE g.number > m.last - ?",
    )
    .bind(COMPONENTS_KEPT)
    .all::<(String,)>(connection)
    .await?
    .into_iter()
    .map(|(digest,)| digest)
    .collect();
    let all: Vec<(String,)> =
        query("SELECT DISTINCT digest FROM corral_component").all(connection).await?;
    for (digest,) in all {
        if !kept.contains(&digest) {
            query("DELETE FROM corral_component WHERE digest = ?")
                .bind(digest)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

//! Views of one moment, as frames.
//!
//! A snapshot is a read transaction: whatever a tick reads belongs together, whoever writes
//! meanwhile. Rows go from SQLite straight into columns; text is interned on the way. A view that is
//! still [`resident`](super::resident) in the version of this moment is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use corral_kernels::{ABSENT, Column, Frame};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::resident::Resident;
use super::revision::{self, Revisions, View};
use super::{Store, StoreError};
use scan::{Kind, Selected, not_as_scanned, scan};
use shape::{Shape, shape};

mod order;
mod scan;
mod shape;

/// A moment of the database.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Sqlite>,
    resident: Arc<Resident>,
    revisions: Option<Revisions>,
    parents: Option<Arc<Parents>>,
    read: HashMap<View, Frame>,
}

/// Where each attacker of the snapshot stands, by the code of its uuid.
type Parents = HashMap<u32, u32>;

impl Store {
    /// Opens a snapshot; its moment is the first read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot(&self, resident: Arc<Resident>) -> Result<Snapshot, StoreError> {
        let transaction = self.readers.begin().await?;
        Ok(Snapshot { transaction, resident, revisions: None, parents: None, read: HashMap::new() })
    }
}

impl Snapshot {
    /// The version of a view at this moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revision(&mut self, view: View) -> Result<u64, StoreError> {
        Ok(self.revisions().await?.of(view))
    }

    /// The view without any rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn empty(&self, view: View) -> Result<Frame, StoreError> {
        let shape = shape(view);
        let row = shape.child.is_some().then(|| ("row", Column::from(Vec::<u32>::new())));
        let columns = shape.columns.iter().map(|(name, kind, _)| (*name, scan::column(*kind)));
        Frame::new(0, row.into_iter().chain(columns)).map_err(not_as_scanned)
    }

    /// The rows of a view. A second read gives the same frame. `plugin` owns those of the view `state`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&mut self, view: View, plugin: &str) -> Result<Frame, StoreError> {
        if let Some(frame) = self.read.get(&view) {
            return Ok(frame.clone());
        }
        let shape = shape(view);
        let revisions = self.revisions().await?;
        let mut made_from: Vec<u64> =
            shape.made_from.iter().map(|view| revisions.of(*view)).collect();
        if shape.child.is_some() {
            made_from.push(revisions.attackers_order());
        }
        let kept = self.resident.get(view, &made_from);
        let frame = match kept {
            Some(frame) => frame,
            None if view == View::State => self.scan(shape.from, shape.columns, &[plugin]).await?,
            None => {
                let frame = match shape.child {
                    Some(order) => self.child(shape, order).await?,
                    None => self.scan(shape.from, shape.columns, &[]).await?,
                };
                self.resident.keep(view, made_from, &frame);
                frame
            }
        };
        self.read.insert(view, frame.clone());
        Ok(frame)
    }

    async fn revisions(&mut self) -> Result<Revisions, StoreError> {
        if let Some(revisions) = &self.revisions {
            return Ok(revisions.clone());
        }
        let revisions = revision::current(&mut self.transaction).await?;
        Ok(self.revisions.insert(revisions).clone())
    }

    async fn scan(
        &mut self,
        from: &'static str,
        columns: &[Selected],
        bind: &[&str],
    ) -> Result<Frame, StoreError> {
        let connection: &mut SqliteConnection = &mut self.transaction;
        scan(connection, self.resident.texts(), from, columns, bind).await
    }

    /// Where each attacker stands.
    async fn parents(&mut self) -> Result<Arc<Parents>, StoreError> {
        if let Some(parents) = &self.parents {
            return Ok(parents.clone());
        }
        let attackers = Box::pin(self.read(View::Attackers, "")).await?;
        let uuids = attackers.text("uuid").map_err(not_as_scanned)?;
        let parents: Arc<Parents> = Arc::new(uuids.iter().copied().zip(0..).collect());
        Ok(self.parents.insert(parents).clone())
    }

    /// A child of the attackers: `row` says where its attacker stands; rows follow the attackers' order.
    async fn child(&mut self, shape: &Shape, order: &[&str]) -> Result<Frame, StoreError> {
        let parents = self.parents().await?;
        let mut all = vec![("attacker", Kind::Text, "attacker_uuid")];
        all.extend_from_slice(shape.columns);
        let frame = self.scan(shape.from, &all, &[]).await?;
        let owners = frame.text("attacker").map_err(not_as_scanned)?;
        let rows: Vec<u32> =
            owners.iter().map(|owner| parents.get(owner).copied().unwrap_or(ABSENT)).collect();
        let keys = order::keys(&frame, order, self.resident.texts())?;
        let mut by: Vec<u32> =
            (0..).zip(&rows).filter(|(_, row)| **row != ABSENT).map(|(at, _)| at).collect();
        by.sort_by(|&a, &b| {
            let row = |at: u32| rows.get(at as usize);
            row(a).cmp(&row(b)).then_with(|| order::compare(&keys, a, b))
        });
        let sorted: Vec<u32> = by.iter().filter_map(|&at| rows.get(at as usize).copied()).collect();
        let frame = frame.take(&by).map_err(not_as_scanned)?;
        let row = [("row", Column::from(sorted))];
        let rest = frame.columns().filter(|(name, _)| *name != "attacker");
        Frame::new(
            by.len(),
            row.into_iter().chain(rest.map(|(name, column)| (name, column.clone()))),
        )
        .map_err(not_as_scanned)
    }
}

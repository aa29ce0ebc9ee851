//! Views of one moment, as frames.
//!
//! A snapshot is a read transaction: whatever a tick reads belongs together, whoever writes
//! meanwhile. Rows go from SQLite straight into columns; text is interned on the way. A view that is
//! still [`resident`](super::resident) in the versions of this moment is not read again; of one that is
//! resident in earlier versions only the rows that [`changes`] names are read, and [`splice`] puts them into
//! place.

use std::collections::HashMap;
use std::sync::Arc;

use super::db::{Begin, Connection, Dialect, Sql};
use corral_kernels::{ABSENT, Column, Frame, Interner};
use rustc_hash::FxHashMap;

use super::changes;
use super::owner::Owner;
use super::resident::{Kept, Resident, Versions};
use super::revision::{self, Revisions, View};
use super::{Store, StoreError};
use scan::{not_as_scanned, scan};
use shape::{Shape, shape};
use splice::Codes;

mod order;
mod pages;
mod scan;
mod shape;
mod splice;

/// Where more keys than this changed, and they are more than one of so many rows, the whole is read: a row
/// that is looked up takes several times as long as one that is passed by.
const KEYS_FEW: usize = 64;
const ROWS_A_KEY: usize = 8;

/// A moment of the database.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Connection,
    resident: Arc<Resident>,
    owner: Owner,
    revisions: Option<Revisions>,
    read: HashMap<View, Frame>,
}

/// What became of a view since a version of it.
#[derive(Debug)]
pub struct Changed {
    /// All rows there are of the keys that changed, in the order of the view. A child's `row` points into
    /// the whole attackers of this moment, and `attacker` names them.
    pub rows: Frame,
    /// The keys that changed and have no row any more: the one column of the view that is its key.
    pub removed: Frame,
}

impl Store {
    /// Opens a snapshot; its moment is the first read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot(&self, resident: Arc<Resident>) -> Result<Snapshot, StoreError> {
        let transaction = self.readers.begin(Begin::Moment).await?;
        let owner = self.owner();
        Ok(Snapshot { transaction, resident, owner, revisions: None, read: HashMap::new() })
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

    /// The rows of a view. A second read gives the same frame. `plugin` owns those of the view `state`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&mut self, view: View, plugin: &str) -> Result<Frame, StoreError> {
        if let Some(frame) = self.read.get(&view) {
            return Ok(frame.clone());
        }
        let shape = shape(view, self.owner);
        let frame = if view == View::State {
            self.scan(&Sql::of(shape.all), shape, &[plugin]).await?
        } else {
            seen(&self.current(view, shape).await?, shape.unseen)?
        };
        self.read.insert(view, frame.clone());
        Ok(frame)
    }

    /// What changed of a view after the version `since`; `None` if that is not known, or is so much that
    /// the whole serves better.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changed(&mut self, view: View, since: u64) -> Result<Option<Changed>, StoreError> {
        let shape = shape(view, self.owner);
        let Some((keys, rows)) = self.rows_since(view, shape, since, changes::KEYS_MAX).await?
        else {
            return Ok(None);
        };
        let present: Codes =
            rows.text(shape.key).map_err(not_as_scanned)?.iter().copied().collect();
        let keys = self.resident.texts().codes(keys.iter().map(String::as_str))?;
        let gone: Vec<u32> = keys.into_iter().filter(|key| !present.contains(*key)).collect();
        let removed = Frame::new(gone.len(), [(shape.key, Column::text(gone))]);
        let rows = if shape.is_child {
            let parents = if rows.rows() == 0 { None } else { Some(self.parents().await?) };
            self.arrange(&rows, shape, parents.as_ref(), Some(&present))?
        } else {
            seen(&rows, shape.unseen)?
        };
        Ok(Some(Changed { rows, removed: removed.map_err(not_as_scanned)? }))
    }

    /// All rows of some keys, by their codes, as a part of the view has them; `None` if the view is not read
    /// by keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows_of(&mut self, view: View, keys: &[u32]) -> Result<Option<Frame>, StoreError> {
        let shape = shape(view, self.owner);
        let Some(some) = &shape.some else { return Ok(None) };
        let texts = self.resident.texts().texts(keys);
        let list = serde_json::to_string(&texts.iter().collect::<Vec<_>>());
        let rows = self.scan(some, shape, &[&list.unwrap_or_default()]).await?;
        if !shape.is_child {
            return seen(&rows, shape.unseen).map(Some);
        }
        let parents = self.parents().await?;
        let keys: Codes = keys.iter().copied().collect();
        self.arrange(&rows, shape, Some(&parents), Some(&keys)).map(Some)
    }

    /// The whole view, with the columns that only its order needs: from memory, or from there and what
    /// changed since, or from the database.
    async fn current(&mut self, view: View, shape: &Shape) -> Result<Frame, StoreError> {
        let revisions = self.revisions().await?;
        let order = if shape.is_child { revisions.attackers_order() } else { 0 };
        let versions = Versions { rows: revisions.of(view), order };
        let kept = self.resident.get(view).filter(|kept| kept.versions <= versions);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.versions == versions) {
            return Ok(kept.frame.clone());
        }
        let parents = if shape.is_child { Some(self.parents().await?) } else { None };
        let refreshed = match &kept {
            Some(kept) => self.refresh(view, shape, kept, parents.as_ref()).await?,
            None => None,
        };
        let frame = match refreshed {
            Some(frame) => frame,
            None => {
                let frame = self.scan_all(shape).await?;
                if shape.is_child {
                    let frame = self.arrange(&frame, shape, parents.as_ref(), None)?;
                    seen(&frame, Some(shape.key))?
                } else {
                    frame
                }
            }
        };
        self.resident.keep(view, Kept { versions, frame: frame.clone(), parents });
        Ok(frame)
    }

    /// A kept view with what changed since; `None` if that is not known or too much.
    async fn refresh(
        &mut self,
        view: View,
        shape: &Shape,
        kept: &Kept,
        parents: Option<&Frame>,
    ) -> Result<Option<Frame>, StoreError> {
        let keys_max = KEYS_FEW.max(kept.frame.rows() / ROWS_A_KEY);
        let since = kept.versions.rows;
        let Some((keys, fresh)) = self.rows_since(view, shape, since, keys_max).await? else {
            return Ok(None);
        };
        let texts = self.resident.texts();
        // A key without a code is in no frame.
        let changed: Codes = keys.iter().filter_map(|key| texts.lookup(key)).collect();
        let (Some(before), Some(parents)) = (&kept.parents, parents) else {
            return splice::replace(&kept.frame, &fresh, &changed, shape, texts).map(Some);
        };
        let fresh = self.arrange(&fresh, shape, Some(parents), Some(&changed))?;
        let uuids = (
            before.text("uuid").map_err(not_as_scanned)?,
            parents.text("uuid").map_err(not_as_scanned)?,
        );
        splice::replace_children(&kept.frame, &fresh, &changed, uuids).map(Some)
    }

    /// The keys of a view that changed after a version, and all their rows, with all columns; `None` if
    /// the keys are not known or too many.
    async fn rows_since(
        &mut self,
        view: View,
        shape: &Shape,
        since: u64,
        keys_max: usize,
    ) -> Result<Option<(Vec<String>, Frame)>, StoreError> {
        let now = self.revisions().await?.of(view);
        let keys = changes::between(&mut self.transaction, view, (since, now), keys_max).await?;
        let Some(keys) = keys else { return Ok(None) };
        if keys.is_empty() {
            let columns = shape.columns.iter().map(|(name, kind, _)| (*name, scan::column(*kind)));
            return Ok(Some((keys, Frame::new(0, columns).map_err(not_as_scanned)?)));
        }
        let Some(some) = &shape.some else { return Ok(None) };
        let list = serde_json::to_string(&keys).unwrap_or_default();
        let rows = self.scan(some, shape, &[&list]).await?;
        Ok(Some((keys, rows)))
    }

    async fn revisions(&mut self) -> Result<Revisions, StoreError> {
        if let Some(revisions) = &self.revisions {
            return Ok(revisions.clone());
        }
        let revisions = revision::current(&mut self.transaction).await?;
        Ok(self.revisions.insert(revisions).clone())
    }

    /// All rows of a view, with all columns; a child's in no order.
    async fn scan_all(&mut self, shape: &Shape) -> Result<Frame, StoreError> {
        let Some(pages) = &shape.pages else {
            return self.scan(&Sql::of(shape.all), shape, &[]).await;
        };
        if !matches!(self.transaction.dialect(), Dialect::Sqlite) {
            return self.scan(&Sql::of(shape.all), shape, &[]).await;
        }
        let texts = self.resident.texts();
        let frame = pages::pages(&mut self.transaction, texts, pages, shape.columns).await?;
        if shape.is_child { Ok(frame) } else { self.sorted(&frame, shape) }
    }

    async fn scan(
        &mut self,
        from: &Sql,
        shape: &Shape,
        bind: &[&str],
    ) -> Result<Frame, StoreError> {
        let texts = self.resident.texts();
        let frame = scan(&mut self.transaction, texts, from, shape.columns, bind).await?;
        // MariaDB may order texts by an alphabet of its own, which is not that of the others.
        if shape.is_child || !matches!(self.transaction.dialect(), Dialect::MariaDb(_)) {
            return Ok(frame);
        }
        self.sorted(&frame, shape)
    }

    fn sorted(&self, frame: &Frame, shape: &Shape) -> Result<Frame, StoreError> {
        let mut by: Vec<u32> = (0..).take(frame.rows()).collect();
        order::sort(frame, shape.order, self.resident.texts(), &mut by)?;
        frame.take(&by).map_err(not_as_scanned)
    }

    /// The attackers' uuids, in their order.
    async fn parents(&mut self) -> Result<Frame, StoreError> {
        let attackers = Box::pin(self.read(View::Attackers, "")).await?;
        attackers.select(&["uuid"]).map_err(not_as_scanned)
    }

    /// Puts a child's rows in order: by the attackers', then by its own. `row` says where the attacker
    /// stands; rows of attackers that are not `among` some, or not there at all, go.
    fn arrange(
        &self,
        frame: &Frame,
        shape: &Shape,
        parents: Option<&Frame>,
        among: Option<&Codes>,
    ) -> Result<Frame, StoreError> {
        let uuids = match parents {
            Some(parents) => parents.text("uuid").map_err(not_as_scanned)?,
            None => &[],
        };
        let places: FxHashMap<u32, u32> = uuids
            .iter()
            .copied()
            .zip(0..)
            .filter(|(uuid, _)| among.is_none_or(|among| among.contains(*uuid)))
            .collect();
        arrange(frame, shape, &places, self.resident.texts())
    }
}

/// See [`Snapshot::arrange`]; `places` says where each attacker stands.
fn arrange(
    frame: &Frame,
    shape: &Shape,
    places: &FxHashMap<u32, u32>,
    texts: &Interner,
) -> Result<Frame, StoreError> {
    let owners = frame.text(shape.key).map_err(not_as_scanned)?;
    let rows: Vec<u32> =
        owners.iter().map(|owner| places.get(owner).copied().unwrap_or(ABSENT)).collect();
    let row = |at: u32| rows.get(at as usize).copied().unwrap_or(ABSENT);
    let mut by: Vec<u32> = (0..).take(rows.len()).filter(|at| row(*at) != ABSENT).collect();
    by.sort_by_key(|at| row(*at));
    for of_one in by.chunk_by_mut(|a, b| row(*a) == row(*b)) {
        order::sort(frame, shape.order, texts, of_one)?;
    }
    let sorted: Vec<u32> = by.iter().map(|at| row(*at)).collect();
    let frame = frame.take(&by).map_err(not_as_scanned)?;
    let row = std::iter::once(("row", Column::from(sorted)));
    let rest = frame.columns().map(|(name, column)| (name, column.clone()));
    Frame::new(by.len(), row.chain(rest)).map_err(not_as_scanned)
}

/// The frame without the column that is not to be seen, if there is one.
fn seen(frame: &Frame, unseen: Option<&str>) -> Result<Frame, StoreError> {
    let Some(unseen) = unseen else { return Ok(frame.clone()) };
    let columns = frame.columns().filter(|(name, _)| *name != unseen);
    Frame::new(frame.rows(), columns.map(|(name, column)| (name, column.clone())))
        .map_err(not_as_scanned)
}

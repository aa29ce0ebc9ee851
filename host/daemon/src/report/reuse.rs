//! The report's part on reused credentials, ranked by surprise.
//!
//! A pair that everybody tries turns up everywhere: that is a wordlist, and no news. What is news is a pair
//! that few know and that comes back all the same. If one address in `n` tries a pair, then each further
//! target on which it turns up is a coincidence of `log2 n` bits; the surprise of a pair on `t` targets is
//! `(t - 1) log2 n`. Few addresses on many targets come first, as they should.

use serde::Serialize;

use super::WORDLIST_ADDRESSES;
use crate::store::reader::reuse::{ReuseRow, SpreadRow};
use crate::store::{Store, StoreError};

/// Reused credentials.
#[derive(Debug, Serialize)]
pub struct Reuse {
    /// All of them.
    pub total: usize,
    /// Those that more than twenty addresses share.
    pub wordlist: usize,
    /// The most surprising.
    pub top: Vec<Reused>,
}

/// A reused credential and how much that says.
#[derive(Debug, Serialize)]
pub struct Reused {
    /// What it is, and where it was tried.
    #[serde(flatten)]
    pub credential: ReuseRow,
    /// In bits; see the module.
    pub surprise: f64,
    /// Whether so many addresses share it that it says nothing of any of them.
    pub is_wordlist: bool,
}

/// The `most` most surprising credentials.
pub(super) async fn reuse(store: &Store, most: u32) -> Result<Reuse, StoreError> {
    let (mut spread, addresses) = store.spread().await?;
    let wordlist = spread.iter().filter(|row| row.addresses > WORDLIST_ADDRESSES).count();
    let total = spread.len();
    spread.sort_by(|a, b| {
        let is_wordlist = |row: &SpreadRow| row.addresses > WORDLIST_ADDRESSES;
        let surprise = surprise(b, addresses).total_cmp(&surprise(a, addresses));
        is_wordlist(a).cmp(&is_wordlist(b)).then(surprise).then_with(|| a.id.cmp(&b.id))
    });
    let mut top = Vec::new();
    for row in spread.iter().take(usize::try_from(most).unwrap_or(usize::MAX)) {
        if let Some(credential) = store.reused(&row.id).await? {
            let is_wordlist = row.addresses > WORDLIST_ADDRESSES;
            top.push(Reused { credential, surprise: surprise(row, addresses), is_wordlist });
        }
    }
    Ok(Reuse { total, wordlist, top })
}

#[expect(clippy::cast_precision_loss, reason = "counts of addresses stay far below 2^53")]
fn surprise(row: &SpreadRow, addresses: i64) -> f64 {
    let one_in = addresses.max(1) as f64 / row.addresses.max(1) as f64;
    (row.targets - 1).max(0) as f64 * one_in.log2().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(targets: i64, addresses: i64) -> SpreadRow {
        SpreadRow { id: String::new(), targets, addresses }
    }

    #[test]
    fn few_addresses_on_many_targets_surprise_most_and_everybody_nobody() {
        assert!(surprise(&row(4, 2), 1_024) > surprise(&row(2, 2), 1_024));
        assert!(surprise(&row(2, 2), 1_024) > surprise(&row(2, 64), 1_024));
        assert!((surprise(&row(3, 4), 1_024) - 16.0).abs() < 1e-9);
        assert!(surprise(&row(9, 1_024), 1_024).abs() < 1e-9);
        assert!(surprise(&row(1, 1), 0).abs() < 1e-9);
    }
}

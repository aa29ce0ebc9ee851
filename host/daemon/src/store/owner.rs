//! Whose tables these are. On a database of DECNET's, Corral adds tables of its own, all called `corral_…`,
//! and changes none of the others.

use super::Store;

pub use crate::config::Owner;

impl Store {
    /// Whose tables these are.
    pub fn owner(&self) -> Owner {
        self.owner
    }
}

//! Linear memory and tables: what all of one guest's together may have.
//!
//! wasmtime's own limits hold for each memory and each table alone, and their messages name no setting.

use wasmtime::ResourceLimiter;

use crate::config::Limits;

/// Core instances, memories and tables of one guest: a component made of Rust has two, one and two. Others link
/// an interpreter and its library.
const INSTANCES_MAX: usize = 16;
const MEMORIES_MAX: usize = 4;
const TABLES_MAX: usize = 8;

/// What a guest's memories and tables have, and may have.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: usize,
    bytes_max: usize,
    elements: usize,
    elements_max: usize,
}

impl Memory {
    pub(super) fn new(limits: &Limits) -> Self {
        let (bytes_max, elements_max) = (limits.memory_bytes_max, limits.table_elements_max);
        Self { bytes: 0, bytes_max, elements: 0, elements_max }
    }

    /// What all memories have: as none ever shrinks, the most that they had.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (bytes, limit) = (grown(self.bytes, current, desired), self.bytes_max);
        // An answer would only be passed on: few programs do anything but die of it, and then nobody knows why.
        if bytes > limit {
            return Err(wasmtime::Error::msg(format!(
                "{bytes} bytes of memory are more than limits.memory-bytes-max = {limit}"
            )));
        }
        let may_grow = within(desired, maximum);
        self.bytes = if may_grow { bytes } else { self.bytes };
        Ok(may_grow)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let (elements, limit) = (grown(self.elements, current, desired), self.elements_max);
        if elements > limit {
            return Err(wasmtime::Error::msg(format!(
                "{elements} elements of tables are more than limits.table-elements-max = {limit}"
            )));
        }
        let may_grow = within(desired, maximum);
        self.elements = if may_grow { elements } else { self.elements };
        Ok(may_grow)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}

/// Whether it is within the maximum that the guest itself has named. (The engine puts the size of its slots in that
/// place, so what is too much for us has to be looked for first.)
fn within(desired: usize, maximum: Option<usize>) -> bool {
    maximum.is_none_or(|maximum| desired <= maximum)
}

fn grown(all: usize, current: usize, desired: usize) -> usize {
    all.saturating_add(desired.saturating_sub(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_that_of_all_memories_together() {
        let limits = Limits { memory_bytes_max: 10, table_elements_max: 3, ..Limits::default() };
        let mut memory = Memory::new(&limits);
        assert!(memory.memory_growing(0, 6, None).unwrap());
        assert!(memory.memory_growing(0, 3, None).unwrap());
        assert!(!memory.memory_growing(3, 4, Some(3)).unwrap(), "its own maximum");
        assert!(memory.memory_growing(3, 4, Some(4)).unwrap());
        let error = memory.memory_growing(6, 7, None).unwrap_err().to_string();
        assert_eq!(error, "11 bytes of memory are more than limits.memory-bytes-max = 10");
        let error = memory.table_growing(0, 4, None).unwrap_err().to_string();
        assert_eq!(error, "4 elements of tables are more than limits.table-elements-max = 3");
    }
}

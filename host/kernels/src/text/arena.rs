//! Bytes that are put one behind the other and never move.

/// A place is a multiple of this, so that 32 bits name sixteen gigabytes.
const STEP: usize = 4;
/// Steps of a usual chunk: a megabyte.
const CHUNK_STEPS_LOG2: u32 = 18;
const CHUNK: usize = STEP << CHUNK_STEPS_LOG2;

/// Bytes in chunks of a megabyte; what is longer has a chunk of its own.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Vec<u8>>,
}

impl Arena {
    /// Keeps `bytes`; gives their place, or nothing if all places are taken.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<u32> {
        let has_room = |chunk: &Vec<u8>| chunk.len().next_multiple_of(STEP) + bytes.len() <= CHUNK;
        if !self.chunks.last().is_some_and(has_room) {
            if self.chunks.len() >> (u32::BITS - CHUNK_STEPS_LOG2) != 0 {
                return None;
            }
            self.chunks.push(Vec::with_capacity(CHUNK.max(bytes.len())));
        }
        let at = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut()?;
        chunk.resize(chunk.len().next_multiple_of(STEP), 0);
        let place = (at << CHUNK_STEPS_LOG2) | (chunk.len() / STEP);
        chunk.extend_from_slice(bytes);
        u32::try_from(place).ok()
    }

    /// What stands at a place, and whatever follows it.
    pub(super) fn from(&self, place: u32) -> &[u8] {
        let (chunk, steps) = (place >> CHUNK_STEPS_LOG2, place % (1 << CHUNK_STEPS_LOG2));
        let chunk = self.chunks.get(chunk as usize);
        chunk.and_then(|chunk| chunk.get(steps as usize * STEP..)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_stays_where_it_is() {
        let mut arena = Arena::default();
        let mut put = Vec::new();
        // About three chunks, one of which is for a single one.
        for n in 0..30_u8 {
            let len = if n == 20 { CHUNK + 3 } else { 80_000 + usize::from(n) };
            put.push((arena.push(&vec![n; len]).unwrap(), n, len));
        }
        for (place, n, len) in put {
            let found = &arena.from(place)[..len];
            assert!(found.iter().all(|byte| *byte == n), "{n}");
        }
        assert_eq!(arena.from(u32::MAX), b"");
    }
}

//! Items by number, in one flat vector, where the number of a removed item is given again.

use std::ops::{Index, IndexMut};

use crate::column::ABSENT;

/// Items by number. Removed items stay where they are until their number is given again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
    items_max: usize,
}

impl<T> Slab<T> {
    /// Holds at most so many items, and never more than there are numbers below [`ABSENT`].
    pub(crate) fn new(items_max: usize) -> Self {
        Self { items: Vec::new(), free: Vec::new(), items_max: items_max.min(ABSENT as usize) }
    }

    /// The number of a new item, or nothing at the limit.
    pub(crate) fn insert(&mut self, item: T) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            self.items[number as usize] = item;
            return Some(number);
        }
        let number = u32::try_from(self.items.len()).ok();
        let number = number.filter(|_| self.items.len() < self.items_max)?;
        if self.items.len() == self.items.capacity() {
            // By an eighth: what doubles is empty by half at the worst, and these are the largest vectors.
            self.items.reserve_exact(self.items.len() / 8 + 16);
        }
        self.items.push(item);
        Some(number)
    }

    /// Gives up an item that is there.
    pub(crate) fn remove(&mut self, number: u32) {
        self.free.push(number);
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.items.reserve(more);
    }

    /// The items that are there.
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// All numbers are below this one.
    pub(crate) fn end(&self) -> usize {
        self.items.len()
    }

    /// The bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.items[number as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.items[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_and_the_limit_holds() {
        let mut slab = Slab::new(2);
        assert_eq!(
            [slab.insert('a'), slab.insert('b'), slab.insert('c')],
            [Some(0), Some(1), None]
        );
        slab.remove(0);
        assert_eq!((slab.insert('d'), slab.insert('e')), (Some(0), None));
        assert_eq!((slab[0], slab[1], slab.len()), ('d', 'b', 2));
    }
}

//! Groups that a commit makes, and who is in them: columns, not objects, as there may be a million.

use std::sync::Arc;

use corral_kernels::{Interner, Texts};

use super::Layer;
use crate::ids;

/// New groups with their members.
#[derive(Debug)]
pub(super) struct Formed {
    pub(super) layer: Layer,
    texts: Arc<Interner>,
    /// Of each group.
    ids: Texts,
    /// The codes of all members, as they were given.
    members: Vec<u32>,
    /// Indices of members, group after group; within one as they were given.
    by_group: Vec<u32>,
    /// Where each group's begin in `by_group`, and where the last one's end.
    starts: Vec<u32>,
}

impl Formed {
    /// Groups of members, of each of which `groups` says which one it is in: 0, 1, 2 …
    pub(super) fn new(
        layer: Layer,
        texts: Arc<Interner>,
        members: Vec<u32>,
        groups: &[u32],
    ) -> Self {
        let count = groups.iter().max().map_or(0, |last| *last as usize + 1);
        let mut starts = vec![0_u32; count + 1];
        for group in groups {
            if let Some(next) = starts.get_mut(*group as usize + 1) {
                *next += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut by_group: Vec<u32> = (0..).take(groups.len()).collect();
        by_group.sort_by_key(|member| groups.get(*member as usize));
        let mut formed = Self { layer, texts, ids: Texts::default(), members, by_group, starts };
        formed.ids = (0..count).map(|group| formed.named_after(group)).collect();
        formed
    }

    /// The id of a group: it follows from its smallest member.
    fn named_after(&self, group: usize) -> String {
        let members = self.members_of(group);
        let smallest = members.iter().min().unwrap_or_default();
        match self.layer {
            Layer::Identity => ids::identity(smallest),
            Layer::Campaign => ids::campaign(smallest),
        }
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id of a group.
    pub(super) fn id(&self, group: usize) -> &str {
        self.ids.get(group).unwrap_or_default()
    }

    /// The groups in the order of their ids, in which a database writes them quickest.
    pub(super) fn by_id(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = (0..self.len()).collect();
        groups.sort_unstable_by_key(|group| self.id(*group));
        groups
    }

    /// Each member, as an index of what was given, with its group: those of some groups.
    pub(super) fn links(&self, groups: &[usize]) -> Vec<(u32, usize)> {
        let links = groups
            .iter()
            .flat_map(|group| self.indices_of(*group).iter().map(move |member| (*member, *group)));
        links.collect()
    }

    /// The member at an index of what was given.
    pub(super) fn member(&self, index: u32) -> String {
        let code = self.members.get(index as usize);
        code.and_then(|code| self.texts.text(*code)).unwrap_or_default()
    }

    /// A group's members, as indices of what was given.
    pub(super) fn indices_of(&self, group: usize) -> &[u32] {
        let at = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        self.by_group.get(at(group)..at(group + 1)).unwrap_or_default()
    }

    /// A group's members.
    pub(super) fn members_of(&self, group: usize) -> Texts {
        let code = |at: &u32| self.members.get(*at as usize).copied();
        let codes: Vec<u32> = self.indices_of(group).iter().filter_map(code).collect();
        self.texts.texts(&codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_after_its_smallest_member_and_keeps_the_order_of_all() {
        let texts = Arc::new(Interner::new(1 << 10));
        let members = texts.codes(["d", "c", "b", "a"]).unwrap();
        let formed = Formed::new(Layer::Identity, texts.clone(), members, &[0, 1, 0, 1]);
        assert_eq!(formed.len(), 2);
        assert_eq!(formed.members_of(0).iter().collect::<Vec<_>>(), ["d", "b"]);
        assert_eq!(formed.members_of(1).iter().collect::<Vec<_>>(), ["c", "a"]);
        assert_eq!(formed.indices_of(1), [1, 3]);
        assert_eq!(formed.id(0), ids::identity("b"));
        assert_eq!(formed.id(1), ids::identity("a"));
        let by_id: Vec<&str> = formed.by_id().into_iter().map(|group| formed.id(group)).collect();
        assert!(by_id.is_sorted() && by_id.len() == 2);
        assert_eq!(Formed::new(Layer::Campaign, texts, Vec::new(), &[]).len(), 0);
    }
}

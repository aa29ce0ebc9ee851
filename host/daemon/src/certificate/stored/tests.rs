//! What is a fault of stored evidence and what is history.

use super::*;
use crate::store::certificate::StoredMember;
use proptest::prelude::*;

/// Members of one layer by short names; a group's id follows from the member that it is `made` from.
struct Layered {
    layer: Layer,
    stored: StoredLayer,
}

impl Layered {
    fn new(layer: Layer) -> Self {
        Self { layer, stored: StoredLayer::default() }
    }

    fn id(&self, made_from: &str) -> String {
        match self.layer {
            Layer::Identity => ids::identity(made_from),
            Layer::Campaign => ids::campaign(made_from),
        }
    }

    /// Members of the group that was made from the first of them.
    fn group(mut self, members: &[&str]) -> Self {
        let group = members.first().map(|first| self.id(first));
        for uuid in members {
            self = self.member(uuid, group.clone());
        }
        self
    }

    fn member(mut self, uuid: &str, group: Option<String>) -> Self {
        let name = format!("name of {uuid}");
        self.stored.members.push(StoredMember {
            uuid: uuid.to_owned(),
            name,
            group,
            merged_into: None,
        });
        self.stored.members.sort_by(|a, b| a.uuid.cmp(&b.uuid));
        self
    }

    fn evidence(mut self, edges: &[(&str, &str)]) -> Self {
        for (a, b) in edges {
            let (reason, value) = ("hassh".to_owned(), "x".to_owned());
            self.stored.edges.push(Edge { a: (*a).to_owned(), b: (*b).to_owned(), reason, value });
        }
        self
    }

    /// The group that was made from `loser` goes into the one made from `winner`.
    fn merge(mut self, loser: &str, winner: &str) -> Self {
        self.stored.merged.insert(self.id(loser), self.id(winner));
        self
    }

    fn judge(&self, today: &[(&str, u32)]) -> Account {
        let today: Vec<_> =
            today.iter().map(|(uuid, label)| ((*uuid).to_owned(), *label)).collect();
        judge(self.layer, &self.stored, &today)
    }
}

fn identities() -> Layered {
    Layered::new(Layer::Identity)
}

/// The sentences of the faults.
fn faults(account: &Account) -> Vec<String> {
    assert!(!account.holds());
    account.first_faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_tree_for_each_group_holds_and_is_counted() {
    let stored =
        identities().group(&["a", "b", "c"]).group(&["d", "e"]).group(&["f"]).member("g", None);
    let account = stored.evidence(&[("a", "b"), ("b", "c"), ("d", "e")]).judge(&[]);
    assert!(account.holds(), "{account:?}");
    assert_eq!((account.groups, account.members, account.edges), (2, 5, 3));
    assert_eq!((account.apart, account.adopted, account.outlived), (0, 0, 0));
}

#[test]
fn a_missing_edge_names_the_two_that_it_leaves_apart() {
    let stored = identities().group(&["a", "b", "c"]).evidence(&[("a", "b")]);
    let account = stored.judge(&[("a", 0), ("b", 0), ("c", 0)]);
    let group = ids::identity("a");
    let told = format!("no evidence connects name of a and name of c, both of group {group}");
    assert_eq!(faults(&account), [told]);
    assert_eq!(account.judgement.unwrap(), "wrong answer: 3 rows in 1 groups need 2 edges, not 1");
}

#[test]
fn a_pair_without_its_only_evidence_is_missing_it() {
    let account = identities().group(&["a", "b"]).judge(&[]);
    assert_eq!(account.faults, 1);
    assert!(account.judgement.is_some());
}

#[test]
fn a_member_that_was_moved_leaves_foreign_evidence_and_lacks_its_own() {
    // c was moved by hand from the group of a to that of d.
    let stored = identities()
        .group(&["a", "b"])
        .group(&["d", "e"])
        .member("c", Some(ids::identity("d")))
        .evidence(&[("a", "b"), ("b", "c"), ("d", "e")]);
    let account = stored.judge(&[("a", 0), ("b", 0), ("c", 0), ("d", 3), ("e", 3)]);
    let (x, y) = (ids::identity("a"), ids::identity("d"));
    let told = format!("evidence joins name of b of group {x} to name of c of group {y}");
    assert_eq!(faults(&account), [told]);
    // Where the kernel does not say otherwise, it lacks a path to its new group, too.
    assert_eq!(stored.judge(&[]).faults, 2);
}

#[test]
fn evidence_of_nobody_or_of_somebody_without_a_group_is_a_fault() {
    let stored = identities().member("a", None).group(&["b"]);
    let account = stored.evidence(&[("a", "b"), ("b", "zz")]).judge(&[]);
    let group = ids::identity("b");
    let expected = [
        format!("evidence joins name of a of no group to name of b of group {group}"),
        "evidence joins b and zz, which are not both stored".to_owned(),
    ];
    assert_eq!(faults(&account), expected);
}

#[test]
fn a_circle_is_a_fault() {
    let stored = identities().group(&["a", "b", "c"]);
    let account = stored.evidence(&[("a", "b"), ("a", "c"), ("b", "c")]).judge(&[]);
    assert_eq!(faults(&account), ["evidence between name of b and name of c closes a circle"]);
}

#[test]
fn a_merged_group_is_its_winner() {
    let whole = identities().group(&["a", "b"]).group(&["c"]).group(&["d"]).merge("c", "a");
    let whole = whole.merge("d", "c").evidence(&[("a", "b"), ("a", "d"), ("c", "d")]);
    assert!(whole.judge(&[]).holds());
    let apart = identities().group(&["a"]).group(&["b"]).merge("b", "a");
    assert_eq!(apart.judge(&[]).faults, 1);
}

#[test]
fn a_circle_of_merges_ends() {
    let stored = identities().group(&["a"]).group(&["b"]).merge("a", "b").merge("b", "a");
    assert!(stored.judge(&[]).faults <= 1);
}

#[test]
fn members_that_moved_apart_need_no_path_and_those_that_did_not_do() {
    // c left; what joined it to the others is not true any more, and not stored.
    let today = [("a", 0), ("b", 0), ("c", 2)];
    let stored = identities().group(&["a", "b", "c"]).evidence(&[("a", "b")]);
    let account = stored.judge(&today);
    assert!(account.holds(), "{account:?}");
    assert_eq!(account.apart, 1);
    // Nor is it a fault that old evidence still joins it.
    let stored = identities().group(&["a", "b", "c"]).evidence(&[("a", "b"), ("b", "c")]);
    assert!(stored.judge(&today).holds());
    let stored = identities().group(&["a", "b", "c"]);
    assert_eq!(stored.judge(&today).faults, 1);
}

#[test]
fn a_group_of_another_program_may_be_unexplained() {
    let strange = Some("made-elsewhere".to_owned());
    let stored = identities().member("a", strange.clone()).member("b", strange);
    let account = stored.judge(&[]);
    assert!(account.holds(), "{account:?}");
    assert_eq!(account.adopted, 1);
    // Foreign evidence is foreign even there.
    let account = stored.group(&["c"]).evidence(&[("a", "c")]).judge(&[]);
    assert_eq!(account.faults, 1);
}

#[test]
fn evidence_of_a_merged_identity_counts_for_the_one_that_speaks_and_may_lead_anywhere() {
    let mut stored = Layered::new(Layer::Campaign)
        .group(&["a", "b", "c"])
        .group(&["d"])
        .evidence(&[("a", "x"), ("b", "c"), ("c", "x"), ("d", "x")]);
    stored.stored.members.push(StoredMember {
        uuid: "x".to_owned(),
        merged_into: Some("b".to_owned()),
        group: Some(ids::campaign("d")),
        ..StoredMember::default()
    });
    // a to b by x, which b speaks for; x to c once more; x to d, which is of another campaign.
    let account = stored.judge(&[]);
    assert!(account.holds(), "{account:?}");
    assert_eq!((account.groups, account.members, account.outlived), (1, 3, 3));
    stored.stored.members.pop();
    assert_eq!(stored.judge(&[]).faults, 4);
}

#[test]
fn faults_beyond_the_first_are_counted() {
    let names: Vec<String> = (0..30).map(|n| format!("m{n:02}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    let account = identities().group(&members).judge(&[]);
    assert_eq!((account.faults, account.first_faults.len()), (29, FAULTS_MAX));
}

proptest! {
    /// The judge of the kernels and the search for culprits have nothing in common but the verdict.
    #[test]
    fn whoever_is_blamed_is_what_the_judge_finds(
        groups in prop::collection::vec(0..4_usize, 1..10),
        edges in prop::collection::vec((0..10_usize, 0..10_usize), 0..10),
        labels in prop::collection::vec(0..3_u32, 10),
        is_asked in any::<bool>(),
    ) {
        let names: Vec<String> = (0..groups.len()).map(|n| format!("m{n}")).collect();
        let mut stored = identities();
        for (name, group) in names.iter().zip(&groups) {
            let first = groups.iter().position(|other| other == group).unwrap();
            stored = stored.member(name, Some(ids::identity(&names[first])));
        }
        let at = |n: usize| names[n % names.len()].as_str();
        let edges: Vec<_> = edges.iter().map(|&(a, b)| (at(a), at(b))).collect();
        let today: Vec<_> = names.iter().map(String::as_str).zip(labels).collect();
        let account = stored.evidence(&edges).judge(if is_asked { &today } else { &[] });
        prop_assert_eq!(account.faults == 0, account.judgement.is_none(), "{:?}", account);
    }

    #[test]
    fn a_tree_with_any_edge_gone_does_not_hold(
        parents in prop::collection::vec(0..100_usize, 1..12),
        gone in 0..100_usize,
    ) {
        let names: Vec<String> = (0..=parents.len()).map(|n| format!("m{n:02}")).collect();
        let members: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut edges: Vec<(&str, &str)> =
            parents.iter().enumerate().map(|(n, parent)| (members[parent % (n + 1)], members[n + 1])).collect();
        prop_assert!(identities().group(&members).evidence(&edges).judge(&[]).holds());
        edges.remove(gone % edges.len());
        let account = identities().group(&members).evidence(&edges).judge(&[]);
        prop_assert_eq!((account.faults, account.judgement.is_some()), (1, true));
    }
}

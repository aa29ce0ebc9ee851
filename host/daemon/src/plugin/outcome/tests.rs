//! What `outcome.rs` promises.

use super::*;
use crate::store::commit::Among;

struct World {
    texts: Interner,
}

impl World {
    fn new() -> Self {
        Self { texts: Interner::new(1 << 20) }
    }

    fn codes(&self, texts: &[&str]) -> Column {
        Column::text(self.texts.codes(texts.iter().copied()).unwrap())
    }

    fn frame(&self, columns: &[(&str, &[&str])]) -> Frame {
        let rows = columns[0].1.len();
        Frame::new(rows, columns.iter().map(|(name, texts)| (*name, self.codes(texts)))).unwrap()
    }

    fn attackers(&self) -> Frame {
        let ips = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        self.frame(&[("uuid", &["a", "b", "c", "d"]), ("ip", &ips)])
    }

    fn form(&self, rows: &[u32], groups: &[u32]) -> Change {
        let (layer, members) = (Layer::Identity, self.attackers());
        Change::Form { layer, members, rows: rows.to_vec(), groups: groups.to_vec() }
    }

    fn difference(&self, live: &[Change], candidate: &[Change]) -> Difference {
        let of = |changes| Outcome::of(changes, None).unwrap();
        of(live).difference(&of(candidate), &self.texts)
    }
}

#[test]
fn the_same_groups_in_another_order_are_no_difference() {
    let world = World::new();
    let live = [world.form(&[0, 1, 2, 3], &[0, 0, 1, 1])];
    let same = [world.form(&[2, 3], &[0, 0]), world.form(&[1, 0], &[0, 0])];
    let difference = world.difference(&live, &same);
    assert!(difference.moved == 0 && difference.is_none(), "{difference:?}");
    assert_eq!((difference.verbs[0].live, difference.verbs[0].candidate), (4, 4));
}

#[test]
fn members_that_land_elsewhere_are_counted_and_named_by_their_addresses() {
    let world = World::new();
    let live = [world.form(&[0, 1, 2], &[0, 0, 1])];
    let other = [world.form(&[0, 2, 3], &[0, 0, 1])];
    let difference = world.difference(&live, &other);
    let form = &difference.verbs[0];
    assert_eq!((form.only_live, form.only_candidate, form.otherwise), (1, 1, 1));
    assert_eq!(difference.moved, 3);
    let moved = Example {
        row: "192.0.2.3".to_owned(),
        live: Some("new, with 192.0.2.3".to_owned()),
        candidate: Some("new, with 192.0.2.1".to_owned()),
    };
    assert_eq!(form.examples[0], moved);
}

#[test]
fn evidence_and_state_are_told_and_move_nothing() {
    let world = World::new();
    let edges = |reason: &str| {
        let ends = |at: u32| Column::from(vec![at]);
        let columns = [
            ("a", ends(0)),
            ("b", ends(1)),
            ("reason", world.codes(&[reason])),
            ("value", world.codes(&["x"])),
        ];
        Change::Explain {
            layer: Layer::Identity,
            members: world.attackers(),
            scope: vec![0, 1],
            edges: Frame::new(1, columns).unwrap(),
            among: Among::Scope,
        }
    };
    let state = |value: &str| Change::PutState {
        rows: world.frame(&[("key", &["seen"]), ("value", &[value])]),
    };
    let difference = world.difference(&[edges("hassh"), state("1")], &[edges("ja3"), state("2")]);
    assert_eq!((difference.moved, difference.verbs.len()), (0, 2));
    assert!(!difference.is_none());
    assert!(difference.verbs.iter().all(|verb| verb.otherwise == 1 && !verb.counts));
}

#[test]
fn a_row_that_is_there_already_is_no_fact() {
    let world = World::new();
    let rows = |state: &str| {
        world.frame(&[
            ("identity", &["i", "i"]),
            ("primitive", &["p", "q"]),
            ("state", &["stable", state]),
        ])
    };
    let put = |state: &str| [Change::PutAttribution { rows: rows(state) }];
    let known = rows("drifting");
    let facts = |state: &str| Outcome::of(&put(state), Some(&known)).unwrap();
    assert!(facts("drifting").is_empty());
    let difference = facts("drifting").difference(&facts("stable"), &world.texts);
    assert_eq!(difference.moved, 1);
    assert_eq!(difference.verbs[0].examples[0].row, "i q");
    assert_eq!(difference.verbs[0].examples[0].candidate.as_deref(), Some("stable"));
}

#[test]
fn sums_of_differences_keep_the_first_examples() {
    let world = World::new();
    let mut sum = Difference::default();
    for _ in 0..20 {
        sum.add(world.difference(&[world.form(&[0, 1], &[0, 0])], &[]));
    }
    assert_eq!(
        (sum.moved, sum.verbs[0].only_live, sum.verbs[0].examples.len()),
        (40, 40, EXAMPLES_MAX)
    );
}

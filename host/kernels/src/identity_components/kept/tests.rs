//! Kept identities against a fresh run, step by step: a mirror believes only what updates tell.

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use self::script::{Attacker, Chance, Script, Step, Words};
use super::*;
use crate::column::Column;
use crate::forest::check_forest;
use crate::frame::Frame;
use crate::identity_components::IdentityComponents;
use crate::kept::{Kept, KeptGroups};
use crate::kernel::Kernel;
use crate::pace::Pace;

type Population = BTreeMap<u32, Attacker>;

/// What one knows who applied every answer and saw no row.
#[derive(Clone, Debug, Default)]
struct Mirror {
    group_of: BTreeMap<u32, u32>,
    edges: Vec<[u32; 4]>,
}

/// An answer of `update`.
#[derive(Debug)]
struct Answer {
    /// For each key, the group, and whether its edges are void.
    moved: BTreeMap<u32, (u32, bool)>,
    /// Size, anchor, rebuilt.
    groups: BTreeMap<u32, (u32, u32, bool)>,
    edges: Vec<[u32; 4]>,
}

impl Answer {
    fn read(kept: &dyn Kept, frames: &[Frame]) -> Self {
        for (shape, frame) in kept.outputs().iter().zip(frames) {
            shape.check(frame).unwrap();
        }
        let [moved, groups, edges] = frames else { panic!("{} frames", frames.len()) };
        let (key, anew) = (moved.text("key").unwrap(), moved.uint32("anew").unwrap());
        let group = moved.uint32("group").unwrap();
        let (id, size) = (groups.uint32("group").unwrap(), groups.uint32("size").unwrap());
        let anchor = groups.text("anchor").unwrap();
        let rebuilt = groups.uint32("rebuilt").unwrap();
        let edge = ["a", "b", "reason", "value"].map(|name| edges.text(name).unwrap());
        let told = Self {
            moved: (0..key.len()).map(|at| (key[at], (group[at], anew[at] == 1))).collect(),
            groups: (0..id.len())
                .map(|at| (id[at], (size[at], anchor[at], rebuilt[at] == 1)))
                .collect(),
            edges: (0..edges.rows()).map(|at| edge.map(|column| column[at])).collect(),
        };
        assert_eq!((told.moved.len(), told.groups.len()), (moved.rows(), groups.rows()));
        told
    }
}

impl Mirror {
    fn apply(&mut self, gone: &[u32], answer: &Answer) {
        self.group_of.retain(|key, _| !gone.contains(key));
        let void =
            |key: &u32| gone.contains(key) || answer.moved.get(key).is_some_and(|moved| moved.1);
        self.edges.retain(|[a, b, ..]| !void(a) && !void(b));
        self.edges.extend(&answer.edges);
        self.group_of.extend(answer.moved.iter().map(|(&key, &(group, _))| (key, group)));
    }

    fn members(&self, group: u32) -> BTreeSet<u32> {
        let of = self.group_of.iter().filter(|&(_, &other)| other == group);
        of.map(|(&key, _)| key).collect()
    }

    /// Labels and forest for the rows in order of their keys, as the kernel would answer.
    fn outputs(&self) -> (Vec<u32>, Vec<[u32; 4]>) {
        let rows: BTreeMap<u32, u32> = self.group_of.keys().copied().zip(0..).collect();
        let mut first_of = BTreeMap::new();
        let labels = self.group_of.values().zip(0..);
        let labels = labels.map(|(&group, row)| *first_of.entry(group).or_insert(row)).collect();
        let edge = |&[a, b, reason, value]: &[u32; 4]| {
            let (a, b) = (rows[&a], rows[&b]);
            [a.min(b), a.max(b), reason, value]
        };
        (labels, self.edges.iter().map(edge).collect())
    }
}

/// A state under test, what it is a state of, and the mirror.
struct Trial {
    words: Words,
    kept: Box<dyn Kept>,
    population: Population,
    mirror: Mirror,
}

impl Trial {
    fn new(words: Words) -> Self {
        let kept = IdentityComponents.keep().unwrap();
        Self { words, kept, population: Population::new(), mirror: Mirror::default() }
    }

    /// Takes a step, believes the answer, and compares.
    fn take(&mut self, step: &Step) -> Answer {
        let inputs = self.words.frames(step.named.iter().map(|(key, one)| (*key, one)));
        let gone: Vec<u32> = step.gone.iter().map(|&key| self.words.key(key)).collect();
        let frames = self.words.with_job(&inputs, |job| self.kept.update(job, &gone)).unwrap();
        for &key in &step.gone {
            self.population.remove(&self.words.key(key));
        }
        let named = step.named.iter().map(|(key, one)| (self.words.key(*key), one.clone()));
        self.population.extend(named);
        let answer = Answer::read(&*self.kept, &frames);
        let before = self.mirror.clone();
        self.mirror.apply(&gone, &answer);
        let named = step.named.iter().map(|(key, _)| self.words.key(*key)).collect();
        self.check_difference(&before, &named, &gone, &answer);
        answer
    }

    /// The answer tells exactly the difference.
    fn check_difference(
        &self,
        before: &Mirror,
        named: &BTreeSet<u32>,
        gone: &[u32],
        answer: &Answer,
    ) {
        assert!(named.iter().all(|key| answer.moved.contains_key(key)));
        let mut told: BTreeSet<u32> = answer.moved.values().map(|&(group, _)| group).collect();
        told.extend(gone.iter().filter_map(|key| before.group_of.get(key)));
        for (key, &(group, anew)) in &answer.moved {
            let left = before.group_of.get(key).filter(|&&other| anew || other != group);
            let rebuilt = answer.groups[&group].2;
            assert!(named.contains(key) || left.is_some() || rebuilt, "{key} did not move");
            told.extend(left);
        }
        assert_eq!(told, answer.groups.keys().copied().collect());
        for (&group, &(size, anchor, rebuilt)) in &answer.groups {
            let members = self.mirror.members(group);
            assert_eq!(members.len(), size as usize);
            let stayed = |key: &u32| !answer.moved.contains_key(key);
            assert_eq!(anchor != ABSENT, members.iter().any(stayed));
            assert!(anchor == ABSENT || members.contains(&anchor) && stayed(&anchor));
            // Unless it says so, it has no part of a former group without the rest.
            let old = members.iter().filter(|key| !named.contains(key));
            let old: BTreeSet<u32> = old.map(|key| before.group_of[key]).collect();
            let rest = old.iter().flat_map(|&group| before.members(group));
            let is_old = |key: &u32| !named.contains(key) && !gone.contains(key);
            assert!(rebuilt || rest.filter(is_old).all(|key| members.contains(&key)));
        }
    }

    /// The mirror has the groups of a fresh run, and a forest.
    fn check_groups(&self) {
        let inputs = self.inputs();
        let outputs = self.words.with_job(&inputs, |job| IdentityComponents.run(job)).unwrap();
        let (labels, edges) = self.mirror.outputs();
        assert_eq!(labels, outputs[0].uint32("label").unwrap());
        let (a, b): (Vec<u32>, Vec<u32>) = edges.iter().map(|&[a, b, ..]| (a, b)).unzip();
        assert_eq!(check_forest(&labels, &a, &b, &Pace::free()), Ok(()));
        assert_eq!(self.kept.rows(), labels.len());
    }

    /// What the mirror and the state have as a whole passes the kernel's own verification.
    fn verify(&self) {
        let inputs = self.inputs();
        let keys: Vec<u32> = self.population.keys().copied().collect();
        let whole = self.kept.whole(&keys, &self.words.texts, &Pace::free()).unwrap();
        let (labels, edges) = self.mirror.outputs();
        assert_eq!(whole[0].uint32("label").unwrap(), labels);
        let column = |at: usize| edges.iter().map(|edge| edge[at]).collect::<Vec<_>>();
        let forest = [
            ("a", Column::from(column(0))),
            ("b", Column::from(column(1))),
            ("reason", Column::text(column(2))),
            ("value", Column::text(column(3))),
        ];
        let mirrored = vec![whole[0].clone(), Frame::new(edges.len(), forest).unwrap()];
        for outputs in [whole, mirrored] {
            let verdict =
                self.words.with_job(&inputs, |job| IdentityComponents.verify(job, &outputs));
            assert_eq!(verdict, Ok(()));
        }
    }

    fn inputs(&self) -> Vec<Frame> {
        self.words.coded_frames(self.population.iter().map(|(&key, one)| (key, one)))
    }
}

fn try_scripts(seeds: std::ops::Range<u64>, steps: usize) {
    for seed in seeds {
        let mut script = Script::new(seed);
        let mut trial = Trial::new(Words::in_order());
        for at in 0..steps {
            let step = script.step();
            let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                trial.take(&step);
                trial.check_groups();
                if at.is_multiple_of(16) {
                    trial.verify();
                }
            }));
            assert!(judged.is_ok(), "seed {seed}, step {at}: {step:?}");
        }
    }
}

#[test]
fn after_every_step_of_any_script_the_groups_are_those_of_a_fresh_run() {
    try_scripts(0..1_000, 1_000);
}

#[test]
#[ignore = "ten times as many scripts: minutes"]
fn ten_thousand_scripts_have_the_groups_of_a_fresh_run() {
    try_scripts(1_000..11_000, 1_000);
}

/// The groups that a script ends with, as labels in the order of the keys' numbers.
fn labels_after(seed: u64, words: Words, mut arrange: impl FnMut(&mut Step)) -> Vec<u32> {
    let mut script = Script::new(seed);
    let mut trial = Trial::new(words);
    for _ in 0..100 {
        let mut step = script.step();
        arrange(&mut step);
        trial.take(&step);
    }
    let keys = (0..64).map(|key| trial.words.key(key));
    let keys: Vec<u32> = keys.filter(|key| trial.population.contains_key(key)).collect();
    let whole = trial.kept.whole(&keys, &trial.words.texts, &Pace::free()).unwrap();
    whole[0].uint32("label").unwrap().to_vec()
}

#[test]
fn neither_the_order_of_codes_nor_that_of_rows_changes_the_groups() {
    for seed in 0..200 {
        let mut chance = Chance(seed ^ 0xabcd);
        let plain = labels_after(seed, Words::in_order(), |_| {});
        let words = Words::arriving(|texts| chance.shuffle(texts));
        assert_eq!(labels_after(seed, words, |_| {}), plain, "codes, seed {seed}");
        let shuffled = labels_after(seed, Words::in_order(), |step| {
            chance.shuffle(&mut step.named);
            chance.shuffle(&mut step.gone);
        });
        assert_eq!(shuffled, plain, "rows, seed {seed}");
    }
}

#[test]
fn the_order_of_codes_does_not_even_change_the_edges_and_the_ids() {
    for seed in 0..100 {
        let mut chance = Chance(seed);
        let mut script = Script::new(seed);
        let words = Words::arriving(|texts| chance.shuffle(texts));
        let (mut one, mut other) = (Trial::new(Words::in_order()), Trial::new(words));
        for _ in 0..100 {
            let step = script.step();
            let answers = [&mut one, &mut other].map(|trial| {
                let answer = trial.take(&step);
                let text = |code| trial.words.texts.text(code).unwrap_or_default();
                let edges = answer.edges.iter().map(|edge| edge.map(text)).collect::<Vec<_>>();
                let moved = answer.moved.iter().map(|(&key, &moved)| (text(key), moved));
                (edges, moved.collect::<BTreeMap<_, _>>())
            });
            assert_eq!(answers[0], answers[1], "seed {seed}");
        }
    }
}

fn holder(ja3: Option<u32>, hassh: Option<u32>, payloads: &[u32]) -> Attacker {
    Attacker { ja3, hassh, payloads: payloads.to_vec(), ..Attacker::default() }
}

fn step(named: &[(u32, Attacker)], gone: &[u32]) -> Step {
    Step { named: named.to_vec(), gone: gone.to_vec() }
}

/// Ten attackers with one HASSH, the first of which is the hub.
fn star() -> Trial {
    let mut trial = Trial::new(Words::in_order());
    let all: Vec<_> = (0..10).map(|key| (key, holder(None, Some(0), &[key]))).collect();
    trial.take(&step(&all, &[]));
    trial
}

#[test]
fn a_newcomer_moves_nobody_but_itself_and_the_group_keeps_its_id() {
    let mut trial = star();
    let group = trial.mirror.group_of[&trial.words.key(0)];
    let answer = trial.take(&step(&[(10, holder(None, Some(0), &[]))], &[]));
    assert_eq!(answer.moved, [(trial.words.key(10), (group, true))].into());
    assert_eq!(answer.groups, [(group, (11, trial.words.key(0), false))].into());
    assert_eq!(answer.edges.len(), 1);
}

#[test]
fn a_row_that_nothing_hangs_on_leaves_without_a_rebuild() {
    let mut trial = star();
    let group = trial.mirror.group_of[&trial.words.key(0)];
    let answer = trial.take(&step(&[(4, holder(None, Some(1), &[]))], &[3]));
    assert_eq!(answer.groups[&group], (8, trial.words.key(0), false));
    assert_eq!(answer.moved.keys().copied().collect::<Vec<_>>(), [trial.words.key(4)]);
    trial.check_groups();
}

#[test]
fn a_hub_that_leaves_moves_nobody_where_the_others_hold_together() {
    let mut trial = star();
    let group = trial.mirror.group_of[&trial.words.key(0)];
    let answer = trial.take(&step(&[], &[0]));
    assert_eq!((answer.moved.len(), answer.edges.len()), (0, 8));
    let (size, _, rebuilt) = answer.groups[&group];
    assert_eq!((answer.groups.len(), size, rebuilt), (1, 9, false));
    trial.check_groups();
}

#[test]
fn of_a_group_that_comes_apart_the_largest_part_stays() {
    let mut trial = Trial::new(Words::in_order());
    let star = |hassh, keys: std::ops::Range<u32>| {
        keys.map(move |key| (key, holder(None, Some(hassh), &[60 + hassh])))
    };
    // Key 9 has no fingerprints, and holds three stars of different size together.
    let all: Vec<_> = star(0, 0..2).chain(star(1, 2..6)).chain(star(2, 6..9)).collect();
    trial.take(&step(&all, &[]));
    let bridge = holder(None, None, &[60, 61, 62]);
    trial.take(&step(&[(9, bridge)], &[]));
    let group = trial.mirror.group_of[&trial.words.key(0)];
    let answer = trial.take(&step(&[], &[9]));
    assert_eq!((answer.moved.len(), answer.edges.len()), (5, 0));
    assert_eq!(answer.groups[&group], (4, trial.words.key(2), true));
    let mut parts: Vec<_> = answer.groups.values().map(|part| (part.0, part.2)).collect();
    parts.sort_unstable();
    assert_eq!(parts, [(2, true), (3, true), (4, true)]);
    trial.check_groups();
}

#[test]
fn a_row_that_is_named_as_it_was_and_one_that_only_grew_keep_their_edges() {
    let mut trial = star();
    let same = (0, holder(None, Some(0), &[0]));
    let grown = (1, holder(None, Some(0), &[60, 1, 60]));
    let answer = trial.take(&step(&[same, grown], &[]));
    assert!(answer.edges.is_empty() && answer.moved.values().all(|&(_, anew)| !anew));
    assert_eq!(answer.moved.len(), 2);
    trial.check_groups();
}

#[test]
fn a_first_fingerprint_vetoes_what_a_token_had_joined() {
    let mut trial = Trial::new(Words::in_order());
    let bare = |key| (key, holder(None, None, &[5]));
    trial.take(&step(&[bare(0), (1, holder(Some(1), None, &[5]))], &[]));
    assert_eq!(trial.mirror.outputs().0, [0, 0]);
    let answer = trial.take(&step(&[(0, holder(Some(2), None, &[5]))], &[]));
    assert_eq!(trial.mirror.outputs().0, [0, 1]);
    assert!(answer.edges.is_empty());
    trial.check_groups();
}

#[test]
fn unknown_keys_are_passed_over_and_a_slot_is_given_again() {
    let mut trial = star();
    let answer = trial.take(&step(&[], &[40, 41]));
    assert!(answer.moved.is_empty() && answer.groups.is_empty());
    let before = trial.kept.bytes();
    for round in 0..100 {
        trial.take(&step(&[], &[round % 10, round % 10]));
        trial.take(&step(&[(round % 10, holder(None, Some(0), &[round % 10]))], &[]));
    }
    // A free list or two.
    assert!(trial.kept.bytes() < before + 256, "{} to {}", before, trial.kept.bytes());
}

/// What an update of two rows with these keys says.
fn refusal(kept: &mut dyn Kept, words: &Words, keys: [u32; 2]) -> String {
    let one = Attacker::default();
    let inputs = words.coded_frames(keys.map(|key| (key, &one)).into_iter());
    words.with_job(&inputs, |job| kept.update(job, &[])).unwrap_err().to_string()
}

#[test]
fn a_key_that_is_absent_or_stands_twice_is_named() {
    let words = Words::in_order();
    let fault = |keys| refusal(&mut *IdentityComponents.keep().unwrap(), &words, keys);
    let place = "identity-components: input 'attackers'";
    let key = words.key(7);
    assert_eq!(fault([key, key]), format!("{place}: key 'key 7' stands twice"));
    assert_eq!(fault([key, ABSENT]), format!("{place}: row 1 has no key"));
    let keyless = words.coded_frames(std::iter::empty());
    let keyless =
        [keyless[0].select(&["ja3", "hassh"]).unwrap(), keyless[1].clone(), keyless[2].clone()];
    let mut kept = IdentityComponents.keep().unwrap();
    let refused = words.with_job(&keyless, |job| kept.update(job, &[])).unwrap_err().to_string();
    assert_eq!(refused, format!("{place}: no column 'key' (there are: ja3, hassh)"));
}

#[test]
fn rows_have_a_limit_and_an_update_that_failed_is_the_last() {
    let words = Words::in_order();
    let mut kept = KeptGroups::bounded(Index::new(), 3);
    let keys = |a, b| [words.key(a), words.key(b)];
    let one = Attacker::default();
    let first = words.coded_frames(keys(0, 1).map(|key| (key, &one)).into_iter());
    words.with_job(&first, |job| kept.update(job, &[])).unwrap();
    assert_eq!(
        refusal(&mut kept, &words, keys(2, 3)),
        "identity-components: 'key 3' is one more than the 3 rows that can be kept"
    );
    let torn = "identity-components: an update of this state has failed";
    assert_eq!(refusal(&mut kept, &words, keys(0, 1)), torn);
    let whole = kept.whole(&keys(0, 1), &words.texts, &Pace::free());
    assert_eq!(whole.unwrap_err().to_string(), torn);
}

#[test]
fn the_whole_is_refused_for_other_keys_than_those_of_the_rows() {
    let trial = star();
    let fault = |keys: &[u32]| {
        let keys: Vec<u32> = keys.iter().map(|&key| trial.words.key(key)).collect();
        trial.kept.whole(&keys, &trial.words.texts, &Pace::free()).unwrap_err().to_string()
    };
    let place = "identity-components: input 'attackers'";
    assert_eq!(fault(&[0, 40]), format!("{place}: 'key 40' is not a row that is kept"));
    for keys in [&[0, 1, 2][..], &[1, 2], &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        let told = format!("{place}: {} keys are not those of the 10 rows", keys.len());
        assert_eq!(fault(keys), told);
    }
}

#[test]
fn a_cancelled_update_stops_wherever_it_is() {
    let words = Words::in_order();
    let rows: Vec<(u32, Attacker)> =
        (0..50_000).map(|key| (key, holder(None, Some(key % 7), &[key % 64]))).collect();
    let inputs = words.coded_frames(rows.iter().map(|(key, one)| (*key, one)));
    let update = |checks_max: usize| {
        let (cancelled, checks) = (AtomicBool::new(false), AtomicUsize::new(0));
        let between = || {
            if checks.fetch_add(1, Relaxed) == checks_max {
                cancelled.store(true, Relaxed);
            }
        };
        let pace = Pace::doing(&cancelled, &between);
        let job = Job::new(&SIGNATURE, &inputs, &[], &words.texts, &pace).unwrap();
        let answer = IdentityComponents.keep().unwrap().update(&job, &[]);
        (answer, checks.into_inner())
    };
    let (answer, checks) = update(usize::MAX);
    assert!(answer.is_ok() && checks > 50, "{checks} checks");
    for checks_max in (0..checks - 1).step_by(10) {
        assert_eq!(update(checks_max).0, Err(KernelError::Cancelled));
    }
}

//! `identity-components` against the rule taken literally: every pair, the full weighted sum.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::text::Interner;
use crate::weights::{Observation, ObservationWeights};

type Text = &'static str;

/// One row of the inputs, and the weak evidence that the kernel never sees.
#[derive(Clone, Debug, Default)]
struct Attacker {
    id: Option<Text>,
    ja3: Option<Text>,
    hassh: Option<Text>,
    payloads: Vec<Option<Text>>,
    endpoints: Vec<Option<Text>>,
    asn: Option<i64>,
    passwords: Vec<Text>,
    commands: Vec<(Text, Text)>,
}

impl Attacker {
    fn observation(&self) -> Observation {
        let texts = |tokens: &[Option<Text>]| tokens.iter().flatten().map(|&t| t.into()).collect();
        let mut seen = Observation {
            ja3: self.ja3.map(Into::into),
            hassh: self.hassh.map(Into::into),
            asn: self.asn,
            payloads: texts(&self.payloads),
            endpoints: texts(&self.endpoints),
            credentials: self.passwords.iter().map(|&p| ("root".into(), p.into())).collect(),
            commands_by_phase: [].into(),
        };
        for &(phase, command) in &self.commands {
            seen.commands_by_phase.entry(phase.into()).or_default().insert(command.into());
        }
        seen
    }
}

/// The oracle: labels by spreading the smaller one over every pair with an edge.
fn by_pairs(attackers: &[Attacker]) -> Vec<u32> {
    let seen: Vec<_> = attackers.iter().map(Attacker::observation).collect();
    let edge = |a: usize, b: usize| {
        let same = attackers[a].id.is_some() && attackers[a].id == attackers[b].id;
        same || ObservationWeights::of(&seen[a], &seen[b]).edge()
    };
    let mut labels: Vec<u32> = (0..).take(seen.len()).collect();
    for (b, a) in (0..seen.len()).flat_map(|b| (0..b).map(move |a| (b, a))) {
        if edge(a, b) {
            let (low, high) = (labels[a].min(labels[b]), labels[a].max(labels[b]));
            labels.iter_mut().filter(|label| **label == high).for_each(|label| *label = low);
        }
    }
    labels
}

/// The inputs, with `code` for every text.
fn frames(attackers: &[Attacker], code: impl Fn(Text) -> u32) -> Vec<Frame> {
    let codes = |of: fn(&Attacker) -> Option<Text>| {
        Column::text(attackers.iter().map(|one| of(one).map_or(ABSENT, &code)).collect())
    };
    let child = |of: fn(&Attacker) -> &[Option<Text>]| {
        let items = (0_u32..)
            .zip(attackers)
            .flat_map(|(row, one)| of(one).iter().map(move |token| (row, *token)));
        let (rows, tokens): (Vec<u32>, Vec<u32>) =
            items.map(|(row, token)| (row, token.map_or(ABSENT, &code))).unzip();
        Frame::new(rows.len(), [("row", rows.into()), ("token", Column::text(tokens))]).unwrap()
    };
    let mut columns = vec![("ja3", codes(|one| one.ja3)), ("hassh", codes(|one| one.hassh))];
    if attackers.iter().any(|one| one.id.is_some()) {
        columns.push(("id", codes(|one| one.id)));
    }
    let parent = Frame::new(attackers.len(), columns).unwrap();
    vec![parent, child(|one| &one.payloads), child(|one| &one.endpoints)]
}

/// A table of texts, and the inputs in its codes.
fn interned(attackers: &[Attacker]) -> (Interner, Vec<Frame>) {
    let texts = Interner::new(1 << 20);
    let inputs = frames(attackers, |text| texts.code(text).unwrap());
    (texts, inputs)
}

fn with_job<T>(texts: &Interner, inputs: &[Frame], then: impl FnOnce(&Job<'_>) -> T) -> T {
    let pace = Pace::free();
    then(&Job::new(&SIGNATURE, inputs, &[], texts, &pace).unwrap())
}

/// An answer that can be changed; `reason` and `value` are codes.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    labels: Vec<u32>,
    edges: Vec<(u32, u32, u32, u32)>,
}

impl Answer {
    fn of(attackers: &[Attacker]) -> (Interner, Vec<Frame>, Self) {
        let (texts, inputs) = interned(attackers);
        let answer = Self::run(&texts, &inputs);
        (texts, inputs, answer)
    }

    fn run(texts: &Interner, inputs: &[Frame]) -> Self {
        let outputs = with_job(texts, inputs, |job| IdentityComponents.run(job)).unwrap();
        let (labels, forest) = (&outputs[0], &outputs[1]);
        let (a, b) = (forest.uint32("a").unwrap(), forest.uint32("b").unwrap());
        let (reason, value) = (forest.text("reason").unwrap(), forest.text("value").unwrap());
        Self {
            labels: labels.uint32("label").unwrap().to_vec(),
            edges: (0..forest.rows()).map(|at| (a[at], b[at], reason[at], value[at])).collect(),
        }
    }

    fn verify(&self, texts: &Interner, inputs: &[Frame]) -> Result<(), KernelError> {
        let column = |of: fn(&(u32, u32, u32, u32)) -> u32| self.edges.iter().map(of).collect();
        let forest = [
            ("a", Column::from(column(|edge| edge.0))),
            ("b", Column::from(column(|edge| edge.1))),
            ("reason", Column::text(column(|edge| edge.2))),
            ("value", Column::text(column(|edge| edge.3))),
        ];
        let labels = [("label", Column::from(self.labels.clone()))];
        let outputs = [
            Frame::new(self.labels.len(), labels).unwrap(),
            Frame::new(self.edges.len(), forest).unwrap(),
        ];
        with_job(texts, inputs, |job| IdentityComponents.verify(job, &outputs))
    }

    /// Labels that fit the edges, so that only the rule itself can tell a fault.
    fn relabelled(mut self) -> Self {
        let mut forest = Forest::new(self.labels.len());
        for &(a, b, _, _) in &self.edges {
            forest.join(a, b);
        }
        self.labels = forest.into_labels(&Pace::free()).unwrap().to_vec();
        self
    }

    /// The edges in words.
    fn told(&self, texts: &Interner) -> Vec<(u32, u32, String, String)> {
        let text = |code| texts.text(code).unwrap().to_string();
        self.edges.iter().map(|&(a, b, why, what)| (a, b, text(why), text(what))).collect()
    }
}

/// Few values, the same in every name space, so that everything collides; "" is one of them.
const VALUES: [Text; 4] = ["", "x", "y", "z"];

fn attacker() -> impl Strategy<Value = Attacker> {
    let value = || select(&VALUES[..]);
    let slot = || prop::option::weighted(0.5, select(&VALUES[..3]));
    let tokens = || prop::collection::vec(prop::option::weighted(0.9, value()), 0..3);
    let weak = (
        prop::option::of(0..2_i64),
        prop::collection::vec(select(&VALUES[..2]), 0..3),
        prop::collection::vec((select(&VALUES[..2]), select(&VALUES[..2])), 0..3),
    );
    (prop::option::weighted(0.1, value()), slot(), slot(), tokens(), tokens(), weak).prop_map(
        |(id, ja3, hassh, payloads, endpoints, (asn, passwords, commands))| Attacker {
            id,
            ja3,
            hassh,
            payloads,
            endpoints,
            asn,
            passwords,
            commands,
        },
    )
}

fn population() -> impl Strategy<Value = Vec<Attacker>> {
    prop::collection::vec(attacker(), 0..9)
}

/// Attackers of which at least two are joined.
fn grouped() -> impl Strategy<Value = Vec<Attacker>> {
    population().prop_filter("all are alone", |all| !by_pairs(all).is_sorted_by(|a, b| a < b))
}

/// Attackers of at least two groups.
fn apart() -> impl Strategy<Value = Vec<Attacker>> {
    population().prop_filter("all are one", |all| by_pairs(all).iter().any(|&label| label > 0))
}

fn follows_the_rule(attackers: &[Attacker]) -> Result<(), TestCaseError> {
    let (texts, inputs, answer) = Answer::of(attackers);
    prop_assert_eq!(&answer.labels, &by_pairs(attackers));
    prop_assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    Ok(())
}

fn held(ja3: Option<Text>, hassh: Option<Text>, payloads: &[Option<Text>]) -> Attacker {
    Attacker { ja3, hassh, payloads: payloads.to_vec(), ..Attacker::default() }
}

fn edges(attackers: &[Attacker]) -> Vec<(u32, u32, String, String)> {
    let (texts, _, answer) = Answer::of(attackers);
    answer.told(&texts)
}

fn edge(a: u32, b: u32, reason: &str, value: &str) -> (u32, u32, String, String) {
    (a, b, reason.into(), value.into())
}

#[test]
fn a_holder_without_fingerprints_joins_all_holders_to_itself() {
    let p = [Some("p")];
    let attackers =
        [held(Some("x"), None, &p), held(Some("y"), Some("z"), &p), held(None, None, &p)];
    assert_eq!(edges(&attackers), [edge(0, 2, "payload", "p"), edge(1, 2, "payload", "p")]);
    assert_eq!(edges(&attackers[..2]), []);
}

#[test]
fn only_ja3_and_only_hassh_join_across_and_never_among_themselves() {
    let p = [Some("p")];
    let attackers = [
        held(Some("x"), None, &p),
        held(Some("y"), None, &p),
        held(Some("z"), Some("z"), &p),
        held(None, Some("x"), &p),
        held(None, Some("y"), &p),
    ];
    assert_eq!(
        edges(&attackers),
        [edge(0, 3, "payload", "p"), edge(1, 3, "payload", "p"), edge(0, 4, "payload", "p")]
    );
}

#[test]
fn an_empty_token_is_a_value_an_absent_one_is_not_and_twice_is_once() {
    assert_eq!(
        edges(&[held(None, None, &[Some(""), Some("")]), held(None, None, &[Some("")])]),
        [edge(0, 1, "payload", "")]
    );
    assert_eq!(edges(&[held(None, None, &[None, None]), held(None, None, &[None])]), []);
    assert_eq!(
        edges(&[held(Some(""), None, &[]), held(Some(""), None, &[])]),
        [edge(0, 1, "ja3", "")]
    );
}

#[test]
fn payloads_and_endpoints_are_two_name_spaces_and_ja3_and_hassh_are_too() {
    let endpoint = Attacker { endpoints: vec![Some("p")], ..Attacker::default() };
    assert_eq!(edges(&[held(None, None, &[Some("p")]), endpoint]), []);
    assert_eq!(edges(&[held(Some("x"), None, &[]), held(None, Some("x"), &[])]), []);
}

#[test]
fn rows_of_one_id_are_joined_and_keep_their_own_edges() {
    let seen = |id, ja3| Attacker { id: Some(id), ja3: Some(ja3), ..Attacker::default() };
    let attackers = [seen("1", "x"), seen("2", "y"), seen("1", "y"), seen("3", "z")];
    assert_eq!(edges(&attackers), [edge(0, 2, "same-id", "1"), edge(1, 2, "ja3", "y")]);
}

#[test]
fn a_fault_in_the_inputs_is_named() {
    let attackers = [held(None, None, &[Some("p")]), held(None, None, &[Some("p")])];
    let (texts, inputs) = interned(&attackers);
    let fault = |input: usize, frame: Frame| {
        let mut inputs = inputs.clone();
        inputs[input] = frame;
        with_job(&texts, &inputs, |job| IdentityComponents.run(job)).unwrap_err().to_string()
    };
    let child = |rows: Vec<u32>| {
        let tokens = Column::text(rows.clone());
        Frame::new(rows.len(), [("row", rows.into()), ("token", tokens)]).unwrap()
    };
    assert_eq!(
        fault(1, child(vec![1, 0])),
        "identity-components: input 'payloads': column 'row' of a child frame falls at row 1"
    );
    assert_eq!(
        fault(2, child(vec![2])),
        "identity-components: input 'endpoints': row 2 does not exist (there are 2)"
    );
    let columns = ["ja3", "hassh"].map(|name| (name, Column::text(vec![0, 0])));
    let numbers = ("id", Column::from(vec![1_u32, 2]));
    assert_eq!(
        fault(0, Frame::new(2, columns.into_iter().chain([numbers])).unwrap()),
        "identity-components: input 'attackers': column 'id' is uint32, not text"
    );
}

#[test]
fn as_many_attackers_as_a_word_can_number_are_accepted_and_not_one_more() {
    assert_eq!(limit_rows(1 << 30), Ok(()));
    let refused = limit_rows((1 << 30) + 1).unwrap_err();
    assert!(matches!(&refused, KernelError::Limit(what) if what.contains("1073741825 attackers")));
}

#[test]
fn verify_accepts_any_reason_of_the_rule_and_not_only_the_first() {
    let p = [Some("p")];
    let attackers = [held(Some("x"), Some("y"), &p), held(Some("x"), Some("z"), &p)];
    let (texts, inputs, mut answer) = Answer::of(&attackers);
    assert_eq!(answer.told(&texts), [edge(0, 1, "ja3", "x")]);
    let code = |text| texts.code(text).unwrap();
    answer.edges = vec![(0, 1, code(PAYLOAD), code("p"))];
    assert_eq!(answer.verify(&texts, &inputs), Ok(()));
}

#[test]
fn verify_rejects_an_edge_over_what_both_lack() {
    let (texts, inputs, mut answer) = Answer::of(&[held(None, None, &[]), held(None, None, &[])]);
    answer.edges.push((0, 1, texts.code(JA3).unwrap(), ABSENT));
    let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
    assert!(fault.contains("does not follow from the rule"), "{fault}");
}

#[test]
fn verify_rejects_an_edge_that_the_veto_forbids() {
    let p = [Some("p")];
    let attackers = [held(Some("x"), None, &p), held(Some("y"), Some("z"), &p)];
    let (texts, inputs, mut answer) = Answer::of(&attackers);
    let code = |text| texts.code(text).unwrap();
    answer.edges.push((0, 1, code(PAYLOAD), code("p")));
    let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
    assert_eq!(fault, "wrong answer: edge 0 of rows 0 and 1 does not follow from the rule");
}

#[test]
fn all_populations_of_four_with_one_token_follow_the_pairwise_rule() {
    // Each of two slots is empty, "x" or "y", and the token is held or not: 18 kinds of attacker.
    let kinds: Vec<Attacker> = (0..18)
        .map(|kind| Attacker {
            ja3: [None, Some("x"), Some("y")][kind % 3],
            hassh: [None, Some("x"), Some("y")][kind / 3 % 3],
            payloads: vec![Some("x"); kind / 9],
            ..Attacker::default()
        })
        .collect();
    // The fourth always holds it: with three and the symmetry of rows that covers what matters.
    for case in 0..18 * 18 * 18 * 9 {
        let pick = [case % 18, case / 18 % 18, case / 324 % 18, 9 + case / 5832];
        let attackers = pick.map(|kind| kinds[kind].clone());
        let (texts, inputs, answer) = Answer::of(&attackers);
        assert_eq!(answer.labels, by_pairs(&attackers), "{attackers:?}");
        assert_eq!(answer.verify(&texts, &inputs), Ok(()), "{attackers:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]
    #[test]
    fn any_population_has_the_labels_of_the_pairwise_rule_and_passes(attackers in population()) {
        follows_the_rule(&attackers)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]
    #[test]
    #[ignore = "a hundred thousand populations, some minutes"]
    fn a_hundred_thousand_populations_do(attackers in population()) {
        follows_the_rule(&attackers)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_order_of_rows_does_not_change_the_groups(
        (attackers, order) in population().prop_flat_map(|attackers| {
            let rows: Vec<usize> = (0..attackers.len()).collect();
            (Just(attackers), Just(rows).prop_shuffle())
        }),
    ) {
        let moved: Vec<_> = order.iter().map(|&row| attackers[row].clone()).collect();
        let (before, after) = (Answer::of(&attackers).2.labels, Answer::of(&moved).2.labels);
        for (i, &a) in order.iter().enumerate() {
            for (j, &b) in order.iter().enumerate() {
                prop_assert_eq!(after[i] == after[j], before[a] == before[b]);
            }
        }
    }

    #[test]
    fn the_order_of_codes_changes_nothing(
        attackers in population(),
        early in Just(vec![SAME_ID, JA3, HASSH, PAYLOAD, ENDPOINT, "", "x", "y", "z"]).prop_shuffle(),
    ) {
        let (texts, _, answer) = Answer::of(&attackers);
        let shuffled = Interner::new(1 << 20);
        shuffled.codes(early).unwrap();
        let inputs = frames(&attackers, |text| shuffled.lookup(text).unwrap());
        let other = Answer::run(&shuffled, &inputs);
        prop_assert_eq!(&other.labels, &answer.labels);
        prop_assert_eq!(other.told(&shuffled), answer.told(&texts));
    }

    #[test]
    fn codes_that_lie_far_apart_change_nothing(attackers in population()) {
        let far = |code: u32| code.wrapping_mul(0x9e37_79b1) ^ 0x5555_5555;
        let (texts, _, mut answer) = Answer::of(&attackers);
        let inputs = frames(&attackers, |text| far(texts.lookup(text).unwrap()));
        answer.edges.iter_mut().for_each(|edge| edge.3 = far(edge.3));
        prop_assert_eq!(&Answer::run(&texts, &inputs), &answer);
        prop_assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    }

    #[test]
    fn verify_rejects_a_dropped_edge_and_an_over_split(attackers in grouped(), at in any::<Index>()) {
        let (texts, inputs, mut answer) = Answer::of(&attackers);
        answer.edges.remove(at.index(answer.edges.len()));
        prop_assert!(answer.verify(&texts, &inputs).unwrap_err().to_string().contains("edges, not"));
        let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
        prop_assert!(fault.contains("label"), "{}", fault);
    }

    #[test]
    fn verify_rejects_merged_groups_whatever_the_excuse(
        attackers in apart(),
        (x, y, why, what) in any::<(Index, Index, Index, Index)>(),
    ) {
        let (texts, inputs, mut answer) = Answer::of(&attackers);
        let mut groups = answer.labels.clone();
        groups.sort_unstable();
        groups.dedup();
        let x = groups.remove(x.index(groups.len()));
        let y = *y.get(&groups);
        let why = texts.code([SAME_ID, JA3, HASSH, PAYLOAD, ENDPOINT][why.index(5)]).unwrap();
        let what = texts.code(VALUES[what.index(4)]).unwrap();
        answer.edges.push((x.min(y), x.max(y), why, what));
        let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
        prop_assert!(fault.contains("does not follow from the rule"), "{}", fault);
    }

    #[test]
    fn verify_rejects_a_changed_label_a_cycle_and_a_false_reason(
        attackers in grouped(),
        (at, row, label) in any::<(Index, Index, Index)>(),
    ) {
        let (texts, inputs, answer) = Answer::of(&attackers);
        let at = at.index(answer.edges.len());
        let edge = answer.edges[at];
        let (row, label) = (row.index(attackers.len()), *label.get(&answer.labels));
        let changes: [&dyn Fn(&mut Answer); 6] = [
            &|other| other.labels[row] = label,
            &|other| other.edges.push(edge),
            &|other| other.edges[at] = answer.edges[(at + 1) % answer.edges.len()],
            &|other| other.edges[at] = (edge.1, edge.0, edge.2, edge.3),
            &|other| other.edges[at].2 = edge.3,
            &|other| other.edges[at].3 = ABSENT,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut other = answer.clone();
            change(&mut other);
            let passes = other.verify(&texts, &inputs).is_ok();
            prop_assert!(!passes || other == answer, "change {}", number);
        }
    }
}

//! What `verify` must not let pass, and inputs that `run` must refuse.

use super::*;

/// Identities of which at least two are joined.
fn grouped() -> impl Strategy<Value = Vec<Row>> {
    population().prop_filter("all are alone", |all| !by_pairs(all).is_sorted_by(|a, b| a < b))
}

/// Identities of at least two groups.
fn apart() -> impl Strategy<Value = Vec<Row>> {
    population().prop_filter("all are one", |all| by_pairs(all).iter().any(|&label| label > 0))
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn a_dropped_edge_and_an_over_split_are_rejected(rows in grouped(), at in any::<Index>()) {
        let (texts, inputs, mut answer) = Answer::of(&rows);
        answer.edges.remove(at.index(answer.edges.len()));
        prop_assert!(answer.verify(&texts, &inputs).unwrap_err().to_string().contains("edges, not"));
        let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
        prop_assert!(fault.contains("label"), "{}", fault);
    }

    #[test]
    fn merged_groups_are_rejected_whatever_the_excuse(
        rows in apart(),
        (x, y, why, what) in any::<(Index, Index, Index, Index)>(),
        weight in select(vec![0.0, 0.9999, 1.0, f64::NAN]),
    ) {
        let (texts, inputs, mut answer) = Answer::of(&rows);
        let mut groups = answer.labels.clone();
        groups.sort_unstable();
        groups.dedup();
        let x = groups.remove(x.index(groups.len()));
        let y = *y.get(&groups);
        let why = texts.code([PHASE_HANDOFF, SHARED_INFRA, COMBINED][why.index(3)]).unwrap();
        let what = texts.code(["d", "x", "", "keystroke 1"][what.index(4)]).unwrap();
        answer.edges.push((x.min(y), x.max(y), why, what, weight));
        let fault = answer.relabelled().verify(&texts, &inputs).unwrap_err().to_string();
        prop_assert!(fault.contains("does not follow from the rule"), "{}", fault);
    }

    #[test]
    fn a_changed_label_a_cycle_a_false_reason_and_a_false_weight_are_rejected(
        rows in grouped(),
        (at, row, label) in any::<(Index, Index, Index)>(),
    ) {
        let (texts, inputs, answer) = Answer::of(&rows);
        let at = at.index(answer.edges.len());
        let edge = answer.edges[at];
        let (row, label) = (row.index(rows.len()), *label.get(&answer.labels));
        let changes: [&dyn Fn(&mut Answer); 8] = [
            &|other| other.labels[row] = label,
            &|other| other.edges.push(edge),
            &|other| other.edges[at] = answer.edges[(at + 1) % answer.edges.len()],
            &|other| other.edges[at] = (edge.1, edge.0, edge.2, edge.3, edge.4),
            &|other| other.edges[at].2 = edge.3,
            &|other| other.edges[at].3 = ABSENT,
            &|other| other.edges[at].4 = edge.4.next_up(),
            &|other| other.edges[at].4 = f64::NAN,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut other = answer.clone();
            change(&mut other);
            let passes = other.verify(&texts, &inputs).is_ok();
            prop_assert!(!passes || other == answer, "change {}", number);
        }
    }
}

#[test]
fn any_reason_of_the_rule_is_accepted_and_not_only_the_first() {
    let row = |rank| Row { rank, infra: vec![Some("x"), Some("y")], ..Row::default() };
    let (texts, inputs, mut answer) = Answer::of(&[row(0), row(1)]);
    let told = |reason, value| (0, 1, texts.code(reason).unwrap(), texts.code(value).unwrap(), 1.0);
    assert_eq!(answer.edges, [told(SHARED_INFRA, "x")]);
    for right in [told(SHARED_INFRA, "y"), told(COMBINED, "shared-infra 1")] {
        answer.edges = vec![right];
        assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    }
    answer.edges = vec![told(PHASE_HANDOFF, "x")];
    assert!(answer.verify(&texts, &inputs).is_err());
}

#[test]
fn a_fault_in_the_inputs_is_named() {
    let rows = [Row::default(), Row { rank: 1, ..Row::default() }];
    let texts = Interner::new(1 << 20);
    let sound = frames(&rows, &texts);
    let fault = |input: usize, columns: Vec<(&str, Column)>| {
        let mut inputs = sound.clone();
        inputs[input] = Frame::new(columns[0].1.len(), columns).unwrap();
        with_job(&texts, &inputs, |job| CampaignComponents.run(job)).unwrap_err().to_string()
    };
    let uint = |values: &[u32]| Column::from(values.to_vec());
    let float = |values: &[f64]| Column::from(values.to_vec());
    let text = |values: &[u32]| Column::text(values.to_vec());
    assert_eq!(
        fault(0, vec![("rank", uint(&[7, 7]))]),
        "campaign-components: input 'identities': rows 0 and 1 have one rank, 7; ranks must differ"
    );
    assert_eq!(
        fault(0, vec![("rank", uint(&[7, ABSENT]))]),
        "campaign-components: input 'identities': row 1 has no rank"
    );
    assert_eq!(
        fault(1, vec![("row", uint(&[2])), ("token", text(&[0]))]),
        "campaign-components: input 'infra': row 2 does not exist (there are 2)"
    );
    assert_eq!(
        fault(3, vec![("row", uint(&[0, 1, 1])), ("simhash", Column::from(vec![1_u64, 2, 2]))]),
        "campaign-components: input 'keystrokes': rows 1 and 2 are both of identity 1"
    );
    let windows = vec![("row", uint(&[0])), ("start", float(&[f64::NAN])), ("end", float(&[1.0]))];
    assert_eq!(
        fault(4, windows),
        "campaign-components: input 'windows': row 0 reaches from NaN to 1; both must be finite"
    );
    let phases = |deckies: &[u32]| {
        let times = || float(&[0.0, 0.0, 0.0]);
        vec![
            ("row", uint(&[0, 0, 0])),
            ("decky", text(deckies)),
            ("first_phase", text(&[0, 0, 0])),
            ("last_phase", text(&[0, 0, 0])),
            ("first_seen", times()),
            ("last_seen", times()),
        ]
    };
    assert_eq!(
        fault(5, phases(&[5, 6, 5])),
        "campaign-components: input 'phases': rows 0 and 2 are both of identity 0 and one decky"
    );
}

//! Kernels that are wrong on purpose: each fault is caught by the check, and by nothing else.

use super::*;
use corral_kernels::{ABSENT, find};

/// A real kernel whose answer is spoiled before anybody sees it.
struct Spoiled {
    real: &'static dyn Kernel,
    spoil: Spoil,
}

type Spoil = fn(&[Frame], &Interner) -> Vec<Frame>;
/// What is done to an answer, and how.
type Fault = (&'static str, Spoil);

impl Kernel for Spoiled {
    fn signature(&self) -> &'static Signature {
        self.real.signature()
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        Ok((self.spoil)(&self.real.run(job)?, job.texts))
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        self.real.verify(job, outputs)
    }
}

/// The three that group: of six rows, 0, 1, 2 are one group and 3, 4, 5 another.
const GROUPING: [&str; 3] = ["identity-components", "campaign-components", "connected-components"];

fn numbers(values: &[u32]) -> Column {
    Column::from(values.to_vec())
}

fn frame<const N: usize>(rows: usize, columns: [(&str, Column); N]) -> Frame {
    Frame::new(rows, columns).unwrap()
}

/// A frame without rows, of the shape of a kernel's input.
fn empty(kernel: &dyn Kernel, input: usize) -> Frame {
    use corral_kernels::ColumnType as Type;
    let columns = kernel.signature().inputs[input].columns.iter().map(|(name, kind)| {
        let column = match kind {
            Type::Uint32 => Column::from(Vec::<u32>::new()),
            Type::Uint64 => Column::from(Vec::<u64>::new()),
            Type::Int64 => Column::from(Vec::<i64>::new()),
            Type::Float64 => Column::from(Vec::<f64>::new()),
            Type::Text => Column::text(Vec::new()),
        };
        (*name, column)
    });
    Frame::new(0, columns).unwrap()
}

fn inputs(kernel: &dyn Kernel, texts: &Interner) -> Vec<Frame> {
    let code = |text: &str| texts.code(text).unwrap();
    let column = |words: &[&str]| Column::text(words.iter().map(|word| code(word)).collect());
    match kernel.signature().name {
        "identity-components" => {
            let (one, other) = (code("one"), code("other"));
            let hassh = vec![one, one, one, other, other, ABSENT];
            let prints = [("ja3", Column::text(vec![ABSENT; 6])), ("hassh", Column::text(hassh))];
            let shared = [("row", numbers(&[3, 5])), ("token", column(&["file", "file"]))];
            vec![frame(6, prints), frame(2, shared), empty(kernel, 2)]
        }
        "campaign-components" => {
            let token = column(&["one", "one", "one", "other", "other", "other"]);
            let row = [0, 1, 2, 3, 4, 5];
            let mut inputs = vec![
                frame(6, [("rank", numbers(&row))]),
                frame(6, [("row", numbers(&row)), ("token", token)]),
            ];
            inputs.extend((2..kernel.signature().inputs.len()).map(|at| empty(kernel, at)));
            inputs
        }
        "connected-components" => {
            let edges = [("a", numbers(&[0, 0, 1, 3, 3])), ("b", numbers(&[1, 2, 2, 4, 5]))];
            vec![frame(6, [("n", numbers(&[0; 6]))]), frame(5, edges)]
        }
        "credential-reuse" => vec![frame(
            4,
            [
                ("secret_sha256", column(&["s", "s", "s", "t"])),
                ("secret_kind", column(&["plaintext"; 4])),
                ("principal", column(&["root"; 4])),
                ("decky", column(&["x", "y", "y", "x"])),
                ("service", column(&["ssh"; 4])),
                ("ip", column(&["a", "a", "b", "b"])),
            ],
        )],
        "attribution-states" => {
            let value = column(&["1", "1", "1", "2", "2", "2"]);
            let at = Column::from(vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
            vec![
                frame(2, [("kind", column(&["categorical", "categorical"]))]),
                frame(6, [("row", numbers(&[0, 0, 0, 1, 1, 1])), ("value", value), ("at", at)]),
            ]
        }
        other => panic!("no inputs for '{other}'"),
    }
}

/// The frame with another column in the place of one.
fn with(frame: &Frame, name: &str, column: Column) -> Frame {
    assert!(frame.column(name).is_ok(), "no column '{name}'");
    let columns = frame
        .columns()
        .map(|(other, old)| (other, if other == name { column.clone() } else { old.clone() }));
    Frame::new(frame.rows(), columns).unwrap()
}

/// The forest with other ends for the edge at `at`.
fn with_ends(forest: &Frame, at: usize, a: u32, b: u32) -> Frame {
    let ends = |name: &str, end: u32| {
        let mut ends = forest.uint32(name).unwrap().to_vec();
        ends[at] = end;
        Column::from(ends)
    };
    with(&with(forest, "a", ends("a", a)), "b", ends("b", b))
}

fn labels(labels: [u32; 6]) -> Frame {
    frame(6, [("label", numbers(&labels))])
}

const GROUPING_FAULTS: [Fault; 9] = [
    ("splits a group", |answer, _| {
        vec![labels([0, 0, 2, 3, 3, 3]), answer[1].take(&[0, 2, 3]).unwrap()]
    }),
    ("merges two groups by an edge that it made up", |answer, _| {
        let forest = answer[1].take(&[0, 1, 2, 3, 0]).unwrap();
        vec![labels([0; 6]), with_ends(&forest, 4, 0, 3)]
    }),
    ("drops an edge", |answer, _| vec![answer[0].clone(), answer[1].take(&[0, 2, 3]).unwrap()]),
    ("adds an edge that closes a circle", |answer, _| {
        let forest = answer[1].take(&[0, 1, 2, 3, 0]).unwrap();
        vec![answer[0].clone(), with_ends(&forest, 4, 1, 2)]
    }),
    ("has a circle in the place of an edge", |answer, _| {
        let forest = answer[1].take(&[0, 1, 0, 2]).unwrap();
        vec![answer[0].clone(), with_ends(&forest, 2, 1, 2)]
    }),
    ("gives a false reason", |answer, texts| {
        // The other reason of each kernel, and of the one without reasons the edge of somebody else.
        let forest = &answer[1];
        if forest.column("edge").is_ok() {
            return vec![answer[0].clone(), with(forest, "edge", numbers(&[1, 0, 3, 4]))];
        }
        let is_weighed = forest.column("weight").is_ok();
        let other = texts.code(if is_weighed { "phase-handoff" } else { "endpoint" }).unwrap();
        let mut reasons = forest.text("reason").unwrap().to_vec();
        reasons[0] = other;
        vec![answer[0].clone(), with(forest, "reason", Column::text(reasons))]
    }),
    ("swaps the labels", |answer, _| vec![labels([3, 3, 3, 0, 0, 0]), answer[1].clone()]),
    ("has one output only", |answer, _| answer[..1].to_vec()),
    ("calls the labels something else", |answer, _| {
        let label = answer[0].column("label").unwrap().clone();
        vec![frame(6, [("group", label)]), answer[1].clone()]
    }),
];

fn add_one(frame: &Frame, name: &str) -> Frame {
    let more = frame.uint32(name).unwrap().iter().map(|count| count + 1).collect::<Vec<_>>();
    with(frame, name, Column::from(more))
}

const REUSE_FAULTS: [Fault; 6] = [
    ("counts a target more", |answer, _| vec![add_one(&answer[0], "targets"), answer[1].clone()]),
    ("counts an address more", |answer, _| {
        vec![add_one(&answer[0], "addresses"), answer[1].clone()]
    }),
    ("counts a credential more", |answer, _| {
        vec![add_one(&answer[0], "credentials"), answer[1].clone()]
    }),
    ("names another first", |answer, _| vec![add_one(&answer[0], "first"), answer[1].clone()]),
    ("leaves a member out", |answer, _| vec![answer[0].clone(), answer[1].take(&[0, 1]).unwrap()]),
    ("overlooks the group", |answer, _| {
        vec![answer[0].take(&[]).unwrap(), answer[1].take(&[]).unwrap()]
    }),
];

const STATE_FAULTS: [Fault; 5] = [
    ("says another state", |answer, texts| {
        let drifting = texts.code("drifting").unwrap();
        vec![with(&answer[0], "state", Column::text(vec![drifting; 2]))]
    }),
    ("says another value", |answer, _| {
        let value = answer[0].text("value").unwrap();
        vec![with(&answer[0], "value", Column::text(vec![value[1], value[0]]))]
    }),
    ("is surer than it may be", |answer, _| {
        vec![with(&answer[0], "confidence", Column::from(vec![2.0; 2]))]
    }),
    ("counts a sample more", |answer, _| vec![add_one(&answer[0], "samples")]),
    ("leaves a series out", |answer, _| vec![answer[0].take(&[0]).unwrap()]),
];

/// Every fault, with the kernel that has it.
fn faults() -> Vec<(&'static dyn Kernel, &'static str, Spoil)> {
    let mut faults = Vec::new();
    let tables: [(&[&str], &[Fault]); 3] = [
        (&GROUPING, &GROUPING_FAULTS),
        (&["credential-reuse"], &REUSE_FAULTS),
        (&["attribution-states"], &STATE_FAULTS),
    ];
    for (kernels, table) in tables {
        for kernel in kernels {
            faults.extend(table.iter().map(|(what, spoil)| (find(kernel).unwrap(), *what, *spoil)));
        }
    }
    faults
}

fn spoiled(real: &'static dyn Kernel, spoil: Spoil) -> Call {
    let texts = Arc::new(Interner::new(1 << 20));
    let inputs = inputs(real, &texts);
    let kernel: &'static Spoiled = Box::leak(Box::new(Spoiled { real, spoil }));
    Call { kernel, inputs, parameters: vec![], texts }
}

/// The three ways a call may go: where it is asked for, through the queue, as a large one.
fn pools(verify: &VerifyConfig) -> [Pool; 3] {
    let start = |inline_rows, large_rows| {
        let config = PoolConfig { threads: 1, inline_rows, large_rows, ..PoolConfig::default() };
        Pool::start(&config, verify, clock()).unwrap()
    };
    [start(usize::MAX, usize::MAX), start(0, usize::MAX), start(0, 0)]
}

#[tokio::test]
async fn every_fault_is_caught_and_named_on_every_way() {
    for pool in pools(&VerifyConfig { rows_max: 100, sample: 0 }) {
        for (kernel, what, spoil) in faults() {
            let name = kernel.signature().name;
            let error = pool.run(spoiled(kernel, spoil)).await.expect_err(what);
            assert!(matches!(error, PoolError::Wrong { .. }), "{name} {what}: {error}");
            let told = format!("kernel '{name}' gave a wrong answer: ");
            assert!(error.to_string().starts_with(&told), "{name} {what}: {error}");
        }
        let wrong =
            |name: &str| faults().iter().filter(|(k, ..)| k.signature().name == name).count();
        for (name, checked) in pool.checked() {
            let wrong = wrong(name) as u64;
            assert_eq!((checked.answers, checked.verified, checked.wrong), (wrong, 0, wrong));
        }
    }
}

#[tokio::test]
async fn without_the_check_the_same_faults_pass() {
    for pool in pools(&VerifyConfig { rows_max: 0, sample: 0 }) {
        for (kernel, what, spoil) in faults() {
            let answer = pool.run(spoiled(kernel, spoil)).await.expect(what);
            let right = pool.run(spoiled(kernel, |answer, _| answer.to_vec())).await.unwrap();
            assert_ne!(answer.outputs, right.outputs, "{what} is no fault");
            assert_eq!(answer.took.verify, None);
        }
        assert!(pool.checked().values().all(|checked| (checked.verified, checked.wrong) == (0, 0)));
    }
}

#[tokio::test]
async fn the_same_kernels_unspoiled_are_right() {
    for pool in pools(&VerifyConfig { rows_max: 100, sample: 0 }) {
        for kernel in corral_kernels::kernel::ALL {
            let answer = pool.run(spoiled(*kernel, |answer, _| answer.to_vec())).await.unwrap();
            assert!(answer.took.verify.is_some());
            let name = kernel.signature().name;
            if GROUPING.contains(&name) {
                assert_eq!(answer.outputs[0], labels([0, 0, 0, 3, 3, 3]), "{name}");
                assert_eq!(answer.outputs[1].rows(), 4, "{name}");
            }
            assert_eq!(pool.checked()[name].verified, 1);
        }
    }
}

#[tokio::test]
async fn a_wrong_answer_is_an_error_in_the_log_with_kernel_rows_and_fault() {
    use std::io::Write;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);
    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl MakeWriter<'_> for Written {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    // Where it is asked for, so that it is this thread's log.
    let [pool, ..] = pools(&VerifyConfig { rows_max: 100, sample: 0 });
    let kernel = find("connected-components").unwrap();
    let (_, drop_an_edge) = GROUPING_FAULTS[2];
    // Whether anybody listens is remembered for each line of the log from its first time on, and by then it
    // may have been another test that nobody listened to.
    assert!(pool.run(spoiled(kernel, drop_an_edge)).await.is_err());
    let written = Written::default();
    let log = tracing_subscriber::fmt().with_writer(written.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(log);
    tracing::callsite::rebuild_interest_cache();
    assert!(pool.run(spoiled(kernel, drop_an_edge)).await.is_err());
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("ERROR"), "{log}");
    for field in [
        "kernel=\"connected-components\"",
        "rows=11",
        "fault=\"6 rows in 2 groups need 4 edges, not 3\"",
    ] {
        assert!(log.contains(field), "{field}: {log}");
    }
}

//! Which answers are checked, and that a check is as well behaved as the kernel it is for.

use super::*;

/// A kernel whose judge does as it is told.
struct Judged(fn(&Job<'_>) -> Result<(), KernelError>);

static JUDGED: Signature = Signature {
    name: "judged",
    summary: "answers nothing at once",
    inputs: &[corral_kernels::Shape { name: "rows", columns: &[] }],
    parameters: &[],
    outputs: &[],
};

impl Kernel for Judged {
    fn signature(&self) -> &'static Signature {
        &JUDGED
    }

    fn run(&self, _job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        Ok(vec![])
    }

    fn verify(&self, job: &Job<'_>, _outputs: &[Frame]) -> Result<(), KernelError> {
        (self.0)(job)
    }
}

fn judged(rows: usize, judge: fn(&Job<'_>) -> Result<(), KernelError>) -> Call {
    let kernel: &'static Judged = Box::leak(Box::new(Judged(judge)));
    Call { kernel, ..call(rows) }
}

fn spin(job: &Job<'_>) -> Result<(), KernelError> {
    while job.pace.check().is_ok() {}
    Err(KernelError::Cancelled)
}

/// A pool of one thread on which `call(1)` is large and `call(0)` is not, and all is checked.
fn checking() -> Pool {
    let config = PoolConfig {
        threads: 1,
        inline_rows: 0,
        large_rows: 1,
        large_kernels_max: 1,
        ..PoolConfig::default()
    };
    Pool::start(&config, &VerifyConfig { rows_max: 0, sample: 1 }, clock()).unwrap()
}

fn due(verifier: &Verifier, kernel: &'static str, rows: usize, times: usize) -> Vec<bool> {
    (0..times).map(|_| verifier.due(kernel, rows) == Check::Due).collect()
}

#[test]
fn up_to_the_limit_all_are_checked_and_above_it_every_so_many_th_from_the_first() {
    let verifier = Verifier::new(&VerifyConfig { rows_max: 10, sample: 3 }, clock());
    assert_eq!(due(&verifier, "a", 11, 5), [true, false, false, true, false]);
    // Small ones do not count, and each kernel has its own count.
    assert_eq!(due(&verifier, "a", 10, 4), [true; 4]);
    assert_eq!(due(&verifier, "b", usize::MAX, 2), [true, false]);
    assert_eq!(due(&verifier, "a", 11, 2), [false, true]);
}

#[test]
fn a_sample_of_one_is_all_and_of_none_is_none() {
    let all = Verifier::new(&VerifyConfig { rows_max: 0, sample: 1 }, clock());
    assert_eq!(due(&all, "a", 1, 3), [true; 3]);
    let none = Verifier::new(&VerifyConfig { rows_max: 0, sample: 0 }, clock());
    assert_eq!(due(&none, "a", 1, 3), [false; 3]);
    assert_eq!(due(&none, "a", 0, 3), [true; 3]);
}

#[tokio::test]
async fn what_was_answered_and_checked_is_counted_by_kernel() {
    let config = PoolConfig { threads: 1, ..PoolConfig::default() };
    let verify = VerifyConfig { rows_max: 1, sample: 2 };
    let pool = Pool::start(&config, &verify, clock()).unwrap();
    let wrong = |_: &Job<'_>| Err(KernelError::Wrong("so be it".to_owned()));
    // Small and right, small and wrong; then large: checked, passed over, checked and wrong.
    assert!(pool.run(judged(1, |_| Ok(()))).await.is_ok());
    assert!(pool.run(judged(1, wrong)).await.is_err());
    assert!(pool.run(judged(2, |_| Ok(()))).await.is_ok());
    assert!(pool.run(judged(2, wrong)).await.is_ok());
    assert!(pool.run(judged(2, wrong)).await.is_err());
    // One that gives no answer is none.
    assert!(pool.run(call(0)).await.is_err());
    let checked = pool.checked();
    assert_eq!(checked.keys().copied().collect::<Vec<_>>(), ["judged"]);
    let Checked { answers, verified, wrong, .. } = checked["judged"];
    assert_eq!((answers, verified, wrong), (5, 2, 2));
}

#[tokio::test]
async fn a_proof_checks_whatever_the_config_says_and_takes_nobodys_place_in_the_sample() {
    let pool =
        Pool::start(&PoolConfig::default(), &VerifyConfig { rows_max: 0, sample: 2 }, clock())
            .unwrap();
    let verified = async |pool: &Pool| pool.checked()["judged"].verified;
    assert!(pool.prove(judged(1, |_| Ok(()))).await.is_ok());
    assert!(pool.prove(judged(1, |_| Ok(()))).await.is_ok());
    assert_eq!(verified(&pool).await, 2);
    assert!(pool.run(judged(1, |_| Ok(()))).await.is_ok());
    assert_eq!(verified(&pool).await, 3, "the first of the sample");
    assert!(pool.run(judged(1, |_| Ok(()))).await.is_ok());
    assert_eq!(verified(&pool).await, 3, "the second of two");
}

#[tokio::test]
async fn a_panic_in_a_check_is_the_calls_error_and_the_pool_lives() {
    let pool = checking();
    for rows in [0, 1, 1] {
        let error = pool.run(judged(rows, |_| panic!("no judgement"))).await.unwrap_err();
        let told = "the check of kernel 'judged' failed: no judgement (this is a bug in corral)";
        assert_eq!(error.to_string(), told);
    }
    assert!(pool.run(judged(1, |_| Ok(()))).await.is_ok());
    let Checked { answers, verified, wrong, .. } = pool.checked()["judged"];
    assert_eq!((answers, verified, wrong), (4, 1, 0));
}

#[tokio::test]
async fn a_limit_of_the_check_says_that_it_is_the_checks() {
    let limit = |_: &Job<'_>| Err(KernelError::Limit("7 is too many".to_owned()));
    let error = checking().run(judged(1, limit)).await.unwrap_err();
    assert_eq!(error.to_string(), "checking the answer: 7 is too many");
}

#[tokio::test]
async fn a_dropped_call_cancels_its_check_and_frees_its_permit() {
    let pool = checking();
    let waiting =
        tokio::time::timeout(std::time::Duration::from_millis(20), pool.run(judged(1, spin)));
    assert!(waiting.await.is_err());
    // The one permit comes back only when the check has ended.
    assert!(pool.run(judged(1, |_| Ok(()))).await.is_ok());
}

#[tokio::test]
async fn a_kernel_runs_in_between_the_steps_of_a_large_check_on_one_thread() {
    let pool = checking();
    let large = pool.run(judged(1, spin));
    tokio::pin!(large);
    // The check never ends by itself; the other comes back.
    tokio::select! {
        _ = &mut large => panic!("it spins until it is cancelled"),
        other = pool.run(judged(0, |_| Ok(()))) => assert!(other.is_ok()),
    }
}

//! What is made to trouble the compiler, and compilers that trouble the host.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use corral::clock::{Clock, SystemClock};
use corral::config::{Config, Limits};
use corral::plugin::{Host, Source};

use super::About::{Limit, Promise};
use super::written::{HONEST, around, loops, module};
use super::{Crime, crime, limits, refusal, scene_with};
use crate::scene::Scene;
use crate::tree;

pub(super) const CRIMES: &[Crime] = &[
    crime(
        "takes-the-compiler-long",
        Limit("compile-seconds"),
        "compiling it took longer than limits.compile-seconds = 2",
    ),
    crime(
        "takes-the-compiler-much",
        Limit("compile-memory-bytes-max"),
        "compiling it took more memory than limits.compile-memory-bytes-max = 134217728",
    ),
    crime(
        "compiles-to-too-much",
        Promise("compiled code has a size"),
        "compiled, it is larger than 268435456 bytes",
    ),
];

#[tokio::test]
async fn a_component_made_against_the_compiler_ends_its_child_and_nobody_else() {
    let limits = Limits { compile_seconds: 2, compile_memory_bytes_max: 1 << 30, ..limits() };
    let scene = scene_with(limits.clone()).await;
    let bomb = around(&module(&[loops(600, 600)]));
    assert!(bomb.len() < 20_000, "it is {} bytes", bomb.len());
    let source = Source::File("evil.wasm".into());
    // Somebody works meanwhile.
    let (bombed, ticked) =
        tokio::join!(scene.host.inspect(source, &bomb), scene.tick_of("clusterer"));
    assert_eq!(bombed.unwrap_err().to_string(), format!("evil.wasm: {}", CRIMES[0].told));
    assert_eq!(ticked.committed.formed, 1);

    let limits = Limits { compile_seconds: 60, compile_memory_bytes_max: 128 << 20, ..limits };
    let scene = scene_with(limits).await;
    let error = refusal(&scene, &around(&module(&[loops(1_000, 1_000)]))).await;
    assert_eq!(error, format!("evil.wasm: {}", CRIMES[1].told));
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

/// A host whose compiler is a script, and that keeps nothing.
struct Workshop {
    scene: Scene,
    folder: tempfile::TempDir,
}

impl Workshop {
    async fn open() -> Self {
        let scene = scene_with(limits()).await;
        Self { scene, folder: tempfile::tempdir().unwrap() }
    }

    /// What becomes of an honest component if the compiler does this.
    async fn with(&self, script: &str) -> String {
        let path = self.folder.path().join("compiler");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        self.compile(&path.display().to_string()).await.unwrap_or_default()
    }

    async fn compile(&self, compiler: &str) -> Option<String> {
        let mut config = Config { limits: limits(), ..Config::default() };
        config.limits.compile_seconds = 20;
        "none".clone_into(&mut config.plugins.cache);
        compiler.clone_into(&mut config.plugins.compiler);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let host = Host::start(&config, self.scene.store.clone(), clock).unwrap();
        let source = Source::File("evil.wasm".into());
        host.inspect(source, &HONEST.component()).await.err().map(|error| error.to_string())
    }
}

#[tokio::test]
async fn code_from_the_child_runs_in_the_host() {
    let workshop = Workshop::open().await;
    assert_eq!(workshop.compile(&tree::executable().display().to_string()).await, None);
}

#[tokio::test]
async fn a_compiler_that_fails_is_told_and_ends_nobody() {
    let workshop = Workshop::open().await;
    let told = workshop.with("exec head -c 300000000 /dev/zero").await;
    assert_eq!(told, format!("evil.wasm: {}", CRIMES[2].told));
    let told = workshop.with("echo 'thread main panicked' >&2; exit 101").await;
    assert!(
        told.contains("the compiler died of it: exit status: 101: thread main panicked"),
        "{told}"
    );
    let told = workshop.with("kill -SEGV $$").await;
    assert!(told.contains("the compiler died of it: signal: 11"), "{told}");
    let told = workshop.with("echo not machine code").await;
    assert!(told.starts_with("evil.wasm: "), "{told}");
    // It sees nothing of our surroundings, and its words are one line.
    let told = workshop
        .with("printf 'saw %s\\n\\033[2Jthe end' \"$CARGO_MANIFEST_DIR\" >&2; exit 5")
        .await;
    assert!(told.contains("no WebAssembly component: saw; \\u{1b}[2Jthe end"), "{told}");
    let told = workshop.compile("/nowhere/compiler").await.unwrap();
    assert!(
        told.contains("its compiler /nowhere/compiler cannot be run (plugins.compiler)"),
        "{told}"
    );
}

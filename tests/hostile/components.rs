//! Components that are none, that want what no plugin may have, or that do by hand what no binding would.

use super::About::{Limit, Promise};
use super::written::{HONEST, Written, around, component, loops, module};
use super::{Crime, crime, limits, refusal, scene_with};
use crate::scene::{Scene, guests};
use corral::config::{Config, Limits};
use corral::plugin::Source;

const FORM: super::About = Promise("what is no component is refused with a remedy");
const NOTHING_ELSE: super::About = Promise("a plugin sees our interfaces and nothing else");
const CONTRACT: super::About =
    Promise("a plugin speaks this version of the contract, in its types");
const SANDBOX: super::About = Promise("what a guest gives lies in its memory");

pub(super) const CRIMES: &[Crime] = &[
    crime("garbage", FORM, "no WebAssembly component: "),
    crime("nothing-at-all", FORM, "no WebAssembly component: "),
    crime("a-core-module", FORM, "no WebAssembly component: "),
    crime("a-half", FORM, "no WebAssembly component: "),
    crime("a-section-of-four-gigabytes", FORM, "no WebAssembly component: "),
    crime("machine-code", FORM, "no WebAssembly component: "),
    crime("components-in-components", FORM, "does not fit the contract: "),
    crime("fifty-thousand-and-one-variables", FORM, "no WebAssembly component: "),
    crime("a-body-of-nine-megabytes", FORM, "no WebAssembly component: "),
    crime("more-than-a-million-functions", FORM, "no WebAssembly component: "),
    crime(
        "a-large-file",
        Limit("component-bytes-max"),
        "are more than limits.component-bytes-max = 1000000",
    ),
    crime(
        "wasi",
        NOTHING_ELSE,
        "imports what no plugin may have: wasi:filesystem/types@0.2.0, wasi:sockets/tcp@0.2.0 (a plugin sees only \
         corral:correlator/*@0.1.1)",
    ),
    crime("a-function-of-its-own", NOTHING_ELSE, "imports what no plugin may have: exec"),
    crime(
        "another-version",
        CONTRACT,
        "speaks corral:correlator/frames@0.2.0, this host speaks corral:correlator/*@0.1.1 and 0.1.0 (rebuild it with this \
         version's SDK)",
    ),
    crime("an-interface-that-is-none", CONTRACT, "does not fit the contract: "),
    crime("a-function-of-another-type", CONTRACT, "does not fit the contract: "),
    crime("no-export", CONTRACT, "does not fit the contract: "),
    crime(
        "an-export-of-another-type",
        CONTRACT,
        "describe failed: expected 1-tuple, found 0-tuple",
    ),
    crime("shared-memory", NOTHING_ELSE, "evil.wasm: "),
    crime("five-memories", NOTHING_ELSE, "evil.wasm: "),
    crime(
        "memory-at-once",
        Limit("memory-bytes-max"),
        "(limits.memory-bytes-max, limits.table-elements-max)",
    ),
    crime(
        "a-table-at-once",
        Limit("table-elements-max"),
        "(limits.memory-bytes-max, limits.table-elements-max)",
    ),
    crime(
        "start-spins",
        Limit("guest-milliseconds"),
        "describe failed: spent more than limits.guest-milliseconds = 200",
    ),
    crime("start-traps", SANDBOX, "describe failed: it panicked"),
    crime(
        "describes-outside-of-memory",
        SANDBOX,
        "describe failed: pointer out of bounds of memory",
    ),
    crime("describes-off-its-alignment", SANDBOX, "describe failed: return pointer not aligned"),
    crime("describes-no-text", SANDBOX, "describe failed: invalid utf-8"),
    crime(
        "describes-half-of-all-lists",
        SANDBOX,
        "describe failed: list pointer/length out of bounds",
    ),
    crime(
        "table-grows",
        Limit("table-elements-max"),
        "elements of tables are more than limits.table-elements-max = 100000",
    ),
    crime(
        "recurse-without-memory",
        Limit("stack-bytes-max"),
        "died: its calls went deeper than limits.stack-bytes-max",
    ),
    crime("answers-outside-of-memory", SANDBOX, "died: pointer out of bounds of memory"),
    crime("answers-what-is-no-answer", SANDBOX, "died: invalid expected discriminant"),
    crime("gives-room-outside-of-memory", SANDBOX, "died: realloc return: beyond end of memory"),
    crime("gives-room-off-its-alignment", SANDBOX, "died: realloc return: result not aligned"),
    crime(
        "spins-while-it-gives-room",
        Limit("guest-milliseconds"),
        "died: spent more than limits.guest-milliseconds = 200",
    ),
    crime("panics-while-it-gives-room", SANDBOX, "died: it panicked"),
];

/// The component of a crime.
fn bytes_of(crime: &str) -> Vec<u8> {
    let guest = || std::fs::read(guests().join("hostile.wasm")).unwrap();
    match crime {
        "garbage" => b"#!/bin/sh\n\x1b[2J".to_vec(),
        "nothing-at-all" => Vec::new(),
        "a-core-module" => component("(module)"),
        "a-half" => guest()[..40_000].to_vec(),
        "a-section-of-four-gigabytes" => b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f".to_vec(),
        "machine-code" => std::fs::read(crate::tree::executable()).unwrap()[..100_000].to_vec(),
        "components-in-components" => {
            (0..200).fold(b"\0asm\x0d\0\x01\0".to_vec(), |inner, _| inside(&inner))
        }
        "fifty-thousand-and-one-variables" => around(&module(&[loops(1, 50_001)])),
        "a-body-of-nine-megabytes" => around(&module(&[deep(3_000_000)])),
        "more-than-a-million-functions" => around(&module(&vec![vec![0, 0x0b]; 1_000_001])),
        "a-large-file" => vec![0; 1_000_001],
        "wasi" => component(
            r#"(component
                (import "wasi:filesystem/types@0.2.0" (instance))
                (import "wasi:sockets/tcp@0.2.0" (instance))
                (import "corral:correlator/log@0.1.0" (instance)))"#,
        ),
        "a-function-of-its-own" => component(r#"(component (import "exec" (func)))"#),
        "another-version" => {
            component(r#"(component (import "corral:correlator/frames@0.2.0" (instance)))"#)
        }
        "an-interface-that-is-none" => component(
            r#"(component (import "corral:correlator/shell@0.1.0" (instance (export "run" (func)))))"#,
        ),
        "a-function-of-another-type" => component(
            r#"(component (import "corral:correlator/log@0.1.0"
                (instance (export "write" (func (param "message" string))))))"#,
        ),
        "no-export" => component("(component)"),
        "an-export-of-another-type" => component(
            r#"(component
                (core module $m (func (export "f")))
                (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f")))
                (instance $e (export "describe" (func $f)) (export "tick" (func $f)))
                (export "corral:correlator/correlator@0.1.0" (instance $e)))"#,
        ),
        by_hand => written(by_hand).component(),
    }
}

/// Those that are plugins, but for one thing.
fn written(crime: &str) -> Written {
    let items = |items| Written { items, ..HONEST };
    let describe = |describe| Written { describe, ..HONEST };
    let tick = |tick| Written { tick, ..HONEST };
    let realloc = |realloc| Written { realloc, ..HONEST };
    match crime {
        "shared-memory" => items(r#"(memory (export "memory") 1 2 shared)"#),
        "five-memories" => {
            items(r#"(memory (export "memory") 1) (memory 1) (memory 1) (memory 1) (memory 1)"#)
        }
        "memory-at-once" => items(r#"(memory (export "memory") 2000)"#),
        "a-table-at-once" => items("(table 100001 funcref)"),
        "start-spins" => items("(func $start (loop br 0)) (start $start)"),
        "start-traps" => items("(func $start unreachable) (start $start)"),
        "describes-outside-of-memory" => describe("i32.const 0xfffffff0"),
        "describes-off-its-alignment" => describe("i32.const 65"),
        // Of its own bytes: 0xff is in none that UTF-8 has.
        "describes-no-text" => describe("(i32.store (i32.const 16) (i32.const -1)) i32.const 64"),
        "describes-half-of-all-lists" => {
            describe("(i32.store (i32.const 92) (i32.const 0x7fffffff)) i32.const 64")
        }
        "table-grows" => Written {
            items: "(table $t 1 funcref)",
            ..tick(
                "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
            )
        },
        "recurse-without-memory" => Written {
            items: "(func $deeper (param i32) (result i32)
                (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (local.get 0)))",
            ..tick("(call $deeper (i32.const 0))")
        },
        "answers-outside-of-memory" => tick("i32.const 0xfffffff0"),
        "answers-what-is-no-answer" => {
            tick("(i32.store (i32.const 1024) (i32.const 7)) i32.const 1024")
        }
        "gives-room-outside-of-memory" => realloc("i32.const 0xfffffff0"),
        "gives-room-off-its-alignment" => realloc("i32.const 4097"),
        "spins-while-it-gives-room" => realloc("(loop br 0) unreachable"),
        "panics-while-it-gives-room" => realloc("unreachable"),
        other => panic!("no such crime: {other}"),
    }
}

/// A component in a component.
fn inside(inner: &[u8]) -> Vec<u8> {
    let mut outer = around(inner);
    outer[8] = 4;
    outer
}

/// Blocks in blocks, and nothing in them.
fn deep(depth: usize) -> Vec<u8> {
    [vec![0], b"\x02\x40".repeat(depth), b"\x0b".repeat(depth + 1)].concat()
}

/// What becomes of it: refused at once, or in its first tick.
async fn end_of(scene: &Scene, bytes: &[u8]) -> String {
    let source = Source::File("evil.wasm".into());
    match scene.host.inspect(source, bytes).await {
        Err(error) => error.to_string(),
        Ok(plugin) => match scene.tick(&plugin, &[]).await {
            Err(error) => error.to_string(),
            Ok(_) => "nobody stopped it".to_owned(),
        },
    }
}

#[tokio::test]
async fn every_component_is_refused_or_ends_in_its_first_tick() {
    let limits = limits();
    let small = Limits { component_bytes_max: 1_000_000, ..limits.clone() };
    let (mut scene, small) = (scene_with(limits).await, scene_with(small).await);
    let before = scene.dump().await;
    let mut wrong = Vec::new();
    for Crime { name, told, .. } in CRIMES {
        let host = if *name == "a-large-file" { &small } else { &scene };
        let error = end_of(host, &bytes_of(name)).await;
        let is_named = error.starts_with("evil.wasm: ") || error.starts_with("plugin 'written'");
        let is_line = error.len() < 2_000 && !error.contains(char::is_control);
        if !is_named || !is_line || !error.contains(told) {
            wrong.push(format!("{name}: expected {told:?}, got {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(scene.dump().await, before);
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

/// The others differ from it in one thing each, so it has to be a plugin.
#[tokio::test]
async fn a_component_that_is_written_by_hand_ticks() {
    let scene = scene_with(limits()).await;
    assert_eq!(end_of(&scene, &HONEST.component()).await, "nobody stopped it");
}

#[tokio::test]
async fn a_remedy_stands_beside_what_is_no_component() {
    let scene = scene_with(limits()).await;
    let error = refusal(&scene, b"#!/bin/sh").await;
    assert!(error.ends_with("(build it with `cargo xtask plugins`, or wit-component)"), "{error}");
}

#[tokio::test]
async fn what_is_built_in_is_held_to_the_same_size() {
    let limits = Limits { component_bytes_max: 10, ..Limits::default() };
    let scene = Scene::with_refusals(Config { limits, ..Config::default() }).await;
    let error = scene.host.inspect(Source::Embedded, &[0; 11]).await.unwrap_err().to_string();
    assert_eq!(error, "built in: 11 bytes are more than limits.component-bytes-max = 10");
}

/// Whatever a flipped bit makes of it, it is a plugin or there is a message; nothing else happens.
#[tokio::test]
async fn a_component_with_any_bit_flipped_ends_nobody() {
    let scene = scene_with(limits()).await;
    let honest = HONEST.component();
    for at in (8..honest.len()).step_by(honest.len() / 40) {
        let mut bytes = honest.clone();
        bytes[at] ^= 1 << (at % 8);
        let end = end_of(&scene, &bytes).await;
        assert!(
            ["evil.wasm: ", "plugin '", "nobody"].iter().any(|known| end.starts_with(known)),
            "{at}: {end}"
        );
    }
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

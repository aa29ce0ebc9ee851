//! `corral bus` as a process: its socket, its signals, its exit codes, and its two aids.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use corral::bus::client::Signal;
use serde_json::{Value, json};

use super::line::{Line, Observer};
use super::{LOOK, Place, connected, disconnected, soon};
use crate::desk::{Desk, text};

/// A process that ends with the test.
pub(super) struct Process(pub(super) Child);

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its exit code and what it said where errors go.
    async fn end(mut self) -> (Option<i32>, String) {
        let status = soon(async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        let mut said = Vec::new();
        self.0.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        (status.code(), text(&said))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn bus(place: &Place, more: &[&str]) -> Command {
    let socket = place.socket();
    let mut arguments = vec!["bus", "--socket", socket.to_str().unwrap()];
    arguments.extend(more);
    let mut command = Desk::new().command(&arguments);
    command.current_dir(place.folder.path());
    command
}

/// Until somebody answers at the socket.
pub(super) async fn listening(place: &Place) {
    soon(async {
        while tokio::net::UnixStream::connect(place.socket()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_signal_stops_the_broker_with_exit_code_0_and_no_socket_left() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let broker = Process::start(bus(&place, &[]));
        listening(&place).await;
        // It answers a moment before its mode is set.
        soon(async {
            let mode = || std::fs::metadata(place.socket()).unwrap().permissions().mode();
            while mode() & 0o7777 != 0o660 {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        let mut line =
            Observer::new(&place.socket()).await.subscribed(&place.socket(), &["a"]).await;
        broker.signal(signal);
        assert_eq!(broker.end().await, (Some(0), String::new()), "{signal}");
        assert!(!place.socket().exists(), "{signal}");
        assert_eq!(line.packet().await.unwrap(), b"BYE\n\0\0\0\0");
    }
}

#[tokio::test]
async fn a_client_comes_back_to_a_broker_that_was_killed_and_started_again() {
    let place = Place::new();
    let broker = Process::start(bus(&place, &[]));
    let (_client, mut events) = place.client(&["a.>"]);
    connected(&mut events).await;
    broker.signal("KILL");
    disconnected(&mut events).await;
    drop(broker);
    assert!(place.socket().exists(), "a killed broker cannot remove its socket");
    let broker = Process::start(bus(&place, &[]));
    connected(&mut events).await;
    let mut line = Line::connect(&place.socket()).await;
    let asking = async {
        loop {
            line.publish("a.b", "{}").await;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        signal = soon(events.next()) => assert!(matches!(signal, Some(Signal::Event(_))), "{signal:?}"),
        () = asking => {}
    }
    broker.signal("TERM");
    assert_eq!(broker.end().await.0, Some(0));
}

#[tokio::test]
async fn a_second_broker_is_refused_with_exit_code_8_and_the_first_goes_on() {
    let place = Place::new();
    let first = Process::start(bus(&place, &[]));
    listening(&place).await;
    let (code, error) = Process::start(bus(&place, &[])).end().await;
    assert_eq!(code, Some(8), "{error}");
    assert!(error.contains("a broker is listening there already"), "{error}");
    Observer::new(&place.socket()).await;
    first.signal("TERM");
    assert_eq!(first.end().await.0, Some(0));
}

#[tokio::test]
async fn what_passes_can_be_printed_and_something_be_said() {
    let place = Place::new();
    let served = place.serve().await;
    let mut printer = Process::start(bus(&place, &["--listen", "demo.>", "other"]));
    let mut lines = BufReader::new(printer.0.stdout.take().unwrap()).lines();
    let (found, mut printed) = tokio::sync::oneshot::channel();
    let reading = std::thread::spawn(move || found.send(lines.next().unwrap().unwrap()));
    let printed = soon(async {
        loop {
            let said = Process::start(bus(
                &place,
                &["--publish", "demo.one", "{\"a\":[1,2.5,\"\u{e9}\"]}"],
            ));
            assert_eq!(said.end().await, (Some(0), String::new()));
            tokio::select! {
                printed = &mut printed => break printed.unwrap(),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    })
    .await;
    reading.join().unwrap().unwrap();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["topic"], "demo.one");
    assert_eq!(printed["type"], "one");
    assert_eq!(printed["payload"], json!({"a": [1, 2.5, "\u{e9}"]}));
    assert_eq!(printed["id"].as_str().unwrap().len(), 32);
    printer.signal("TERM");
    assert_eq!(printer.end().await.0, Some(0));
    served.stop().await;
}

#[tokio::test]
async fn what_cannot_be_said_has_an_exit_code_and_a_reason() {
    let place = Place::new();
    let run = async |more: &[&str]| Process::start(bus(&place, more)).end().await;
    let (code, error) = run(&["--publish", "a.b", "{}"]).await;
    assert!(
        code == Some(8) && error.contains("no broker") && error.contains("bus.sock"),
        "{error}"
    );
    let (code, error) = run(&["--publish", "a.b", "{"]).await;
    assert!(code == Some(2) && error.contains("JSON"), "{error}");
    let (code, error) = run(&["--listen", "caf\u{e9}"]).await;
    assert!(code == Some(2) && error.contains("ASCII"), "{error}");
    let (code, error) = run(&["--publish", "a.b"]).await;
    assert_eq!(code, Some(2), "{error}");
    let served = place.serve().await;
    let (code, error) = run(&["--publish", "a b\n", "{}"]).await;
    assert!(code == Some(2) && error.contains("a b"), "{error}");
    served.stop().await;
}

#[test]
fn the_environment_names_the_socket() {
    let desk = Desk::new();
    let place = Place::new();
    let mut command = desk.command(&["bus", "--publish", "a.b", "{}"]);
    let output = command.env("CORRAL_BUS_SOCKET", place.socket()).output().unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(text(&output.stderr).contains(place.socket().to_str().unwrap()));
}

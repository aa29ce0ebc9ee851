//! A daemon of a desk's database.

use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, text};

/// Looks again and again, long enough for a loaded machine.
fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    (0..6000).find_map(|_| {
        let found = look();
        if found.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        found
    })
}

/// The daemon's process; it is killed when the test ends.
pub(super) struct Served<'d> {
    desk: &'d Desk,
    child: Child,
    log: String,
    socket: &'static str,
}

impl<'d> Served<'d> {
    /// Starts a daemon without a bus.
    pub(super) fn start(desk: &'d Desk, arguments: &[&str]) -> Self {
        Self::start_with(desk, arguments, &[("CORRAL_BUS_ENABLED", "false")])
    }

    pub(super) fn start_with(
        desk: &'d Desk,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::launch(desk, &[arguments, &["serve"]].concat(), environment)
    }

    /// One that does not wait for whoever writes.
    pub(super) fn take_over(desk: &'d Desk, environment: &[(&str, &str)]) -> Self {
        Self::launch(desk, &["serve", "--takeover"], environment)
    }

    fn launch(desk: &'d Desk, all: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = format!("serve-{}.log", uniquely());
        let mut command = desk.command(all);
        command.envs(environment.iter().copied());
        let file = std::fs::File::create(desk.path(&log)).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { desk, child, log, socket: "corral.sock" }
    }

    /// Where this one answers.
    pub(super) fn at(mut self, socket: &'static str) -> Self {
        self.socket = socket;
        self
    }

    /// What it has told so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.desk.path(&self.log)).unwrap()
    }

    /// Its status, if it answers.
    pub(super) fn status(&self) -> Option<Value> {
        let mut command = self.desk.command(&["--json", "status"]);
        let output =
            command.env("CORRAL_SERVE_SOCKET", self.desk.path(self.socket)).output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    pub(super) fn worker(&self, name: &str) -> Value {
        self.status().unwrap()["workers"][name].clone()
    }

    pub(super) fn ask(&self, arguments: &[&str]) {
        let mut command = self.desk.command(arguments);
        let told =
            command.env("CORRAL_SERVE_SOCKET", self.desk.path(self.socket)).output().unwrap();
        assert!(told.status.success(), "{arguments:?}: {}", text(&told.stderr));
    }

    /// Waits until its status is as it should be.
    pub(super) fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let found = patiently(|| {
            let status = self.status()?;
            let is_it = is_it(&status);
            last = Some(status.clone());
            is_it.then_some(status)
        });
        found.unwrap_or_else(|| unreachable!("there never was {what}: {last:#?}\n{}", self.log()))
    }

    pub(super) fn wait_until_on_duty(&self) {
        self.wait("a daemon on duty", |status| status["duty"]["duty"] == "on-duty");
    }

    /// Waits until nobody has anything to do any more: all are idle, and a look at the database and a tick
    /// of everybody later they have still changed nothing.
    pub(super) fn wait_until_settled(&self) {
        let idle = |status: &Value| {
            let mut workers = status["workers"].as_object().unwrap().values();
            status["duty"]["duty"] == "on-duty"
                && workers.all(|it| it["state"] == "idle" && it["ticks"] != 0)
        };
        let before = self.wait("idleness", idle);
        let ticks = |status: &Value, name: &str| status["workers"][name]["ticks"].as_u64().unwrap();
        self.ask(&["worker", "wake"]);
        let after = self.wait("a tick of everybody", |status| {
            let mut names = status["workers"].as_object().unwrap().keys();
            idle(status) && names.all(|name| ticks(status, name) > ticks(&before, name))
        });
        let committed = |status: &Value| -> Vec<Value> {
            let workers = status["workers"].as_object().unwrap().values();
            workers.map(|it| it["committed"].clone()).collect()
        };
        if committed(&before) != committed(&after) {
            self.wait_until_settled();
        }
    }

    pub(super) fn wait_for_log(&self, words: &str) {
        let said = patiently(|| self.log().contains(words).then_some(()));
        assert!(said.is_some(), "it never said '{words}':\n{}", self.log());
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(kill.unwrap().success());
    }

    pub(super) fn signal_and_wait(mut self, name: &str) -> ExitStatus {
        self.signal(name);
        let ended = patiently(|| self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| unreachable!("it does not end:\n{}", self.log()))
    }

    /// Stops it as a service manager does, which has to succeed.
    pub(super) fn stop(self) {
        let log = self.desk.path(&self.log);
        let status = self.signal_and_wait("TERM");
        assert_eq!(status.code(), Some(0), "{}", std::fs::read_to_string(log).unwrap());
    }

    /// Standard error of a second daemon at the same socket, which cannot be.
    pub(super) fn fail_to_start_beside(&self, desk: &Desk) -> String {
        let output = desk.command(&["serve"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        // It may have ended.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn uniquely() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

//! The daemon and the broker as processes of their own, started the way an operator does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use corral::serve::face;
use serde_json::Value;

const CORRAL: &str = env!("CARGO_BIN_EXE_corral");
/// Long enough for a million attackers on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How long memory has not grown when it has settled.
const QUIET: Duration = Duration::from_secs(3);

/// `corral` with the machine's own settings out of it.
pub(super) fn corral(database: &Path) -> Command {
    let mut command = Command::new(CORRAL);
    for (name, _) in std::env::vars_os() {
        if ["CORRAL_", "DECNET_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command
        .env("CORRAL_CONFIG", "/dev/null")
        .env("CORRAL_LOG", "error")
        // With what earlier starts of this run compiled, and nothing older.
        .env("CORRAL_PLUGINS_CACHE", database.with_file_name("compiled"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.arg("--quiet").arg("--db").arg(format!("sqlite://{}", database.display()));
    command
}

/// A process that is ended with its handle.
pub(super) struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().with_context(|| format!("start {command:?}"))?))
    }

    /// What the kernel says of it, in megabytes: `VmRSS`, or `VmHWM`, the most there ever was.
    pub(super) fn memory(&self, what: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let of = |line: &str| line.strip_prefix(what)?.strip_prefix(':').map(str::to_owned);
        let value = status.lines().find_map(of).with_context(|| format!("no {what}"))?;
        let kilobytes: f64 = value.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// Asks it to end and waits.
    pub(super) fn stop(mut self) -> Result<()> {
        let id = self.0.id().to_string();
        ensure!(Command::new("kill").arg(&id).status()?.success(), "kill failed");
        ensure!(self.0.wait()?.success(), "it did not end well");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A broker at a socket in this folder.
pub(super) fn broker(folder: &Path) -> Result<(Running, PathBuf)> {
    let socket = folder.join("bus.sock");
    let mut command = corral(&folder.join("none.db"));
    command.args(["bus", "--socket"]).arg(&socket);
    let running = Running::start(&mut command)?;
    let until = Instant::now() + PATIENCE;
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        ensure!(Instant::now() < until, "the broker does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((running, socket))
}

/// A daemon.
pub(super) struct Served {
    pub(super) process: Running,
    started: Instant,
    socket: PathBuf,
}

impl Served {
    /// Starts one, with these variables beside.
    pub(super) fn start(
        folder: &Path,
        database: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let socket = folder.join("corral.sock");
        let mut command = corral(database);
        command.env("CORRAL_SERVE_SOCKET", &socket).envs(variables.iter().copied()).arg("serve");
        let started = Instant::now();
        Ok(Self { process: Running::start(&mut command)?, started, socket })
    }

    async fn status(&self) -> Option<Value> {
        let sockets = [self.socket.clone()];
        face::ask(&sockets, hyper::Method::GET, "/v1/status").await.ok()
    }

    async fn wait(
        &self,
        what: &str,
        pause: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            if self.status().await.is_some_and(|status| is_it(&status)) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "there never was {what}");
            tokio::time::sleep(pause).await;
        }
    }

    /// Seconds from the start until it says that it is on duty.
    pub(super) async fn hosting(&self) -> Result<f64> {
        let on_duty = |status: &Value| status["duty"]["duty"] == "on-duty";
        self.wait("a daemon on duty", Duration::from_millis(1), on_duty).await?;
        Ok(self.started.elapsed().as_secs_f64())
    }

    /// Waits until every correlator has ticked and none does, and no event waits for the bus.
    pub(super) async fn idle(&self) -> Result<()> {
        let is_idle = |status: &Value| {
            let mut workers =
                status["workers"].as_object().into_iter().flat_map(|all| all.values());
            status["duty"]["duty"] == "on-duty"
                && workers.all(|it| it["state"] == "idle" && it["ticks"] != 0)
                && status["bus"]["waiting"].as_u64().unwrap_or(0) == 0
        };
        self.wait("an idle daemon", Duration::from_millis(20), is_idle).await
    }

    /// Waits until it is idle and its memory grows no more.
    pub(super) async fn settled(&self) -> Result<()> {
        let mut before = 0.0;
        loop {
            self.idle().await?;
            let now = self.process.memory("VmRSS")?;
            if now <= before {
                return Ok(());
            }
            before = now;
            tokio::time::sleep(QUIET).await;
        }
    }
}

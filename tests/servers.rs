//! Throwaway servers: one MariaDB and one PostgreSQL a test process, started when a test first asks.
//!
//! Each lives in a folder of its own, listens on a socket in it and nowhere else, and gives every test a fresh
//! database. A shell stands between: it holds the reading end of a pipe whose writing end is ours, and when that
//! closes, however this process came to its end, it stops the server and takes the folder away. Servers that
//! run already can be named instead: `CORRAL_TEST_MARIADB_URL`, `CORRAL_TEST_POSTGRES_URL`, each an URL without
//! a database, of somebody who may make one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What there are servers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    Postgres,
}

/// A server, ours or another's.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    base: String,
    own: Option<Own>,
}

/// A server of ours.
#[derive(Debug)]
struct Own {
    folder: PathBuf,
    process: Mutex<Child>,
}

/// The server that all tests of this process share; without one, the remark that says what to install.
#[expect(clippy::explicit_write, reason = "what is printed of a test that passes nobody sees")]
pub(crate) fn shared(kind: Kind) -> Option<&'static Server> {
    static SERVERS: [OnceLock<Option<Server>>; 2] = [const { OnceLock::new() }; 2];
    let server = SERVERS[kind as usize].get_or_init(|| Server::find(kind)).as_ref();
    if server.is_none() {
        let package = match kind {
            Kind::MariaDb => "mariadb-server",
            Kind::Postgres => "postgresql",
        };
        writeln!(std::io::stdout(), "not run: tests on {kind:?}, install {package}").unwrap();
    }
    server
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where servers are")]
    fn find(kind: Kind) -> Option<Self> {
        let variable = match kind {
            Kind::MariaDb => "CORRAL_TEST_MARIADB_URL",
            Kind::Postgres => "CORRAL_TEST_POSTGRES_URL",
        };
        if let Ok(base) = std::env::var(variable) {
            return Some(Self { kind, base: base.trim_end_matches('/').to_owned(), own: None });
        }
        Self::start(kind)
    }

    /// Starts a server of our own; nothing if there is no such program.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let programs = Programs::find(kind)?;
        let folder = tempfile::Builder::new().prefix("corral-").tempdir().unwrap().keep();
        programs.initialise(&folder);
        let process = Mutex::new(programs.serve(&folder));
        let base = match kind {
            Kind::MariaDb => "mysql://root@localhost".to_owned(),
            Kind::Postgres => "postgres://corral@localhost".to_owned(),
        };
        let server = Self { kind, base, own: Some(Own { folder, process }) };
        server.wait();
        Some(server)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let Some(own) = &self.own else { return format!("{}/{database}", self.base) };
        let folder = own.folder.display();
        match self.kind {
            Kind::MariaDb => format!("{}/{database}?socket={folder}/s", self.base),
            Kind::Postgres => format!("{}/{database}?host={folder}", self.base),
        }
    }

    /// A new database; `options` say how texts are compared in it.
    pub(crate) async fn database(&self, options: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("corral_{}_{number}", std::process::id());
        let statement = format!("CREATE DATABASE {name} {options}");
        match self.kind {
            Kind::MariaDb => crate::sql::mysql(&self.url("mysql"), &statement).await,
            Kind::Postgres => crate::sql::postgres(&self.url("postgres"), &statement).await,
        }
        name
    }

    /// Stops the server as an accident would.
    pub(crate) fn stop(&self) {
        let own = self.own.as_ref().expect("a server of our own");
        let mut process = own.process.lock().unwrap();
        // The shell sees the end of its input, but leaves the folder: it is told so.
        std::fs::write(own.folder.join("keep"), "").unwrap();
        drop(process.stdin.take());
        process.wait().unwrap();
    }

    /// Starts it again on the same folder.
    pub(crate) fn restart(&self) {
        let own = self.own.as_ref().expect("a server of our own");
        std::fs::remove_file(own.folder.join("keep")).unwrap();
        *own.process.lock().unwrap() = Programs::find(self.kind).unwrap().serve(&own.folder);
        self.wait();
    }

    #[expect(clippy::disallowed_methods, reason = "a server takes its time to start")]
    fn wait(&self) {
        let own = self.own.as_ref().expect("a server of our own");
        let is_ready = || match self.kind {
            Kind::MariaDb => std::os::unix::net::UnixStream::connect(own.folder.join("s")).is_ok(),
            Kind::Postgres => std::fs::read_to_string(own.folder.join("data/postmaster.pid"))
                .is_ok_and(|pid| pid.lines().any(|line| line.trim() == "ready")),
        };
        let began = Instant::now();
        while !is_ready() {
            let log = || std::fs::read_to_string(own.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(120), "{:?}: {}", self.kind, log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where the programs of a server are, and how they are called.
struct Programs {
    kind: Kind,
    server: PathBuf,
    initialiser: PathBuf,
}

impl Programs {
    fn find(kind: Kind) -> Option<Self> {
        let (server, initialiser) = match kind {
            Kind::MariaDb => ("mariadbd", "mariadb-install-db"),
            Kind::Postgres => ("postgres", "initdb"),
        };
        Some(Self { kind, server: program(server)?, initialiser: program(initialiser)? })
    }

    fn initialise(&self, folder: &Path) {
        let data = folder.join("data");
        let mut command = unprivileged(&self.initialiser, self.kind, folder);
        match self.kind {
            Kind::MariaDb => command
                .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                .args(["--skip-test-db", "--skip-log-bin"])
                .arg(format!("--datadir={}", data.display())),
            Kind::Postgres => command
                .args(["--no-sync", "--auth=trust", "--username=corral", "--encoding=UTF8"])
                .args(["--locale=C.UTF-8", "-D"])
                .arg(&data),
        };
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.initialiser.display());
    }

    fn serve(&self, folder: &Path) -> Child {
        let data = folder.join("data");
        let mut server = unprivileged(&self.server, self.kind, folder);
        match self.kind {
            // Nothing has to outlive the machine.
            Kind::MariaDb => server
                .args(["--no-defaults", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"])
                .args(["--skip-log-bin", "--max-connections=400", "--innodb-buffer-pool-size=64M"])
                .arg(format!("--datadir={}", data.display()))
                .arg(format!("--pid-file={}/pid", folder.display()))
                .arg(format!("--socket={}/s", folder.display())),
            Kind::Postgres => server
                .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=400"])
                .arg("-k")
                .arg(folder)
                .arg("-D")
                .arg(&data),
        };
        let script = "trap : INT TERM HUP; exec 3<&0; \"$@\" </dev/null 3<&- & server=$!; cat <&3 >/dev/null; \
                      kill -QUIT $server; wait $server; test -e \"$0/keep\" || rm -rf \"$0\"";
        let log = || std::fs::File::options().append(true).create(true).open(folder.join("log"));
        Command::new("sh")
            .args(["-c", script])
            .arg(folder)
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(log().unwrap())
            .stderr(log().unwrap())
            .spawn()
            .unwrap()
    }
}

/// A program on the path, or where Debian keeps those that few call by hand.
#[expect(clippy::disallowed_methods, reason = "the shell's way to find a program")]
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/sbin"));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> =
        versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A command that has no privileges, whoever we are; the folder is its own.
fn unprivileged(program: &Path, kind: Kind, folder: &Path) -> Command {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let user = match kind {
        Kind::MariaDb => "nobody",
        Kind::Postgres => "postgres",
    };
    assert!(Command::new("chown").arg(user).arg(folder).status().unwrap().success());
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), "--clear-groups", "--"]).arg(program);
    command
}

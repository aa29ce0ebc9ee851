//! What the commands of a session tell together: which programs, how fast, and what is left behind.
//!
//! Commands are taken in the order of time, each as what its text alone says ([`Habits`]), which a
//! batch works out once for all sessions that enter it.

use rustc_hash::FxHashSet;

use super::cleanup::{Act, Cleanup};
use super::{Observed, Primitive, confidence};
use crate::clock::Timestamp;
use crate::shell;

/// Commands of a session that are looked at, from the first. Nobody types more; a script can.
const COMMANDS_MAX: usize = 10_000;
/// Calls that make a vocabulary.
const CALLS_MIN: usize = 3;
/// Distinct programs of a narrow vocabulary.
const NARROW_MAX: usize = 5;
/// Distinct programs of a moderate vocabulary.
const MODERATE_MAX: usize = 15;
/// Times between commands that make a pace.
const GAPS_MIN: usize = 3;

const SECOND: i64 = 1_000_000;

/// What the text of a command says of who entered it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store::record) struct Habits {
    /// How many programs it calls.
    calls: usize,
    /// Which, each once; no more than are needed to call them many.
    programs: Box<[Box<str>]>,
    /// What it makes, removes and wipes, in its order.
    acts: Box<[Act]>,
}

impl Habits {
    /// The habits that a command line shows.
    pub(in crate::store::record) fn of(input: &str) -> Self {
        let calls = shell::calls(input);
        let programs = || calls.iter().filter_map(program);
        let mut distinct = FxHashSet::default();
        let once = programs().filter(|name| distinct.insert(*name));
        Self {
            calls: programs().count(),
            programs: once.take(MODERATE_MAX + 1).map(Box::from).collect(),
            acts: Act::of(input, &calls),
        }
    }
}

/// The program of a call, unless that is the file behind a `>` or what is left of `2>&1`.
fn program<'a>(call: &shell::Call<'a>) -> Option<&'a str> {
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let name = call.names().next_back()?;
    let is_output = call.program().is_some_and(|program| call.outputs.contains(&program));
    (!is_output && !is_number(name)).then_some(name)
}

/// Gathers what commands tell.
#[derive(Debug, Default)]
pub(in crate::store::record) struct Conduct {
    span: Option<(Timestamp, Timestamp)>,
    /// Microseconds between commands.
    gaps: Vec<i64>,
    calls: usize,
    programs: FxHashSet<Box<str>>,
    cleanup: Cleanup,
}

impl Conduct {
    /// Whether more commands would change nothing.
    pub(in crate::store::record) fn is_full(&self) -> bool {
        self.gaps.len() + 1 >= COMMANDS_MAX
    }

    /// Adds the next command.
    pub(in crate::store::record) fn push(&mut self, at: Timestamp, habits: &Habits) {
        if self.is_full() {
            return;
        }
        if let Some((_, last)) = self.span {
            self.gaps.push(at.micros() - last.micros());
        }
        self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        self.calls += habits.calls;
        for name in &habits.programs {
            if self.programs.len() <= MODERATE_MAX && !self.programs.contains(name) {
                self.programs.insert(name.clone());
            }
        }
        habits.acts.iter().for_each(|act| self.cleanup.push(act));
    }

    /// The samples that follow.
    pub(in crate::store::record) fn finish(mut self) -> Vec<Observed> {
        let Some(span) = self.span else { return Vec::new() };
        let samples = [
            (Primitive::ToolVocabulary, self.vocabulary()),
            (Primitive::CommandLatency, self.latency()),
            (Primitive::Cleanup, self.cleanup.sample()),
        ];
        let observed = samples.into_iter().filter_map(|(primitive, sample)| {
            let (value, count) = sample?;
            Some(Observed::new(primitive, value, confidence(count), span))
        });
        observed.collect()
    }

    fn vocabulary(&self) -> Option<(&'static str, usize)> {
        let value = match self.programs.len() {
            distinct if distinct <= NARROW_MAX => "narrow",
            distinct if distinct <= MODERATE_MAX => "moderate",
            _ => "broad",
        };
        (self.calls >= CALLS_MIN).then_some((value, self.calls))
    }

    /// The pace, by the median. A time between two commands holds that which the first one ran for.
    fn latency(&mut self) -> Option<(&'static str, usize)> {
        self.gaps.sort_unstable();
        let (below, above) = self.gaps.split_at_checked(self.gaps.len() / 2)?;
        let middle = *above.first()?;
        // Doubled, so that the mean of the two in the middle is a whole number.
        let doubled = if self.gaps.len() % 2 == 1 { 2 * middle } else { below.last()? + middle };
        let value = match doubled {
            ..200_000 => "instant",
            gap if gap < 2 * SECOND => "typing_speed",
            gap if gap < 4 * SECOND => "deliberate",
            gap if gap < 16 * SECOND => "llm_lightweight",
            gap if gap <= 60 * SECOND => "llm_heavyweight",
            _ => "long",
        };
        (self.gaps.len() >= GAPS_MIN).then_some((value, self.gaps.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of commands at these microseconds: name, value as JSON, confidence.
    fn samples(commands: &[(i64, &str)]) -> Vec<(Primitive, String, f64)> {
        let mut conduct = Conduct::default();
        for (at, input) in commands {
            conduct.push(Timestamp(*at), &Habits::of(input));
        }
        let samples = conduct.finish().into_iter();
        samples.map(|s| (s.primitive, s.value.to_string(), s.confidence)).collect()
    }

    fn of(primitive: Primitive, commands: &[(i64, &str)]) -> Option<(String, f64)> {
        let found = samples(commands).into_iter().find(|(about, ..)| *about == primitive);
        found.map(|(_, value, confidence)| (value.replace('"', ""), confidence))
    }

    fn vocabulary(line: &str) -> Option<(String, f64)> {
        of(Primitive::ToolVocabulary, &[(0, line)])
    }

    fn latency(gaps: &[i64]) -> Option<String> {
        let mut at = 0;
        let mut commands = vec![(at, "w")];
        for gap in gaps {
            at += gap;
            commands.push((at, "w"));
        }
        of(Primitive::CommandLatency, &commands).map(|(value, _)| value)
    }

    #[test]
    fn a_vocabulary_is_the_distinct_programs_of_all_commands() {
        assert_eq!(vocabulary("w; w"), None, "two calls are too few");
        assert_eq!(vocabulary("w; w; w"), Some(("narrow".to_owned(), confidence(3))));
        let calls = |count: u8| (0..count).map(|at| format!("p{at}x;")).collect::<String>();
        for (count, expected) in
            [(5, "narrow"), (6, "moderate"), (15, "moderate"), (16, "broad"), (40, "broad")]
        {
            assert_eq!(vocabulary(&calls(count)).unwrap().0, expected, "{count}");
        }
        let commands: Vec<String> = (0..16).map(|at| format!("p{at}x")).collect();
        let commands: Vec<(i64, &str)> = commands.iter().map(|name| (0, name.as_str())).collect();
        assert_eq!(of(Primitive::ToolVocabulary, &commands), Some(("broad".to_owned(), 0.95)));
    }

    #[test]
    fn a_program_is_one_however_it_is_called() {
        let ways = "/bin/busybox wget x; sudo wget x; A=b /usr/bin/wget x && wget x | wget -";
        let habits = Habits::of(ways);
        assert_eq!(habits.programs.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["wget"]);
        assert_eq!(habits.calls, 5);
        let none = Habits::of(">/tmp/.a 2>&1; 1; ;; \"\" ");
        assert_eq!((none.calls, none.programs.len()), (0, 0));
    }

    #[test]
    fn the_pace_is_the_median_time_between_commands() {
        assert_eq!(latency(&[]), None);
        assert_eq!(latency(&[SECOND, SECOND]), None, "two are too few");
        for (gap, expected) in [
            (0, "instant"),
            (99_999, "instant"),
            (100_000, "typing_speed"),
            (999_999, "typing_speed"),
            (1_000_000, "deliberate"),
            (1_999_999, "deliberate"),
            (2_000_000, "llm_lightweight"),
            (7_999_999, "llm_lightweight"),
            (8_000_000, "llm_heavyweight"),
            (30_000_000, "llm_heavyweight"),
            (30_000_001, "long"),
        ] {
            assert_eq!(latency(&[0, gap, 100 * SECOND]).as_deref(), Some(expected), "{gap}");
        }
        let mean_of_two = |above| latency(&[0, SECOND, above, 9 * SECOND]);
        assert_eq!(mean_of_two(3_000_000).as_deref(), Some("llm_lightweight"));
        assert_eq!(mean_of_two(2_999_999).as_deref(), Some("deliberate"));
    }

    #[test]
    fn one_line_has_no_pace_however_much_it_does() {
        assert_eq!(of(Primitive::CommandLatency, &[(0, "a; b; c; d; e; f")]), None);
    }

    #[test]
    fn of_endless_commands_the_first_count() {
        let endless = vec![(0, "echo a > x"); COMMANDS_MAX];
        let mut more = endless.clone();
        more.extend(vec![(SECOND, "rm x"); 3]);
        assert_eq!(samples(&more), samples(&endless));
        assert_eq!(of(Primitive::Cleanup, &more[1..]).unwrap().0, "partial");
        assert_eq!(samples(&[]), []);
    }
}

//! Sessions of people: they type, think, mistype, and bring their tools.

use std::borrow::Cow;

use super::super::dice::Dice;
use super::{Acts, Event};

/// What the honeypot's shell does not know of what people type.
const UNKNOWN: [&str; 4] = ["sl", "systemctl", "netstat", "crontab -e"];

impl Acts<'_> {
    /// Offers a key if the person has one, gets in with a password, types. The first session of an
    /// address is the long one.
    pub(super) fn operator(&mut self, person: u32, nth: u32) {
        self.greet();
        let operator =
            usize::try_from(person).ok().and_then(|person| self.cast.operators.get(person));
        let Some(operator) = operator else { return };
        let user = operator.login.user.as_str();
        if let Some(key) = &operator.key {
            self.after(80, 400, Event::KeyOffered { user, key });
            self.after(1, 2, Event::KeyRefused { user, key });
        }
        self.after(2_500, 9_000, Event::LoginSucceeded(operator.login.clone()));
        let (columns, rows) = operator.size;
        self.after(100, 400, Event::TerminalSize(columns, rows));
        self.after(1, 3, Event::Variable { name: "LANG", value: operator.language });
        self.after(1, 3, Event::Shell { arch: "linux-x64-lsb" });
        let first = nth == 0;
        if first || operator.key.is_none() {
            self.after(3_000, 20_000, Event::Uploaded(&operator.tool));
        }
        let typed = operator.commands.len();
        for (place, command) in operator.commands.iter().enumerate() {
            // The opening is habit; of the rest, a later session needs only some.
            if !first && place >= 4 && self.dice.happens(550) {
                continue;
            }
            let thought = i64::from(self.dice.heavy(1_200, 40_000));
            self.after(thought, thought + 900, Event::Command(Cow::Borrowed(command)));
            if UNKNOWN.iter().any(|unknown| command.starts_with(unknown)) {
                self.after(1, 3, Event::CommandFailed(Cow::Borrowed(command)));
            }
            // Something else wants attention.
            if first && place == 2 {
                self.after(5 * 60_000, 14 * 60_000, Event::Command(Cow::Borrowed("ls -la")));
            }
        }
        let mut recording = Dice::new(self.taste(), &[u64::from(nth)]);
        let content = recording.hex(typed);
        self.close_shell(&content);
    }
}

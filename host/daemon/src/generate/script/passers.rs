//! Sessions of those who come and go: guessers, surveys, tunnel testers, noise.

use std::borrow::Cow;

use super::super::cast::{Survey, Vocabulary};
use super::super::dice::mix;
use super::super::words::{Credential, shared_list};
use super::{Acts, Event};

/// How many entries a shared list has.
const LIST_ENTRIES: u32 = 600;
/// How many characters are pasted at once: the line has them twice, half a megabyte in all.
const PASTE: usize = 262_000;

/// What those type who look around once.
const GLANCES: &[&str] = &[
    "uname -a",
    "cat /proc/cpuinfo",
    "whoami; id",
    "ls /",
    "ifconfig",
    "cat /etc/issue",
    "uptime",
    "free -m",
    "echo -e '\\x6f\\x6b'",
    "lspci | grep -i vga",
];

impl Acts<'_> {
    /// One or a few guesses; hardly any gets in.
    pub(super) fn guess(&mut self, vocabulary: Vocabulary, nth: u32) {
        self.greet();
        let attempts = if self.dice.happens(850) { 1 } else { 1 + self.dice.heavy(1, 5) };
        // A quarter of all try the verification pair once.
        if nth == 0 && self.taste().is_multiple_of(4) {
            self.fail(Credential::probe());
        }
        for _ in 0..attempts {
            let credential = self.guessed(vocabulary);
            self.fail(credential);
        }
        if self.dice.happens(15) {
            let credential = self.guessed(vocabulary);
            self.enter(credential);
        }
    }

    fn guessed(&mut self, vocabulary: Vocabulary) -> Credential {
        if self.dice.happens(220) {
            return Credential::common(&mut self.dice);
        }
        match vocabulary {
            Vocabulary::Own => Credential::own(self.taste(), &mut self.dice),
            Vocabulary::Shared(list) => Credential::listed(
                shared_list(self.cast.lists, u64::from(list)),
                LIST_ENTRIES,
                &mut self.dice,
            ),
        }
    }

    pub(super) fn guess_telnet(&mut self) {
        for _ in 0..self.dice.heavy(1, 5) {
            let credential = Credential::device(&mut self.dice);
            self.fail(credential);
        }
    }

    pub(super) fn survey(&mut self, survey: Survey) {
        let version = match survey {
            Survey::Banner => return self.greet(),
            Survey::Marker => b"MGLNDD_192.0.2.22_22".to_vec(),
            Survey::Http => b"GET / HTTP/1.1".to_vec(),
            Survey::Tls => {
                let mut hello = vec![0x16, 3, 1, 0, 0xb1, 1, 0, 0, 0xad, 3, 3];
                // Up to a line break: what the honeypot takes for the version.
                hello.extend(
                    self.dice.bytes(32).into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r')),
                );
                hello.extend([
                    0, 0, 0x1a, 0xc0, 0x2f, 0xc0, 0x2b, 0xc0, 0x11, 0xc0, 0x07, 0xc0, 0x13,
                ]);
                hello
            }
        };
        self.after(1, 200, Event::Version(Cow::Owned(version)));
    }

    /// Gets in and tries a tunnel to a web server, with and without TLS.
    pub(super) fn probe(&mut self, tool: u32) {
        self.greet();
        let tool = usize::try_from(tool).ok().and_then(|tool| self.cast.probers.get(tool));
        let Some(tool) = tool else { return };
        let credential = Credential::common(&mut self.dice);
        self.enter(credential);
        let host = tool.host;
        if self.dice.happens(700) {
            self.after(100, 600, Event::Tunnel { host, port: 443, origin_port: 0 });
            self.after(100, 600, Event::TunnelTls(tool));
            self.after(
                1,
                2,
                Event::TunnelData { host, port: 443, data: Cow::Borrowed(&tool.hello) },
            );
        }
        let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", tool.path);
        self.after(100, 600, Event::Tunnel { host, port: 80, origin_port: 0 });
        self.after(100, 600, Event::TunnelHttp(tool));
        self.after(
            1,
            2,
            Event::TunnelData { host, port: 80, data: Cow::Owned(request.into_bytes()) },
        );
    }

    /// Gets in and looks around.
    pub(super) fn visit(&mut self) {
        self.greet();
        let credential = Credential::own(self.taste(), &mut self.dice);
        self.enter(credential);
        for _ in 0..self.dice.heavy(1, 4) {
            let command = self.dice.pick(GLANCES);
            self.execute(command, None);
        }
    }

    pub(super) fn paste_long(&mut self) {
        self.greet();
        let credential = Credential::own(self.taste(), &mut self.dice);
        self.enter(credential);
        let blob = self
            .dice
            .text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", PASTE);
        self.after(100, 900, Event::Shell { arch: "linux-x64-lsb" });
        self.after(
            900,
            9_000,
            Event::Command(Cow::Owned(format!("echo {blob} | base64 -d > /tmp/.b"))),
        );
        let content = mix(self.taste()).to_string();
        self.close_shell(&content);
    }

    pub(super) fn speak_garbage(&mut self) {
        self.greet();
        let mut name = b"adm\xff\xfe".to_vec();
        name.extend(self.dice.hex(4).bytes());
        self.after(300, 1_900, Event::GarbledLogin(name));
    }
}

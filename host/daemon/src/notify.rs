//! What systemd hears of the daemon: ready, reloading, stopping, alive, and one line of status.
//!
//! Under `Type=notify` the unit counts as started when it said so, and is restarted when it falls silent.
//! Everywhere else (a shell, a container, DECNET's own unit, which is `Type=simple`) there is no
//! NOTIFY_SOCKET and nothing happens. The library looks that variable up itself, at each call. A message that
//! cannot be sent is no reason to stop: it is logged, and the manager draws its conclusions.

use std::time::Duration;

use sd_notify::NotifyState;

/// Bytes of a status line; `systemctl status` shows one line.
const STATUS_BYTES_MAX: usize = 200;

/// Start-up is over.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
}

/// Settings are being read anew; say [`ready`] when that is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // Newer systemds want the moment along with it, or take the reload for failed.
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the time to systemd"),
    }
}

/// The daemon is about to end.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&line(status))]);
}

/// One line for `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&line(status))]);
}

/// The daemon is alive; say so at least once in [`watchdog`].
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often to say [`alive`]: half of what the manager allows, if it watches at all.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd does not listen");
    }
}

/// Text as one line: a newline would begin a message of its own.
fn line(text: &str) -> String {
    let cut = text.get(..text.floor_char_boundary(STATUS_BYTES_MAX)).unwrap_or(text);
    cut.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    /// Run by itself, and by the next test in a process that has a manager.
    #[test]
    fn without_a_manager_nothing_happens() {
        ready("two\nlines");
        reloading();
        status(&"é".repeat(STATUS_BYTES_MAX));
        alive();
        stopping("bye");
    }

    #[test]
    fn a_manager_hears_each_state_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "notify::tests::without_a_manager_nothing_happens"])
            .env("NOTIFY_SOCKET", &path)
            .output()
            .unwrap();
        assert!(child.status.success());
        let heard: Vec<String> = (0..5)
            .map(|_| {
                let mut buffer = [0; 4096];
                let length = manager.recv(&mut buffer).unwrap();
                String::from_utf8(buffer[..length].to_vec()).unwrap()
            })
            .collect();
        assert_eq!(heard[0], "READY=1\nSTATUS=two lines\n");
        assert!(heard[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{}", heard[1]);
        assert_eq!(heard[2].trim_end().len(), "STATUS=".len() + STATUS_BYTES_MAX);
        assert_eq!(heard[3], "WATCHDOG=1\n");
        assert_eq!(heard[4], "STOPPING=1\nSTATUS=bye\n");
    }
}

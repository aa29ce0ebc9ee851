//! Events of shells, files and tunnels; those of connections and logins stand in the parent.

use super::super::artefacts::Payload;
use super::super::script::Event;
use super::text::{push_python_bytes, push_text};
use super::{Era, Line, Tail};

impl Line<'_> {
    fn recordings(&self) -> &'static str {
        match self.sensor.era {
            Era::Y2022 => "log/tty/",
            Era::Y2020 | Era::Y2026 => "var/lib/cowrie/tty/",
        }
    }

    fn downloads(&self) -> &'static str {
        match self.sensor.era {
            Era::Y2022 => "dl/",
            Era::Y2020 | Era::Y2026 => "var/lib/cowrie/downloads/",
        }
    }

    pub(super) fn shell(&mut self, event: &Event<'_>) {
        match event {
            Event::TerminalSize(columns, rows) => {
                self.event("client.size");
                self.number("width", u64::from(*columns));
                self.number("height", u64::from(*rows));
                self.message(&["Terminal Size: ", &columns.to_string(), " ", &rows.to_string()]);
            }
            Event::Variable { name, value } => {
                self.event("client.var");
                self.member("name", name);
                self.member("value", value);
                self.message(&["request_env: ", name, "=", value]);
            }
            Event::Shell { arch } => {
                self.event("session.params");
                self.member("arch", arch);
                self.raw(",\"message\":[]");
            }
            Event::Command(input) => {
                self.event("command.input");
                self.member("input", input);
                self.message(&["CMD: ", input]);
            }
            Event::CommandFailed(input) => {
                self.event("command.failed");
                self.member("input", input);
                self.message(&["Command not found: ", input]);
            }
            Event::ShellClosed { recording, size, seen_before } => {
                self.event("log.closed");
                let place = self.recordings();
                self.stored("ttylog", place, recording);
                self.number("size", u64::from(*size));
                self.member("shasum", recording);
                self.raw(if *seen_before { ",\"duplicate\":true" } else { ",\"duplicate\":false" });
                let duration = self.duration(self.contact.shell);
                self.message(&[
                    "Closing TTY Log: ",
                    place,
                    recording,
                    " after ",
                    &duration,
                    " seconds",
                ]);
            }
            _ => {}
        }
        self.finish();
    }

    /// A member that names a file by place and hash.
    fn stored(&mut self, name: &str, place: &str, hash: &str) {
        self.raw(",\"");
        self.raw(name);
        self.raw("\":\"");
        self.raw(place);
        self.raw(hash);
        self.raw("\"");
    }

    pub(super) fn file(&mut self, event: &Event<'_>) {
        let place = self.downloads();
        match event {
            Event::Saved { file, path } => {
                self.event("session.file_download");
                self.raw(",\"duplicate\":true");
                self.stored("outfile", place, &file.sha256);
                self.member("shasum", &file.sha256);
                self.member("destfile", path);
                self.message(&[
                    "Saved redir contents with SHA-256 ",
                    &file.sha256,
                    " to ",
                    place,
                    &file.sha256,
                ]);
                self.finish();
            }
            Event::Downloaded(file) => self.downloaded(file, place),
            Event::DownloadFailed(file) => {
                self.event("session.file_download.failed");
                self.member("url", &file.url);
                self.sensor_and_time();
                self.message(&["Attempt to download file(s) from URL (", &file.url, ") failed"]);
                self.end(Tail::Usual);
            }
            Event::Uploaded(file) => {
                self.event("session.file_upload");
                self.member("filename", &file.name);
                self.stored("outfile", place, &file.sha256);
                self.member("shasum", &file.sha256);
                self.message(&["SFTP Uploaded file \"", &file.name, "\" to ", place, &file.sha256]);
                self.finish();
            }
            _ => {}
        }
    }

    /// The oldest era leaves its message a template, the others put it after the time.
    fn downloaded(&mut self, file: &Payload, place: &str) {
        self.event("session.file_download");
        if self.sensor.era == Era::Y2020 {
            self.member(
                "format",
                "Downloaded URL (%(url)s) with SHA-256 %(shasum)s to %(filename)s",
            );
        }
        self.member("url", &file.url);
        self.stored("outfile", place, &file.sha256);
        self.member("shasum", &file.sha256);
        self.sensor_and_time();
        if self.sensor.era != Era::Y2020 {
            let url = &file.url;
            self.message(&[
                "Downloaded URL (",
                url,
                ") with SHA-256 ",
                &file.sha256,
                " to ",
                place,
                &file.sha256,
            ]);
        }
        self.end(Tail::Usual);
    }

    pub(super) fn tunnel(&mut self, event: &Event<'_>) {
        match event {
            Event::Tunnel { host, port, origin_port } => {
                self.event("direct-tcpip.request");
                self.member("dst_ip", host);
                self.number("dst_port", u64::from(*port));
                self.raw(",\"src_ip\":\"");
                self.address();
                self.raw("\"");
                // The tunnel's port, not the attacker's, beside the attacker's address: Cowrie's own trap.
                self.number("src_port", u64::from(*origin_port));
                let (port, origin) = (port.to_string(), origin_port.to_string());
                self.message(&[
                    "direct-tcp connection request to ",
                    host,
                    ":",
                    &port,
                    " from 127.0.0.1:",
                    &origin,
                ]);
                self.sensor_and_time();
                self.end(Tail::NoAddress);
            }
            Event::TunnelTls(tool) => self.fingerprinted(
                "ja4",
                &tool.ja4,
                "JA4 fingerprint for forwarded TLS to ",
                tool.host,
                443,
            ),
            Event::TunnelHttp(tool) => self.fingerprinted(
                "ja4h",
                &tool.ja4h,
                "JA4H fingerprint for forwarded HTTP to ",
                tool.host,
                80,
            ),
            Event::TunnelData { host, port, data } => {
                self.event("direct-tcpip.data");
                self.member("dst_ip", host);
                self.number("dst_port", u64::from(*port));
                self.raw(",\"data\":\"");
                push_python_bytes(self.out, data);
                self.raw("\",\"id\":0,\"message\":\"discarded direct-tcp forward request 0 to ");
                push_text(self.out, host);
                self.raw(&format!(":{port} with data "));
                push_python_bytes(self.out, data);
                self.raw("\"");
                self.finish();
            }
            _ => {}
        }
    }

    fn fingerprinted(&mut self, name: &str, value: &str, message: &str, host: &str, port: u64) {
        self.event(&format!("direct-tcpip.{name}"));
        self.member("dst_ip", host);
        self.number("dst_port", port);
        self.member(name, value);
        self.message(&[message, host, ":", &port.to_string(), ": ", value]);
        self.finish();
    }
}

//! Names of services, one for each: what correlators compare, and reports show.

use std::borrow::Cow;

/// A longer name of a service is cut off.
const CHARS_MAX: usize = 16;

/// The services that usually have these ports, and that people aim at.
const PORTS: &[(u16, &str)] = &[
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (69, "tftp"),
    (80, "http"),
    (110, "pop3"),
    (135, "epmapper"),
    (143, "imap"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (465, "smtps"),
    (502, "modbus"),
    (587, "smtp"),
    (993, "imaps"),
    (995, "pop3s"),
    (1080, "socks5"),
    (1433, "mssql"),
    (1723, "pptp"),
    (1883, "mqtt"),
    (2222, "ssh"),
    (2323, "telnet"),
    (3306, "mysql"),
    (3389, "rdp"),
    (5060, "sip"),
    (5432, "postgresql"),
    (5555, "adb"),
    (5900, "vnc"),
    (6379, "redis"),
    (8080, "http"),
    (8443, "https"),
    (9200, "elasticsearch"),
    (11211, "memcached"),
    (27017, "mongodb"),
];

/// A name as logs spell it, in lower case.
pub fn spelled(name: &str) -> Cow<'static, str> {
    match name {
        "ssh" => Cow::Borrowed("ssh"),
        "telnet" => Cow::Borrowed("telnet"),
        other => Cow::Owned(other.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect()),
    }
}

/// The service that a port is usually for; any other is plain TCP to us.
pub fn of_port(port: &str) -> &'static str {
    let port: Option<u16> = port.parse().ok();
    let known = PORTS.iter().find(|(known, _)| Some(*known) == port);
    known.map_or("tcp", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_one_short_name_in_lower_case() {
        assert_eq!(spelled("SSH"), "ssh");
        assert_eq!(spelled("PostgreSQL"), "postgresql");
        assert_eq!(spelled(&"x".repeat(99)), "x".repeat(16));
    }

    #[test]
    fn a_port_has_its_usual_service_or_none() {
        assert!(PORTS.is_sorted_by_key(|(port, _)| *port));
        for (port, name) in [("22", "ssh"), ("8080", "http"), ("5984", "tcp"), ("", "tcp")] {
            assert_eq!(of_port(port), name);
        }
    }
}

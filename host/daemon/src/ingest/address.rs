//! Source addresses: one canonical form, and whose they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address. An IPv4 address that was mapped into IPv6 is the IPv4 address; a zone
/// (`fe80::1%eth0`) says something about the sensor and is cut off.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    let address: IpAddr = text.trim_ascii().parse().ok()?;
    Some(address.to_canonical())
}

/// A network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    /// Of 128; an IPv4 network's is counted from bit 96 on.
    length: u32,
    is_v4: bool,
}

impl Network {
    /// Reads `198.51.100.0/24`, `2001:db8::/32`, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, length) = match text.trim_ascii().split_once('/') {
            Some((base, length)) => (parse(base)?, Some(length.parse::<u32>().ok()?)),
            None => (parse(text)?, None),
        };
        let width = if base.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        let length = (length <= width).then_some(length + 128 - width)?;
        let is_v4 = base.is_ipv4();
        Some(Self { base: bits(base) & mask(length), length, is_v4 })
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits(address) & mask(self.length) == self.base
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

/// Whether the address is private, link-local, loopback or unspecified: nobody's on the Internet.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            // 100.64.0.0/10 is what providers use behind their own translation (RFC 6598).
            let is_shared = a == 100 && b & 0xc0 == 64;
            is_shared
                || address.is_private()
                || address.is_link_local()
                || address.is_loopback()
                || address == Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_loopback()
                || address == Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let v4: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(parse("203.0.113.9"), Some(v4));
        assert_eq!(parse("::ffff:203.0.113.9"), Some(v4));
        assert_eq!(parse("2001:DB8:0:0::1").unwrap().to_string(), "2001:db8::1");
        assert_eq!(parse("fe80::1%eth0").unwrap().to_string(), "fe80::1");
        for text in ["", "host", "203.0.113", "203.0.113.9:22", "203.0.113.999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        let network = Network::parse("198.51.100.77/24").unwrap();
        assert!(network.contains("198.51.100.0".parse().unwrap()));
        assert!(network.contains("198.51.100.255".parse().unwrap()));
        assert!(!network.contains("198.51.101.0".parse().unwrap()));
        let everything = Network::parse("0.0.0.0/0").unwrap();
        assert!(everything.contains("8.8.8.8".parse().unwrap()));
        assert!(!everything.contains("::8".parse().unwrap()));
        assert!(
            Network::parse("2001:db8::/32").unwrap().contains("2001:db8:1::1".parse().unwrap())
        );
        assert!(Network::parse("198.51.100.7").unwrap().contains("198.51.100.7".parse().unwrap()));
        for text in
            ["", "x", "198.51.100.0/33", "198.51.100.0/", "198.51.100.0/-1", "2001:db8::/129"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn private_is_what_nobody_can_reach_us_from() {
        for text in [
            "10.1.2.3",
            "192.168.0.1",
            "172.25.0.2",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "fe80::1",
            "fd00::1",
            "::1",
            "0.0.0.0",
        ] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in ["203.0.113.9", "100.128.0.1", "2001:db8::1", "172.32.0.1"] {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }
}

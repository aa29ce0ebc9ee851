//! Source addresses that belong to nobody.
//!
//! A log that names real hosts as attackers would slander them. So attackers live in 240.0.0.0/4, which
//! was reserved in 1989 and never given out, the machines they load things from in 198.18.0.0/15 (for
//! benchmarks, RFC 2544), and the few whom the demo shows by name in the three networks for
//! documentation (RFC 5737).
//!
//! Addresses are unique by construction: one half of 240/4 is scattered over all its /16s by a
//! permutation of a counter, the other half is handed out in whole /24s to those who share one.

use std::net::Ipv4Addr;

use super::dice::mix;

/// Bits of the scattered half.
const SCATTERED_BITS: u32 = 27;
/// Bits of a /24's number in the half of neighbours.
const BLOCK_BITS: u32 = 19;

/// Hands out addresses, each once.
#[derive(Debug)]
pub(super) struct Addresses {
    key: u64,
    scattered: u32,
    blocks: u32,
}

/// A /24 whose addresses go to neighbours.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    base: u32,
    next: u32,
}

/// A permutation of the numbers of so many bits: odd factors and shifted sums lose nothing.
fn permute(number: u32, bits: u32, key: u64) -> u32 {
    let mask = (1_u32 << bits) - 1;
    let low = u32::try_from(key & u64::from(mask)).unwrap_or(0);
    let mut number = number.wrapping_add(low) & mask;
    for factor in [0x9e37_79b1_u32, 0x85eb_ca77] {
        number = number.wrapping_mul(factor) & mask;
        number ^= number >> (bits / 2);
    }
    number
}

impl Addresses {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: mix(seed ^ 0xadd7), scattered: 0, blocks: 0 }
    }

    /// An address anywhere; `None` when all are taken.
    pub(super) fn anywhere(&mut self) -> Option<Ipv4Addr> {
        loop {
            if self.scattered >> SCATTERED_BITS != 0 {
                return None;
            }
            let place = permute(self.scattered, SCATTERED_BITS, self.key);
            self.scattered += 1;
            // Hosts have no address that ends in 0 or 255.
            if !matches!(place & 0xff, 0 | 0xff) {
                return Some(Ipv4Addr::from_bits(0xf000_0000 | place));
            }
        }
    }

    /// A fresh /24; `None` when all are taken.
    pub(super) fn neighbourhood(&mut self) -> Option<Neighbourhood> {
        if self.blocks >> BLOCK_BITS != 0 {
            return None;
        }
        let block = permute(self.blocks, BLOCK_BITS, self.key);
        self.blocks += 1;
        Some(Neighbourhood { base: 0xf800_0000 | (block << 8), next: 0 })
    }
}

impl Neighbourhood {
    /// One of the networks for documentation.
    pub(super) fn documentation(number: u32) -> Option<Self> {
        let base = match number {
            0 => Ipv4Addr::new(203, 0, 113, 0),
            1 => Ipv4Addr::new(198, 51, 100, 0),
            2 => Ipv4Addr::new(192, 0, 2, 0),
            _ => return None,
        };
        Some(Self { base: base.to_bits(), next: 0 })
    }

    /// The next address here, not right beside the last; `None` when the /24 is full.
    pub(super) fn host(&mut self) -> Option<Ipv4Addr> {
        self.next += 7;
        (self.next < 255).then(|| Ipv4Addr::from_bits(self.base | self.next))
    }
}

/// A machine that serves attackers: a download host, a mail server they abuse.
pub(super) fn server(key: u64) -> Ipv4Addr {
    let host = u32::try_from(mix(key) & 0x1_ffff).unwrap_or(0);
    // Keeps clear of the first and last address of each /24.
    let last = (host & 0xff).clamp(1, 254);
    Ipv4Addr::from_bits(0xc612_0000 | (host & 0x1_ff00) | last)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn addresses_are_reserved_unique_and_widely_spread() {
        let mut addresses = Addresses::new(7);
        let mut seen = BTreeSet::new();
        for _ in 0..2_000 {
            let address = addresses.anywhere().unwrap();
            assert!(address.octets()[0] >= 240 && seen.insert(address));
        }
        for _ in 0..10 {
            let mut neighbours = addresses.neighbourhood().unwrap();
            assert!((0..5).all(|_| seen.insert(neighbours.host().unwrap())));
        }
        let sixteens: BTreeSet<u32> = seen.iter().map(|address| address.to_bits() >> 16).collect();
        assert!(sixteens.len() > 900, "{}", sixteens.len());
    }

    #[test]
    fn a_permutation_hits_each_number_once() {
        let hit: BTreeSet<u32> = (0..1 << 12).map(|number| permute(number, 12, 99)).collect();
        assert_eq!(hit.len(), 1 << 12);
    }

    #[test]
    fn a_full_space_says_so() {
        let mut addresses =
            Addresses { key: 0, scattered: 1 << SCATTERED_BITS, blocks: 1 << BLOCK_BITS };
        assert!(addresses.anywhere().is_none() && addresses.neighbourhood().is_none());
        let mut network = Neighbourhood::documentation(0).unwrap();
        assert_eq!(std::iter::from_fn(|| network.host()).count(), 36);
    }

    #[test]
    fn servers_stand_in_the_benchmark_network() {
        for key in 0..1_000 {
            let octets = server(key).octets();
            assert!(octets[0] == 198 && (18..=19).contains(&octets[1]), "{octets:?}");
        }
    }
}

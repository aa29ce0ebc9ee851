//! The credentials that attackers try.
//!
//! On real honeypots a handful of pairs is tried by everybody and most pairs by a single address. So a
//! guess comes from one of three places: the pairs of all lists, in order of popularity; a list that
//! several attackers share, which makes them look alike though they are not; or the attacker's own
//! vocabulary. Lists are not stored: an entry follows from the list's key and its rank.

use super::dice::{Dice, mix};

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) user: String,
    pub(super) password: String,
}

/// The pair by which worms ask whether a machine accepts anything at all. Many unrelated tools try it.
const PROBE: &str = "728hx4490k17";

/// Pairs that stand in every list, the most popular first.
const COMMON: &[(&str, &str)] = &[
    ("root", "123456"),
    ("admin", "admin"),
    ("root", "root"),
    ("nproc", "nproc"),
    ("root", "password"),
    ("ubuntu", "ubuntu"),
    ("test", "test"),
    ("user", "user"),
    ("root", "admin"),
    ("pi", "raspberry"),
    ("oracle", "oracle"),
    ("admin", "1234"),
    ("guest", "guest"),
    ("postgres", "postgres"),
    ("root", "12345678"),
    ("support", "support"),
    ("git", "git"),
    ("root", "1qaz2wsx"),
    ("ftpuser", "ftpuser"),
    ("hadoop", "hadoop"),
    ("root", "toor"),
    ("ubnt", "ubnt"),
    ("mysql", "mysql"),
    ("root", "qwerty"),
    ("deploy", "deploy"),
    ("admin", "password"),
    ("root", "000000"),
    ("es", "es"),
    ("minecraft", "minecraft"),
    ("steam", "steam"),
    ("jenkins", "jenkins"),
    ("root", "letmein"),
];

/// Pairs that are tried over telnet, on cameras and routers.
const DEVICES: &[(&str, &str)] = &[
    ("root", "root"),
    ("admin", "admin"),
    ("root", "default"),
    ("root", "1234"),
    ("support", "support"),
    ("admin", "1111"),
    ("root", "vertex25"),
    ("guest", "12345"),
    ("root", "cat1029"),
    ("admin", "smcadmin"),
    ("root", "juantech"),
    ("user", "user"),
    ("root", "hslwificam"),
    ("service", "service"),
];

const USERS: &[&str] = &[
    "root",
    "admin",
    "ubuntu",
    "user",
    "test",
    "oracle",
    "postgres",
    "git",
    "ftpuser",
    "hadoop",
    "www",
    "deploy",
    "dev",
    "mysql",
    "tomcat",
    "jenkins",
    "nagios",
    "backup",
    "zabbix",
    "student",
    "elastic",
    "docker",
    "centos",
    "debian",
    "ec2-user",
    "teamspeak",
    "minecraft",
    "odoo",
    "kafka",
    "redis",
    "vagrant",
    "ansible",
    "webmaster",
    "operator",
    "support",
    "demo",
    "sysadmin",
    "web",
    "mongo",
    "samba",
];

const STEMS: &[&str] = &[
    "password", "admin", "qwerty", "welcome", "server", "linux", "master", "dragon", "summer",
    "winter", "secret", "monkey", "shadow", "sunshine", "football", "changeme", "letmein", "abc",
    "test", "root", "hello", "oracle", "super", "system", "network", "passw0rd", "p@ssw0rd",
    "iloveyou", "internet", "computer", "apple", "orange", "banana", "samsung", "charlie",
    "michael", "jordan", "thomas", "robert", "daniel",
];

const TAILS: &[&str] = &["", "!", "@", "#", "!@#", "_", "..", "123!", "@@", "$"];

impl Credential {
    fn new((user, password): (&str, &str)) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }

    /// The verification pair.
    pub(super) fn probe() -> Self {
        Self::new((PROBE, PROBE))
    }

    /// A pair that everybody tries.
    pub(super) fn common(dice: &mut Dice) -> Self {
        Self::new(dice.pick_popular(COMMON))
    }

    /// A pair for small devices.
    pub(super) fn device(dice: &mut Dice) -> Self {
        Self::new(dice.pick_popular(DEVICES))
    }

    /// A pair of a list with so many entries that several attackers use, from its head mostly.
    pub(super) fn listed(list: u64, entries: u32, dice: &mut Dice) -> Self {
        let rank = dice.rank(entries);
        Self::entry(list, rank)
    }

    /// A pair from anywhere in a list with so many entries.
    pub(super) fn anywhere(list: u64, entries: u32, dice: &mut Dice) -> Self {
        let rank = dice.below(entries);
        Self::entry(list, rank)
    }

    fn entry(list: u64, rank: u32) -> Self {
        let mut entry = Dice::new(list, &[u64::from(rank)]);
        let user = entry.pick_popular(USERS);
        Self::composed(user, &mut entry)
    }

    /// A pair that this attacker's vocabulary gives: a few names, and passwords on a theme.
    pub(super) fn own(taste: u64, dice: &mut Dice) -> Self {
        let mut habit = Dice::new(taste, &[u64::from(dice.rank(4))]);
        let user = habit.pick(USERS);
        let stem = habit.pick(STEMS);
        match dice.below(4) {
            0 => Self::composed(user, dice),
            1 => Self::new((user, &format!("{user}{}", dice.below(1_000_000)))),
            _ => Self::new((user, &format!("{stem}{}{}", dice.below(100_000), dice.pick(TAILS)))),
        }
    }

    /// A password put together from parts.
    fn composed(user: &str, dice: &mut Dice) -> Self {
        let stem = dice.pick_popular(STEMS);
        let tail = dice.pick(TAILS);
        let password = match dice.below(5) {
            0 => format!("{user}@{}", dice.between(1, 9999)),
            1 => {
                let (head, rest) = stem.split_at_checked(1).unwrap_or(("", stem));
                format!("{}{rest}{}{tail}", head.to_uppercase(), dice.between(1990, 2025))
            }
            2 => dice.text("abcdefghjkmnpqrstuvwxyz23456789", 9),
            _ => format!("{stem}{}{tail}", dice.between(0, 99_999)),
        };
        Self::new((user, &password))
    }
}

/// The key of a list that a group shares.
pub(super) fn shared_list(seed: u64, group: u64) -> u64 {
    mix(seed ^ mix(group ^ 0x0715))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_list_is_the_same_for_all_who_share_it() {
        let list = shared_list(7, 1);
        let (mut one, mut other) = (Dice::new(1, &[]), Dice::new(1, &[]));
        assert_eq!(
            Credential::listed(list, 500, &mut one),
            Credential::listed(list, 500, &mut other)
        );
    }

    #[test]
    fn most_own_pairs_are_tried_by_one_attacker() {
        let mut holders: BTreeMap<(String, String), usize> = BTreeMap::new();
        for attacker in 0..200 {
            let mut dice = Dice::new(attacker, &[]);
            for _ in 0..5 {
                let pair = Credential::own(attacker, &mut dice);
                *holders.entry((pair.user, pair.password)).or_default() += 1;
            }
        }
        let once = holders.values().filter(|count| **count == 1).count();
        assert!(once * 100 > holders.len() * 95, "{once} of {}", holders.len());
    }
}

//! The SSH software that attackers speak with, and the HASSH it has.
//!
//! HASSH is the MD5 of what a client offers: key exchanges, ciphers, MACs and compressions, each list
//! joined by commas and the four by semicolons. It names a library, not a person: the lists below are
//! those of well-known libraries, and hundreds of strangers share the first one. Rare fingerprints are
//! made by changing a well-known offer a little, as builds with other options do. Every value is
//! computed from the lists that stand in the log, so whoever recomputes it agrees.

use md5::{Digest, Md5};

use super::artefacts::hex;
use super::dice::Dice;
use offers::{RELAY_TOOL, SHARED_LIBRARY, SURVEY, TERMINAL, TOOL, WORM};

mod offers;

/// What one piece of software offers. Lists are joined with commas, as on the wire.
#[derive(Clone, Debug)]
struct Offer {
    key_exchanges: String,
    host_keys: String,
    ciphers: String,
    macs: String,
    compressions: String,
}

/// One client: how it calls itself, and its fingerprint.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The version strings under which it is seen; builds differ in name, not in what they offer.
    pub(super) banners: Vec<String>,
    /// The fingerprint.
    pub(super) hassh: String,
    /// The fingerprint and the offer as members of a JSON object.
    pub(super) members: String,
}

/// Software that parts of the story ask for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Software {
    /// The library that hundreds of strangers share.
    SharedLibrary,
    /// One of the worm's six builds.
    WormBuild(u32),
    /// What the relay campaign runs.
    RelayTool,
    /// A survey of the whole network.
    Survey,
    /// What operators log in with.
    Terminal(u32),
    /// Tools of all kinds.
    Tool(u32),
}

/// The builds that the worm was linked with.
pub(super) const WORM_BUILDS: u32 = 6;
const TERMINALS: u32 = 4;
const TOOLS: u32 = 6;

impl Software {
    /// All of it, in the order of [`known`].
    fn all() -> impl Iterator<Item = Self> {
        [Self::SharedLibrary, Self::RelayTool, Self::Survey]
            .into_iter()
            .chain((0..WORM_BUILDS).map(Self::WormBuild))
            .chain((0..TERMINALS).map(Self::Terminal))
            .chain((0..TOOLS).map(Self::Tool))
    }

    /// Its place among the [`known`] clients.
    pub(super) fn place(self) -> usize {
        let wanted = match self {
            Self::Terminal(number) => Self::Terminal(number % TERMINALS),
            Self::Tool(number) => Self::Tool(number % TOOLS),
            Self::WormBuild(number) => Self::WormBuild(number % WORM_BUILDS),
            other => other,
        };
        Self::all().position(|software| software == wanted).unwrap_or(0)
    }
}

/// The well-known clients.
pub(super) fn known() -> Vec<Client> {
    [&SHARED_LIBRARY, &RELAY_TOOL, &SURVEY]
        .into_iter()
        .chain(&WORM)
        .chain(&TERMINAL)
        .chain(&TOOL)
        .map(|(banners, lists)| Client::new(banners, &Offer::new(lists)))
        .collect()
}

/// A client that offers almost what a well-known one does; what it calls itself stays.
pub(super) fn rare(dice: &mut Dice) -> Client {
    let rows =
        [&SHARED_LIBRARY, &RELAY_TOOL].into_iter().chain(&TOOL).chain(&TERMINAL).chain(&WORM);
    let place = dice.below(2 + TOOLS + TERMINALS + WORM_BUILDS);
    let (banners, lists) =
        rows.into_iter().nth(usize::try_from(place).unwrap_or(0)).unwrap_or(&SHARED_LIBRARY);
    let mut offer = Offer::new(lists);
    for list in [&mut offer.key_exchanges, &mut offer.ciphers, &mut offer.macs] {
        shuffle_a_little(list, dice);
    }
    Client::new(banners, &offer)
}

/// Drops one name and swaps two others.
fn shuffle_a_little(list: &mut String, dice: &mut Dice) {
    let mut names: Vec<&str> = list.split(',').collect();
    let place = |dice: &mut Dice, names: &[&str]| {
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        usize::try_from(dice.below(count)).unwrap_or(0)
    };
    if names.len() > 2 && dice.happens(700) {
        names.remove(place(dice, &names));
    }
    let (one, other) = (place(dice, &names), place(dice, &names));
    names.swap(one, other);
    *list = names.join(",");
}

impl Offer {
    fn new(lists: &[&str; 5]) -> Self {
        let [key_exchanges, host_keys, ciphers, macs, compressions] = lists.map(offers::complete);
        Self { key_exchanges, host_keys, ciphers, macs, compressions }
    }
}

impl Client {
    fn new(banners: &str, offer: &Offer) -> Self {
        let algorithms =
            [&*offer.key_exchanges, &offer.ciphers, &offer.macs, &offer.compressions].join(";");
        let hassh = hex(&Md5::digest(&algorithms));
        // Names of algorithms have no character that JSON escapes.
        let array = |list: &str| format!("[\"{}\"]", list.replace(',', "\",\""));
        let lists = [
            ("kexAlgs", &offer.key_exchanges),
            ("keyAlgs", &offer.host_keys),
            ("encCS", &offer.ciphers),
            ("macCS", &offer.macs),
            ("compCS", &offer.compressions),
        ];
        let lists = lists.map(|(name, list)| format!("\"{name}\":{}", array(list))).join(",");
        let head = format!(r#""hassh":"{hassh}","hasshAlgorithms":"{algorithms}""#);
        let members = format!(r#"{head},{lists},"langCS":[""]"#);
        let banners = banners.split('|').map(|banner| format!("SSH-2.0-{banner}")).collect();
        Self { banners, hassh, members }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn known_clients_differ_and_stand_at_their_places() {
        let clients = known();
        let hasshes: BTreeSet<&str> = clients.iter().map(|client| client.hassh.as_str()).collect();
        assert_eq!((hasshes.len(), clients.len()), (19, Software::all().count()));
        assert_eq!(clients[Software::RelayTool.place()].banners, ["SSH-2.0-OpenSSH_7.4"]);
        assert_eq!(clients[Software::WormBuild(9).place()].banners, ["SSH-2.0-libssh_0.11.1"]);
        assert_eq!(clients[Software::Tool(5).place()].banners, ["SSH-2.0-Granados-1.0"]);
        assert!(!clients.iter().any(|client| client.members.contains(['{', '}', ' '])));
    }

    #[test]
    fn rare_clients_are_mostly_new() {
        let mut dice = Dice::new(3, &[]);
        let hasshes: BTreeSet<String> = (0..100).map(|_| rare(&mut dice).hassh).collect();
        assert!(hasshes.len() > 90, "{}", hasshes.len());
    }
}

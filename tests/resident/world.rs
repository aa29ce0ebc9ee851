//! A small world that changes at random: attackers come back, and correlators find something in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corral::clock::Timestamp;
use corral::ids;
use corral::store::Store;
use corral::store::commit::{Change, Committer, Layer};
use corral::store::record::behaviour::{Primitive, Sample};
use corral::store::record::{
    Attacker, Batch, Certainty, Command, Credential, Entered, Event, Feature, Kind, Login, Rule,
    Secret, Service, Session, What,
};
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral_kernels::{ABSENT, Column, Frame, Interner};

use crate::store::mirror::Mirror;

pub(crate) const ATTACKERS: u64 = 30;
const BEGIN: i64 = 1_780_000_000_000_000;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) texts: Arc<Interner>,
    /// Where rows come from that the database takes from nobody else.
    mirror: Option<Mirror>,
    now: i64,
}

/// Chance that follows from a number.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Up to so many of some rows, each once, in their order.
    fn some(&mut self, of: &[u32], most: u64) -> Vec<u32> {
        let count = if of.is_empty() { 0 } else { 1 + self.below(most) };
        let rows: BTreeSet<u32> = (0..count).map(|_| *self.pick(of)).collect();
        rows.into_iter().collect()
    }
}

impl World {
    pub(crate) async fn new(folder: &Path) -> Self {
        let url = format!("sqlite://{}", folder.join("corral.db").display());
        let store = Store::open(&url, Duration::from_secs(5)).await.unwrap();
        Self::on(store, Arc::new(Interner::new(1 << 24)), None)
    }

    /// A world on a database that is open.
    pub(crate) fn on(store: Store, texts: Arc<Interner>, mirror: Option<Mirror>) -> Self {
        Self { store, texts, mirror, now: BEGIN }
    }

    /// A view, read from the database.
    pub(crate) async fn scan(&self, view: View) -> Frame {
        let empty = Arc::new(Resident::new(self.texts.clone(), 0));
        self.store.snapshot(empty).await.unwrap().read(view, "test").await.unwrap()
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1_000_000;
        Timestamp(self.now)
    }

    /// Something happens.
    pub(crate) async fn step(&mut self, chance: &mut Chance) {
        match chance.below(10) {
            0..5 => {
                let addresses: BTreeSet<u64> =
                    (0..=chance.below(3)).map(|_| chance.below(ATTACKERS)).collect();
                self.visit(&addresses.into_iter().collect::<Vec<_>>(), chance).await;
            }
            5..7 => self.group(Layer::Identity, chance).await,
            7..9 => self.group(Layer::Campaign, chance).await,
            _ => self.put(chance).await,
        }
    }

    /// These attackers come, some of them back into sessions that they had.
    pub(crate) async fn visit(&mut self, addresses: &[u64], chance: &mut Chance) {
        let mut batch = Batch::default();
        for (at, address) in addresses.iter().enumerate() {
            let ip = format!("198.51.100.{address}");
            batch.attackers.push(Attacker { id: ids::attacker(&ip).into(), ip: ip.into() });
            let sessions: BTreeSet<u64> = (0..=chance.below(2)).map(|_| chance.below(4)).collect();
            batch.sessions.extend(sessions.into_iter().map(|number| session(at, number, chance)));
        }
        let now = self.tick();
        match &mut self.mirror {
            Some(mirror) => mirror.record(&batch, now).await,
            None => {
                self.store.record(&batch, now).await.unwrap();
            }
        }
    }

    pub(crate) async fn commit(&mut self, changes: &[Change]) {
        let by = Committer { plugin: "test", now: self.tick(), event_bytes_max: 1 << 16 };
        let empty = Resident::new(self.texts.clone(), 0);
        self.store.commit(&empty, changes, by).await.unwrap();
    }

    /// Members form, join, leave or refresh groups.
    async fn group(&mut self, layer: Layer, chance: &mut Chance) {
        let (members, groups, group) = match layer {
            Layer::Identity => (View::Attackers, View::Identities, "identity"),
            Layer::Campaign => (View::Identities, View::Campaigns, "campaign"),
        };
        let (members, groups) = (self.scan(members).await, self.scan(groups).await);
        let absent = |codes: &[u32], is_absent: bool| -> Vec<u32> {
            (0..)
                .zip(codes)
                .filter(|(_, code)| (**code == ABSENT) == is_absent)
                .map(|(at, _)| at)
                .collect()
        };
        let free = chance.some(&absent(members.text(group).unwrap(), true), 3);
        let merged_into = groups.text("merged_into").unwrap();
        let (live, merged) = (absent(merged_into, true), absent(merged_into, false));
        let two = chance.some(&live, 4);
        let change = match (chance.below(5), free.as_slice(), two.as_slice()) {
            (0 | 1, [_, ..], _) => {
                Change::Form { layer, members, groups: vec![0; free.len()], rows: free }
            }
            (2, [_, ..], [target, ..]) => Change::Link {
                layer,
                members,
                groups,
                targets: vec![*target; free.len()],
                rows: free,
            },
            (3, _, [winner, loser, ..]) => {
                Change::Merge { layer, groups, losers: vec![*loser], winners: vec![*winner] }
            }
            (4, ..) if !merged.is_empty() => {
                Change::Unmerge { layer, groups, rows: chance.some(&merged, 2) }
            }
            (_, _, [_, ..]) if layer == Layer::Identity => Change::Refresh { groups, rows: two },
            _ => return,
        };
        self.commit(&[change]).await;
    }

    /// Rows that are put by key.
    async fn put(&mut self, chance: &mut Chance) {
        let credentials = self.scan(View::Credentials).await;
        let all: Vec<u32> = (0..).take(credentials.rows()).collect();
        let keys = ["secret_sha256", "secret_kind", "principal_key"];
        let reused = credentials.select(&keys).unwrap().take(&chance.some(&all, 5)).unwrap();
        let identities = self.scan(View::Identities).await;
        let all: Vec<u32> = (0..).take(identities.rows()).collect();
        let of = chance.some(&all, 3);
        let identity = identities.take(&of).unwrap().text("uuid").unwrap().to_vec();
        let mut text = |name: &str, of: u64| -> Vec<u32> {
            // A value is JSON.
            let mut one = || self.texts.code(&format!("\"{name}-{}\"", chance.below(of))).unwrap();
            identity.iter().map(|_| one()).collect()
        };
        let (primitive, value, state) = (text("p", 3), text("v", 3), text("s", 2));
        let measure = || Column::from(vec![0.5; identity.len()]);
        let states = [
            ("identity", Column::text(identity.clone())),
            ("primitive", Column::text(primitive)),
            ("value", Column::text(value)),
            ("state", Column::text(state)),
            ("confidence", measure()),
            ("samples", Column::from(vec![1_u32; identity.len()])),
            ("changed_at", measure()),
            ("observed_at", measure()),
        ];
        let states = Frame::new(identity.len(), states).unwrap();
        let changes = [Change::PutReuse { rows: reused }, Change::PutAttribution { rows: states }];
        self.commit(&changes).await;
    }
}

fn session(attacker: usize, number: u64, chance: &mut Chance) -> Session {
    let certainty = [Certainty::Guessed, Certainty::Inferred, Certainty::Named];
    let service = Service {
        name: Arc::from(*chance.pick(&["ssh", "telnet"])),
        certainty: *chance.pick(&certainty),
    };
    Session {
        attacker,
        source: Arc::from("sensor"),
        session: Arc::from(format!("s{number}")),
        decky: Arc::from("decky"),
        service,
        events: (0..=chance.below(4)).map(|_| event(chance)).collect(),
    }
}

fn event(chance: &mut Chance) -> Event {
    let hash = chance.below(u64::MAX);
    // Few times, so that some are equal; some come before all that is known.
    let at = Timestamp(BEGIN - 1_000_000 * chance.below(40) as i64);
    let word = |chance: &mut Chance| Arc::<str>::from(format!("w{}", chance.below(6)));
    let what = match chance.below(6) {
        0 => What::Closed,
        1 => {
            let kinds = [Kind::Hassh, Kind::PayloadSha256, Kind::DownloadHost];
            let kind = *chance.pick(&kinds);
            What::Features(Box::new([Feature { kind, value: word(chance) }]))
        }
        2 => {
            let primitive = Primitive::InputModality;
            let confidence = 0.1 * chance.below(10) as f64;
            What::Samples(Box::new([Sample { primitive, value: word(chance), confidence }]))
        }
        3 => {
            let secret = Secret::new(&word(chance));
            let credential = Some(Credential { principal: Some(word(chance)), secret });
            let accepted = chance.below(2) == 0;
            What::Login(Box::new(Login { accepted, credential, features: Box::new([]) }))
        }
        _ => {
            let rule = Rule {
                id: Arc::from("r"),
                version: 1,
                attack_release: Arc::from(""),
                tactic: Arc::from(format!("TA000{}", chance.below(3))),
                technique: Arc::from("T1"),
                sub_technique: None,
                confidence: 1.0,
            };
            let command = Command::new(&word(chance), Vec::new(), Box::new([Arc::new(rule)]));
            let id = ids::command_tag("s", at.micros(), hash, "r");
            let tag_ids = Box::new([Arc::from(id)]);
            What::Command(Box::new(Entered { command: Arc::new(command), tag_ids }))
        }
    };
    Event { hash, at, what }
}

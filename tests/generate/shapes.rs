//! The shapes that were measured on real logs: who is many, who shares what, who comes when.

use std::collections::{BTreeMap, BTreeSet};

use corral::generate::Options;
use serde_json::Value;

use super::{kind, story, text};

#[test]
fn hundreds_of_strangers_share_the_most_common_fingerprint() {
    let story = story(&Options::default());
    let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in story.events().iter().filter(|event| kind(event) == "client.kex") {
        let hassh = text(event, "hassh").to_owned();
        holders.entry(hassh).or_default().insert(text(event, "src_ip").to_owned());
    }
    let all: BTreeSet<&String> = holders.values().flatten().collect();
    let top = holders.values().max_by_key(|addresses| addresses.len()).unwrap();
    assert!((30..50).contains(&(top.len() * 100 / all.len())), "{} of {}", top.len(), all.len());
    let actors: BTreeSet<&str> =
        top.iter().map(|address| story.truth[address].0.as_str()).collect();
    assert_eq!(actors.len(), top.len(), "they are strangers to each other");
    let networks: BTreeSet<&str> = top
        .iter()
        .map(|address| &address[..address.match_indices('.').nth(1).unwrap().0])
        .collect();
    assert!(networks.len() * 100 > top.len() * 90, "{} /16s", networks.len());
    assert!((40..90).contains(&holders.len()), "{} fingerprints", holders.len());
}

#[test]
fn one_worm_has_six_fingerprints_one_key_and_one_payload() {
    let story = story(&Options::default());
    assert_eq!(story.values("worm-1", "hassh").len(), 6);
    let files = story.values("worm-1", "shasum");
    let events = story.events();
    let with = |wanted: &dyn Fn(&Value) -> bool| {
        let theirs = events.iter().filter(|event| story.truth[text(event, "src_ip")].0 == "worm-1");
        theirs
            .filter(|event| wanted(event))
            .map(|event| text(event, "src_ip"))
            .collect::<BTreeSet<_>>()
            .len()
    };
    let planted = with(&|event| text(event, "destfile").ends_with("/.ssh/authorized_keys"));
    let loaded =
        with(&|event| kind(event) == "session.file_download" && event.get("url").is_some());
    assert_eq!((planted, loaded), (110, 110), "ten never get past the login");
    let own: BTreeSet<&str> = events
        .iter()
        .filter(|event| kind(event) == "session.file_download")
        .filter(|event| story.truth[text(event, "src_ip")].1 == "worm")
        .map(|event| text(event, "shasum"))
        .collect();
    assert!(own.len() == 2 && own.iter().all(|hash| files.contains(*hash)), "{own:?}");
}

#[test]
fn the_relay_campaign_comes_once_each_in_three_bursts() {
    let story = story(&Options::default());
    let mut bursts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut targets = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for event in story.events() {
        if story.truth[text(&event, "src_ip")].1 != "relay" {
            continue;
        }
        let time = text(&event, "timestamp");
        if kind(&event) == "session.connect" {
            assert!(addresses.insert(text(&event, "src_ip").to_owned()), "a second session");
            let minute =
                time[11..13].parse::<i64>().unwrap() * 60 + time[14..16].parse::<i64>().unwrap();
            bursts.entry(time[..10].to_owned()).or_default().push(minute);
        }
        if kind(&event) == "direct-tcpip.request" {
            targets.insert(format!("{}:{}", text(&event, "dst_ip"), event["dst_port"]));
        }
    }
    assert_eq!((bursts.len(), targets.len(), addresses.len()), (3, 1, 90), "{bursts:?}");
    for minutes in bursts.values() {
        assert!(minutes.iter().max().unwrap() - minutes.iter().min().unwrap() <= 90);
    }
    let hassh = story.values("relay-1", "hassh");
    let kin = story.events().iter().any(|event| {
        hassh.contains(text(event, "hassh")) && story.truth[text(event, "src_ip")].1 == "stranger"
    });
    assert!(hassh.len() == 1 && kin);
}

#[test]
fn people_keep_their_key_or_tool_while_address_and_client_change() {
    let story = story(&Options::default());
    for (person, keys, hasshes) in
        [("operator-1", 1, 1), ("operator-2", 1, 2), ("operator-3", 0, 1)]
    {
        assert!(story.truth.values().filter(|(actor, _)| actor == person).count() >= 3);
        assert_eq!(story.values(person, "fingerprint").len(), keys);
        assert_eq!(story.values(person, "hassh").len(), hasshes);
        assert_eq!(story.values(person, "filename").len(), 1);
    }
}

#[test]
fn the_botnet_has_no_fingerprint_and_one_loader() {
    let story = story(&Options::default());
    assert!(story.values("botnet-1", "hassh").is_empty());
    let urls = story.values("botnet-1", "url");
    let hosts: BTreeSet<&str> = urls.iter().map(|url| url.split('/').nth(2).unwrap()).collect();
    assert_eq!((hosts.len(), urls.len()), (1, 4), "a loader and three binaries");
}

#[test]
fn few_pairs_are_tried_by_many_and_most_by_one() {
    let story = story(&Options::default());
    let mut holders: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for event in story.events().iter().filter(|event| event.get("password").is_some()) {
        let pair = (text(event, "username").to_owned(), text(event, "password").to_owned());
        holders.entry(pair).or_default().insert(text(event, "src_ip").to_owned());
    }
    let single = holders.values().filter(|addresses| addresses.len() == 1).count();
    assert!((80..98).contains(&(single * 100 / holders.len())), "{single} of {}", holders.len());
    let top = holders.values().map(BTreeSet::len).max().unwrap();
    assert!((150..320).contains(&top), "{top}");
}

#[test]
fn surveys_speak_anything_but_ssh() {
    let story = story(&Options::default());
    let said: Vec<String> =
        (1..=4).flat_map(|number| story.values(&format!("scanner-{number}"), "version")).collect();
    for wanted in ["ZGrab", "MGLNDD_", "GET / HTTP/1.1", "\u{16}\u{3}\u{1}"] {
        assert!(said.iter().any(|version| version.contains(wanted)), "{wanted}");
    }
}

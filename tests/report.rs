//! What reports say of campaigns, behaviour and reused credentials, and that `why` says the same.

use serde_json::Value;

use crate::desk::Desk;

fn correlated() -> Desk {
    let desk = Desk::with_logs();
    desk.succeed(&["run"]);
    desk
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The worm's addresses, as the truth beside the generated logs has them.
fn worm(desk: &Desk) -> Vec<String> {
    let truth = std::fs::read_to_string(desk.path("logs/truth.csv")).unwrap();
    let worm = truth.lines().filter(|line| line.contains(",worm,spreads"));
    worm.map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn a_worm_that_is_split_by_its_clients_is_one_campaign_and_why_names_its_host() {
    let desk = correlated();
    let report = desk.json(&["report"]);
    let campaign = &report["campaigns"]["largest"][0];
    assert!(campaign["identities"].as_i64().unwrap() >= 6, "{campaign}");
    assert!(list(&campaign["joins"]).iter().any(|join| join["reason"] == "shared-infra"));
    // Any two of its addresses are one identity or, with another client, of this campaign.
    let worm = worm(&desk);
    let mut allied = 0;
    for other in &worm[1..] {
        let why = desk.json(&["why", &worm[0], other]);
        if why["answer"] == "joined" {
            continue;
        }
        allied += 1;
        assert_eq!((&why["answer"], &why["campaign"]), (&"allied".into(), &campaign["uuid"]));
        for step in list(&why["path"]) {
            let holders = step["holders"].as_i64().unwrap();
            assert_eq!(step["reason"] == "shared-infra", holders >= 2, "{step}");
        }
    }
    assert!(allied >= 5, "{allied} of {} are of another identity", worm.len());
    let (a, b) =
        (campaign["example"][0].as_str().unwrap(), campaign["example"][1].as_str().unwrap());
    let people_read = desk.succeed(&["why", a, b]);
    assert!(people_read.contains("are two identities of campaign"), "{people_read}");
    assert!(desk.succeed(&["report"]).contains("Why are two identities one campaign?"));
}

#[test]
fn every_primitive_counts_each_identity_once() {
    let desk = correlated();
    let behaviour = &desk.json(&["report"])["behaviour"];
    let primitives = list(&behaviour["primitives"]);
    let names: Vec<&str> = primitives.iter().filter_map(|row| row["primitive"].as_str()).collect();
    assert!(names.contains(&"toolchain.ssh.hassh_client"), "{names:?}");
    assert!(names.contains(&"temporal.session_duration"), "{names:?}");
    let identities = desk.json(&["report"])["totals"]["identities"].as_i64().unwrap();
    for row in primitives {
        let states = ["stable", "drifting", "conflicted", "multi_actor", "unknown"];
        let counted: i64 = states.iter().filter_map(|state| row[*state].as_i64()).sum();
        assert!((1..=identities).contains(&counted), "{row}");
    }
    let (known, steady) = (behaviour["known"].as_i64(), behaviour["steady"].as_i64());
    assert!(steady > Some(0) && steady <= known, "{behaviour}");
    for row in list(&behaviour["unsteady"]) {
        assert_eq!(row["is_suspected"], row["multi_actor"].as_i64().unwrap() >= 2);
    }
}

#[test]
fn reuse_is_ranked_by_surprise_and_wordlists_come_last() {
    let desk = Desk::with_logs();
    // Four addresses in a hundred know one pair and try it on both sensors; all know another.
    let mut log = String::new();
    for (sensor, day) in [("north", 1), ("south", 2)] {
        for n in 0..100 {
            let secret = if n < 4 { ["known", "123456"] } else { ["own", "123456"] };
            for (at, secret) in secret.iter().enumerate() {
                let secret = if *secret == "own" {
                    format!("own-{n}-{sensor}")
                } else {
                    (*secret).to_owned()
                };
                log.push_str(&format!(
                    "{{\"eventid\":\"cowrie.login.failed\",\"session\":\"{sensor}{n}\",\"src_ip\":\"198.51.100.{n}\",\
                     \"sensor\":\"{sensor}\",\"protocol\":\"ssh\",\"username\":\"root\",\"password\":\"{secret}\",\
                     \"timestamp\":\"2026-01-0{day}T00:00:{at:02}.000000Z\"}}\n"
                ));
            }
        }
    }
    desk.write("more.json", log);
    desk.succeed(&["ingest", "cowrie", "more.json"]);
    desk.succeed(&["run"]);
    let reuse = &desk.json(&["report", "--most", "10000"])["reuse"];
    let top = list(&reuse["top"]);
    assert_eq!(reuse["total"].as_u64().unwrap(), top.len() as u64);
    let at = |secret: &str| top.iter().position(|row| row["secret"] == secret).unwrap();
    assert_eq!(
        (top[at("known")]["addresses"].as_i64(), top[at("known")]["targets"].as_i64()),
        (Some(4), Some(2))
    );
    assert_eq!(top[at("123456")]["is_wordlist"], true);
    assert!(at("known") < at("123456"));
    let wordlists = top.iter().filter(|row| row["is_wordlist"] == true).count();
    assert_eq!(reuse["wordlist"].as_u64().unwrap(), wordlists as u64);
    for pair in top.windows(2) {
        let rank = |row: &Value| (row["is_wordlist"].as_bool(), -row["surprise"].as_f64().unwrap());
        assert!(rank(&pair[0]) <= rank(&pair[1]), "{pair:?}");
    }
    // Two who share it learn so, and that the other pair is everybody's.
    let why = desk.run(&["why", "198.51.100.1", "198.51.100.2"]);
    let people_read = crate::desk::text(&why.stdout);
    assert!(people_read.contains("root / known   (4 addresses did)"), "{people_read}");
    assert!(people_read.contains("a wordlist's)"), "{people_read}");
}

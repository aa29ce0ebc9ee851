//! Very many connections at once: the broker lives, and so does everybody who was there before.

use std::process::Command;

use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::command::{Process, listening};
use super::line::{Line, Observer};
use super::{LOOK, Place, soon};
use crate::desk::Desk;

/// As many as anybody promised to survive.
const CROWD: usize = 10_000;

/// Descriptors that the rest of this process needs.
const OTHERS: usize = 500;

/// Crowds come one after the other: together they want more descriptors than there are.
static TURN: Mutex<()> = Mutex::const_new(());

/// Descriptors that this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

fn broker(place: &Place, desk: &Desk, connections_max: usize) -> Command {
    desk.write("corral.toml", format!("[bus]\nconnections-max = {connections_max}\n"));
    let socket = place.socket();
    desk.command(&["--config", "corral.toml", "bus", "--socket", socket.to_str().unwrap()])
}

/// Connects so many; a broker whose backlog is full asks to wait.
async fn crowd(place: &Place, count: usize) -> Vec<UnixStream> {
    let mut crowd = Vec::new();
    soon(async {
        while crowd.len() < count {
            match UnixStream::connect(place.socket()).await {
                Ok(stream) => crowd.push(stream),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => panic!("connection {}: {error}", crowd.len()),
            }
        }
    })
    .await;
    crowd
}

#[tokio::test]
async fn ten_thousand_connections_are_served_beside_each_other() {
    let _turn = TURN.lock().await;
    let (place, desk) = (Place::new(), Desk::new());
    let count = CROWD.min(descriptors().saturating_sub(OTHERS));
    let _broker = Process::start(broker(&place, &desk, 2 * CROWD));
    listening(&place).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut crowd: Vec<Line> = crowd(&place, count).await.into_iter().map(Line::from).collect();
    for line in &mut crowd {
        line.say("SUB a.b", "").await;
    }
    let last = crowd.last_mut().unwrap();
    observer.settled(last).await;
    // From the first to the last, they are served like anybody else.
    let mut speaker = Line::connect(&place.socket()).await;
    for line in crowd.iter_mut().step_by(97) {
        observer.settled(line).await;
    }
    speaker.publish("a.b", "1").await;
    assert_eq!(witness.event().await.unwrap().1, 1);
    for line in crowd.iter_mut().step_by(97) {
        assert_eq!(line.event().await.unwrap().1, 1);
    }
    // All at once they leave, most without having read what was theirs. Nobody reads the broker's log here:
    // if it had as much to say of it, it would stand still.
    drop(crowd);
    speaker.publish("a.b", "2").await;
    assert_eq!(witness.event().await.unwrap().1, 2);
}

#[tokio::test]
async fn a_crowd_beyond_the_limit_is_turned_away_and_nobody_else_notices() {
    let _turn = TURN.lock().await;
    let (place, desk) = (Place::new(), Desk::new());
    let count = CROWD.min(descriptors().saturating_sub(OTHERS));
    let _broker = Process::start(broker(&place, &desk, 100));
    listening(&place).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut speaker = Line::connect(&place.socket()).await;
    observer.settled(&mut speaker).await;
    let mut crowd = crowd(&place, count).await;
    // The others stay until then: where one of those that are served leaves, there is room for the last.
    let mut last = Line::from(crowd.pop().unwrap());
    assert!(last.is_closed().await);
    drop(crowd);
    speaker.publish("a.b", "1").await;
    assert_eq!(witness.event().await.unwrap().1, 1);
}

#[tokio::test]
async fn a_broker_without_descriptors_serves_those_it_has_and_newcomers_later() {
    let (place, desk) = (Place::new(), Desk::new());
    let plain = broker(&place, &desk, CROWD);
    let mut limited = Command::new("sh");
    limited.current_dir(plain.get_current_dir().unwrap());
    limited.args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""]);
    limited.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let mut process = Process::start(limited);
    listening(&place).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut speaker = Line::connect(&place.socket()).await;
    observer.settled(&mut speaker).await;
    // Most of them wait to be accepted.
    let crowd = crowd(&place, 200).await;
    speaker.publish("a.b", "1").await;
    assert_eq!(witness.event().await.unwrap().1, 1);
    assert!(process.0.try_wait().unwrap().is_none(), "the broker died");
    drop(crowd);
    let mut newcomer = Line::connect(&place.socket()).await;
    observer.settled(&mut newcomer).await;
}

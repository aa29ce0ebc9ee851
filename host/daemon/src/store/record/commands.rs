//! `corral_command`, the tags on commands, and the scripts that commands make up.

use std::fmt::Write;
use std::sync::Arc;

use crate::store::db::{Connection, query};
use sha2::{Digest, Sha256};

use super::behaviour::{Conduct, Habits};
use super::listing;
use super::merge::{Grown, Merged};
use super::rows::{self, Statement};
use super::{Batch, Command, Event, Feature, Rule, Session, What};
use crate::clock::Timestamp;
use crate::store::{StoreError, encoding};

/// Characters of a command that its tag repeats.
const EVIDENCE_CHARS: usize = 120;

/// The script of a session: SHA-256 of its commands in their order, each trimmed and closed by a line
/// feed. `None` if none says anything.
pub(super) fn script<'a>(commands: impl Iterator<Item = &'a str>) -> Option<Arc<str>> {
    let mut script = Script::default();
    commands.for_each(|command| script.push(command));
    script.finish()
}

#[derive(Default)]
struct Script {
    sha256: Sha256,
    is_any: bool,
}

impl Script {
    fn push(&mut self, command: &str) {
        let command = command.trim();
        if !command.is_empty() {
            self.sha256.update(command);
            self.sha256.update(b"\n");
            self.is_any = true;
        }
    }

    fn finish(self) -> Option<Arc<str>> {
        if !self.is_any {
            return None;
        }
        let mut text = String::with_capacity(64);
        for byte in self.sha256.finalize() {
            let _infallible = write!(text, "{byte:02x}");
        }
        Some(Arc::from(text))
    }
}

const INSERT: Statement = Statement {
    head: "INSERT INTO corral_command (session_id, at, hash, input) VALUES ",
    row: "(?, ?, ?, ?)",
    tail: " ON CONFLICT DO NOTHING",
};

const INSERT_TAG: Statement = Statement {
    head: "INSERT INTO ttp_tag (uuid, source_kind, source_id, attacker_uuid, session_id, decky_id, tactic, \
           technique_id, sub_technique_id, confidence, rule_id, rule_version, evidence, attack_release, created_at) VALUES ",
    row: "(?, 'command', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    tail: " ON CONFLICT DO NOTHING",
};

impl Command {
    /// The command line with this text, what stands in it and what it is for.
    pub fn new(input: &str, features: Vec<Feature>, rules: Box<[Arc<Rule>]>) -> Self {
        let start = input
            .char_indices()
            .nth(EVIDENCE_CHARS)
            .map_or(input, |(at, _)| input.get(..at).unwrap_or(input));
        Self {
            input: Arc::from(input),
            json: Arc::from(listing::command_json(input)),
            evidence: Arc::from(format!("{{\"command\": {}}}", encoding::string(start))),
            features: features.into_boxed_slice(),
            rules,
            habits: Habits::of(input),
        }
    }

    /// What an attacker's row lists of it, as a JSON string.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    /// The rules that it meets.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }
}

/// Writes the new commands and says how many.
pub(super) async fn write(
    connection: &mut Connection,
    merged: &Merged<'_>,
) -> Result<u64, StoreError> {
    let commands = merged
        .sessions
        .iter()
        .flat_map(|session| session.commands().map(move |(e, c)| (session.id, e, c)));
    let commands: Vec<_> = commands.collect();
    rows::write(connection, INSERT, &commands, |values, (session, event, entered)| {
        values
            .bind(*session)
            .bind(event.at.micros())
            .bind(event.hash.cast_signed())
            .bind(Arc::clone(&entered.command.input))
    })
    .await
}

/// A tag that is to be written.
struct Tag<'b> {
    id: &'b Arc<str>,
    rule: &'b Rule,
    event: &'b Event,
    command: &'b Command,
    session: &'b Session,
    decky: Arc<str>,
}

/// Writes the tags of the new commands, in the order of their ids, which is that of the index, and
/// says how many.
pub(super) async fn write_tags(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<u64, StoreError> {
    let mut tags = Vec::new();
    for Grown { piece, state, events, .. } in &merged.sessions {
        for event in events {
            let What::Command(entered) = &event.what else { continue };
            let command = entered.command.as_ref();
            tags.extend(command.rules.iter().zip(&entered.tag_ids).map(|(rule, id)| Tag {
                id,
                rule,
                event,
                command,
                session: piece,
                decky: Arc::clone(&state.decky),
            }));
        }
    }
    tags.sort_unstable_by(|a, b| a.id.cmp(b.id));
    rows::write(connection, INSERT_TAG, &tags, |values, tag| {
        values
            .bind(Arc::clone(tag.id))
            .bind(format!("{:016x}", tag.event.hash))
            .bind(batch.attacker_id(tag.session.attacker))
            .bind(Arc::clone(&tag.session.session))
            .bind(Arc::clone(&tag.decky))
            .bind(Arc::clone(&tag.rule.tactic))
            .bind(Arc::clone(&tag.rule.technique))
            .bind(tag.rule.sub_technique.clone())
            .bind(tag.rule.confidence)
            .bind(Arc::clone(&tag.rule.id))
            .bind(tag.rule.version)
            .bind(Arc::clone(&tag.command.evidence))
            .bind(Arc::clone(&tag.rule.attack_release))
            .bind(encoding::datetime(tag.event.at))
    })
    .await
}

/// Reads back the commands of sessions that were stored and have new ones, and gives them the script
/// and the conduct that they have now.
pub(super) async fn rescript(
    connection: &mut Connection,
    merged: &mut Merged<'_>,
) -> Result<(), StoreError> {
    for session in merged.sessions.iter_mut().filter(|session| session.continues_script()) {
        let (mut script, mut conduct) = (Script::default(), Conduct::default());
        query("SELECT at, input FROM corral_command WHERE session_id = ? ORDER BY at, hash")
            .bind(session.id)
            .each(connection, |row| {
                let (at, input): (i64, String) = row.read()?;
                script.push(&input);
                if !conduct.is_full() {
                    conduct.push(Timestamp(at), &Habits::of(&input));
                }
                Ok(())
            })
            .await?;
        session.conduct = conduct.finish();
        let script = script.finish();
        let had = session.before.as_ref().and_then(|before| before.script.clone());
        if script != had {
            let changed = had.into_iter().chain(script.clone());
            merged.scripts.extend(changed.map(|script| (session.piece.attacker, script)));
        }
        session.state.script = script;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_its_commands_trimmed_in_their_order() {
        assert_eq!(script(["ls", "", " "].into_iter()), script(["  ls\n"].into_iter()));
        assert_ne!(script(["a", "b"].into_iter()), script(["b", "a"].into_iter()));
        assert_ne!(script(["a", "b"].into_iter()), script(["ab"].into_iter()));
        assert_eq!(script([" "].into_iter()), None);
        let expected = super::super::sessions::sha256(b"ls\nw\n");
        assert_eq!(script(["ls", "w"].into_iter()), Some(expected));
    }
}

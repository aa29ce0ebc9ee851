//! An outcome in texts instead of codes: what a file can hold, and another process can read.

use std::collections::{BTreeMap, HashMap};

use corral_kernels::text::InternerFull;
use corral_kernels::{ABSENT, Interner};
use serde::{Deserialize, Serialize};

use super::{After, Cell, Layered, Outcome, Verb};

const VERBS: [Verb; 14] = [
    Verb::Form(Layered::Identity),
    Verb::Form(Layered::Campaign),
    Verb::Link(Layered::Identity),
    Verb::Link(Layered::Campaign),
    Verb::Merge(Layered::Identity),
    Verb::Merge(Layered::Campaign),
    Verb::Unmerge(Layered::Identity),
    Verb::Unmerge(Layered::Campaign),
    Verb::Refresh,
    Verb::Explain(Layered::Identity),
    Verb::Explain(Layered::Campaign),
    Verb::PutAttribution,
    Verb::PutReuse,
    Verb::PutState,
];

/// The facts of a commit, by the change that makes them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Told(BTreeMap<String, Vec<Fact>>);

/// A row by its keys, and what it is afterwards. What is absent is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fact {
    key: [Option<String>; 2],
    after: Then,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Then {
    So,
    To(Option<String>),
    New(Option<String>),
    Row(Vec<Value>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Value {
    Text(Option<String>),
    Number(u64),
    /// A float's bits, so that nothing of it is lost.
    Measure(u64),
}

impl Outcome {
    /// The same in texts.
    pub fn told(&self, texts: &Interner) -> Told {
        let text = |code: &u32| texts.text(*code);
        let value = |cell: &Cell| match cell {
            Cell::Text(code) => Value::Text(text(code)),
            Cell::Number(number) => Value::Number(*number),
            Cell::Measure(bits) => Value::Measure(*bits),
        };
        let fact = |((first, second), after): (&(u32, u32), &After)| Fact {
            key: [text(first), text(second)],
            after: match after {
                After::So => Then::So,
                After::To(code) => Then::To(text(code)),
                After::New(code) => Then::New(text(code)),
                After::Row(cells) => Then::Row(cells.iter().map(value).collect()),
            },
        };
        let facts = self.facts.iter().map(|(verb, facts)| {
            let mut facts: Vec<Fact> = facts.iter().map(fact).collect();
            facts.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            (verb.name().to_owned(), facts)
        });
        Told(facts.collect())
    }

    /// The same in codes; changes that nobody knows are left out.
    ///
    /// # Errors
    /// [`InternerFull`] if there is no room for the texts.
    pub fn of_told(told: &Told, texts: &Interner) -> Result<Self, InternerFull> {
        let code = |text: &Option<String>| match text {
            Some(text) => texts.code(text),
            None => Ok(ABSENT),
        };
        let cell = |value: &Value| {
            Ok(match value {
                Value::Text(text) => Cell::Text(code(text)?),
                Value::Number(number) => Cell::Number(*number),
                Value::Measure(bits) => Cell::Measure(*bits),
            })
        };
        let mut outcome = Self::default();
        for verb in VERBS {
            let mut facts = HashMap::new();
            for Fact { key: [first, second], after } in
                told.0.get(verb.name()).into_iter().flatten()
            {
                let after = match after {
                    Then::So => After::So,
                    Then::To(text) => After::To(code(text)?),
                    Then::New(text) => After::New(code(text)?),
                    Then::Row(values) => {
                        After::Row(values.iter().map(cell).collect::<Result<_, _>>()?)
                    }
                };
                let (first, second) = (code(first)?, code(second)?);
                // An edge leads either way, and its ends stand in the order of their codes.
                let key = match verb {
                    Verb::Explain(_) => (first.min(second), first.max(second)),
                    _ => (first, second),
                };
                facts.insert(key, after);
            }
            outcome.facts.insert(verb, facts);
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_in_other_codes_and_edges_in_either_order() {
        let texts = Interner::new(1_000);
        let code = |text: &str| texts.code(text).unwrap();
        let (a, b, why) = (code("a"), code("b"), code("why"));
        let row = After::Row([Cell::Text(why), Cell::Measure(f64::NAN.to_bits())].into());
        let mut outcome = Outcome::default();
        let edge = HashMap::from([((a, b), row)]);
        outcome.facts.insert(Verb::Explain(Layered::Identity), edge);
        let formed = HashMap::from([((a, ABSENT), After::New(b)), ((b, ABSENT), After::So)]);
        outcome.facts.insert(Verb::Form(Layered::Identity), formed);
        let json = serde_json::to_string(&outcome.told(&texts)).unwrap();
        let told: Told = serde_json::from_str(&json).unwrap();
        // In another process the codes are others.
        let others = Interner::new(1_000);
        for text in ["why", "b", "a"] {
            others.code(text).unwrap();
        }
        let back = Outcome::of_told(&told, &others).unwrap();
        let again = Outcome::of_told(&back.told(&others), &texts).unwrap();
        assert!(outcome.difference(&again, &texts).is_none());
    }
}

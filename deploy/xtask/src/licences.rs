//! The licence gate: every dependency may be distributed with Corral, and comes from crates.io.
//!
//! The list of licences is the one in `deny.toml`, so that `cargo deny` and this gate cannot
//! disagree. The gate needs no further tool and no network, which is why it exists beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Package;
use spdx::{Expression, Licensee, ParseMode};
use toml::Value;

use crate::tree::{self, Tree};

const LIST: &str = "deny.toml";

/// What is wrong with the dependencies, one sentence each.
pub(crate) fn problems(tree: &Tree) -> Result<Vec<String>> {
    let text = fs::read_to_string(tree.root().join(LIST))
        .with_context(|| format!("failed to read {LIST}"))?;
    let allowed = allowed(&text)?;
    let mut problems = BTreeSet::new();
    for workspace in tree.workspaces(&[tree::PLUGINS, tree::GUESTS]) {
        problems.extend(problems_of(&workspace, &allowed)?);
    }
    Ok(problems.into_iter().collect())
}

fn problems_of(workspace: &Path, allowed: &[Licensee]) -> Result<Vec<String>> {
    let metadata = tree::metadata(workspace, &["--locked"])?;
    let others = metadata.packages.iter().filter(|package| package.source.is_some());
    Ok(others.filter_map(|package| problem(package, allowed)).collect())
}

fn problem(package: &Package, allowed: &[Licensee]) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    if package.source.as_ref().is_some_and(|source| !source.is_crates_io()) {
        return Some(format!("{name} does not come from crates.io: use a published version"));
    }
    let Some(licence) = &package.license else {
        return Some(format!("{name} does not say its licence: replace it, or ask its authors"));
    };
    match is_allowed(licence, allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} is under {licence}, which {LIST} does not allow: \
             replace it, or add the licence there if it fits MIT OR Apache-2.0"
        )),
        Err(error) => Some(format!("{name} says its licence is {licence:?}: {error}")),
    }
}

/// Whether the expression can be met with allowed licences. Old forms (`MIT/Apache-2.0`) count.
fn is_allowed(licence: &str, allowed: &[Licensee]) -> Result<bool> {
    let expression = Expression::parse_mode(licence, ParseMode::LAX)?;
    Ok(expression.evaluate(|wanted| allowed.iter().any(|one| one.satisfies(wanted))))
}

fn allowed(list: &str) -> Result<Vec<Licensee>> {
    let list: toml::Table = list.parse().with_context(|| format!("failed to read {LIST}"))?;
    let licences = list.get("licenses").and_then(|section| section.get("allow"));
    let licences = licences
        .and_then(Value::as_array)
        .with_context(|| format!("{LIST} has no list licenses.allow"))?;
    licences
        .iter()
        .map(|licence| {
            let text = licence.as_str().unwrap_or_default();
            Licensee::parse(text).with_context(|| format!("{LIST} allows {text:?}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(licence: &str) -> bool {
        let list = r#"licenses.allow = ["MIT", "Apache-2.0 WITH LLVM-exception", "Zlib"]"#;
        is_allowed(licence, &allowed(list).unwrap()).unwrap()
    }

    #[test]
    fn one_of_several_alternatives_is_enough() {
        assert!(verdict("MIT"));
        assert!(verdict("GPL-3.0-only OR MIT"));
        assert!(verdict("GPL-3.0-only/MIT"));
        assert!(!verdict("GPL-3.0-only"));
    }

    #[test]
    fn every_part_of_a_conjunction_counts() {
        assert!(verdict("MIT AND Zlib"));
        assert!(!verdict("MIT AND GPL-3.0-only"));
        assert!(verdict("(MIT OR GPL-3.0-only) AND Zlib"));
    }

    #[test]
    fn an_exception_is_not_the_licence_without_it() {
        assert!(verdict("Apache-2.0 WITH LLVM-exception"));
        assert!(!verdict("Apache-2.0"));
    }

    #[test]
    fn a_list_with_a_made_up_licence_is_refused() {
        assert!(allowed(r#"licenses.allow = ["Mine"]"#).is_err());
        assert!(allowed("").is_err());
    }
}

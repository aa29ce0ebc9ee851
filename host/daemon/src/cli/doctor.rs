//! `corral doctor`: what an installation has, and what to do about what it lacks.
//!
//! Every check is independent of the others and ends in a line: ok, warn (it works, and not as well as it
//! could) or fail, each with what was found and, unless it is ok, a remedy. Nothing is written, also not
//! to a database that is not there yet. The checks stand in [`checks`], in the order in which a cause
//! comes before its effects.

use serde::Serialize;

use super::{Context, Exit, Failure, output};

mod checks;
mod units;

/// Check settings, database, bus, plugins and units, and say of each flaw what to do
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), remedy: String::new() }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), remedy: remedy.into() }
    }

    fn fail(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), remedy: remedy.into() }
    }
}

pub(super) async fn run(_args: Args, context: &Context) -> Result<(), Failure> {
    let mut findings = checks::settings(context);
    findings.extend(checks::database(context).await);
    findings.extend(checks::lease(context).await);
    findings.extend(checks::room(context));
    findings.extend(checks::bus(context).await);
    findings.push(checks::daemon(context).await);
    findings.push(checks::plugins(context).await);
    findings.push(checks::compiled(context));
    findings.push(checks::clock(context));
    findings.extend(units::check());
    let worst = findings.iter().map(|finding| finding.verdict).max();
    if context.json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            print(finding);
        }
    }
    if worst == Some(Verdict::Fail) {
        return Err(Failure::new(
            Exit::Unhealthy,
            anyhow::anyhow!("the installation has a fault; see above"),
        ));
    }
    Ok(())
}

fn print(finding: &Finding) {
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    let found = output::printable(&finding.found);
    output::line(&format!("{word:<5} {:<9} {found}", finding.check));
    if !finding.remedy.is_empty() {
        output::line(&format!("{:<15} → {}", "", finding.remedy));
    }
}

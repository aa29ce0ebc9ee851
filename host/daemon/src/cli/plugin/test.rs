//! `corral plugin test`: whether a component keeps what a plugin promises.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{Context, Exit, Failure, bench_host, output, throwaway};
use crate::conformance::{self, KitError, Place, Report};
use crate::files;
use crate::plugin::Source;
use crate::plugin::papers::Paper;
use crate::plugin::papers::signed::SecretKey;

/// Test a component against everything that a plugin promises, on databases that are thrown away
///
/// Each line is one promise, with what was found and, where it is broken, what to do. `--only` picks checks by
/// the beginnings of their names. The certificate is bound to the component's digest; `plugins.require-certificate`
/// in the config demands one of every component that is not built in. Ends with code 5 if a check fails.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Write a certificate if all is well, beside the component or where this says
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "that it is asked for, and where it goes")]
    certificate: Option<Option<PathBuf>>,
    /// Sign the certificate with this key of `corral plugin keygen`
    #[arg(long, value_name = "SECRETKEYFILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Only checks whose names begin so; may be given several times
    #[arg(long, value_name = "CHECK", conflicts_with = "certificate")]
    only: Vec<String>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let usage = |error: files::FileError| Failure::new(Exit::Usage, error);
    let (host, config) = bench_host(context)?;
    let bytes = files::read_bytes(&args.file, config.limits.component_bytes_max).map_err(usage)?;
    let key = args.key.as_deref().map(secret_key).transpose()?;
    let folder = throwaway()?;
    let clock = context.clock.clone();
    let place = Place {
        host: &host,
        config: &config,
        folder: folder.path(),
        attackers: conformance::ATTACKERS,
        clock: clock.clone(),
    };
    let source = Source::Named(args.file.clone());
    let report = conformance::test(&place, source, &bytes, &args.only).await.map_err(failed)?;
    if context.json {
        output::json(&report)?;
    } else {
        print(&report);
    }
    if !report.passed() {
        let broken = report.findings.iter().filter(|finding| !finding.passed).count();
        let error = anyhow!("{broken} of {} checks failed; see above", report.findings.len());
        return Err(Failure::new(Exit::Plugin, error));
    }
    if let Some(place) = &args.certificate {
        let path = place.clone().unwrap_or_else(|| Paper::Certificate.beside(&args.file));
        let text = report.certificate(&*clock).text();
        let text = text.map_err(|error| Failure::new(Exit::Unexpected, error))?;
        let text = key.map_or_else(|| text.clone(), |key| key.sign(&text));
        files::write_whole(&path, text.as_bytes()).map_err(usage)?;
        if !context.json {
            output::line(&format!("\ncertificate: {}", path.display()));
        }
    }
    Ok(())
}

fn failed(error: KitError) -> Failure {
    let code = match &error {
        KitError::NoCheck(..) => Exit::Usage,
        KitError::Store(_) | KitError::Scenario(_) => Exit::Unexpected,
    };
    Failure::new(code, error)
}

fn secret_key(path: &Path) -> Result<SecretKey, Failure> {
    let text = files::read_to_string(path).map_err(|error| Failure::new(Exit::Usage, error))?;
    SecretKey::parse(&text).map_err(|error| {
        Failure::new(Exit::Usage, anyhow!(error).context(path.display().to_string()))
    })
}

fn print(report: &Report) {
    if let Some(said) = &report.description {
        output::line(&output::printable(&format!(
            "{} {}: {}",
            said.name, said.version, said.summary
        )));
    }
    output::line(&format!("sha256 {}\n", report.digest));
    let width = report.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in &report.findings {
        let verdict = if finding.passed { "ok    " } else { "FAILED" };
        let line = format!("{verdict}  {:width$}  {}", finding.check, finding.found);
        output::line(&output::printable(&line));
        if let Some(remedy) = &finding.remedy {
            let indent = " ".repeat(width + 10);
            output::line(&output::printable(&format!("{indent}promised: {}", finding.promise)));
            output::line(&output::printable(&format!("{indent}to do: {remedy}")));
        }
    }
}

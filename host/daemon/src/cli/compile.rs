//! `corral compile-component`: what the host runs to compile a stranger's component. Not for people.
//!
//! It reads no settings, opens no log and no database: nothing is there that the component could reach.

use std::io::{Read, Write};

use anyhow::anyhow;

use super::{Exit, Failure};
use crate::plugin::compile::{self, Bounds, Counting};

/// Compile a component from standard input to standard output, within limits
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    memory_bytes_max: u64,
    #[arg(long)]
    count_instructions: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Args { seconds, memory_bytes_max, count_instructions } = *args;
    compile::confine(Bounds { seconds, memory_bytes_max }).map_err(|error| {
        Failure::new(
            Exit::Unexpected,
            anyhow::Error::new(error).context("set the compiler's limits"),
        )
    })?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let counting = if count_instructions { Counting::Instructions } else { Counting::Nothing };
    let code = compile::compile(&component, counting)
        .map_err(|why| Failure::new(REFUSED, anyhow!(why)))?;
    Ok(std::io::stdout().lock().write_all(&code)?)
}

/// What [`compile::REFUSED`] says.
const REFUSED: Exit = Exit::Plugin;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_at_fault_has_the_exit_code_that_the_host_knows() {
        assert_eq!(REFUSED as u8, compile::REFUSED);
    }
}

//! Equal infrastructure: the holders of one set of tokens are one group.

use super::Evidence;
use crate::column::ABSENT;
use crate::kernel::KernelError;

/// Joins the rows of equal sets, each to the first. Gives for every row the first one of an equal set,
/// or [`ABSENT`] if it has no tokens.
pub(super) fn join_equal(evidence: &mut Evidence<'_>) -> Result<Vec<u32>, KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    // Who holds a token that nobody else holds has no equal: the first ones are the rarest.
    let lonely = |row| population.infra.of(row)[0] < population.lonely_tokens;
    let firsts = population.infra.first_equals(pace, lonely)?;
    // The token that stands for a set, once somebody asks.
    let mut tokens = vec![ABSENT; firsts.len()];
    for (row, &first) in (0_u32..).zip(&firsts) {
        pace.check_row(row as usize)?;
        if first == ABSENT || first == row {
            continue;
        }
        let token = &mut tokens[first as usize];
        if *token == ABSENT {
            *token = population.first_token(evidence.job, population.infra.of(first as usize));
        }
        evidence.join(first, row, evidence.shared_infra, *token)?;
    }
    Ok(firsts)
}

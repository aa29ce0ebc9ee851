//! How much a plugin may say of itself: the host keeps it, prints it, and subscribes to what it names.

use super::load::Description;

/// What a text costs beside its own bytes, so that empty ones are bounded too.
const TEXT_BYTES: usize = 16;

/// Whether a description is within the limit.
///
/// # Errors
/// What it takes, with the limit.
pub(super) fn within(description: &Description, limit: usize) -> Result<(), String> {
    let bytes = bytes(description);
    if bytes <= limit {
        return Ok(());
    }
    Err(format!("says {bytes} bytes, which is more than limits.describe-bytes-max = {limit}"))
}

fn bytes(description: &Description) -> usize {
    // Every field stands here, so that a new one has to be counted.
    let Description {
        name,
        version,
        summary,
        wakes,
        poll_seconds: _,
        reads,
        writes,
        kernels,
        settings,
    } = description;
    let single = [name, version, summary].into_iter();
    let lists = [wakes, reads, writes, kernels].into_iter().flatten();
    let settings =
        settings.iter().flat_map(|setting| [&setting.name, &setting.default, &setting.summary]);
    let texts = single.chain(lists).chain(settings);
    texts.fold(0, |sum: usize, text| sum.saturating_add(text.len()).saturating_add(TEXT_BYTES))
}

//! What commands print: tables for people, JSON for programs, and nothing that a terminal would obey.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::Failure;

/// Prints one line.
pub(super) fn line(text: &str) {
    // A closed pipe (`corral report | head`) is not an error worth a message.
    let _closed = writeln!(anstream::stdout(), "{text}");
}

/// Prints one line of a stream that may go on for ever; says whether somebody still reads it.
pub(super) fn line_of_many(text: &str) -> bool {
    writeln!(anstream::stdout(), "{text}").is_ok()
}

/// Prints one line where errors go.
pub(super) fn error(text: &str) {
    let _closed = writeln!(anstream::stderr(), "{text}");
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(std::io::Error::from)?);
    Ok(())
}

/// Prints a table under its headings.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for text in table.lines() {
        line(text.trim_end());
    }
}

/// Text that came from an attacker, made safe for a terminal: control characters are shown, not obeyed.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

//! What a user should know about a table.

use knothe::events::table::{Contradiction, Notice};

use crate::{failure::say, hints::worded};

/// Says what a user should know about a table.
pub fn say_notices(notices: &[Notice]) {
    for notice in notices {
        say(format_args!("note: {}", notice.message));
        if let Some(hint) = &notice.hint {
            say(format_args!("hint: {}", worded(hint)));
        }
    }
}

/// Says which values make rows impossible under a model.
pub fn note_contradictions(contradictions: &[Contradiction]) {
    for Contradiction { column, expected, found, row, rows } in contradictions {
        let of = if *rows == 1 { "1 row is".into() } else { format!("{rows} rows are") };
        let whole = found.parse().is_ok_and(|found: f64| found.fract() == 0.0);
        let hint = match expected.starts_with("a whole number") {
            true if whole => "; if this number is possible, fit with other bounds of this column in --schema",
            true => "; if other numbers are possible, fit with this column declared \"continuous\" in --schema",
            false => "",
        };
        say(format_args!("note: {of} impossible under the model: in '{column}', expected {expected}, found {found} in row {row}{hint}"));
    }
}

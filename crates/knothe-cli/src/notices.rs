//! What a user should know about a table.

use knothe::events::table::{Contradiction, Notice, Reason, counted};

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
    for Contradiction { column, expected, found, row, rows, reason } in contradictions {
        let of = if *rows == 1 { "1 row is".into() } else { format!("{rows} rows are") };
        let hint = match reason {
            Reason::OutOfBounds => "; if this number is possible, fit with other bounds of this column in --schema",
            Reason::NotWhole => {
                "; the numbers of this column were whole when the model was fitted; if others are possible, fit with the column declared \"continuous\" in --schema"
            }
            _ => "",
        };
        say(format_args!("note: {of} impossible under the model: in '{column}', expected {expected}, found {found} in row {row}{hint}"));
    }
}

/// The rows that lack a value, and what becomes of one of them or of several: "2 rows lack a value and are left out".
pub fn lacking(rows: usize, one: &str, several: &str) -> String {
    counted(rows, &format!("row lacks a value and {one}"), &format!("rows lack a value and {several}"))
}

//! The hints of the library in the words of the command line.

use knothe::{Hint, events::table::Notice};

use crate::failure::say;

/// Says what a user should know about a table.
pub fn say_notices(notices: &[Notice]) {
    for notice in notices {
        say(format_args!("note: {}", notice.message));
        if let Some(hint) = &notice.hint {
            say(format_args!("hint: {}", worded(hint)));
        }
    }
}

/// What to type, for a hint of the library.
pub fn worded(hint: &Hint) -> String {
    match hint {
        Hint::DropColumns(columns) => format!("--drop {}", columns.join(",")),
        Hint::DropConstant(column) => format!("--drop {column} leaves it out of the samples too"),
        Hint::DeclareOrDrop(column) => format!("declare another kind in a file for --schema, or leave the column out with --drop {column}"),
        Hint::SplitOrDrop { column, value } => {
            format!("fit only the rows where it is not {value}, or leave the column out with --drop {column}")
        }
        Hint::DeclareKind { columns, kind, only_seen } => {
            let condition = if *only_seen { "if this holds for every possible value, " } else { "" };
            format!("{condition}declare it in a JSON file for --schema: {}", Hint::declaration(columns, kind))
        }
        Hint::AllowMissing => {
            "--missing model gives missing values a probability, and --missing drop leaves out the rows that lack a value".into()
        }
        Hint::NameLabels => "use --labels, or --given class=VALUE to set one class for all images".into(),
        Hint::NameArray => "--key names the array of images, and --labels the array of labels".into(),
        Hint::NameValidation => "use --validation to give separate data for validation".into(),
        Hint::ReshapeOrImages => {
            "reshape it to rows and columns; for images, of three or four dimensions, use --model glow or --model real_nvp".into()
        }
        Hint::AllBits => "the model was fitted to images of smaller numbers; fit with --bits 8 to accept all of them".into(),
        Hint::LowerLearningRate => "lower --lr, or look for extreme values in the table".into(),
        Hint::SingleModel => "fit without --ensemble".into(),
        Hint::OneLayer => "fit with --layers 1".into(),
        Hint::StartAnew => "leave out --resume to start a new fit".into(),
        Hint::ResumeSame => "repeat the interrupted command with --resume, or leave out --resume to start a new fit".into(),
        Hint::SinglePrecision => "use --precision f32".into(),
        Hint::BuildWith(feature) => format!("build knothe with `--features {feature}`"),
        // The others name no setting.
        other => other.to_string(),
    }
}

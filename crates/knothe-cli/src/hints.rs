//! The hints of the library in the words of the command line.

use std::path::Path;

use knothe::Hint;

/// What to type, for a hint of the library.
pub fn worded(hint: &Hint) -> String {
    match hint {
        Hint::DropColumns(columns) => dropped(columns),
        Hint::DropConstant(column) => format!("{} leaves it out of the samples too", drop_one(column)),
        Hint::DeclareOrDrop(column) => {
            format!("declare another kind in a file for --schema, or leave the column out with {}", drop_one(column))
        }
        Hint::DeclareKind { columns, kind, only_seen } => {
            let condition = if *only_seen { "if this holds for every possible value, " } else { "" };
            format!("{condition}declare it in a JSON file for --schema: {}", Hint::declaration(columns, kind))
        }
        Hint::AllowMissing => {
            "--missing model gives missing values a probability, and --missing drop leaves out the rows that lack a value".into()
        }
        Hint::ReadAsMissing(texts) => format!("if it is not a category, add --missing-values {}", for_shell(&texts.join(","))),
        Hint::KeepIndex => "--keep-index reads index columns like other columns".into(),
        Hint::NotNumbers(texts) => {
            let them = if texts.len() == 1 { "it" } else { "them" };
            // The option reads a comma as the end of a text.
            match texts.iter().any(|text| text.contains(',')) {
                true => format!("correct {them} in the file"),
                false => format!("correct {them}, or read {them} as missing with --missing-values {}", for_shell(&texts.join(","))),
            }
        }
        Hint::NameLabels => "use --labels, or --given class=VALUE to set one class for all of them".into(),
        Hint::NameArray => "--key names the array of images or samples, and --labels the array of labels".into(),
        Hint::NameRate => "use --sample-rate".into(),
        Hint::NameValidation => "use --validation to give separate data for validation".into(),
        Hint::ReshapeOrImages => {
            "reshape it to rows and columns; for images, of three or four dimensions, use --model glow or --model real_nvp".into()
        }
        Hint::AllBits => "the model was fitted to images of smaller numbers; fit with --bits 8 to accept all of them".into(),
        Hint::LowerLearningRate => "lower --lr, or look for extreme values in the table".into(),
        Hint::SingleModel => "fit without --ensemble".into(),
        Hint::OneLayer => "fit with --model maf --layers 1".into(),
        Hint::AnyOrder => "fit with --model any_order".into(),
        Hint::StartAnew => "leave out --resume to start a new fit".into(),
        Hint::ResumeSame => "repeat the interrupted command with --resume, or leave out --resume to start a new fit".into(),
        Hint::SinglePrecision => "use --precision f32".into(),
        Hint::BuildWith(feature) => format!("build knothe with `--features {feature}`"),
        // The others name no setting.
        other => other.to_string(),
    }
}

/// `--drop a,b --drop 'Income, USD'`: names as a shell takes them, and a name with a comma by itself.
fn dropped(columns: &[String]) -> String {
    let (alone, listed): (Vec<&String>, Vec<&String>) = columns.iter().partition(|c| c.contains(','));
    let list = listed.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(",");
    let options = (!listed.is_empty()).then_some(list.as_str()).into_iter().chain(alone.iter().map(|c| c.as_str()));
    options.map(|names| format!("--drop {}", for_shell(names))).collect::<Vec<_>>().join(" ")
}

fn drop_one(column: &str) -> String {
    format!("--drop {}", for_shell(column))
}

/// A word as a POSIX shell takes it: as it is where no character of it is special, else between single quotes.
pub fn for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.,:/@%+=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A file as a POSIX shell takes it, and as the program takes it too: a name that begins with `-` is no option.
pub fn file_for_shell(path: &Path) -> String {
    let name = path.display().to_string();
    for_shell(&if name.len() > 1 && name.starts_with('-') { format!("./{name}") } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_for_the_shell() {
        let drop = |names: &[&str]| worded(&Hint::DropColumns(names.iter().map(|&n| n.into()).collect()));
        assert_eq!(drop(&["a", "b_2"]), "--drop a,b_2");
        assert_eq!(drop(&["a", "Income, USD", "b c"]), "--drop 'a,b c' --drop 'Income, USD'");
        assert_eq!(drop(&["it's $5"]), r"--drop 'it'\''s $5'");
        assert_eq!(
            ["a b.csv", "-a.csv", "-", "a/b.csv"].map(|name| file_for_shell(name.as_ref())),
            ["'a b.csv'", "./-a.csv", "-", "a/b.csv"]
        );
        assert_eq!(worded(&Hint::DropConstant(String::new())), "--drop '' leaves it out of the samples too");
    }

    #[test]
    fn a_slip_with_a_comma_is_not_offered_to_an_option_that_ends_texts_there() {
        let slips = |texts: &[&str]| worded(&Hint::NotNumbers(texts.iter().map(|&t| t.into()).collect()));
        assert_eq!(slips(&["1O"]), "correct it, or read it as missing with --missing-values 1O");
        assert_eq!(slips(&["1O", "l 2"]), "correct them, or read them as missing with --missing-values '1O,l 2'");
        assert_eq!(slips(&["1,2,3"]), "correct it in the file");
    }
}

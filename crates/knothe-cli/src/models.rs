//! `knothe models` and `knothe completions`: what can be said without a model file.

use clap::CommandFactory;
use clap_complete::Shell;
use knothe::{
    events::{audio::Waveform, image::Pixels, table::Schema},
    families::{ALL, Family, FamilyOption, Range, Recipe},
    space::{ImageShape, Law, Shape, Space},
};
use serde_json::{Value, json};

use crate::{
    cli::{Cli, ModelsArguments},
    failure::Failure,
    family_arguments::flag,
    kind::Kind,
    output::{print, print_json},
};

/// Lists the families, or describes those of one name.
pub fn run(arguments: &ModelsArguments) -> Result<(), Failure> {
    let chosen: Vec<&dyn Family> = match &arguments.name {
        None => ALL.to_vec(),
        Some(name) => ALL.iter().copied().filter(|family| family.name() == name.replace('-', "_")).collect(),
    };
    if let (Some(name), true) = (&arguments.name, chosen.is_empty()) {
        return Err(Failure::usage(format!("expected the name of a family, found '{name}'"), "knothe models lists them"));
    }
    if arguments.json {
        return print_json(&Value::Array(chosen.iter().map(|family| document(*family)).collect()));
    }
    if arguments.name.is_some() {
        return print(&chosen.iter().map(|family| described(*family)).collect::<Vec<_>>().join("\n"));
    }
    let line = |family: &&dyn Family| format!("  {:<16} {}\n", family.name(), family.about());
    let of = |takes: fn(&dyn Family) -> bool| chosen.iter().filter(|family| takes(**family)).map(line).collect::<String>();
    let more = "knothe models NAME describes a family and its options; knothe fit --model NAME fits it.";
    let (tables, images, recordings) = (of(Schema::takes), of(Pixels::takes), of(Waveform::takes));
    print(&format!("Families for tables:\n{tables}\nFamilies for images:\n{images}\nFamilies for recordings:\n{recordings}\n{more}\n"))
}

/// A recipe for small events that a family supports, of which the defaults are shown.
fn example(family: &'static dyn Family) -> Recipe {
    let image = ImageShape { channels: 1, height: 8, width: 8 };
    let sequence = Shape::Sequence { channels: 1, length: 8000 };
    let spaces = [
        Space::from(8),
        Space::new(Shape::Columns(8), family.law()),
        Space::from(image),
        Space::new(Shape::Columns(8), Law::Codes(2)),
        Space::new(sequence, Law::Codes(256)),
    ];
    let [first, ..] = &spaces;
    Recipe::new(family, spaces.iter().find(|space| family.supports(space)).unwrap_or(first).clone())
}

/// A family with its options and their defaults.
fn described(family: &'static dyn Family) -> String {
    let recipe = example(family);
    let option = |option: &FamilyOption| {
        let range = match option.range {
            Range::Flag => String::new(),
            range => format!(" ({range})"),
        };
        format!("  {:<20} {}{range} [default: {}]\n", flag(option.name), option.about, recipe.get(option))
    };
    let options: String = family.options().iter().map(option).collect();
    format!(
        "{}: {}\n\n{}\n\nIt takes {}.\n\nOptions, with their defaults for 8 columns or 8 × 8 pixels:\n{options}",
        family.name(),
        family.about(),
        family.details(),
        family.spaces()
    )
}

fn document(family: &'static dyn Family) -> Value {
    let recipe = example(family);
    let option = |option: &FamilyOption| {
        let names = if let Range::Name(names) = option.range { json!(names) } else { Value::Null };
        json!({ "name": option.name, "about": option.about, "range": option.range.to_string(), "names": names, "default": recipe.get(option) })
    };
    json!({
        "name": family.name(),
        "of": family.spaces().split_whitespace().next(),
        "about": family.about(),
        "details": family.details(),
        "events": family.spaces(),
        "options": family.options().iter().map(option).collect::<Vec<_>>(),
    })
}

/// Prints the completion script of a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "knothe", &mut script);
    print(&String::from_utf8_lossy(&script))
}

//! The options of families, from their registry.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use knothe::families::{ALL, Family, FamilyOption, Range, Recipe, Takes};

use crate::failure::Failure;

/// The options of families that the user has given, as text.
#[derive(Debug, Default)]
pub struct FamilyArguments(BTreeMap<String, String>);

/// Every option of every family once, in the order of the families with the most options, with the families that have it.
fn every() -> Vec<(FamilyOption, Vec<&'static dyn Family>)> {
    let mut all: Vec<(FamilyOption, Vec<&'static dyn Family>)> = Vec::new();
    let mut families = ALL.to_vec();
    families.sort_by_key(|family| std::cmp::Reverse(family.options().len()));
    for family in families {
        for option in family.options() {
            match all.iter_mut().find(|(known, _)| known.name == option.name) {
                Some((_, having)) => having.push(family),
                None => all.push((option, vec![family])),
            }
        }
    }
    all
}

/// The name of an option on the command line.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

fn argument((option, families): &(FamilyOption, Vec<&'static dyn Family>)) -> Arg {
    let all_take = |takes: Takes| families.iter().all(|family| family.description().takes == takes);
    let heading = if all_take(Takes::Images) {
        "Options of the image families"
    } else if all_take(Takes::Recordings) {
        "Options of the recording families"
    } else {
        "Options of the families"
    };
    let values = match option.range {
        Range::Name(names) => format!(" [possible values: {}]", names.join(", ")),
        _ => String::new(),
    };
    // An option that one family alone has names this family; `knothe models NAME` explains the others.
    let only = if let [one] = families.as_slice() { format!(" (family {})", one.name()) } else { String::new() };
    let argument = Arg::new(option.name)
        .long(option.name.replace('_', "-"))
        .help(match option.name {
            // Its meaning differs from family to family.
            "components" => {
                "Components of a mixture, bins of a spline, or units or polynomials of a map, depending on the family".to_owned()
            }
            _ => format!("{}{values}{only}", option.about),
        })
        .help_heading(heading)
        .action(ArgAction::Set)
        .allow_negative_numbers(true);
    match option.range {
        Range::Flag => argument.value_name("true|false").num_args(0..=1).require_equals(true).default_missing_value("true"),
        Range::Count(..) => argument.value_name("N"),
        Range::Number(..) => argument.value_name("X"),
        Range::Counts(..) => argument.value_name("N,N"),
        Range::Name(_) => argument.value_name("NAME"),
    }
}

impl Args for FamilyArguments {
    fn augment_args(command: Command) -> Command {
        command.args(every().iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FamilyArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut all = FamilyArguments::default();
        all.update_from_arg_matches(matches)?;
        Ok(all)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |(option, _): &(FamilyOption, _)| Some((option.name.to_owned(), matches.get_one::<String>(option.name)?.clone()));
        self.0.extend(every().iter().filter_map(given));
        Ok(())
    }
}

impl FamilyArguments {
    /// Whether the user has given an option.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The options that the user has given, as they stand on the command line.
    pub fn given(&self) -> Vec<String> {
        self.0.keys().map(|name| flag(name)).collect()
    }

    /// A recipe with the options set.
    ///
    /// # Errors
    /// A usage error for an option that the family does not have, and for a value that it cannot be.
    pub fn set(&self, mut recipe: Recipe) -> Result<Recipe, Failure> {
        let options = recipe.family().options();
        for (name, text) in &self.0 {
            let Some(option) = options.iter().find(|option| option.name == name) else {
                let message = format!("{} means nothing to the model {}", flag(name), recipe.name());
                return Err(Failure::usage(
                    message,
                    format!("leave it out, or choose another --model; see knothe models {}", recipe.name()),
                ));
            };
            let value = option.range.parse(&flag(name), text).map_err(|e| Failure::usage(e.to_string(), ""))?;
            recipe = recipe.set(name, value);
        }
        Ok(recipe)
    }
}

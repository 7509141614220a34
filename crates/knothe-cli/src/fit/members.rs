//! The members of a fit: families and recipes from the options.

use knothe::{
    events::{
        Coding,
        audio::is_recording_set,
        image::{Pixels, is_image_set},
        table::ending,
    },
    families::{ALL, Family, Recipe, find},
    model::Weighting,
    space::{Law, Shape},
};

use crate::{failure::Failure, fit_arguments::FitArguments, kind::Kind};

/// Whether the data are recordings: a .wav file, a folder of .wav files, or a .npz file with samples.
pub fn is_recordings(arguments: &FitArguments) -> bool {
    is_recording_set(&arguments.data, arguments.key.as_deref())
}

/// Whether it is images that are fitted: a folder or a .npz file, or a .npy file of three or four dimensions unless a family of tables is named.
pub fn is_images(arguments: &FitArguments) -> bool {
    let of_images = |name: &String| ALL.iter().any(|family| family.name() == name && Pixels::takes(*family));
    is_image_set(&arguments.data) && (ending(&arguments.data).is_err() || arguments.models.iter().all(of_images))
}

/// The family of each member, of those that take this kind of event. What contradicts itself is an error.
pub fn families<C: Kind>(arguments: &FitArguments) -> Result<Vec<&'static dyn Family>, Failure> {
    let shape = C::FAMILIES;
    let named = if arguments.models.is_empty() { vec![C::FAMILY.to_owned()] } else { arguments.models.clone() };
    let family = |name: &String| {
        ALL.iter().find(|family| family.name() == name && C::takes(**family)).copied().ok_or_else(|| {
            let known: Vec<&str> = ALL.iter().filter(|family| C::takes(**family)).map(|family| family.name()).collect();
            let message = format!("--model {name}: expected a family of {shape} for {}", arguments.data.display());
            Failure::usage(message, format!("the families of {shape} are {}", known.join(", ")))
        })
    };
    let families = named.iter().map(family).collect::<Result<Vec<_>, _>>()?;
    let members = arguments.ensemble.map_or(families.len(), |n| usize::try_from(n).unwrap_or(usize::MAX));
    if members < families.len() {
        let message = format!("--ensemble {members}: expected a member for each of the {} models, or more", families.len());
        return Err(Failure::usage(message, "leave out --ensemble for one of each"));
    }
    if members == 1 && Weighting::from(arguments.ensemble_weights) == Weighting::Validation {
        return Err(Failure::usage("--ensemble-weights means nothing to a single model", "add --ensemble N"));
    }
    Ok(families.into_iter().cycle().take(members).collect())
}

/// The law that the members need the elements of an event to have.
pub fn law(families: &[&'static dyn Family]) -> Result<Law, Failure> {
    let law = families.first().map_or(Law::Real, |family| family.law());
    match families.iter().find(|family| family.law() != law) {
        None => Ok(law),
        Some(other) => {
            let other = if law == Law::Real { other.name() } else { families[0].name() };
            let message = format!("--model: expected families of the same events, found {other} among others");
            Err(Failure::usage(message, format!("fit {other} by itself")))
        }
    }
}

/// The recipe of each member. Members differ in their seed and, from the second one on, in the order of the columns.
pub fn recipes<C: Coding>(arguments: &FitArguments, families: &[&'static dyn Family], coding: &C) -> Result<Vec<Recipe>, Failure> {
    let space = coding.space();
    let member = |(k, family): (u64, &&'static dyn Family)| {
        let family = find(family.name(), &space).unwrap_or(*family);
        let recipe = Recipe::new(family, space.clone()).context(coding.context_dim()).seed(arguments.seed.unwrap_or(0).wrapping_add(k));
        // What the coding has standardised needs no layer for it, unless the user wants one.
        let twice = C::STANDARDISES && family.option("standardise").is_some();
        let recipe = if twice { recipe.standardise(false) } else { recipe };
        let recipe = arguments.family.set(recipe)?;
        let ordered = matches!(space.shape, Shape::Columns(_)) && family.options().iter().any(|option| option.name == "random_order");
        let ordered = ordered && !arguments.family.has("random_order");
        let recipe = if k > 0 && ordered { recipe.random_order(true) } else { recipe };
        recipe.check()?;
        Ok(recipe)
    };
    (0..).zip(families).map(member).collect()
}

/// Checks before any work that no noise is added to codes.
pub fn check(arguments: &FitArguments, recipes: &[Recipe]) -> Result<(), Failure> {
    let codes = |recipe: &Recipe| matches!(recipe.space().law(), Some(Law::Codes(_)));
    match recipes.iter().find(|recipe| arguments.noise > 0.0 && codes(recipe)) {
        Some(recipe) => {
            let message = format!("--noise: expected events of real numbers, found those of {}, which are integers", recipe.name());
            Err(Failure::usage(message, "leave it out"))
        }
        None => Ok(()),
    }
}

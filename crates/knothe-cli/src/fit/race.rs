//! `knothe fit --model auto`: candidates race inside a budget, and their mixture is the model.

use knothe::{
    Error, Placement,
    events::Events,
    families::Recipe,
    fit::{Checkpoints, FitConfig, Observer, Progress},
    model::{
        LogLikelihood, Resume,
        race::{self, Candidate, Race, RaceObserver, Raced, Standing, candidates},
        remove_checkpoints,
    },
    space::Law,
};
use serde_json::{Value, json};

use super::{CHECKPOINT_EVERY, check_outputs, checkpoint_path, interrupted, job, note_replaced, progress::Bar, report, room};
use crate::{
    budget::AUTO,
    failure::{Failure, say},
    fit_arguments::FitArguments,
    kind::{Kind, Opened},
    signals,
    words::likelihood,
};

/// Checkpoints of an earlier fit are looked for under as many names.
const MOST_RUNS: usize = 64;

/// Whether the user wants a race. An option that means nothing then is an error, as is a budget without a race.
pub fn is_asked(arguments: &FitArguments) -> Result<bool, Failure> {
    if !arguments.models.iter().any(|name| name == AUTO) {
        return match arguments.budget {
            Some(_) => Err(Failure::usage(
                "--budget: expected --model auto, whose candidates share it",
                "add --model auto, or use --epochs or --steps",
            )),
            None => Ok(false),
        };
    }
    if arguments.models.len() > 1 {
        return Err(Failure::usage(
            "--model: expected auto alone, found other families beside it",
            "leave them out; auto tries several families",
        ));
    }
    let own: Vec<String> = arguments.family.given().into_iter().chain(arguments.of_one_fit().into_iter().map(str::to_owned)).collect();
    if !own.is_empty() {
        let message =
            format!("{}: expected no options of families, training or ensembles with --model auto, which sets them itself", own.join(", "));
        return Err(Failure::usage(message, "omit them, or name a family with --model"));
    }
    Ok(true)
}

/// Runs a race.
pub fn run<C: Kind>(arguments: &FitArguments) -> Result<(), Failure> {
    if C::FAMILIES != "tables" {
        let message = format!("--model auto: expected a table, found {}", C::NOUN);
        return Err(Failure::usage(message, format!("knothe models lists the families for {}", C::FAMILIES)));
    }
    let (checkpoint, seed) = (checkpoint_path(&arguments.out), arguments.seed.unwrap_or(0));
    let place = Placement::named(&arguments.runtime.device, arguments.precision.into())?;
    check_outputs(arguments, &checkpoint, MOST_RUNS)?;
    let Opened { coding, split } = C::open(arguments, Law::Real)?;
    let mut all = candidates(&coding.space(), coding.context_dim(), split.train.len(), C::STANDARDISES, seed);
    if let Some(draws) = arguments.error_draws {
        all.iter_mut().for_each(|candidate| candidate.config.error_draws = usize::try_from(draws).unwrap_or(usize::MAX));
    }
    // Its EM algorithm does not take them.
    all.retain(|candidate| !split.train.has_errors() || candidate.recipe.name() != "gaussian_mixture");
    let recipes: Vec<Recipe> = all.iter().map(|candidate| candidate.recipe.clone()).collect();
    room::check(&recipes, &split, &coding, place.precision, &arguments.out)?;
    let budget = arguments.budget.unwrap_or_default().0;
    let race = Race { split: &split, coding: &coding, candidates: &all, budget, place: &place };
    let left = if arguments.resume { Some(Resume::read(&checkpoint, race.runs())?) } else { None };
    let job = job::describe_race(&race)?;
    if let Some(left) = &left {
        left.jobs().try_for_each(|(path, found)| job::check_same(path, found, &job))?;
        say(format_args!(
            "resuming {} after {} finished runs and {} steps of the next run",
            checkpoint.display(),
            left.finished(),
            left.steps()
        ));
    }
    note_replaced(left.is_none(), &checkpoint);
    let names: Vec<String> = all.iter().map(name).collect();
    let words = match budget {
        race::Budget::Seconds(seconds) => format!("{seconds:.0} s"),
        race::Budget::Steps(steps) => format!("{steps} steps"),
    };
    report::start_with(&format!("{} candidates ({words} in total)", all.len()), &split, &coding);
    let checkpoints = Checkpoints { path: checkpoint.clone(), every: CHECKPOINT_EVERY, job };
    let bar = Bar::new(&coding, all.first().map_or(1, |candidate| candidate.config.batch), Vec::new());
    let mut watch = Watch { bar, coding: &coding, names: &names, before: Vec::new() };
    let raced = race.run(Some(&checkpoints), left, &mut watch)?;
    watch.bar.finish();
    let Raced { model, standings } = raced.ok_or_else(|| interrupted(&checkpoint))?;
    let checks = model.check(split.judge(), seed)?;
    model.save(&arguments.out).inspect_err(|_| {
        say(format_args!(
            "note: the runs are saved in {}…; once the model can be written, repeat the command with --resume",
            checkpoint.display()
        ));
    })?;
    remove_checkpoints(&checkpoint, race.runs());
    say(table(&coding, &names, &standings).trim_end());
    report::finish(&model, &checks, &split, arguments, Some(document(&all, &names, &standings)))
}

/// A candidate in words: its family and what is unusual about it.
fn name(candidate: &Candidate) -> String {
    let FitConfig { noise, weight_decay, .. } = candidate.config;
    let own = candidate
        .recipe
        .settings()
        .filter(|(name, _)| *name != "standardise")
        .map(|(name, value)| format!("{} {value}", name.replace('_', "-")));
    let regular = (noise > 0.0 || weight_decay > 0.0).then(|| format!("noise {noise}, weight-decay {weight_decay}"));
    let all: Vec<String> = own.chain(regular).collect();
    if all.is_empty() { candidate.recipe.name().into() } else { format!("{}: {}", candidate.recipe.name(), all.join(", ")) }
}

/// Shows the progress of a race: a bar for each run, and a line when it has ended.
struct Watch<'a, C: Kind> {
    bar: Bar,
    coding: &'a C,
    names: &'a [String],
    before: Vec<Standing>,
}

impl<C: Kind> Observer for Watch<'_, C> {
    fn step(&mut self, progress: &Progress) -> bool {
        self.bar.step(progress)
    }

    fn warn(&mut self, problem: &Error) {
        self.bar.warn(problem);
    }
}

impl<C: Kind> RaceObserver for Watch<'_, C> {
    fn standings(&mut self, standings: &[Standing], next: Option<usize>) {
        for (standing, name) in standings.iter().zip(self.names) {
            let rungs = self.before.get(standing.candidate).map_or(0, |before| before.rungs);
            if standing.rungs > rungs {
                self.bar.line(&format!("{name}: {} after {} steps", validation(self.coding, standing.validation.as_ref()), standing.steps));
            }
        }
        self.before = standings.to_vec();
        if let Some(name) = next.and_then(|k| self.names.get(k)) {
            self.bar.title(name);
        }
    }

    fn stopped(&mut self) -> bool {
        signals::stopped()
    }
}

fn validation<C: Kind>(coding: &C, found: Option<&LogLikelihood>) -> String {
    found.map_or_else(|| "failed".into(), |found| format!("validation {}", likelihood(coding, found)))
}

/// The candidates, the best first.
fn table<C: Kind>(coding: &C, names: &[String], standings: &[Standing]) -> String {
    let score = |standing: &Standing| standing.validation.as_ref().map_or(f64::NEG_INFINITY, |v| v.mean);
    let mut sorted: Vec<&Standing> = standings.iter().filter(|standing| standing.rungs > 0).collect();
    sorted.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |standing: &&Standing| {
        let (name, found) = (&names[standing.candidate], validation(coding, standing.validation.as_ref()));
        format!("{name:<width$}  {:>7} steps  weight {:.3}  {found}\n", standing.steps, standing.weight)
    };
    let left_out = standings.len() - sorted.len();
    let note = if left_out > 0 { format!("candidates not fitted because the budget is too short: {left_out}\n") } else { String::new() };
    format!("candidates, by their log-likelihood on the validation rows:\n{}{note}", sorted.iter().map(line).collect::<String>())
}

/// The same for programs.
fn document(candidates: &[Candidate], names: &[String], standings: &[Standing]) -> Value {
    let one = |standing: &Standing| {
        let candidate = &candidates[standing.candidate];
        json!({
            "name": names[standing.candidate],
            "model": candidate.recipe.name(),
            "rungs": standing.rungs,
            "steps": standing.steps,
            "validation": standing.validation,
            "weight": standing.weight,
        })
    };
    standings.iter().map(one).collect()
}

//! From events to a fitted density.

use burn::module::Module;

use super::{
    FitRecord, LogLikelihood, Member, Model, Resume, Scoring, Split, Weighting, log_prob,
    member::{path_of, remove_checkpoint, replace_checkpoint, restored},
};
use crate::{
    density::Density,
    error::{Error, Result},
    events::{Coding, Events, in_file},
    families::{Recipe, find},
    fit::{Checkpoint, Checkpoints, Dataset, Fit, FitConfig, FitReport, Observer, Stopped, deconvolved},
    mixture::Mixture,
    network::Network,
    placement::Placement,
    simplex::likeliest_weights,
};

/// What to fit, and how.
pub struct Fitting<'a, C: Coding> {
    /// The events.
    pub split: &'a Split<C::Events>,
    /// The coding, with what it learns from the training events set.
    pub coding: &'a C,
    /// The recipe of each member of the ensemble; one alone is an ordinary fit.
    pub recipes: &'a [Recipe],
    /// Where the weights of the members come from.
    pub weighting: Weighting,
    /// The settings. The k-th member, from 0, is fitted with the seed + k, so that it reads the events in an order of its own.
    pub config: &'a FitConfig,
    /// Device and precision.
    pub place: &'a Placement,
}

impl<C: Coding> Fitting<'_, C> {
    /// Fits the members one after another. Nothing where the observer has stopped the fit.
    ///
    /// Checkpoints of the first member go to the path given, those of the k-th, from 0, to that path with `.k` at its end. A member
    /// that is fitted takes the place of its checkpoint, so [`Resume`] finds it; the caller removes them all
    /// ([`remove_checkpoints`](super::remove_checkpoints)) when the result is safe.
    ///
    /// # Errors
    /// As [`Fit::run`], [`Coding::encode`] and [`Recipe::build`].
    pub fn run(&self, checkpoints: Option<&Checkpoints>, resume: Option<Resume>, observer: &mut dyn Observer) -> Result<Option<Model<C>>> {
        self.members(None, checkpoints, resume, observer)
    }

    /// Trains the members of a finished model further, each from its own parameters, as [`Fitting::run`] trains new ones. The optimiser starts anew. A member
    /// that becomes no better on the validation events stays as it is. The weights of the members and the record are computed anew.
    ///
    /// The split should be that of the model's fit: otherwise events that the model was fitted to judge it.
    ///
    /// # Errors
    /// As [`Fitting::run`], and [`Error::Invalid`] where the coding, the recipes or the precision are not those of the model.
    pub fn proceed(
        &self,
        model: &Model<C>,
        checkpoints: Option<&Checkpoints>,
        resume: Option<Resume>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Model<C>>> {
        model.place.check_whole()?;
        let differs = |what: &str| Err(Error::invalid(what, "that of the model", "another one"));
        if *self.coding != model.coding {
            return differs("coding");
        }
        if !self.recipes.iter().eq(model.members.iter().map(|member| &member.recipe)) {
            return differs("recipes");
        }
        if self.place.precision != model.place.precision {
            return differs("precision");
        }
        self.members(Some(model.mixture.members()), checkpoints, resume, observer)
    }

    /// Fits the members, from `starts` where there are some.
    fn members(
        &self,
        starts: Option<&[Network]>,
        checkpoints: Option<&Checkpoints>,
        resume: Option<Resume>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Model<C>>> {
        let train = self.dataset(&self.split.train)?;
        let validation = self.dataset(&self.split.validation)?;
        let gaussian = self.coding.baseline().map(|family| self.baseline(family, &train));
        if let Some(Err(problem)) = &gaussian {
            observer.warn(problem);
        }
        let (mut members, mut networks) = (Vec::new(), Vec::new());
        let (finished, mut running) = resume.map_or((Vec::new(), None), |r| (r.finished, r.running));
        for (path, member, tensors) in finished {
            networks.push(restored(&path, &member, tensors, self.place)?);
            members.push(member);
        }
        for index in members.len()..self.recipes.len() {
            observer.member(index, self.recipes.len());
            let at = |c: &Checkpoints, index| Checkpoints { path: path_of(&c.path, index), ..c.clone() };
            let own = checkpoints.map(|c| at(c, index));
            let start = starts.and_then(|starts| starts.get(index));
            let Some((member, network)) = self.member(index, start, (&train, &validation), own.as_ref(), running.take(), observer)? else {
                return Ok(None);
            };
            if let (Some(c), Some(own)) = (checkpoints, own) {
                // An older fit's checkpoint of the next member is not one of this fit's.
                if index + 1 < self.recipes.len() {
                    remove_checkpoint(&at(c, index + 1).path);
                }
                let written = replace_checkpoint(&own.path, &own.job, &member, &network);
                if let Err(problem) = written {
                    observer.warn(&problem);
                }
            }
            members.push(member);
            networks.push(network);
        }
        let mixture = match self.weighting {
            Weighting::Validation if networks.len() > 1 => {
                let weights = self.likeliest(&networks)?;
                Mixture::weighted(networks, weights)?
            }
            _ => Mixture::new(networks)?,
        };
        let record = FitRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            rows: (train.rows(), validation.rows(), self.split.held_out_len()),
            weighting: self.weighting,
            // A mixture of one is its member.
            held_out: if let [only] = members.as_slice() { only.held_out } else { self.judged(&mixture)? },
            gaussian: gaussian.and_then(Result::ok),
        };
        Ok(Some(Model { members, coding: self.coding.clone(), record, mixture, place: self.place.clone() }))
    }

    /// Fits one member.
    fn member(
        &self,
        index: usize,
        start: Option<&Network>,
        (train, validation): (&Dataset, &Dataset),
        checkpoints: Option<&Checkpoints>,
        resume: Option<Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Option<(Member, Network)>> {
        let recipe = &self.recipes[index];
        let config = FitConfig { seed: self.config.seed.wrapping_add(index as u64), ..self.config.clone() };
        let start = start.cloned();
        let (config, report, network) = self.fitted(recipe, &config, start, (train, validation), checkpoints.cloned(), resume, observer)?;
        if report.stopped == Stopped::Interrupted {
            return Ok(None);
        }
        let member = Member { recipe: recipe.clone(), config, report, held_out: self.judged(&network)? };
        Ok(Some((member, network)))
    }

    /// Fits a network of a recipe, from `start` if there is one. Returns the settings that it was fitted with, and the network ready for evaluation.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn fitted(
        &self,
        recipe: &Recipe,
        config: &FitConfig,
        start: Option<Network>,
        (train, validation): (&Dataset, &Dataset),
        checkpoints: Option<Checkpoints>,
        resume: Option<Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<(FitConfig, FitReport, Network)> {
        let mut config = config.clone();
        if recipe.family().closed_form() {
            config = FitConfig { epochs: 0, steps: None, ..config };
        }
        let closed = recipe.family().closed_form() && train.has_errors();
        if closed && recipe.family().option("components").is_some() {
            let reason = "its EM algorithm does not take measurement errors".into();
            return Err(Error::Unsupported { what: format!("the family {}", recipe.name()), reason, hint: None });
        }
        let as_it_is = start.is_some() || closed;
        let network = match start {
            Some(start) => start,
            None if closed => closed_form(recipe, train, self.place)?,
            None => recipe.build(self.place)?,
        };
        let fit = Fit::new().config(config.clone()).checkpoints(checkpoints).resume(resume).observer(observer).as_it_is(as_it_is);
        let (network, report) = fit.run(network, train, validation).map_err(|e| match e {
            // Only the validation is reported with its rows.
            Error::NotFinite { .. } => in_file(e, &self.split.validation),
            other => other,
        })?;
        Ok((config, report, network.valid()))
    }

    /// The likeliest weights of the validation events.
    fn likeliest(&self, networks: &[Network]) -> Result<Vec<f64>> {
        let events = &self.split.validation;
        let of = |network| log_prob(self.coding, network, self.place, events, Scoring::default());
        let log_prob = networks.iter().map(of).collect::<Result<Vec<_>>>()?;
        let weights = events.weights();
        Ok(likeliest_weights(&log_prob, weights).map_err(|e| in_file(e, events))?.weights)
    }

    /// The held-out log-likelihood of the closed-form fit of a family to the training events.
    pub(super) fn baseline(&self, family: &str, train: &Dataset) -> Result<LogLikelihood> {
        let space = self.coding.space();
        let recipe = Recipe::new(find(family, &space)?, space).context(self.coding.context_dim());
        self.judged(&closed_form(&recipe, train, self.place)?)
    }

    pub(super) fn judged(&self, density: &impl Density) -> Result<LogLikelihood> {
        let events = self.split.judge();
        let log_prob = log_prob(self.coding, density, self.place, events, Scoring::default())?;
        Ok(LogLikelihood::of_events(&log_prob, events))
    }

    /// Events as a fit reads them, with what carries their log-likelihood to the units of the file.
    pub(super) fn dataset(&self, events: &C::Events) -> Result<Dataset> {
        self.coding.encode(events)?.dataset(events, self.place)
    }
}

/// The closed-form fit of a recipe to rows.
fn closed_form(recipe: &Recipe, train: &Dataset, place: &Placement) -> Result<Network> {
    deconvolved(train, |rows| {
        let mut network = recipe.build(place)?;
        network.initialise(rows)?;
        Ok(network.valid())
    })
}

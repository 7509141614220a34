//! The file of a model: one safetensors file with members, coding and record in its header.

use std::path::Path;

use burn::module::Module;
use serde_json::Value;

use super::{FitRecord, Member, Model};
use crate::{
    error::{Error, Result},
    events::Coding,
    file,
    mixture::Mixture,
    parameters::{self, Parameters},
    placement::{Placement, Precision},
};

impl<C: Coding> Model<C> {
    /// Writes the model file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let content = serde_json::json!({
            "kind": C::KIND,
            "members": self.members,
            "weights": self.mixture.weights(),
            "precision": self.place.precision,
            "coding": self.coding,
            "fit": self.record,
        });
        file::write(path, &content, &parameters::collect(&self.mixture))
    }

    /// Reads a model file onto a device by name (`cpu`, `cuda`, `vulkan`).
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the file is damaged, or holds something else, such as a model of another kind of event.
    pub fn load(path: &Path, device: &str) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        Self::parse(path, content, tensors, device)
    }

    /// What a file holds is a model of this kind of event, or an error that names the file.
    pub(super) fn parse(path: &Path, mut content: Value, tensors: Parameters, device: &str) -> Result<Self> {
        let wrong = |reason: String| Error::model_file(path, reason, None);
        if content["kind"] != C::KIND {
            return Err(wrong(format!("expected a model of kind \"{}\", found kind {}", C::KIND, content["kind"])));
        }
        let members: Vec<Member> = file::part(path, &mut content, "members", "members")?;
        let weights: Vec<f64> = file::part(path, &mut content, "weights", "weights")?;
        let precision: Precision = file::part(path, &mut content, "precision", "precision")?;
        let coding: C = file::part(path, &mut content, "coding", "coding")?;
        let record: FitRecord = file::part(path, &mut content, "fit", "record of the fit")?;
        coding.check().map_err(|e| wrong(format!("its coding cannot be: {e}")))?;
        let events = (coding.space(), coding.context_dim());
        if members.iter().any(|m| (m.recipe.space(), m.recipe.context_dim()) != (&events.0, events.1)) {
            return Err(wrong("its coding and its members differ in their events".into()));
        }
        let asked = members.iter().fold(0usize, |sum, m| sum.saturating_add(m.recipe.size()));
        file::check_size(path, asked, &tensors)?;
        let place = Placement::named(device, precision)?;
        let networks = members.iter().map(|m| m.recipe.build(&place)).collect::<Result<_>>();
        let mixture = networks
            .and_then(|networks| Mixture::weighted(networks, weights))
            .and_then(|mixture| parameters::restore(mixture, tensors))
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Model { members, coding, record, mixture: mixture.valid(), place })
    }
}

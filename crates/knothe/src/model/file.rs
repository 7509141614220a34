//! The file of a model: one safetensors file with members, coding and record in its header.

use std::path::Path;

use serde_json::Value;

use super::{FitRecord, Member, Model};
use crate::{
    error::{Error, Result},
    events::Coding,
    file,
    mixture::Mixture,
    network::Network,
    parameters::{self, Parameters, Shapes},
    placement::{Placement, Precision},
};

impl<C: Coding> Model<C> {
    /// Writes the model file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, and [`Error::Unsupported`] for an outline.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.place.check_whole()?;
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

    /// Reads the header of a model file: all but the parameters. The networks have shapes and no numbers, so that the model can be looked at, and neither scores nor
    /// samples.
    ///
    /// # Errors
    /// As [`Model::load`]; damage of the parameters is not seen.
    pub fn load_outline(path: &Path) -> Result<Self> {
        let (content, shapes) = file::read_header(path)?;
        Self::parse_outline(path, content, &shapes)
    }

    /// What a file holds is a model of this kind of event, or an error that names the file.
    pub(super) fn parse(path: &Path, content: Value, tensors: Parameters, device: &str) -> Result<Self> {
        let parts = Parts::<C>::of(path, content)?;
        let place = Placement::named(device, parts.precision)?;
        let mixture = file::restore(path, tensors, &place, |place| parts.mixture(place))?;
        Ok(parts.joined(mixture, place))
    }

    /// What a header holds is one of such a model.
    pub(super) fn parse_outline(path: &Path, content: Value, shapes: &Shapes) -> Result<Self> {
        let parts = Parts::<C>::of(path, content)?;
        let (mixture, place) = file::outline(path, shapes, parts.precision, |place| parts.mixture(place))?;
        Ok(parts.joined(mixture, place))
    }
}

/// What the header of a model file holds.
struct Parts<C> {
    members: Vec<Member>,
    weights: Vec<f64>,
    precision: Precision,
    coding: C,
    record: FitRecord,
}

impl<C: Coding> Parts<C> {
    fn of(path: &Path, mut content: Value) -> Result<Self> {
        let wrong = |reason: String| Error::model_file(path, reason, None);
        if content["kind"] != C::KIND {
            return Err(wrong(format!("expected a model of kind \"{}\", found kind {}", C::KIND, content["kind"])));
        }
        let parts = Parts::<C> {
            members: file::part(path, &mut content, "members", "members")?,
            weights: file::part(path, &mut content, "weights", "weights")?,
            precision: file::part(path, &mut content, "precision", "precision")?,
            coding: file::part(path, &mut content, "coding", "coding")?,
            record: file::part(path, &mut content, "fit", "record of the fit")?,
        };
        let coding = &parts.coding;
        coding.check().map_err(|e| wrong(format!("its coding cannot be: {e}")))?;
        let events = (coding.space(), coding.context_dim());
        if parts.members.iter().any(|m| (m.recipe.space(), m.recipe.context_dim()) != (&events.0, events.1)) {
            return Err(wrong("its coding and its members differ in their events".into()));
        }
        Ok(parts)
    }

    /// The networks as they start.
    fn mixture(&self, place: &Placement) -> Result<Mixture<Network>> {
        let networks = self.members.iter().map(|m| m.recipe.build(place)).collect::<Result<_>>()?;
        Mixture::weighted(networks, self.weights.clone())
    }

    fn joined(self, mixture: Mixture<Network>, place: Placement) -> Model<C> {
        let Parts { members, coding, record, .. } = self;
        Model { members, coding, record, mixture, place }
    }
}

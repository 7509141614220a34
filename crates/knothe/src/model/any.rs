//! A model file of any kind.

use std::path::Path;

use serde_json::Value;

#[cfg(feature = "audio")]
use crate::events::audio::Waveform;
#[cfg(feature = "images")]
use crate::events::image::Pixels;
use crate::{
    error::{Error, Result},
    events::{Coding, table::Schema},
    file,
    model::Model,
};

/// A model of any kind of event: the one list of kinds, since the kind of a file is known only when it is read.
#[derive(Clone, Debug)]
pub enum AnyModel {
    /// A density of the rows of a table.
    Table(Box<Model<Schema>>),
    /// A density of images.
    #[cfg(feature = "images")]
    Images(Box<Model<Pixels>>),
    /// A density of recordings.
    #[cfg(feature = "audio")]
    Recordings(Box<Model<Waveform>>),
}

impl AnyModel {
    /// Reads a model file onto a device by name (`cpu`, `cuda`, `vulkan`).
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the file is damaged, or is no model of a kind that this build knows.
    pub fn load(path: &Path, device: &str) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        match content["kind"].as_str() {
            Some(Schema::KIND) => Ok(AnyModel::Table(Box::new(Model::parse(path, content, tensors, device)?))),
            #[cfg(feature = "images")]
            Some(Pixels::KIND) => Ok(AnyModel::Images(Box::new(Model::parse(path, content, tensors, device)?))),
            #[cfg(feature = "audio")]
            Some(Waveform::KIND) => Ok(AnyModel::Recordings(Box::new(Model::parse(path, content, tensors, device)?))),
            _ => Err(no_model(path, &content)),
        }
    }

    /// Reads the header of a model file; see [`Model::load_outline`].
    ///
    /// # Errors
    /// As [`AnyModel::load`].
    pub fn load_outline(path: &Path) -> Result<Self> {
        let (content, shapes) = file::read_header(path)?;
        match content["kind"].as_str() {
            Some(Schema::KIND) => Ok(AnyModel::Table(Box::new(Model::parse_outline(path, content, &shapes)?))),
            #[cfg(feature = "images")]
            Some(Pixels::KIND) => Ok(AnyModel::Images(Box::new(Model::parse_outline(path, content, &shapes)?))),
            #[cfg(feature = "audio")]
            Some(Waveform::KIND) => Ok(AnyModel::Recordings(Box::new(Model::parse_outline(path, content, &shapes)?))),
            _ => Err(no_model(path, &content)),
        }
    }
}

fn no_model(path: &Path, content: &Value) -> Error {
    Error::model_file(path, format!("expected a model, found kind {}", content["kind"]), None)
}

/// Evaluates an expression for the model of any kind, as the model of its kind.
///
/// ```no_run
/// use knothe::{model::AnyModel, with_model};
/// let model = AnyModel::load("model.safetensors".as_ref(), "cpu")?;
/// println!("{} parameters", with_model!(&model, model => model.parameters()));
/// # Ok::<(), knothe::Error>(())
/// ```
#[cfg(feature = "audio")]
#[macro_export]
macro_rules! with_model {
    ($any:expr, $model:ident => $call:expr) => {
        match $any {
            $crate::model::AnyModel::Table($model) => $call,
            $crate::model::AnyModel::Images($model) => $call,
            $crate::model::AnyModel::Recordings($model) => $call,
        }
    };
}

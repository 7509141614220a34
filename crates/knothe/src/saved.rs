//! A model file of either kind.

use std::path::Path;

use crate::{
    error::Result,
    file,
    imaging::{self, PictureModel},
    tabular::TableModel,
};

/// What a model file holds.
#[derive(Clone, Debug)]
pub enum SavedModel {
    /// A density of the columns of a table.
    Table(Box<TableModel>),
    /// A density of images.
    Images(Box<PictureModel>),
}

impl SavedModel {
    /// Reads a model file onto a device by name (`cpu`, `cuda`, `vulkan`).
    ///
    /// # Errors
    /// [`crate::Error::ModelFile`] where the file is damaged, or is no model.
    pub fn load(path: &Path, device: &str) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        if content["kind"] == imaging::KIND {
            return Ok(SavedModel::Images(Box::new(PictureModel::parse(path, content, tensors, device)?)));
        }
        Ok(SavedModel::Table(Box::new(TableModel::parse(path, content, tensors, device)?)))
    }
}

//! The whole state of a fit, on disk: a resumed fit goes on from it exactly.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{adam::Adam, average::Average};
use crate::{
    error::{Error, Result},
    file,
    parameters::{self, Parameters},
};
use burn::module::Module;

/// What has happened so far, in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub step: u64,
    pub skipped: u64,
    pub skipped_in_a_row: u64,
    pub stale_epochs: u32,
    pub halvings: u32,
    /// How often the fit has gone back to its best parameters, and the step at which it last did.
    #[serde(default)]
    pub retreats: u32,
    #[serde(default)]
    pub since: u64,
    /// Sum and number of the losses of the epoch so far.
    pub loss: (f64, u64),
    pub best: Option<(f64, u64)>,
    pub history: Vec<super::Epoch>,
    pub seconds: f64,
}

/// The state of a fit between two steps.
pub(crate) struct State<M> {
    pub module: M,
    pub adam: Adam,
    pub average: Option<Average>,
    pub best: Option<Parameters>,
    pub counters: Counters,
}

impl<M: Module> State<M> {
    /// Writes the state; `job` is the caller's own document, which comes back from [`Checkpoint::read`].
    pub fn write(&self, path: &Path, job: &Value) -> Result<()> {
        let mut tensors = Parameters::new();
        let mut put = |group: &str, parameters: Parameters| {
            tensors.extend(parameters.into_iter().map(|(name, data)| (format!("{group}/{name}"), data)));
        };
        put("module", parameters::collect(&self.module));
        put("best", self.best.clone().unwrap_or_default());
        let numbered = |list: Vec<_>| list.into_iter().enumerate().map(|(i, data)| (format!("{i:06}"), data)).collect();
        let (m, v) = self.adam.moments_data().into_iter().unzip();
        put("adam.m", numbered(m));
        put("adam.v", numbered(v));
        if let Some(average) = &self.average {
            put("average", numbered(average.data()));
        }
        let content = serde_json::json!({ "kind": "checkpoint", "job": job, "adam_steps": self.adam.steps, "counters": self.counters });
        file::write(path, &content, &tensors)
    }
}

/// A checkpoint read from disk.
pub struct Checkpoint {
    /// The document that the fit was started with.
    pub job: Value,
    adam_steps: u64,
    counters: Counters,
    tensors: Parameters,
}

impl Checkpoint {
    /// Reads a checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        Checkpoint::parse(path, content, tensors)
    }

    /// What a file holds is a checkpoint, or an error that names the file.
    pub(crate) fn parse(path: &Path, mut content: Value, tensors: Parameters) -> Result<Self> {
        let wrong = |reason: &str| Error::model_file(path, reason, None);
        if content["kind"] != "checkpoint" {
            return Err(wrong("not a checkpoint"));
        }
        let adam_steps = content["adam_steps"].as_u64().ok_or_else(|| wrong("no step of the optimiser"))?;
        let counters = serde_json::from_value(content["counters"].take()).map_err(|e| wrong(&format!("counters: {e}")))?;
        Ok(Checkpoint { job: content["job"].take(), adam_steps, counters, tensors })
    }

    /// The steps taken.
    pub fn steps(&self) -> u64 {
        self.counters.step
    }

    /// The state for a module of the same architecture, on a device with gradients.
    pub(crate) fn into_state<M: Module>(mut self, module: M) -> Result<State<M>> {
        let mut take = |group: &str| -> Parameters {
            let prefix = format!("{group}/");
            let names: Vec<_> = self.tensors.keys().filter(|n| n.starts_with(&prefix)).cloned().collect();
            names.into_iter().filter_map(|n| self.tensors.remove(&n).map(|data| (n[prefix.len()..].to_owned(), data))).collect()
        };
        let module = parameters::restore(module, take("module"))?;
        let moments = take("adam.m").into_values().zip(take("adam.v").into_values()).collect::<Vec<_>>();
        let adam = match moments.is_empty() {
            true => Adam::default(),
            false => Adam::restore(&module, self.adam_steps, moments)?,
        };
        let average: Vec<_> = take("average").into_values().collect();
        let average = (!average.is_empty()).then(|| Average::restore(&module, average, self.adam_steps)).transpose()?;
        let best = take("best");
        Ok(State { module, adam, average, best: (!best.is_empty()).then_some(best), counters: self.counters })
    }
}

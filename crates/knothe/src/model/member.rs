//! The members of an ensemble, and what an interrupted fit leaves of each.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::LogLikelihood;
use crate::{
    error::{Error, Result},
    families::Recipe,
    file,
    fit::{Checkpoint, FitConfig, FitReport},
    hint::Hint,
    network::Network,
    parameters::{self, Parameters},
    placement::Placement,
};

/// Where the weights of the members come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All are equal.
    #[default]
    Uniform,
    /// They maximise the likelihood of the validation rows; see [`crate::likeliest_weights`].
    Validation,
}

/// What a member of a [`Model`](super::Model) is, and how it was fitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// What its network is made of.
    pub recipe: Recipe,
    /// The settings of its fit.
    pub config: FitConfig,
    /// What its fit did.
    pub report: FitReport,
    /// Its own held-out log-likelihood.
    pub held_out: LogLikelihood,
}

/// Where the checkpoints of the `index`-th member go: the first's to `path` itself, the others' to `path` with their index at its end.
pub(super) fn path_of(path: &Path, index: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if index > 0 {
        name.push(format!(".{index}"));
    }
    name.into()
}

/// Removes the checkpoints of a fit of so many members; one that cannot be removed stays.
pub fn remove_checkpoints(path: &Path, members: usize) {
    (0..members).for_each(|index| remove_checkpoint(&path_of(path, index)));
}

/// Removes a checkpoint, and no other file.
pub(super) fn remove_checkpoint(path: &Path) {
    if is_checkpoint(path) {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether a file is a checkpoint, or a member that is fitted; told by its header.
fn is_checkpoint(path: &Path) -> bool {
    file::read_header(path).is_ok_and(|(content, _)| content["kind"] == "checkpoint" || content["kind"] == "member")
}

/// Checks that a fit of so many members can write its checkpoints without destroying another file.
///
/// # Errors
/// [`Error::ModelFile`] where a file that is no checkpoint is in the way.
pub fn check_checkpoints(path: &Path, members: usize) -> Result<()> {
    let in_the_way = (0..members).map(|index| path_of(path, index)).find(|path| path.exists() && !is_checkpoint(path));
    match in_the_way {
        Some(path) => {
            Err(Error::model_file(&path, "expected a checkpoint, found another file where the fit would write one", Hint::MoveAway))
        }
        None => Ok(()),
    }
}

/// Puts a member whose fit is finished in the place of its checkpoint.
fn write_finished(path: &Path, job: &Value, member: &Member, network: &Network) -> Result<()> {
    file::write(path, &json!({ "kind": "member", "job": job, "member": member }), &parameters::collect(network))
}

/// The same. On a full disk the finished member finds room where its own checkpoint was, which is several times as large.
pub(super) fn replace_checkpoint(path: &Path, job: &Value, member: &Member, network: &Network) -> Result<()> {
    write_finished(path, job, member, network).or_else(|_| {
        remove_checkpoint(path);
        write_finished(path, job, member, network)
    })
}

/// What an interrupted fit has left: the members that are fitted, and the state of the one that is not.
pub struct Resume {
    pub(super) finished: Vec<(PathBuf, Member, Parameters)>,
    pub(super) running: Option<Checkpoint>,
    jobs: Vec<(PathBuf, Value)>,
}

impl Resume {
    /// Reads the checkpoints that a fit of `members` members with this path has left.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where there is none, or one cannot be read.
    pub fn read(path: &Path, members: usize) -> Result<Self> {
        let mut all = Resume { finished: Vec::new(), running: None, jobs: Vec::new() };
        for path in (0..members).map(|index| path_of(path, index)).take_while(|path| path.exists()) {
            let (mut content, tensors) = file::read(&path)?;
            if content["kind"] != "member" {
                let checkpoint = Checkpoint::parse(&path, content, tensors)?;
                all.jobs.push((path, checkpoint.job.clone()));
                all.running = Some(checkpoint);
                break;
            }
            all.jobs.push((path.clone(), content["job"].take()));
            let member = serde_json::from_value(content["member"].take())
                .map_err(|e| Error::model_file(&path, format!("its member cannot be read: {e}"), None))?;
            all.finished.push((path, member, tensors));
        }
        if all.jobs.is_empty() {
            return Err(Error::model_file(path, "there is no checkpoint to resume from", Hint::StartAnew));
        }
        Ok(all)
    }

    /// The caller's own document in each file, which has to be that of the fit that goes on.
    pub fn jobs(&self) -> impl Iterator<Item = (&Path, &Value)> {
        self.jobs.iter().map(|(path, job)| (path.as_path(), job))
    }

    /// The members that need no fit any more.
    pub fn finished(&self) -> usize {
        self.finished.len()
    }

    /// The steps taken of the next member's fit.
    pub fn steps(&self) -> u64 {
        self.running.as_ref().map_or(0, Checkpoint::steps)
    }
}

/// The network of a member that was fitted before.
pub(super) fn restored(path: &Path, member: &Member, tensors: Parameters, place: &Placement) -> Result<Network> {
    file::restore(path, tensors, place, |place| member.recipe.build(place))
}

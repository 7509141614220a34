//! Whether memory and disk have room for a fit, said before it starts.

use std::path::Path;

use knothe::{
    Error, Placement, Precision,
    events::{Coding, Events},
    families::Recipe,
    file, memory,
    model::Split,
};

use crate::failure::{Failure, say};

/// Copies of the parameters during a fit: they themselves, their gradients, two moments of Adam, the best ones, their average, and what a step makes of them.
const IN_MEMORY: usize = 7;
/// Copies of the parameters on disk: a checkpoint has five, and the one before stays until the next is complete; then the model.
const ON_DISK: usize = 11;
/// Bytes of each number of the data in 64 bits, once more than they are there already: while they are coded.
const CODED: usize = 8;

/// Refuses a fit whose model has no room in memory or on the disk, and warns where its checkpoints have none.
pub fn check<C: Coding>(recipes: &[Recipe], split: &Split<C::Events>, coding: &C, precision: Precision, out: &Path) -> Result<(), Failure> {
    let (mut largest, mut all) = (0, 0usize);
    for recipe in recipes {
        let size = recipe.size()?;
        // What cannot be read again is not fitted.
        recipe.build(&Placement::outline(precision, file::room(size)))?;
        (largest, all) = (size.max(largest), all.saturating_add(size));
    }
    let bytes = if precision == Precision::F64 { 8 } else { 4 };
    // A network that is fitted takes several times its size, one that is finished once.
    let networks = memory::product(&[IN_MEMORY, largest, bytes]).saturating_add(memory::product(&[all, bytes]));
    memory::check(format!("fitting {largest} parameters"), networks)?;
    let events = split.train.len() + split.validation.len();
    memory::check(
        format!("fitting to {events} {}", C::WORDS[1]),
        memory::product(&[CODED + bytes, events, coding.space().dim() + coding.context_dim()]),
    )?;
    let model = memory::product(&[all, bytes]);
    let most = memory::product(&[ON_DISK, largest, bytes]).saturating_add(model);
    let Some(free) = free_space(out) else { return Ok(()) };
    let left = format!("the disk has {} KB left", free / 1_000);
    if model > free {
        let reason = format!("the model needs {} KB, and {left}", model.div_ceil(1_000));
        return Err(Error::io("write", out, std::io::Error::other(reason)).into());
    }
    if most > free {
        say(format_args!("warning: the model and its checkpoints need up to {} KB, and {left}", most.div_ceil(1_000)));
    }
    Ok(())
}

/// The bytes that a user may still write to the disk of a file; nothing where the system does not tell.
fn free_space(out: &Path) -> Option<u64> {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Some file systems say 0 and mean that they do not know.
    fs4::available_space(folder).ok().filter(|&free| free > 0)
}

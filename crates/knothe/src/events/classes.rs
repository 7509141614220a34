//! The classes of images and recordings: their checks, and their columns in the context.

use std::fmt::{Debug, Display};
use std::path::Path;

use crate::error::{Error, Result};

/// The most classes. Each class is a column of the context.
const MOST: usize = 4096;

/// The name of the class in the context.
pub(super) const CLASS: &str = "class";

/// Checks the labels of classes. An empty list is valid and belongs to a model without classes.
///
/// # Errors
/// [`Error::Invalid`] for one class alone, for too many, and for one that occurs twice.
pub(super) fn check<L: Clone + Debug + Display + Ord>(labels: &[L]) -> Result<()> {
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    match labels {
        [] => Ok(()),
        [only] => Err(Error::invalid("labels", "two classes or more", format!("'{only}' alone"))),
        _ if labels.len() > MOST => {
            Err(Error::invalid("labels", format!("at most {MOST} classes"), format!("{} distinct labels", labels.len())))
        }
        _ if labels.len() != distinct.len() => Err(Error::invalid("classes", "each once", format!("{labels:?}"))),
        _ => Ok(()),
    }
}

/// The names of the context variables of a density with these classes.
pub(super) fn given<L>(labels: &[L]) -> Vec<String> {
    if labels.is_empty() { Vec::new() } else { vec![CLASS.into()] }
}

/// The classes as words.
pub(super) fn words<L: Display>(labels: &[L]) -> String {
    labels.iter().map(L::to_string).collect::<Vec<_>>().join(", ")
}

/// The context of rows of these classes, `[rows, classes]`: 1 in the column of the class and 0 in the others.
pub(super) fn columns(own: &[usize], classes: usize) -> Vec<f64> {
    let mut context = vec![0.0; own.len() * classes];
    own.iter().enumerate().for_each(|(row, class)| context[row * classes + class] = 1.0);
    context
}

/// The classes of labels, in their order.
///
/// # Errors
/// [`Error::Table`], which names the first row with a label that no class has.
pub(super) fn of_labels<L: Display>(path: &Path, own: &[L], labels: &[L], class: impl Fn(&L) -> Option<usize>) -> Result<Vec<usize>> {
    let of = |(row, label): (usize, &L)| {
        class(label).ok_or_else(|| Error::Table {
            path: path.to_owned(),
            column: Some(CLASS.into()),
            row: Some(row as u64 + 1),
            problem: format!("expected one of the classes {}, found '{label}'", words(labels)),
            hint: None,
        })
    };
    own.iter().enumerate().map(of).collect()
}

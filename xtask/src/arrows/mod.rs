//! Modules depend downwards only.
//!
//! An arrow is a path `crate::module` in the code of another module. Comments, texts and test modules do not count.

mod circles;
mod source;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::lengths::{ours, shown, text_of};
use crate::step::{Outcome, root};
use source::{Arrow, Source};

/// The layers of the library, from the top to the bottom. A module may use the layers below its own. Inside a layer it may
/// use its neighbours, but not in a circle.
const LAYERS: &[&[&str]] = &[
    &["events", "families", "model", "plot"],
    &["conformance", "evaluate", "fit", "inference", "toys"],
    &["any_order", "codes", "density", "dequantised", "flow", "mixed", "mixture", "moments", "network", "sequence", "source"],
    &["bijection", "compose", "inverse", "linear", "triangular"],
    &["conditioner"],
    &["univariate"],
    &["kernels"],
    &[
        "error",
        "file",
        "given",
        "hint",
        "measured",
        "memory",
        "number",
        "order",
        "parameters",
        "placement",
        "random",
        "shape",
        "simplex",
        "space",
        "special",
    ],
];

/// Arrows of the library that are still to be mended: the file, and the module that it should not use.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// The same of the command line.
const PROGRAM_EXCEPTIONS: &[(&str, &str)] = &[];

/// Names every arrow of the library that points up, and every circle of the library and of the command line.
pub fn check() -> Outcome {
    let library = read("crates/knothe/src", "lib.rs")?;
    let mut problems = examine(&library, LAYERS, EXCEPTIONS);
    // A program has no layers: anything may use anything, though not in a circle.
    let program = read("crates/knothe-cli/src", "main.rs")?;
    let all: Vec<&str> = program.iter().map(|source| source.module.as_str()).collect();
    problems.extend(examine(&program, &[&all], PROGRAM_EXCEPTIONS));
    if problems.is_empty() {
        let exceptions = EXCEPTIONS.len() + PROGRAM_EXCEPTIONS.len();
        eprintln!("{} files, no arrow between their modules points up, {exceptions} exceptions", library.len() + program.len());
        return Ok(());
    }
    Err(format!("expected arrows that point down, found\n  {}", problems.join("\n  ")))
}

/// The source files of a crate, with the arrows that start there.
fn read(folder: &str, top: &str) -> Result<Vec<Source>, String> {
    let folder = root().join(folder);
    let files: Vec<PathBuf> = ours()?.into_iter().filter(|file| file.starts_with(&folder)).collect();
    let mut texts = Vec::new();
    for file in files {
        let text = text_of(&file)?;
        texts.push((file.strip_prefix(&folder).map_or_else(|_| file.clone(), Path::to_path_buf), shown(&file), text));
    }
    source::read(&texts, Path::new(top))
}

/// What is wrong with the arrows of a crate.
fn examine(sources: &[Source], layers: &[&[&str]], exceptions: &[(&str, &str)]) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let mut problems: Vec<String> = sources
        .iter()
        .map(|source| source.module.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|module| layer(module).is_none())
        .map(|module| format!("module {module} has no layer; give it one in xtask/src/arrows/mod.rs"))
        .collect();
    let all: Vec<Arrow> = sources.iter().flat_map(Source::arrows).collect();
    let points_up = |arrow: &Arrow| layer(arrow.to).is_some_and(|to| layer(arrow.from).is_some_and(|from| to < from));
    let allowed = |arrow: &Arrow| exceptions.contains(&(arrow.file, arrow.to));
    let level: Vec<Arrow> = all.iter().filter(|arrow| layer(arrow.to) == layer(arrow.from)).copied().collect();
    let bad: Vec<Arrow> = all.iter().filter(|a| points_up(a)).copied().chain(circles::arrows(&level)).collect();
    for arrow in all.iter().filter(|a| points_up(a) && !allowed(a)) {
        problems.push(format!("{}:{}: {} uses {}, which is above it", arrow.file, arrow.line, arrow.from, arrow.to));
    }
    let kept: Vec<Arrow> = level.into_iter().filter(|arrow| !allowed(arrow)).collect();
    for arrow in circles::arrows(&kept) {
        problems.push(format!("{}:{}: {} uses {}, which uses it too, directly or not", arrow.file, arrow.line, arrow.from, arrow.to));
    }
    for (file, module) in exceptions.iter().filter(|e| !bad.iter().any(|arrow| (arrow.file, arrow.to) == **e)) {
        problems.push(format!("{file}: the exception for {module} is no longer needed; delete it in xtask/src/arrows/mod.rs"));
    }
    problems
}

#[cfg(test)]
mod tests;

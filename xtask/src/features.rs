//! `cargo run` and `cargo test --workspace` build each dependency with the same features, and so only once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::step::{Outcome, output, program};

/// Names every package that a fresh clone's first command builds in one way and its tests in another.
pub fn check() -> Outcome {
    // A package that is built for build scripts and for the program has two lists of features. Both commands must have the same lists.
    let run = features(&["--package", "knothe-cli", "--edges", "normal,build"])?;
    let test = features(&["--workspace", "--edges", "normal,build,dev"])?;
    let differences: Vec<String> = run
        .iter()
        // A list that only the tests have is a second build too. `cargo tree` does not say which of two lists belongs to build scripts.
        .filter(|(package, lists)| test.get(*package) != Some(lists))
        .map(|(package, lists)| {
            let own = test.get(package).map_or(&[][..], Vec::as_slice);
            format!("{package}: [{}] in `cargo run` alone, [{}] in `cargo test` alone", missing(lists, own), missing(own, lists))
        })
        .collect();
    if differences.is_empty() {
        eprintln!("{} packages of `cargo run`, each with its features in `cargo test`", run.len());
        return Ok(());
    }
    Err(format!(
        "expected one set of features a package, found\n  {}\nname the missing ones as feature pins in Cargo.toml and crates/knothe-cli/Cargo.toml",
        differences.join("\n  ")
    ))
}

/// The features that are in the first lists and in none of the others.
fn missing(these: &[String], others: &[String]) -> String {
    let words = |lists: &[String]| lists.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect::<BTreeSet<_>>();
    words(these).difference(&words(others)).cloned().collect::<Vec<_>>().join(", ")
}

/// The lists of features with which a selection builds each package, our own left out.
fn features(selection: &[&str]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut arguments = vec!["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"];
    arguments.extend(selection);
    let tree = output(Command::new(program("cargo")).args(arguments))?;
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (package, list) in tree.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|')) {
        if package.contains(" (/") {
            continue;
        }
        let lists = packages.entry(package.to_owned()).or_default();
        if let Err(place) = lists.binary_search_by(|known| known.as_str().cmp(list)) {
            lists.insert(place, list.to_owned());
        }
    }
    Ok(packages)
}

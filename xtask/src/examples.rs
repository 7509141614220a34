//! Every command in our pages that runs an example turns on the features that the example needs.

use crate::lengths::{pages, shown, text_of};
use crate::step::{Outcome, root};

/// Names every command that would not run. Commands with `--workspace` build the command line too, which turns on all features that examples need.
pub fn check() -> Outcome {
    let manifest = text_of(&root().join("crates/knothe/Cargo.toml"))?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (page, text) in pages()? {
        for command in text.lines().filter(|line| line.contains("cargo ") && line.contains("--package knothe ")) {
            let Some(name) = after(command, "--example") else { continue };
            count += 1;
            let given: Vec<&str> = after(command, "--features").map(|list| list.split(',').collect()).unwrap_or_default();
            let lacking: Vec<&str> = needed(&manifest, name).into_iter().filter(|feature| !given.contains(feature)).collect();
            if !lacking.is_empty() {
                wrong.push(format!("{}: the example {name} needs --features {}", shown(&page), lacking.join(",")));
            }
        }
    }
    if wrong.is_empty() {
        eprintln!("{count} commands run examples with the features that these need");
        return Ok(());
    }
    Err(format!("expected commands that run, found\n  {}", wrong.join("\n  ")))
}

/// The word after an option.
fn after<'a>(command: &'a str, option: &str) -> Option<&'a str> {
    let mut words = command.split(|c: char| c.is_whitespace() || c == '`');
    words.find(|word| *word == option)?;
    words.next()
}

/// The required features of an example in a manifest.
fn needed<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let own = format!("name = \"{name}\"");
    let Some(section) = manifest.split("[[").find(|part| part.starts_with("example]]") && part.lines().any(|line| line == own)) else {
        return Vec::new();
    };
    let list = section.lines().find_map(|line| line.strip_prefix("required-features = "));
    list.map(|list| list.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_an_example_are_found() {
        let manifest = "[[test]]\nname = \"a\"\n\n[[example]]\nname = \"a\"\nrequired-features = [\"plot\", \"tables\"]\n\n[[example]]\nname = \"b\"\n";
        assert_eq!((needed(manifest, "a"), needed(manifest, "b"), needed(manifest, "c")), (vec!["plot", "tables"], vec![], vec![]));
        let command = "`cargo run --package knothe --features plot,tables --example a -- x` does it";
        assert_eq!((after(command, "--example"), after(command, "--features")), (Some("a"), Some("plot,tables")));
        assert_eq!(after("cargo run --example `", "--features"), None);
    }
}

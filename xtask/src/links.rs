//! Every link of our pages to a file of ours leads somewhere.

use std::path::PathBuf;

use crate::lengths::{pages, shown};
use crate::step::{Outcome, root};

/// Names every dead link. Links to other sites are left alone: they need a network.
pub fn check() -> Outcome {
    let pages = pages()?;
    let mut dead = Vec::new();
    let mut count = 0;
    for (page, text) in &pages {
        for target in targets(text) {
            count += 1;
            let path = target.split('#').next().unwrap_or("");
            if !page.parent().map_or_else(root, PathBuf::from).join(path).exists() {
                dead.push(format!("{}: {target}", shown(page)));
            }
        }
    }
    if dead.is_empty() {
        eprintln!("{count} links in {} pages, none of them dead", pages.len());
        return Ok(());
    }
    Err(format!("expected files, found nothing at\n  {}", dead.join("\n  ")))
}

/// The targets of `[text](target)` that are paths.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).filter(|target| !target.contains(':'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_paths_are_links() {
        let text = "[a](b.md), [c](https://d.org), f(x)[0](e/f.rs#g)";
        assert_eq!(super::targets(text).collect::<Vec<_>>(), ["b.md", "e/f.rs#g"]);
    }
}

//! Every dependency may be used under a permissive licence.

use std::collections::BTreeSet;
use std::process::Command;

use crate::step::{Outcome, output, program};

/// SPDX names of the licences that ask for no more than their notice.
const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are accepted under one more licence. `colored` cannot be had out of Burn's standard build (burn-tensor's `std`);
/// the MPL covers its own files alone, which are used as published.
const ACCEPTED: [(&str, &str); 1] = [("colored", "MPL-2.0")];

/// Names every dependency whose licence is not permissive.
pub fn check() -> Outcome {
    let tree = output(Command::new(program("cargo")).args(["tree", "--locked", "--workspace", "--prefix", "none", "--format", "{p}|{l}"]))?;
    let packages: BTreeSet<(&str, &str)> = tree.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|')).collect();
    let refused: Vec<String> = packages
        .iter()
        .filter(|(package, licence)| !permits(licence) && !ACCEPTED.contains(&(package.split(' ').next().unwrap_or(""), licence)))
        .map(|(package, licence)| format!("{package}: {}", if licence.is_empty() { "no licence" } else { licence }))
        .collect();
    if !refused.is_empty() {
        return Err(format!("expected permissive licences ({}), found\n  {}", PERMISSIVE.join(", "), refused.join("\n  ")));
    }
    if packages.len() < 100 {
        return Err(format!("expected the licences of a hundred packages or more, found {}", packages.len()));
    }
    eprintln!("{} packages, all of them permissive but for {}", packages.len(), ACCEPTED.map(|(name, _)| name).join(", "));
    Ok(())
}

/// Whether an SPDX expression can be met by permissive licences alone: AND binds tighter than OR, `/` is an old OR.
fn permits(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split(&expression, " OR ").iter().any(|choice| {
        split(choice, " AND ").iter().all(|part| {
            let inner = part.strip_prefix('(').and_then(|p| p.strip_suffix(')'));
            inner.map_or_else(|| PERMISSIVE.contains(part), permits)
        })
    })
}

/// The parts of an expression between operators that stand outside parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && at >= start && expression[at..].starts_with(operator) => {
                parts.push(expression[start..at].trim());
                start = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(expression[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::permits;

    #[test]
    fn expressions() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"] {
            assert!(permits(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND MPL-2.0", "MIT AND (GPL-3.0 OR AGPL-3.0)", "LGPL-2.1 OR MPL-2.0"] {
            assert!(!permits(bad), "{bad}");
        }
    }
}

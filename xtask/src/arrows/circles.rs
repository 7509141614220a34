//! Circles of arrows.

use std::collections::BTreeSet;

use super::source::Arrow;

/// The arrows that lie on a circle: those whose end leads back to their start.
pub fn arrows<'a>(all: &[Arrow<'a>]) -> Vec<Arrow<'a>> {
    all.iter().filter(|arrow| reached(arrow.to, all).contains(arrow.from)).copied().collect()
}

/// The modules that a module uses, directly or not.
fn reached<'a>(start: &'a str, all: &[Arrow<'a>]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for arrow in all.iter().filter(|arrow| arrow.from == module) {
            if found.insert(arrow.to) {
                open.push(arrow.to);
            }
        }
    }
    found
}

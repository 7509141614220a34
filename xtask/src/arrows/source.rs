//! Which modules of its crate a source file uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::text::{name_at, plain, tests_blanked};

/// A file of a crate and what it uses.
#[derive(Debug)]
pub struct Source {
    /// The path from the repository's root.
    pub file: String,
    /// The crate's module, a child of its root, that the file belongs to.
    pub module: String,
    /// The modules that it uses, each with the number of a line.
    uses: Vec<(String, usize)>,
}

/// A use of one module by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow<'a> {
    pub file: &'a str,
    pub line: usize,
    pub from: &'a str,
    pub to: &'a str,
}

impl Source {
    /// The arrows that start in the file, at other modules.
    pub fn arrows(&self) -> impl Iterator<Item = Arrow<'_>> {
        let to_others = self.uses.iter().filter(|(to, _)| *to != self.module);
        to_others.map(|(to, line)| Arrow { file: &self.file, line: *line, from: &self.module, to })
    }
}

/// Reads a crate: of each file its path in `src`, its path in the repository and its text. `top` is the crate's root, which
/// may use everything, and whose `pub use` lines say in which module a name of the root stands.
pub fn read(texts: &[(PathBuf, String, String)], top: &Path) -> Result<Vec<Source>, String> {
    let mut tests = Vec::new();
    let mut code = Vec::new();
    for (path, shown, text) in texts {
        let (clean, files) = tests_blanked(&plain(text), text);
        tests.extend(files.iter().map(|file| below(path, file)));
        code.push((path, shown, clean));
    }
    let is_test = |path: &Path| tests.iter().any(|test| path == test.with_extension("rs") || path.starts_with(test));
    code.retain(|(path, ..)| !is_test(path));
    let mut homes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (path, _, clean) in &code {
        let module = module(path);
        for name in after(clean, "macro_rules!") {
            homes.insert(name, Some(module.clone()));
        }
    }
    for (path, ..) in code.iter().filter(|(path, ..)| **path != top) {
        homes.insert(module(path), Some(module(path)));
    }
    let root = code.iter().find(|(path, ..)| *path == top).map_or("", |(.., clean)| clean);
    for (at, _) in root.match_indices("use ") {
        let paths = root[at + 4..].split(';').next().unwrap_or("");
        let Some((first, names)) = paths.split_once("::") else {
            // `pub use burn;`: a crate of others.
            homes.entry(paths.trim().to_owned()).or_insert(None);
            continue;
        };
        let home = homes.get(first.trim()).cloned().flatten();
        for name in names.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|name| !name.is_empty()) {
            homes.entry(name.to_owned()).or_insert_with(|| home.clone());
        }
    }
    let mut sources = Vec::new();
    for (path, shown, clean) in code.iter().filter(|(path, ..)| **path != top) {
        let mut uses: Vec<(String, usize)> = Vec::new();
        for (name, at) in names(clean, depth(path)) {
            let line = 1 + clean[..at].matches('\n').count();
            match homes.get(&name) {
                Some(Some(home)) => uses.push((home.clone(), line)),
                Some(None) => {}
                None => return Err(format!("{shown}:{line}: expected a module or a name of {}, found crate::{name}", top.display())),
            }
        }
        sources.push(Source { file: (*shown).clone(), module: module(path), uses });
    }
    Ok(sources)
}

/// The crate's module that a file belongs to.
fn module(path: &Path) -> String {
    path.components().next().map_or_else(String::new, |first| Path::new(first.as_os_str()).with_extension("").display().to_string())
}

/// How many times `super` leads from a file's module to the root.
fn depth(path: &Path) -> usize {
    path.components().count() - usize::from(path.ends_with("mod.rs"))
}

/// The path, without an ending, of a module that a file declares.
fn below(path: &Path, name: &str) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let own = path.file_stem().filter(|stem| !["mod", "lib", "main"].iter().any(|top| stem == top));
    match name.strip_suffix(".rs") {
        Some(beside) => folder.join(beside),
        None => own.map_or_else(|| folder.join(name), |own| folder.join(own).join(name)),
    }
}

/// The names that stand after a word.
fn after(code: &str, word: &str) -> Vec<String> {
    code.match_indices(word).filter_map(|(at, _)| name_at(code, at + word.len()).map(|(name, _)| name)).collect()
}

/// The first names of all paths that start at the root, `crate::a`, `crate::{b, c::d}` or enough of `super::`, and where they stand.
fn names(code: &str, depth: usize) -> Vec<(String, usize)> {
    let supers = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", supers.as_str()] {
        for (at, _) in code.match_indices(start) {
            let inside = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !inside {
                first_names(code, at + start.len(), &mut found);
            }
        }
    }
    found
}

/// The name at a place, or the first names of the paths in braces.
fn first_names(code: &str, at: usize, found: &mut Vec<(String, usize)>) {
    if !code[at..].trim_start().starts_with('{') {
        found.extend(name_at(code, at));
        return;
    }
    let open = at + code[at..].find('{').unwrap_or(0);
    let (mut depth, mut expected) = (0_usize, false);
    for (offset, character) in code[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
        if depth == 1 && matches!(character, '{' | ',') {
            expected = true;
        } else if expected && !character.is_whitespace() {
            found.extend(name_at(code, open + offset).filter(|(name, _)| name != "self"));
            expected = false;
        }
    }
}

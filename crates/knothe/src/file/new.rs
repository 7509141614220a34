//! Files that appear when they are complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// How the names of unfinished files begin.
const PREFIX: &str = ".knothe-";
/// How they end.
const SUFFIX: &str = ".unfinished";
/// An unfinished file that nobody has touched for so long, and that no process holds, is an orphan.
const ORPHANED_AFTER: Duration = Duration::from_secs(60);
/// Links that are followed one after another.
const LINKS: usize = 40;

/// How often a list that is held is asked for.
const TRIES: usize = 1000;

/// The unfinished files of this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A file that is written beside its place, under a hidden name, and takes its place when it is complete.
///
/// A symbolic link is followed, and the permissions of a file that is replaced are kept. Where the process ends before [`NewFile::finish`], there is no new file, and
/// the old one is as it was. What a killed process has left is removed when another file is made in the same folder.
#[derive(Debug)]
pub struct NewFile {
    temporary: NamedTempFile,
    /// As the user has it, for messages.
    path: PathBuf,
    /// With links followed.
    place: PathBuf,
    /// Whether a part could not be written. What comes after it goes nowhere, so that a writer that completes its format when it is dropped finds no second fault.
    failed: bool,
}

impl NewFile {
    /// A new file for this path.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written: without the permission to, and where there is a folder, a device or a pipe.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |source| Error::io("write", path, source);
        // Of the path itself: what /dev/stdout links to has no name.
        if let Ok(found) = fs::metadata(path)
            && !found.is_file()
        {
            let kind = if found.is_dir() { "a folder" } else { "a device or a pipe" };
            return Err(failed(io::Error::other(format!("expected a file, found {kind}"))));
        }
        let place = followed(path).map_err(failed)?;
        let folder = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if fs::metadata(folder).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            let reason = format!("expected the folder {} to exist; create it first", folder.display());
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, reason)));
        }
        remove_orphans(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // A signal may end the process at any time, and has to find every file in the list.
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = builder.tempfile_in(folder).map_err(failed)?;
        unfinished.push(temporary.path().to_owned());
        drop(unfinished);
        // A file system without locks has no orphans removed.
        let _ = temporary.as_file().try_lock();
        Ok(NewFile { temporary, path: path.to_owned(), place, failed: false })
    }

    /// Puts the file into its place.
    ///
    /// # Errors
    /// [`Error::Io`] where that cannot be done; there is no new file then.
    pub fn finish(mut self) -> Result<()> {
        self.put_in_place().map_err(|e| Error::io("write", &self.path, e))
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier part could not be written"));
        }
        self.temporary.flush()?;
        if let Ok(old) = fs::metadata(&self.place) {
            self.temporary.as_file().set_permissions(old.permissions())?;
        }
        self.temporary.as_file().sync_all()?;
        fs::rename(self.temporary.path(), &self.place)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // The temporary file removes itself; one that was renamed is not there any more.
        if let Ok(mut unfinished) = UNFINISHED.lock() {
            unfinished.retain(|path| path != self.temporary.path());
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        // Of the file itself, whose errors do not name the hidden path.
        let written = self.temporary.as_file_mut().write(bytes);
        self.failed = written.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.as_file_mut().flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.temporary.as_file_mut().seek(to)
    }
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// As [`NewFile::create`], and what `write` fails with.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<&mut NewFile>) -> io::Result<()>) -> Result<()> {
    let mut file = NewFile::create(path)?;
    let mut buffered = BufWriter::new(&mut file);
    write(&mut buffered).and_then(|()| buffered.flush()).map_err(|e| Error::io("write", path, e))?;
    drop(buffered);
    file.finish()
}

/// Removes the unfinished files of this process, which makes no others from then on. A front end calls it when the process ends without its destructors, after a signal.
pub fn remove_unfinished() {
    // Where memory has run out, the thread that asks may be the one that holds the list.
    for _ in 0..TRIES {
        if let Ok(unfinished) = UNFINISHED.try_lock() {
            unfinished.iter().for_each(|path| drop(fs::remove_file(path)));
            std::mem::forget(unfinished);
            return;
        }
        std::thread::yield_now();
    }
}

/// Removes what killed processes have left in a folder.
fn remove_orphans(folder: &Path) {
    let is_old = |path: &Path| {
        let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
        found.and_then(|found| found.modified().ok()?.elapsed().ok()).is_some_and(|age| age > ORPHANED_AFTER)
    };
    let is_orphan = |path: &Path| is_old(path) && File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    let is_own = |name: &str| {
        let random = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        random.is_some_and(|random| random.len() == 6 && random.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let hidden = entries.filter(|entry| is_own(&entry.file_name().to_string_lossy())).map(|entry| entry.path());
    hidden.filter(|path| is_orphan(path)).for_each(|path| drop(fs::remove_file(path)));
}

/// The path at the end of symbolic links; there need not be a file.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&place) {
            // A relative link starts from the folder that holds it.
            Ok(target) => place = place.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::other("too many symbolic links, one after another"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::SystemTime;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let mut new = NewFile::create(&path).unwrap();
        new.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(new);
        assert_eq!((names(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["a".into()], "old".into()));
        write_atomically(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!((names(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["a".into()], "new".into()));
        assert!(write_atomically(folder.path(), |_| Ok(())).unwrap_err().to_string().contains("found a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/target"), "old").unwrap();
        fs::set_permissions(at("deep/target"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("deep/target", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        symlink("deep/absent", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        write_atomically(&at("two"), |file| file.write_all(b"new")).unwrap();
        write_atomically(&at("dangling"), |file| file.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(at("two")).unwrap().is_symlink() && fs::symlink_metadata(at("dangling")).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(at("deep/target")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at("deep/absent")).unwrap(), "new");
        assert_eq!(fs::metadata(at("deep/target")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(NewFile::create(&at("circle")).is_err());
        assert!(NewFile::create(Path::new("/dev/null")).unwrap_err().to_string().contains("found a device"));
    }

    #[test]
    fn orphans_are_removed_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - 2 * ORPHANED_AFTER;
        let at = |name: &str| folder.path().join(name);
        let [old, fresh, foreign] = [".knothe-aB3dE6.unfinished", ".knothe-000000.unfinished", ".knothe-notes"].map(at);
        File::create(&old).unwrap().set_modified(long_ago).unwrap();
        File::create(&foreign).unwrap().set_modified(long_ago).unwrap();
        File::create(&fresh).unwrap();
        let held = NewFile::create(&folder.path().join("held")).unwrap();
        held.temporary.as_file().set_modified(long_ago).unwrap();
        drop(NewFile::create(&folder.path().join("other")).unwrap());
        assert!(!old.exists() && fresh.exists() && foreign.exists() && held.temporary.path().exists());
        held.finish().unwrap();
        assert_eq!(names(folder.path()), [".knothe-000000.unfinished", ".knothe-notes", "held"]);
    }
}

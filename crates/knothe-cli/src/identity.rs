//! What tells a file from others, so that no output destroys an input.

use std::path::{Path, PathBuf};

/// Device and number of a file where the system has them, otherwise its whole path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Device and number.
    #[cfg(unix)]
    Number(u64, u64),
    /// The whole path.
    #[cfg_attr(unix, allow(dead_code))]
    Path(PathBuf),
}

impl Identity {
    /// The file of a path; links are followed. `-` is standard input, which may come from a file. None if there is no such file. The file is not opened: a pipe would wait for its other end.
    pub fn of(path: &Path) -> Option<Self> {
        if path == Path::new("-") {
            return Self::of_standard_input();
        }
        #[cfg(unix)]
        {
            Some(Self::of_metadata(&std::fs::metadata(path).ok()?))
        }
        #[cfg(not(unix))]
        {
            path.canonicalize().ok().map(Identity::Path)
        }
    }

    /// The regular file behind standard output, if it is one. The descriptor itself is asked, since /dev/stdout needs /proc.
    pub fn of_standard_output() -> Option<Self> {
        #[cfg(unix)]
        {
            Self::of_stream(std::io::stdout())
        }
        #[cfg(not(unix))]
        {
            None
        }
    }

    fn of_standard_input() -> Option<Self> {
        #[cfg(unix)]
        {
            Self::of_stream(std::io::stdin())
        }
        #[cfg(not(unix))]
        {
            None
        }
    }

    #[cfg(unix)]
    fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = std::fs::File::from(stream.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| Self::of_metadata(&found))
    }

    #[cfg(unix)]
    fn of_metadata(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Identity::Number(found.dev(), found.ino())
    }
}

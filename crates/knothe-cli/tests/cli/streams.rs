//! Standard output that goes away or is full, and disks that are.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{
    images::images,
    support::{copy, fitted, knothe, table},
};

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = copy();
    // 20,000 scores are more than a pipe holds.
    std::fs::write(folder.path().join("long.csv"), table(20_000)).unwrap();
    for arguments in
        [["score", "model.safetensors", "long.csv"].as_slice(), &["sample", "model.safetensors", "-n", "20000", "--given", "class=1"]]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_knothe"))
            .current_dir(folder.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        drop(reader);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error() {
    for arguments in
        ["score model.safetensors table.csv", "sample model.safetensors -n 10 --given class=1", "inspect model.safetensors", "models"]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_knothe"))
            .current_dir(fitted())
            .args(arguments.split(' '))
            .stdout(std::fs::File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "error: cannot write standard output: No space left on device (os error 28)\n", "{arguments}");
    }
}

/// A file system of 64 KiB while it lives.
struct Small(tempfile::TempDir);

impl Small {
    /// Changes its options: `ro` for a disk that cannot be written, `size=` for one of another size.
    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Mounts it, or says why not.
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).output();
        match mount {
            Ok(done) if done.status.success() => Ok(Small(folder)),
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().into()),
            Err(e) => Err(e.to_string()),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

/// Whether this runs for the machine that decides on merges, and as root.
fn must_mount() -> bool {
    let id = Command::new("id").arg("-u").output().map(|id| id.stdout).unwrap_or_default();
    std::env::var_os("CI").is_some() && id.trim_ascii() == b"0"
}

/// A small disk for a test; nothing, and a line that says so, where none can be mounted.
fn small(test: &str) -> Option<Small> {
    match Small::mount() {
        Ok(small) => Some(small),
        Err(reason) if must_mount() => panic!("a small tmpfs cannot be mounted by root: {reason}"),
        Err(reason) => {
            // Past the capture of a test's output, for a test that did not run has to show.
            let line = format!("{test} is skipped: a small tmpfs cannot be mounted: {reason}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_is_no_file_of_the_command() {
    // The system gives the number of a closed stdout to the next file that is opened, were it not for the runtime, which opens /dev/null in its place.
    let folder = copy();
    let lost = i32::from(cfg!(target_os = "linux"));
    for (arguments, out, code) in [
        ("score model.safetensors table.csv --out scores.csv", "scores.csv", 0),
        ("sample model.safetensors -n 10 --given class=1 --out samples.csv", "samples.csv", 0),
        ("fit table.csv --drop class --model gaussian --json --out other.safetensors", "other.safetensors", lost),
        ("score model.safetensors table.csv", "table.csv", lost),
        ("inspect model.safetensors", "model.safetensors", lost),
    ] {
        let expected = knothe(folder.path(), arguments);
        let bytes = std::fs::read(folder.path().join(out)).unwrap();
        let script = format!("exec {} {arguments} >&-", env!("CARGO_BIN_EXE_knothe"));
        let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
        assert_eq!((output.status.code(), expected.code), (Some(code), 0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(folder.path().join(out)).unwrap(), bytes, "{arguments}");
    }
}

#[test]
fn a_fit_that_ends_on_a_full_disk_is_kept() {
    let Some(small) = small("a_fit_that_ends_on_a_full_disk_is_kept") else { return };
    let folder = copy();
    let model = small.path().join("model.safetensors");
    let fit = |hidden: &str| format!("fit table.csv --drop class --model made_mog --hidden {hidden} --epochs 2 --out {}", model.display());
    // A checkpoint of the fit has room, and the finished model has not beside it: it takes its place.
    let run = knothe(folder.path(), &fit("40,40"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    std::fs::remove_file(&model).unwrap();
    // The finished model has room once, and not twice.
    let run = knothe(folder.path(), &fit("90,90"));
    assert!(run.code == 1 && run.error().contains("No space left on device"), "{}", run.stderr);
    assert!(run.stderr.contains("note: the fit is saved in") && run.stderr.contains("repeat the command with --resume"), "{}", run.stderr);
    assert!(!model.exists());
    small.remount("size=1m");
    let resumed = knothe(folder.path(), &format!("{} --resume", fit("90,90")));
    assert!(resumed.code == 0 && resumed.stderr.contains("after the last step"), "{}", resumed.stderr);
    let expected = folder.path().join("expected.safetensors");
    assert_eq!(knothe(folder.path(), &fit("90,90").replace(&model.display().to_string(), &expected.display().to_string())).code, 0);
    assert_eq!(std::fs::read(model).unwrap(), std::fs::read(expected).unwrap());
}

#[test]
fn a_full_disk_and_one_that_is_read_only_leave_nothing() {
    let Some(small) = small("a_full_disk_and_one_that_is_read_only_leave_nothing") else { return };
    let folder = copy();
    std::fs::write(folder.path().join("long.csv"), table(20_000)).unwrap();
    let out = small.path().display();
    std::fs::copy(images().join("images.safetensors"), folder.path().join("images.safetensors")).unwrap();
    std::fs::copy(images().join("set.npz"), folder.path().join("set.npz")).unwrap();
    let cases = [
        format!("score model.safetensors long.csv --out {out}/scores.csv"),
        format!("score model.safetensors long.csv --out {out}/scores.npy"),
        format!("sample model.safetensors -n 20000 --given class=1 --out {out}/samples.parquet"),
        format!("sample model.safetensors -n 20000 --given class=1 --out {out}/samples.arrow"),
        format!("reconstruct reals.safetensors long.csv -n 20000 --out {out}/pairs.csv"),
        format!("interpolate reals.safetensors long.csv:1 long.csv:2 -n 20000 --out {out}/path.tsv"),
        format!("plot model.safetensors long.csv --out {out}/corner.png"),
        format!("sample images.safetensors -n 20000 --out {out}/images.npy"),
        format!("sample images.safetensors -n 20000 --out {out}/images.npz"),
        format!("sample images.safetensors -n 2000 --out {out}/grid.png"),
        format!("fit table.csv --drop class --hidden 256,256 --epochs 1 --out {out}/big.safetensors"),
    ];
    for arguments in &cases {
        let run = knothe(folder.path(), arguments);
        assert_eq!(run.code, 1, "{arguments}: {}", run.stderr);
        let full = run.error().contains("No space left on device") || run.error().contains("KB, and the disk has 65 KB left");
        assert!(full, "{arguments}: {}", run.stderr);
        let left: Vec<_> = std::fs::read_dir(small.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{arguments}: {left:?}");
    }
    small.remount("ro");
    for arguments in cases {
        let run = knothe(folder.path(), &arguments);
        assert!(run.code == 1 && run.error().contains("Read-only file system"), "{arguments}: {}", run.stderr);
    }
}

/// Runs a line of a shell, in which `knothe` is the program.
#[cfg(unix)]
fn shell(folder: &Path, line: &str) -> (Option<i32>, String) {
    let script = format!("knothe() {{ '{}' \"$@\"; }}; {line}", env!("CARGO_BIN_EXE_knothe"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Rust's runtime would write to /dev/null in its place.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_standard_output_is_an_error() {
    let folder = copy();
    for command in [
        "score model.safetensors table.csv",
        "sample model.safetensors -n 3 --given class=1",
        "schema table.csv",
        "inspect model.safetensors",
        "--help",
        "help fit",
        "--version",
    ] {
        let (code, stderr) = shell(folder.path(), &format!("knothe {command} >&-"));
        assert!(
            code == Some(1) && stderr.contains("error: cannot write standard output: Bad file descriptor"),
            "{command}: {code:?} {stderr}"
        );
        // Where nobody wants to see it, it is not closed.
        assert_eq!(shell(folder.path(), &format!("knothe {command} >/dev/null")).0, Some(0), "{command}");
    }
}

/// A shell's `>>` would append the scores to the table that is being read.
#[cfg(target_os = "linux")]
#[test]
fn a_standard_output_that_is_the_input_is_refused() {
    let folder = copy();
    let contents = || ["table.csv", "model.safetensors"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    let before = contents();
    for line in [
        "knothe score model.safetensors table.csv >> table.csv",
        "knothe score model.safetensors - < table.csv >> table.csv",
        "knothe sample model.safetensors -n 3 --context table.csv >> table.csv",
        "knothe schema table.csv 1<> table.csv",
        "knothe schema 't?ble.csv' 1<> table.csv",
        "knothe score model.safetensors 't*.csv' >> table.csv",
        "knothe evaluate model.safetensors table.csv >> table.csv",
        "knothe evaluate model.safetensors table.csv --json >> table.csv",
        "knothe inspect model.safetensors >> model.safetensors",
        "knothe inspect model.safetensors --moments --at table.csv >> table.csv",
        "knothe fit table.csv --steps 1 --out o.safetensors --json >> table.csv",
        "knothe fit table.csv --continue model.safetensors --steps 1 --out o.safetensors --json >> model.safetensors",
        "knothe reconstruct model.safetensors table.csv --out r.csv >> table.csv",
        "knothe importance table.csv --log-weights x --json >> table.csv",
    ] {
        let (code, stderr) = shell(folder.path(), line);
        assert!(code == Some(2) && stderr.contains("found the same file"), "{line}: {code:?} {stderr}");
        assert!(contents() == before, "{line}");
    }
    // Neither may it be a file that the command writes.
    for (line, made) in [
        ("knothe fit table.csv --steps 1 --out o.safetensors --json >> o.safetensors", "o.safetensors"),
        ("knothe fit table.csv --steps 1 --out o.safetensors --json >> o.safetensors.checkpoint", "o.safetensors.checkpoint"),
        ("knothe reconstruct model.safetensors table.csv --out r.csv >> r.csv", "r.csv"),
        ("knothe importance table.csv --log-weights x --out w.csv --json >> w.csv", "w.csv"),
    ] {
        let (code, stderr) = shell(folder.path(), line);
        assert!(code == Some(2) && stderr.contains("found the same file"), "{line}: {code:?} {stderr}");
        assert_eq!(std::fs::read(folder.path().join(made)).unwrap(), b"", "{line}");
    }
    // The file behind a descriptor would be replaced, with what others have written there.
    let (code, stderr) = shell(folder.path(), "(echo first; knothe schema table.csv --out /dev/stdout) > out.txt");
    assert!(code == Some(2) && stderr.contains("found a file descriptor"), "{code:?} {stderr}");
    assert_eq!(std::fs::read_to_string(folder.path().join("out.txt")).unwrap(), "first\n");
}

/// No descriptor is left to read the memory of the system from, so that nothing is known of it.
#[cfg(target_os = "linux")]
#[test]
fn few_descriptors_are_no_bug() {
    let folder = copy();
    let (code, stderr) = shell(folder.path(), "ulimit -n 6; knothe schema table.csv");
    assert!(code == Some(0) && !stderr.contains("bug"), "{code:?} {stderr}");
}

/// The message names the folder that is missing or full.
#[cfg(unix)]
#[test]
fn a_bad_folder_for_temporary_files_is_named() {
    let folder = copy();
    let (code, stderr) = shell(folder.path(), "TMPDIR=/nowhere knothe schema - < table.csv");
    let expected = "error: cannot write a temporary copy of the input to /nowhere: No such file or directory";
    assert!(code == Some(1) && stderr.starts_with(expected), "{code:?} {stderr}");
}

/// A message stays short for an argument of any length.
#[cfg(unix)]
#[test]
fn a_long_argument_is_shortened() {
    let folder = copy();
    let long = "m".repeat(100_000);
    for line in [format!("knothe fit table.csv --model {long} --out o.safetensors"), format!("knothe {long}")] {
        let (code, stderr) = shell(folder.path(), &line);
        assert!(code == Some(2) && stderr.len() < 5_000 && stderr.starts_with("error: "), "{code:?} {}", stderr.len());
    }
}

/// A copy of standard input has no name, so that not even `kill -9` leaves it behind.
#[cfg(target_os = "linux")]
#[test]
fn the_copy_of_standard_input_is_gone_with_the_program() {
    let folder = copy();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_knothe"))
        .current_dir(folder.path())
        .env("TMPDIR", temporary.path())
        .args(["schema", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // More than a pipe holds, so that the program has read some of it.
    child.stdin.as_mut().unwrap().write_all(table(50_000).as_bytes()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

//! Nothing is destroyed, nothing is unbounded, and nothing steers a terminal.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use knothe::events::table::{Table, write_table};

use crate::{
    images::images,
    support::{command, copy, knothe, succeeds, table},
};

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let folder = copy();
    fs::hard_link(folder.path().join("model.safetensors"), folder.path().join("model.csv")).unwrap();
    fs::hard_link(folder.path().join("table.csv"), folder.path().join("hard.csv")).unwrap();
    fs::hard_link(folder.path().join("table.csv"), folder.path().join("hard.png")).unwrap();
    let before = names(folder.path());
    let bytes = ["model.safetensors", "table.csv"].map(|name| fs::read(folder.path().join(name)).unwrap());
    for arguments in [
        "fit table.csv --out table.csv",
        "fit table.csv --out ./hard.csv",
        "fit table.csv --validation hard.csv --out hard.png",
        "score model.safetensors table.csv --out table.csv",
        "score model.safetensors table.csv --out hard.csv",
        "score model.safetensors table.csv --out model.csv",
        "sample model.safetensors -n 3 --given class=0 --out model.csv",
        "sample model.safetensors -n 3 --context table.csv --out hard.csv",
        "plot model.safetensors table.csv --out hard.png",
        "reconstruct model.safetensors table.csv --out hard.csv",
        "interpolate model.safetensors table.csv:1 hard.csv:2 --out table.csv",
    ] {
        let run = knothe(folder.path(), arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments}: {}", run.stderr);
        assert!(run.error().contains("expected a file other than the input"), "{arguments}: {}", run.stderr);
        assert_eq!(names(folder.path()), before, "{arguments}");
        assert_eq!(["model.safetensors", "table.csv"].map(|name| fs::read(folder.path().join(name)).unwrap()), bytes, "{arguments}");
    }
}

/// Patterns, folders and standard input stand for files, which are inputs as well.
#[test]
fn an_output_that_is_one_of_many_inputs_is_refused() {
    let folder = copy();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("parts")).unwrap();
    let table = Table::read(&at("table.csv")).unwrap();
    for name in ["parts/a.parquet", "parts/b.parquet"] {
        write_table(&at(name), &table.columns).unwrap();
    }
    fs::copy(at("table.csv"), at("parts/c.csv")).unwrap();
    fs::hard_link(at("parts/a.parquet"), at("hard.png")).unwrap();
    let all = ["parts/a.parquet", "parts/b.parquet", "parts/c.csv", "table.csv"];
    let read = || all.map(|name| fs::read(at(name)).unwrap());
    let bytes = read();
    for arguments in [
        "fit parts --out parts/b.parquet",
        "fit table.csv --validation parts/*.parquet --out parts/a.parquet",
        "score model.safetensors parts/*.parquet --out parts/a.parquet",
        "score model.safetensors parts --out parts/b.parquet",
        "score model.safetensors parts/*.csv --out parts/c.csv",
        "sample model.safetensors -n 3 --context parts --out parts/a.parquet",
        "plot model.safetensors parts --out hard.png",
        "schema parts --out parts/a.parquet",
        "reconstruct model.safetensors parts --out parts/a.parquet",
        "interpolate model.safetensors parts:1 parts:2 --out parts/a.parquet",
    ] {
        let run = knothe(folder.path(), arguments);
        assert_eq!(run.code, 2, "{arguments}: {}", run.stderr);
        assert!(run.error().contains("expected a file other than the input"), "{arguments}: {}", run.stderr);
        assert_eq!(read(), bytes, "{arguments}");
    }
    #[cfg(unix)]
    for command in ["score model.safetensors -", "schema -", "fit -"] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_knothe"));
        run.args(command.split(' ')).args(["--out", "table.csv"]).current_dir(folder.path());
        let run = run.stdin(fs::File::open(at("table.csv")).unwrap()).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{command}: {}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(read(), bytes, "{command}");
    }
    // A new file in the folder destroys nothing.
    assert_eq!(knothe(folder.path(), "score model.safetensors parts/*.parquet --out parts/new.csv").code, 0);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_what_is_no_file_is_refused() {
    use std::os::unix::fs::symlink;
    let folder = copy();
    symlink("table.csv", folder.path().join("link.csv")).unwrap();
    symlink("new.csv", folder.path().join("dangling.csv")).unwrap();
    symlink("/dev/null", folder.path().join("device.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.csv")).status().unwrap().success());
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let score = |out: &str| knothe(folder.path(), &format!("score model.safetensors table.csv --out {out}"));
    assert!(score("link.csv").error().contains("expected a file other than the input table.csv"));
    for (out, found) in
        [("device.csv", "found a device or a pipe"), ("pipe.csv", "found a device or a pipe"), ("folder.csv", "found a folder")]
    {
        let run = score(out);
        assert!(run.code == 1 && run.error().contains(found), "{out}: {}", run.stderr);
    }
    assert_eq!(score("dangling.csv").code, 0);
    assert!(fs::symlink_metadata(folder.path().join("dangling.csv")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(folder.path().join("new.csv")).unwrap(), score("-").stdout);
}

#[cfg(unix)]
#[test]
fn a_picture_of_an_input_folder_is_refused_through_links_too() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["pictures", "store", "links", "elsewhere"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    for name in ["a", "b"] {
        succeeds(images(), &format!("sample images.safetensors -n 1 --out {}", at(&format!("store/{name}.png")).display()));
        fs::copy(at(&format!("store/{name}.png")), at(&format!("pictures/{name}.png"))).unwrap();
        symlink(format!("../store/{name}.png"), at(&format!("links/{name}.png"))).unwrap();
    }
    symlink("../pictures/a.png", at("elsewhere/l.png")).unwrap();
    for arguments in
        ["pictures --out pictures/b.png", "pictures --out elsewhere/l.png", "links --out store/a.png", "links --out links/b.png"]
    {
        let run = knothe(folder.path(), &format!("fit {arguments}"));
        assert!(run.code == 2 && run.error().contains("expected a file other than the input"), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn a_fit_touches_only_its_own_checkpoints() {
    let folder = copy();
    let fit = "fit table.csv --drop class --model gaussian --out m.safetensors";
    let own = |name: &str| folder.path().join(name);
    fs::write(own("m.safetensors.checkpoint.1"), "of somebody else").unwrap();
    succeeds(folder.path(), fit);
    assert_eq!(fs::read_to_string(own("m.safetensors.checkpoint.1")).unwrap(), "of somebody else");
    fs::write(own("m.safetensors.checkpoint"), "of somebody else").unwrap();
    let run = knothe(folder.path(), fit);
    assert!(run.code == 1 && run.error().contains("expected a checkpoint, found another file"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(own("m.safetensors.checkpoint")).unwrap(), "of somebody else");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_printed_leaves_the_model() {
    let folder = copy();
    let arguments = "fit table.csv --drop class --model gaussian --json --out m.safetensors";
    let output = Command::new(env!("CARGO_BIN_EXE_knothe"))
        .current_dir(folder.path())
        .args(arguments.split(' '))
        .stdout(fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    succeeds(folder.path(), "score m.safetensors table.csv");
}

#[test]
fn marks_for_what_is_missing_are_no_lattice() {
    let folder = copy();
    let mut rows = String::from("a,b\n");
    for (i, line) in table(400).lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        rows += &format!("{},{}\n", if i % 20 == 0 { "1e20" } else { fields[1] }, fields[2]);
    }
    fs::write(folder.path().join("marks.csv"), rows).unwrap();
    fs::write(folder.path().join("schema.json"), r#"{"a": {"lattice": {"step": 1e20}}}"#).unwrap();
    let fit = "fit marks.csv --model gaussian --out m.safetensors";
    let run = knothe(folder.path(), fit);
    assert!(!run.stderr.contains("lattice"), "{}", run.stderr);
    let run = knothe(folder.path(), &format!("{fit} --schema schema.json"));
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(
        run.error().contains("keeps the 381 distinct values apart, found 100000000000000000000, which leaves 2 values"),
        "{}",
        run.stderr
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_no_memory_holds_is_refused_before_it_is_asked_for() {
    let folder = copy();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.csv")).unwrap();
    let wide = (0..30_000).map(|j| format!("c{j}")).collect::<Vec<_>>().join(",");
    let row = |i: usize| (0..30_000).map(|j| ((i * j) % 97).to_string()).collect::<Vec<_>>().join(",");
    fs::write(folder.path().join("broad.csv"), format!("a{}\n", ",a".repeat(200_000))).unwrap();
    fs::write(folder.path().join("wide.csv"), format!("{wide}\n{}\n{}\n{}\n", row(1), row(2), row(3))).unwrap();
    for (arguments, expected) in [
        ("score model.safetensors endless.csv", "expected records of at most 64 MiB, found a longer one"),
        ("fit table.csv --drop class --hidden 65536,65536 --out m.safetensors", "numbers of the network: expected at most 4294967296"),
        ("fit wide.csv --out m.safetensors", "numbers of the network: expected at most 4294967296"),
        ("evaluate model.safetensors table.csv --threads 100000", "--threads: expected at most"),
        ("sample model.safetensors -n 3 --given class=1e31", "of a magnitude of at most 1e30"),
        ("fit broad.csv --out m.safetensors", "expected at most 100000 columns, found 200001"),
    ] {
        let run = knothe(folder.path(), arguments);
        assert!(run.code != 0 && run.stdout.is_empty() && run.error().contains(expected), "{arguments}: {}", run.stderr);
    }
    let run = knothe(images(), "sample images.safetensors -n 1000000000000 --out /tmp/never.png");
    assert!(run.code != 0 && run.error().contains("expected at most"), "{}", run.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_system_refuses_is_one_line() {
    let folder = copy();
    let plot = "plot model.safetensors --given class=0 --columns x,y -n 20000000 --threads 1 --out never.png";
    let script = format!("ulimit -v 1000000; exec {} {plot}", env!("CARGO_BIN_EXE_knothe"));
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A machine that has less than the picture needs refuses it before it asks.
    let expected = ["error: out of memory: expected ", "error: drawing 20000000 rows at once: expected at most "];
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.lines().count() == 1 && expected.iter().any(|start| stderr.starts_with(start)), "{stderr}");
    assert!(!folder.path().join("never.png").exists());
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_no_unfinished_file() {
    let folder = copy();
    // A hang-up that the parent of the tests ignores, as nohup does, is ignored by the command too.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let hang_up = (ignored.unwrap_or(0) & 1 == 0).then_some(("HUP", 129));
    for (signal, code) in [("INT", 130), ("TERM", 143), ("QUIT", 131), ("USR1", 138), ("XCPU", 152)].into_iter().chain(hang_up) {
        let before = names(folder.path());
        let arguments = "sample model.safetensors -n 1000000000 --given class=0 --out long.csv";
        let mut child = Command::new(env!("CARGO_BIN_EXE_knothe"))
            .current_dir(folder.path())
            .args(arguments.split(' '))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while names(folder.path()) == before {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(names(folder.path()), before, "{signal}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_the_size_of_files_is_an_error() {
    let folder = copy();
    let sample = "sample model.safetensors -n 1000000 --given class=0 --out long.csv";
    let script = format!("ulimit -f 100; exec {} {sample}", env!("CARGO_BIN_EXE_knothe"));
    let before = names(folder.path());
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.starts_with("error: cannot write long.csv: File too large"), "{stderr}");
    assert_eq!(names(folder.path()), before);
}

#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let folder = copy();
    let (data, out) = ("a\nerror: forged.csv", "b\nerror: forged.safetensors");
    fs::copy(folder.path().join("table.csv"), folder.path().join(data)).unwrap();
    let run = command(folder.path()).args(["fit", data, "--model", "gaussian", "--drop", "same", "--out", out]).output().unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success() && stderr.contains("\\nerror: forged") && !stderr.contains("\nerror"), "{stderr}");
    let folder = copy();
    let output = command(folder.path()).args(["score", "model.safetensors", "\u{1b}[31m\nred.csv"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: cannot read \\u{1b}[31m\\nred.csv: No such file or directory (os error 2)\n");
    // Of an argument that is refused before any file is looked for, even where colours are asked for.
    let output = command(folder.path()).env("CLICOLOR_FORCE", "1").args(["score", "a", "b", "\u{1b}]0;x\u{7}.csv"]).output().unwrap();
    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&7), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A file that is longer than its header says is refused before it is read, and a table from its header.
#[test]
fn what_is_too_long_is_refused_by_its_header() {
    let folder = copy();
    let model = fs::OpenOptions::new().write(true).open(folder.path().join("model.safetensors")).unwrap();
    // Holes take no room on the disk.
    model.set_len(1 << 40).unwrap();
    drop(model);
    for command in ["score model.safetensors table.csv", "sample model.safetensors -n 2", "inspect model.safetensors"] {
        let run = knothe(folder.path(), command);
        assert!(run.code == 1 && run.error().contains("its tensors are not all there"), "{command}: {}", run.stderr);
    }
    let rows = 1_u64 << 36;
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, 2), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    fs::write(folder.path().join("rows.npy"), &bytes).unwrap();
    fs::OpenOptions::new().write(true).open(folder.path().join("rows.npy")).unwrap().set_len(128 + rows * 16).unwrap();
    let run = knothe(folder.path(), "fit rows.npy --out m.safetensors");
    assert!(run.code == 1 && run.error().contains(&format!("rows.npy, {rows} rows: expected at most")), "{}", run.stderr);
}

#[test]
fn what_cannot_be_drawn_leaves_no_header() {
    let folder = copy();
    let run = knothe(folder.path(), "sample reals.safetensors -n 3 --given class=0 --temperature 1e300");
    assert!(run.code == 1 && run.stdout.is_empty() && run.error().contains("not finite"), "{} {}", run.stdout, run.stderr);
}

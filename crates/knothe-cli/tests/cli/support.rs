//! Tables, models and runs of the command.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

/// What a run left.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The one line that says what is wrong.
    pub fn error(&self) -> &str {
        let errors: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "expected one error, found {:?}", self.stderr);
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("bug in knothe"), "{}", self.stderr);
        errors[0]
    }
}

pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_knothe"));
    command.current_dir(folder);
    command
}

/// Runs `knothe` in a folder; arguments are cut at spaces.
pub fn knothe(folder: &Path, arguments: &str) -> Run {
    let output = command(folder).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// As [`knothe`], where it has to succeed; gives stdout.
pub fn succeeds(folder: &Path, arguments: &str) -> String {
    let run = knothe(folder, arguments);
    assert_eq!(run.code, 0, "{arguments}: {}", run.stderr);
    run.stdout
}

/// A first checkpoint takes less than a second; this is there so that a fit that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a fit, and returns when this file is there.
pub fn started(folder: &Path, arguments: &str, file: &str) -> Child {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_knothe"));
    let mut child = command.current_dir(folder).args(arguments.split_whitespace()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !folder.join(file).exists() {
        assert!(child.try_wait().unwrap().is_none(), "the fit ended without a checkpoint");
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("no checkpoint after {PATIENCE:?}");
        }
        std::thread::yield_now();
    }
    child
}

/// The weights of a model file: what follows its header.
pub fn weights(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

/// Numbers that look uniform on (0, 1): a table needs no more, and every machine has the same.
fn uniform(i: u64) -> f64 {
    let mut z = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 + 1e-12
}

fn normal(i: u64) -> f64 {
    (-2.0 * uniform(2 * i).ln()).sqrt() * (std::f64::consts::TAU * uniform(2 * i + 1)).cos()
}

/// Rows of class, x ~ N(class, 1), y ~ N(x, 0.25), an integer k, and a constant.
pub fn table(rows: u64) -> String {
    let mut text = String::from("class,x,y,k,same\n");
    for i in 0..rows {
        let class = i % 2;
        let x = class as f64 + normal(3 * i);
        let y = x + 0.5 * normal(3 * i + 1);
        writeln!(text, "{class},{x},{y},{},7.5", (2.0 * normal(3 * i + 2)).round()).unwrap();
    }
    text
}

/// A folder with `table.csv` and `model.safetensors`, made once: given class, fitted with `--missing drop`. `reals.safetensors` is the same without the integer.
pub fn fitted() -> &'static Path {
    static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("table.csv"), table(400)).unwrap();
        let fit = "fit table.csv --context class --missing drop --model maf --layers 2 --hidden 8 --epochs 2 --batch 64 --threads 1";
        succeeds(folder.path(), &format!("{fit} --out model.safetensors"));
        succeeds(folder.path(), &format!("{fit} --drop k --out reals.safetensors"));
        let path = folder.path().to_owned();
        (folder, path)
    });
    &FOLDER.1
}

/// A new folder with the same table and model.
pub fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["table.csv", "model.safetensors", "reals.safetensors"] {
        std::fs::copy(fitted().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The lines of a CSV as numbers, without the header.
pub fn numbers(csv: &str) -> Vec<Vec<f64>> {
    csv.lines().skip(1).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect()
}

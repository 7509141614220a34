//! Recordings: from WAV files to a model, and from the model to sound and pictures.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use knothe::events::{Events, audio::RecordingSet};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{fitted, knothe, started, succeeds, weights};

const FIT: &str = "--layers 4 --cycle 4 --width 8 --skip 8 --epochs 3 --batch 8 --threads 1";

/// Tones of two pitches and of different lengths.
fn set(n: usize) -> RecordingSet {
    let mut set = RecordingSet { rate: 8000, labels: Some(Vec::new()), ..RecordingSet::default() };
    for k in 0..n {
        let (length, pitch) = (60 + 4 * (k % 6), 0.3 + 0.5 * (k % 2) as f64);
        set.samples.extend((0..length).map(|t| (0.4 * (pitch * (t + k) as f64).sin()) as f32));
        set.ends.push(set.samples.len());
        set.labels.as_mut().unwrap().push((k % 2).to_string());
    }
    set
}

/// A folder with `set.npz`, `tones/*.wav`, and `tones.safetensors`, a model of the WAV files and their classes. It is made once.
fn recordings() -> &'static Path {
    static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let (path, set) = (folder.path().to_owned(), set(40));
        set.write(&path.join("set.npz")).unwrap();
        std::fs::create_dir(path.join("tones")).unwrap();
        for k in 0..set.len() {
            let name = format!("tones/{}_{k:02}.wav", set.labels.as_ref().unwrap()[k]);
            set.pick(&[k]).write(&path.join(name)).unwrap();
        }
        succeeds(&path, &format!("fit tones --labels prefix {FIT} --out tones.safetensors"));
        (folder, path)
    });
    &FOLDER.1
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&succeeds(recordings(), arguments)).unwrap()
}

/// The command ends with this code and message, and prints nothing.
fn refuses(arguments: &str, code: i32, expected: &str) {
    let run = knothe(recordings(), arguments);
    assert!(run.code == code && run.stderr.contains(expected), "{arguments}: {} {}", run.code, run.stderr);
    assert!(run.stdout.is_empty(), "{arguments}: {}", run.stdout);
}

#[test]
fn a_fit_tells_bits_per_sample_and_what_the_length_is() {
    let run = knothe(recordings(), &format!("fit tones --labels prefix {FIT} --out again.safetensors"));
    assert!(
        run.code == 0 && run.stderr.contains("bits/sample") && run.stderr.contains("the length has a law of its own"),
        "{}",
        run.stderr
    );
    let [a, b] = ["tones", "again"].map(|name| std::fs::read(recordings().join(name).with_extension("safetensors")).unwrap());
    assert!(a == b, "two equal fits give equal files");
    let found = json("evaluate tones.safetensors set.npz --labels labels --json");
    let bits = found["bits_per_sample"]["mean"].as_f64().unwrap();
    // 256 levels that are equally likely take 8 bits.
    assert!(bits > 0.0 && bits < 8.0 && found["exactness"] == "exact" && found["kind"] == "recordings", "{found}");
    let nats = found["log_likelihood"]["mean"].as_f64().unwrap();
    let mean = found["log_likelihood"]["elements"].as_f64().unwrap();
    assert!((bits + nats / mean / std::f64::consts::LN_2).abs() < 1e-9 && (mean - 69.6).abs() < 1e-9, "{found}");
}

/// The WAV files and the array have the same scores.
#[test]
fn files_and_arrays_have_the_same_scores() {
    let of = |arguments: &str| {
        let text = succeeds(recordings(), arguments);
        let mut scores: Vec<f64> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    let [files, array] = [of("score tones.safetensors tones --labels prefix"), of("score tones.safetensors set.npz --labels labels")];
    assert_eq!(files.len(), 40);
    assert!(files.iter().zip(&array).all(|(a, b)| (a - b).abs() <= 1e-4 * a.abs()), "{files:?} {array:?}");
}

#[test]
fn samples_become_sound_arrays_and_pictures() {
    let folder = recordings();
    for out in ["a.wav", "b.wav", "a.npz", "a.png"] {
        succeeds(folder, &format!("sample tones.safetensors -n 6 --given class=1 --seed 3 --out {out}"));
    }
    let [a, b] = ["a.wav", "b.wav"].map(|name| std::fs::read(folder.join(name)).unwrap());
    assert!(a == b, "the same seed gives the same sound");
    let sound = RecordingSet::read(&folder.join("a.wav"), None, None).unwrap();
    let array = RecordingSet::read(&folder.join("a.npz"), None, None).unwrap().with_labels("labels").unwrap();
    assert_eq!((array.len(), array.classes()), (6, vec!["1".to_owned()]));
    // There is a quarter of a second of silence between two recordings.
    assert_eq!(sound.samples.len(), array.samples.len() + 5 * 2000);
    assert!(std::fs::read(folder.join("a.png")).unwrap().starts_with(b"\x89PNG"));
    succeeds(folder, "plot tones.safetensors set.npz --labels labels -n 4 --out plot.png");
    assert!(std::fs::read(folder.join("plot.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_recording_is_completed() {
    let text = succeeds(recordings(), "reconstruct tones.safetensors set.npz --labels labels -n 3 --keep 40 --out pairs.npz");
    assert!(text.starts_with("3 recordings from 40 of 80 samples: "), "{text}");
    let pairs = RecordingSet::read(&recordings().join("pairs.npz"), None, None).unwrap();
    assert_eq!(pairs.len(), 6);
    for k in 0..3 {
        let (own, completed) = (pairs.recording(2 * k), pairs.recording(2 * k + 1));
        assert_eq!(own.len(), completed.len());
        // The kept samples come back as their levels.
        assert!(own[..40].iter().zip(&completed[..40]).all(|(a, b)| (a - b).abs() < 0.02) && own[40..] != completed[40..]);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_one_line() {
    refuses(
        "fit tones --labels name --out x.safetensors",
        1,
        "expected 'prefix', which takes classes from the names of the files, found 'name'",
    );
    refuses("fit tones --model maf --out x.safetensors", 2, "expected a family of recordings for tones");
    refuses("fit tones --bits 4 --out x.safetensors", 2, "--bits: expected images, found recordings");
    refuses("sample tones.safetensors -n 2 --out x.csv", 2, "expected a name that ends in .wav, .npz or .png for recordings");
    refuses("sample tones.safetensors -n 2 --given class=7 --out x.wav", 2, "expected one of 0, 1, found '7'");
    refuses("sample tones.safetensors -n 2 --temperature 0.5 --out x.wav", 2, "has no source to scale");
    refuses("score tones.safetensors tones", 1, "expected a label for each recording, found none");
    refuses("score tones.safetensors nothing.wav --given class=1", 1, "nothing.wav");
    // What is read is not written over.
    for command in [
        "fit tones --steps 1 --out tones/0_00.wav",
        "fit set.npz --validation tones --steps 1 --out tones/0_02.wav",
        "reconstruct tones.safetensors tones --labels prefix --keep 20 --out tones/0_04.wav",
    ] {
        refuses(command, 2, "expected a file other than the input tones");
    }
    let longer = RecordingSet {
        samples: vec![0.1; 300],
        ends: vec![100, 200, 300],
        labels: Some(["0", "1", "0"].map(String::from).into()),
        ..set(1)
    };
    longer.write(&recordings().join("longer.npz")).unwrap();
    refuses(
        "fit longer.npz --labels labels --continue tones.safetensors --out x.safetensors",
        1,
        "expected recordings of at most 80 samples",
    );
    refuses("inspect tones.safetensors --moments", 2, "expected a model of columns with names and units, found one of recordings");
    let table = fitted().join("table.csv").display().to_string();
    refuses(
        &format!("score tones.safetensors {table} --given class=1"),
        1,
        "expected a WAV file, a folder of them or an NPZ file of recordings, found 'table.csv'",
    );
    let shown = succeeds(recordings(), "inspect tones.safetensors");
    assert!(shown.contains("8000 samples per second") && shown.contains("the length has a law of its own"), "{shown}");
}

/// A killed fit that is resumed has the weights of an uninterrupted fit.
#[cfg(unix)]
#[test]
fn a_killed_fit_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    set(40).write(&folder.path().join("set.npz")).unwrap();
    let fit = |out: &str| format!("fit set.npz --layers 4 --width 8 --skip 8 --epochs 60 --patience 0 --threads 1 --out {out}");
    succeeds(folder.path(), &fit("whole.safetensors"));
    let mut child = started(folder.path(), &fit("part.safetensors"), "part.safetensors.checkpoint");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "ended by the signal, in mid-fit");
    succeeds(folder.path(), &format!("{} --resume", fit("part.safetensors")));
    let [whole, part] = ["whole", "part"].map(|name| weights(&folder.path().join(name).with_extension("safetensors")));
    assert!(whole == part);
}

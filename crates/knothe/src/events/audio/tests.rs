//! Sets of recordings from good and bad files.
#![allow(clippy::unwrap_used)]

use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::events::Coding;

fn set() -> RecordingSet {
    let samples = (0..60).map(|t| (t as f32 * 0.37).sin()).map(|v| (v * 32768.0).round().min(32767.0) / 32768.0).collect();
    RecordingSet {
        rate: 16_000,
        samples,
        ends: vec![20, 21, 60],
        labels: Some(["2", "10", "2"].map(String::from).into()),
        ..RecordingSet::default()
    }
}

fn wav(folder: &TempDir, name: &str, spec: (u16, u32, u16, SampleFormat), numbers: &[f64]) -> PathBuf {
    let path = folder.path().join(name);
    let (channels, sample_rate, bits_per_sample, sample_format) = spec;
    let mut writer = WavWriter::create(&path, WavSpec { channels, sample_rate, bits_per_sample, sample_format }).unwrap();
    for &v in numbers {
        match sample_format {
            SampleFormat::Int => writer.write_sample((v * (1u64 << (bits_per_sample - 1)) as f64) as i32).unwrap(),
            SampleFormat::Float => writer.write_sample(v as f32).unwrap(),
        }
    }
    writer.finalize().unwrap();
    path
}

fn error(path: &Path) -> String {
    RecordingSet::read(path, None, None).unwrap_err().to_string()
}

#[test]
fn arrays_come_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    set().write(&path).unwrap();
    let read = RecordingSet::read(&path, None, None).unwrap().with_labels(LABELS_KEY).unwrap();
    assert_eq!(read, RecordingSet { path: path.clone(), ..set() });
    assert_eq!(read.classes(), ["2", "10"]);
    assert!(is_recording_set(&path, None));
    assert!(RecordingSet::read(&path, None, Some(8000)).unwrap_err().to_string().contains("expected 8000 samples per second, found 16000"));
}

#[test]
fn a_wav_file_has_the_recordings_with_silence_between_them() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.wav");
    set().write(&path).unwrap();
    let read = RecordingSet::read(&path, None, None).unwrap();
    let (own, pause) = (set(), 4000);
    assert_eq!((read.rate, read.ends.as_slice()), (16_000, &[60 + 2 * pause][..]));
    assert_eq!(read.samples[..20], own.samples[..20]);
    assert!(read.samples[20..20 + pause].iter().all(|&v| v == 0.0));
    assert_eq!(read.samples[21 + 2 * pause..], own.samples[21..]);
}

#[test]
fn every_format_of_wav_is_read() {
    let folder = tempdir().unwrap();
    let mono = [0.5, -0.25, 0.0, -1.0];
    for (bits, format) in
        [(8, SampleFormat::Int), (16, SampleFormat::Int), (24, SampleFormat::Int), (32, SampleFormat::Int), (32, SampleFormat::Float)]
    {
        let path = wav(&folder, "a.wav", (1, 44_100, bits, format), &mono);
        let read = RecordingSet::read(&path, None, None).unwrap();
        assert_eq!((read.rate, read.names.as_slice()), (44_100, &["a".to_owned()][..]));
        assert_eq!(read.samples, mono.map(|v| v as f32), "{bits} {format:?}");
        let stereo = wav(&folder, "b.wav", (2, 44_100, bits, format), &[0.5, -0.25, 0.0, -0.5]);
        assert_eq!(RecordingSet::read(&stereo, None, None).unwrap().samples, [0.125, -0.25], "{bits} {format:?}");
    }
    // Floats beyond full scale are clipped.
    let loud = wav(&folder, "c.wav", (1, 8000, 32, SampleFormat::Float), &[1.5, -3.0]);
    assert_eq!(RecordingSet::read(&loud, None, None).unwrap().samples, [1.0, -1.0]);
}

#[test]
fn a_folder_has_classes_from_its_names() {
    let folder = tempdir().unwrap();
    let spec = (1, 8000, 16, SampleFormat::Int);
    for name in ["3_bob_0.wav", "3_ann_1.wav", "12-x.wav", "up.WAV"] {
        wav(&folder, name, spec, &[0.25, 0.5]);
    }
    std::fs::write(folder.path().join("notes.txt"), "no recording").unwrap();
    assert!(is_recording_set(folder.path(), None));
    let read = RecordingSet::read(folder.path(), None, None).unwrap().with_labels(PREFIX).unwrap();
    assert_eq!((read.len(), read.classes()), (4, ["12", "3", "up"].map(String::from).to_vec()));
    wav(&folder, "z.wav", (1, 16_000, 16, SampleFormat::Int), &[0.0]);
    assert!(error(folder.path()).contains("expected 8000 samples per second, as in"));
}

#[test]
fn what_is_no_recording_says_why() {
    let folder = tempdir().unwrap();
    assert!(error(folder.path()).contains("expected recordings that end in .wav, found none"));
    let empty = wav(&folder, "empty.wav", (1, 8000, 16, SampleFormat::Int), &[]);
    assert!(error(&empty).contains("expected at least one sample, found none"));
    let whole = wav(&folder, "whole.wav", (1, 8000, 16, SampleFormat::Int), &[0.5; 100]);
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(folder.path().join("cut.wav"), &bytes[..150]).unwrap();
    let cut = error(&folder.path().join("cut.wav"));
    assert!(cut.contains("expected 200 bytes of samples, as its header says, found a file of 150 bytes"), "{cut}");
    std::fs::write(folder.path().join("other.wav"), b"no sound at all").unwrap();
    assert!(error(&folder.path().join("other.wav")).contains("expected a whole WAV file"));
    let nan = wav(&folder, "nan.wav", (2, 8000, 32, SampleFormat::Float), &[0.0, 0.0, 0.0, f64::NAN]);
    assert!(error(&nan).contains("expected finite numbers, found NaN at sample 2"));
}

#[test]
fn levels_are_those_of_the_mu_law() {
    // Silence has the level 128. Full scale has the first and the last level.
    assert_eq!([-1.0, 0.0, 1.0].map(Waveform::level), [0, 128, 255]);
    for level in 0..=255 {
        assert_eq!(Waveform::level(Waveform::amplitude(level)), level);
    }
}

#[test]
fn recordings_come_back_from_their_levels() {
    let coding = Waveform::of(&[&set()]).unwrap();
    assert_eq!((coding.longest, coding.varying, coding.classes.as_slice()), (39, true, &["2", "10"].map(String::from)[..]));
    let rows = coding.encode(&set()).unwrap();
    assert_eq!((rows.dim, rows.values[0], rows.values[40], rows.context.as_slice()), (40, 20.0, 1.0, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0][..]));
    let decoded = coding.decode(rows.values.clone(), coding.context_of(&set())).unwrap();
    assert_eq!((&decoded.ends, &decoded.labels), (&set().ends, &set().labels));
    assert_eq!(coding.encode(&decoded).unwrap(), rows);
    // A level near 0 is 2 log 256/255² wide, and a level at full scale is 2 log 256/255 of the amplitude wide. The error is half of that at most.
    assert!(decoded.samples.iter().zip(&set().samples).all(|(a, b)| (a - b).abs() <= 0.0001 + 0.022 * b.abs()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// A file of arbitrary bytes is read or refused.
    #[test]
    fn damaged_files_are_read_or_refused(at in 0usize..10_000, byte: u8, length in 0usize..10_000) {
        let folder = tempdir().unwrap();
        for name in ["set.wav", "set.npz"] {
            let path = folder.path().join(name);
            set().write(&path).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let place = at % bytes.len();
            bytes[place] = byte;
            bytes.truncate(1 + length % bytes.len());
            std::fs::write(&path, bytes).unwrap();
            let _ = RecordingSet::read(&path, None, None).map(|set| set.with_labels(LABELS_KEY));
        }
    }
}

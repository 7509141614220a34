//! Sets of recordings from good and bad files.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::events::{Coding, table::npy::write_header};

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
fn classes_are_whole_numbers_only_as_they_are_written() {
    let with = |labels: [&str; 3]| RecordingSet { labels: Some(labels.map(String::from).into()), ..set() }.whole_labels();
    assert_eq!(with(["3", "-1", "10"]), Some(vec![3, -1, 10]));
    assert_eq!(([with(["03", "3", "1"]), with(["three", "3", "1"])], RecordingSet::default().whole_labels()), ([None, None], None));
}

#[test]
fn arrays_of_numbers_that_cannot_be_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    set().write(&path).unwrap();
    let error = |key| RecordingSet::read(&path, Some(key), None).unwrap_err().to_string();
    assert!(error("sample_rate").contains("from 0 to 1 in 'offsets'"), "{}", error("sample_rate"));
    assert!(error("nothing").contains("expected an array 'nothing'"));
    assert!(RecordingSet::read(folder.path().join("set.csv").as_path(), None, None).unwrap_err().to_string().contains("found 'set.csv'"));
    let fast = RecordingSet { rate: u32::MAX, ..set() };
    fast.write(&path).unwrap();
    assert!(
        RecordingSet::read(&path, None, None).unwrap_err().to_string().contains("from 1 to 1000000000 in 'sample_rate', found 4294967295")
    );
}

/// An NPZ file of arrays of zeros, 16-bit integers, each with its shape.
fn archive(path: &Path, arrays: &[(&str, &[usize])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, shape) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        write_header(&mut zip, "<i2", shape).unwrap();
        zip.write_all(&vec![0; 2 * shape.iter().product::<usize>()]).unwrap();
    }
    zip.finish().unwrap();
}

/// The shape of an array is compared with what is needed before the array is read.
#[test]
fn arrays_beside_the_samples_are_no_longer_than_needed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    for (name, shape, expected) in [
        ("offsets", &[1, 9][..], "expected at most 6 increasing whole numbers from 0 to 5 in 'offsets', found 9"),
        ("offsets", &[7], "expected at most 6 increasing whole numbers from 0 to 5 in 'offsets', found 7"),
        ("sample_rate", &[9], "in 'sample_rate', found 9 numbers"),
        ("sample_rate", &[1], "in 'sample_rate', found 0"),
    ] {
        archive(&path, &[("pcm", &[5]), (name, shape)]);
        let found = error(&path);
        assert!(found.contains(expected), "{found}");
    }
    archive(&path, &[("pcm", &[2, 5]), ("labels", &[3]), ("square", &[2, 2])]);
    let set = RecordingSet::read(&path, None, Some(8000)).unwrap();
    for (name, expected) in [
        ("labels", "expected 2 labels, one per recording, found 3"),
        ("square", "expected labels in one dimension, found an array of 2 dimensions"),
    ] {
        let found = set.clone().with_labels(name).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
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

/// A file of these chunks.
fn chunks(folder: &TempDir, chunks: &[(&[u8; 4], &[u8])]) -> PathBuf {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    for (name, content) in chunks {
        bytes.extend(*name);
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(*content);
        bytes.extend(&[0u8][..content.len() % 2]);
    }
    let path = folder.path().join("chunks.wav");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A format chunk: the tag, one channel, 8,000 Hz, the bytes and the bits of a sample; with the valid bits of an extensible format.
fn format(tag: u16, bytes: u16, bits: u16, valid: Option<u16>) -> Vec<u8> {
    let mut chunk: Vec<u8> = [tag, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    chunk.extend(8000u32.to_le_bytes());
    chunk.extend((8000 * u32::from(bytes)).to_le_bytes());
    chunk.extend([bytes, bits].iter().flat_map(|v| v.to_le_bytes()));
    if let Some(valid) = valid {
        chunk.extend([22, valid].iter().flat_map(|v: &u16| v.to_le_bytes()));
        chunk.extend(4u32.to_le_bytes());
        // The subformat of integers.
        chunk.extend([1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    }
    chunk
}

#[test]
fn odd_chunks_are_skipped_and_samples_stand_at_the_upper_end_of_their_bytes() {
    let folder = tempdir().unwrap();
    let samples: Vec<u8> = [0.5f64, -0.25].iter().flat_map(|v| ((v * f64::from(1u32 << 31)) as i32).to_le_bytes()).collect();
    for valid in [24, 32] {
        let path = chunks(
            &folder,
            &[(b"LIST", b"odd"), (b"fmt ", &format(0xfffe, 4, 32, Some(valid))), (b"junk", b"1234567"), (b"data", &samples)],
        );
        assert_eq!(RecordingSet::read(&path, None, None).unwrap().samples, [0.5, -0.25], "{valid}");
    }
    // Twelve bits in two bytes, and a last frame that is not whole.
    let path = chunks(&folder, &[(b"fmt ", &format(1, 2, 12, None)), (b"data", &[0, 0x40, 0, 0xe0, 7])]);
    assert_eq!(RecordingSet::read(&path, None, None).unwrap().samples, [0.5, -0.25]);
    for (format, expected) in [
        (format(1, 2, 24, None), "expected samples of 1 to 16 bits in 2 bytes, found 24"),
        (format(6, 1, 8, None), "expected a whole WAV file of integers or 32-bit floats"),
        (vec![1, 0, 0, 0], "found a format chunk of 4 bytes"),
    ] {
        let found = error(&chunks(&folder, &[(b"fmt ", &format), (b"data", &[0, 0])]));
        assert!(found.contains(expected), "{found}");
    }
    assert!(error(&chunks(&folder, &[(b"data", &[0, 0])])).contains("whose format does not stand before its data"));
    assert!(error(&chunks(&folder, &[(b"LIST", b"odd")])).contains("found one without a data chunk"));
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
    assert!(cut.contains("expected 200 bytes of samples, as its header says, found 106"), "{cut}");
    std::fs::write(folder.path().join("other.wav"), b"no sound at all").unwrap();
    assert!(error(&folder.path().join("other.wav")).contains("expected a whole WAV file"));
    let mut without_rate = format(1, 2, 16, None);
    without_rate[4..12].fill(0);
    assert!(error(&chunks(&folder, &[(b"fmt ", &without_rate), (b"data", &[0, 0])])).contains("expected a sample rate above 0"));
    let timeless = RecordingSet { rate: 0, ..set() };
    assert!(timeless.write(&folder.path().join("timeless.wav")).unwrap_err().to_string().contains("expected 1 to 1000000000, found 0"));
    let infinite = wav(&folder, "infinite.wav", (1, 8000, 32, SampleFormat::Float), &[0.0, f64::INFINITY]);
    assert!(error(&infinite).contains("expected finite numbers, found inf at sample 2"));
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

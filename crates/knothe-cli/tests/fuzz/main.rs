//! Random damage to every format that Knothe reads: `cargo xtask fuzz --minutes N`.
//!
//! A case is a good file with a few [`Edit`](damage::Edit)s; the checksums of model files and checkpoints are made to fit again, so that damage gets past them. Whatever it
//! finds in a file, a reader has to return: a panic, ten seconds or a gibibyte fail the run, and leave the file of the case in `target/fuzz`. What was found and mended lies
//! in `found/`, and is read again by every `cargo test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod damage;
#[path = "../forge/mod.rs"]
mod forge;
mod formats;
mod limits;
mod tables;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};

use formats::{Format, formats};
use limits::Watched;

#[global_allocator]
static MEMORY: limits::Counting = limits::Counting;

/// The minutes of processor time for each thread, from `cargo xtask fuzz --minutes N`.
const MINUTES: &str = "KNOTHE_FUZZ_MINUTES";
/// The threads, whose memory is counted together.
const THREADS: &str = "KNOTHE_FUZZ_THREADS";
/// The seed of the first thread.
const SEED: &str = "KNOTHE_FUZZ_SEED";

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Whether a case has failed or the time is over, which ends every thread.
static OVER: AtomicBool = AtomicBool::new(false);

/// Where the cases that fail are kept.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz")
}

/// Reads a file; a panic is said with the file that it is kept in.
fn read(format: &Format, path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    if catch_unwind(AssertUnwindSafe(|| (format.read)(path))).is_err() {
        let name = kept().join(format!("{}-{:08x}.{}", format.name, crc32fast::hash(bytes), format.ending));
        std::fs::create_dir_all(kept()).unwrap();
        std::fs::write(&name, bytes).unwrap();
        OVER.store(true, Ordering::Relaxed);
        panic!("a reader of {} panicked; the file is {}", format.name, name.display());
    }
}

/// Damages files until the time is over; counts the cases of each format.
fn run(formats: &[Format], seed: u64, cases: &Mutex<BTreeMap<&'static str, u64>>) {
    let config = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let (mut runner, folder) = (TestRunner::new(config), tempfile::tempdir().unwrap());
    let edits = proptest::collection::vec(damage::edit(), 1..6);
    let mut turn = seed as usize;
    while !OVER.load(Ordering::Relaxed) {
        let format = &formats[turn % formats.len()];
        let good = &format.good[turn / formats.len() % format.good.len()];
        let bytes = damage::damaged(good, &edits.new_tree(&mut runner).unwrap().current());
        let path = folder.path().join(format!("case.{}", format.ending));
        let _watched = Watched::start(&path);
        read(format, &path, &bytes);
        *cases.lock().unwrap().entry(format.name).or_default() += 1;
        turn += 1;
    }
}

#[test]
#[ignore = "runs for minutes: cargo xtask fuzz --minutes N"]
fn damaged_files_are_read_or_refused() {
    let (minutes, seed) = (number(MINUTES, 1), number(SEED, 0));
    let (formats, cases) = (formats(), Mutex::new(BTreeMap::new()));
    let threads = number(THREADS, 2);
    // The start has taken some of the time of processors.
    limits::watch(&kept(), threads, limits::processor_time() + Duration::from_secs(60 * minutes * threads));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (formats, cases) = (&formats, &cases);
            scope.spawn(move || run(formats, seed + thread, cases));
        }
    });
    println!("{minutes} minutes on {threads} threads, seed {seed}; at most {} MiB at once", limits::peak() >> 20);
    cases.lock().unwrap().iter().for_each(|(name, count)| println!("{count:>9} {name}"));
}

#[test]
fn files_that_failed_once_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let formats = formats();
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found");
    let mut read_again = 0;
    for entry in std::fs::read_dir(found).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        // FORMAT-NUMBER.ENDING
        let Some(format) = formats.iter().find(|format| name.rsplit_once('-').is_some_and(|(start, _)| start == format.name)) else {
            continue;
        };
        let bytes = std::fs::read(entry.path()).unwrap();
        // Checksums that fit, whatever wrote the file.
        let sealed = forge::forgery(&bytes, |_| ()).unwrap_or(bytes);
        read(format, &folder.path().join(format!("case.{}", format.ending)), &sealed);
        read_again += 1;
    }
    assert!(read_again > 0, "no file that failed once");
}

#[test]
fn good_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for format in formats() {
        for good in &format.good {
            let path = folder.path().join(format!("case.{}", format.ending));
            std::fs::write(&path, good).unwrap();
            assert!((format.read)(&path), "a good file of {} is refused", format.name);
        }
    }
}

//! Ten seconds and a gibibyte: what a reader may take.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MOST_TIME: Duration = Duration::from_secs(10);
const MOST_MEMORY: usize = 1 << 30;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CASES: Mutex<Vec<(PathBuf, Instant)>> = Mutex::new(Vec::new());

/// The system's memory, counted.
pub struct Counting;

// SAFETY: every call goes to the system as it is.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

/// The most bytes that were held at once.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// A case that is being read.
pub struct Watched(PathBuf);

impl Watched {
    /// Starts the clock of a case.
    pub fn start(path: &Path) -> Self {
        CASES.lock().unwrap().push((path.to_owned(), Instant::now()));
        Watched(path.to_owned())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        CASES.lock().unwrap().retain(|(path, _)| *path != self.0);
    }
}

/// Ends the process where a case takes too long or all of them together too much, and keeps the files of the cases.
pub fn watch(kept: &Path) {
    let kept = kept.to_owned();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let cases = CASES.lock().unwrap().clone();
            let slow = cases.iter().any(|(_, start)| start.elapsed() > MOST_TIME);
            if slow || peak() > MOST_MEMORY {
                std::fs::create_dir_all(&kept).unwrap();
                for (k, (path, start)) in cases.iter().enumerate() {
                    let name = kept.join(format!("limit-{k}.{}", path.extension().unwrap().display()));
                    std::fs::copy(path, &name).unwrap();
                    eprintln!("{} after {:.1} s", name.display(), start.elapsed().as_secs_f64());
                }
                eprintln!("a reader took more than {MOST_TIME:?}, or {} MiB of {} MiB", peak() >> 20, MOST_MEMORY >> 20);
                std::process::abort();
            }
        }
    });
}

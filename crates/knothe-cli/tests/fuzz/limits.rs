//! Ten seconds and a gibibyte: what a reader may take.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The time of a processor that a case may take.
const MOST_TIME: Duration = Duration::from_secs(10);
/// The time by a clock after which a case sleeps for ever.
const ASLEEP: Duration = Duration::from_secs(600);
const MOST_MEMORY: usize = 1 << 30;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    /// Whether this thread is reading a case.
    static READS: Cell<bool> = const { Cell::new(false) };
}
static CASES: Mutex<Vec<(PathBuf, Instant)>> = Mutex::new(Vec::new());

/// The system's memory, counted.
pub struct Counting;

// SAFETY: every call goes to the system as it is.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // The case waits for the watch to keep its file.
        while held > MOST_MEMORY && READS.get() {
            std::thread::sleep(Duration::from_millis(50));
        }
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
        READS.set(true);
        Watched(path.to_owned())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        READS.set(false);
        CASES.lock().unwrap().retain(|(path, _)| *path != self.0);
    }
}

/// The time of processors that this process has taken.
pub fn processor_time() -> Duration {
    let (mut system, own) = (sysinfo::System::new(), sysinfo::Pid::from_u32(std::process::id()));
    let what = sysinfo::ProcessRefreshKind::nothing().with_cpu();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[own]), false, what);
    Duration::from_millis(system.process(own).map_or(0, sysinfo::Process::accumulated_cpu_time))
}

/// Aborts the process if a case takes too long or the cases of all threads take too much memory together, and keeps their files. Sets [`OVER`](crate::OVER) when the
/// process has used the processor time `until`.
///
/// Limits are in processor time, so a busy machine does not make a case slow. While a case is read, all threads together may use [`MOST_TIME`] times `threads`.
pub fn watch(kept: &Path, threads: u64, until: Duration) {
    let kept = kept.to_owned();
    std::thread::spawn(move || {
        // The time of processors at the start of each case.
        let mut starts: HashMap<Instant, Duration> = HashMap::new();
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let (cases, now) = (CASES.lock().unwrap().clone(), processor_time());
            if now > until {
                crate::OVER.store(true, Ordering::Relaxed);
            }
            starts.retain(|at, _| cases.iter().any(|(_, start)| start == at));
            let took = |start: Instant, starts: &mut HashMap<_, _>| now.saturating_sub(*starts.entry(start).or_insert(now));
            let slow = cases.iter().any(|(_, start)| took(*start, &mut starts) > MOST_TIME * threads as u32 || start.elapsed() > ASLEEP);
            if slow || peak() > MOST_MEMORY {
                std::fs::create_dir_all(&kept).unwrap();
                for (k, (path, start)) in cases.iter().enumerate() {
                    let name = kept.join(format!("limit-{k}-{}", path.file_name().unwrap().display()));
                    std::fs::copy(path, &name).unwrap();
                    eprintln!("{} after {:.1} s", name.display(), start.elapsed().as_secs_f64());
                }
                eprintln!("a reader took more than {MOST_TIME:?}, or {} MiB of {} MiB", peak() >> 20, MOST_MEMORY >> 20);
                std::process::abort();
            }
        }
    });
}

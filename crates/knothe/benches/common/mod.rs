//! What the benches time with, and how they tell `benches/peers/speed.py`.

use std::time::Instant;

use serde_json::json;

/// Memory as the program has it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The shortest and the median of calls after a first one, in milliseconds: as many as a second holds, and at least `times`.
pub fn time(times: usize, mut call: impl FnMut()) -> [f64; 2] {
    call();
    let mut found = Vec::with_capacity(times);
    let first = Instant::now();
    while found.len() < times || first.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        call();
        found.push(start.elapsed().as_secs_f64() * 1e3);
    }
    found.sort_by(f64::total_cmp);
    [found[0], found[found.len() / 2]]
}

/// Prints a measurement, the shortest and the median call, in JSON: with the peak of this process's memory in MB so far, the operations of a call
/// and the parameters.
pub fn print([least, median]: [f64; 2], flops: Option<f64>, parameters: impl FnOnce() -> usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let memory = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1024.0);
    println!("{}", json!({ "least": least, "median": median, "memory": memory, "parameters": parameters(), "flops": flops }));
}

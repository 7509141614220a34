//! The seconds that reading a table takes.
//!
//! `cargo bench --workspace --bench reading -- FILE [TIMES]` reads a file whole, once unmeasured and then TIMES times (3 unless given), and prints the seconds of each in
//! JSON, with the rows and columns. `benches/tables/reading.py` reads it. `RAYON_NUM_THREADS` sets the threads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::{hint::black_box, path::Path, time::Instant};

use knothe::events::table::Table;
use serde_json::json;

/// Memory as the program has it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // `cargo test` runs benches without arguments.
    let [file, rest @ ..] = arguments.as_slice() else { return };
    let times: usize = rest.first().map_or(3, |times| times.parse().unwrap());
    let table = Table::read(Path::new(file)).unwrap();
    let (rows, columns) = (table.rows(), table.columns.len());
    drop(table);
    let seconds = |_| {
        let start = Instant::now();
        let table = Table::read(Path::new(file)).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        black_box(table);
        seconds
    };
    let seconds: Vec<f64> = (0..times).map(seconds).collect();
    println!("{}", json!({ "rows": rows, "columns": columns, "threads": rayon::current_num_threads(), "seconds": seconds }));
}

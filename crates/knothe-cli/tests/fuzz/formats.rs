//! Good files of every format, and what is done with one.

use std::path::Path;

use crate::tables;
use knothe::{
    Placement, Precision,
    events::{
        Coding, Events,
        audio::{RecordingSet, Waveform},
        image::{ImageSet, Pixels},
        table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table, diagnose, write_table},
    },
    families::{ALL, Family, MafMog, Noise, Recipe, SourceKind, Takes},
    fit::{Checkpoints, FitConfig, Observer, Progress},
    model::{AnyModel, Fitting, Model, Resume, Scoring, Split, Weighting},
    space::{ImageShape, Law},
    with_model,
};

/// A format, some good files of it, and a reader that says whether it takes a file.
pub struct Format {
    pub name: &'static str,
    pub ending: &'static str,
    pub good: Vec<Vec<u8>>,
    pub read: fn(&Path) -> bool,
}

/// Every format.
pub fn formats() -> Vec<Format> {
    let folder = tempfile::tempdir().unwrap();
    let (mut models, mut checkpoints) = (Vec::new(), Vec::new());
    for &family in ALL {
        let files = match family.description().takes {
            Takes::Images => of_images(folder.path(), family),
            Takes::Recordings => of_recordings(folder.path(), family),
            takes => of_table(folder.path(), family, takes),
        };
        models.push(files[0].clone());
        checkpoints.extend(files[1..].iter().cloned());
    }
    let written = |name: &str, write: &dyn Fn(&Path)| {
        let path = folder.path().join(name);
        write(&path);
        vec![std::fs::read(&path).unwrap()]
    };
    let table = |ending: &str| written(&format!("table.{ending}"), &|path| write_table(path, &table(false).columns).unwrap());
    let format = |name, ending, good, read| Format { name, ending, good, read };
    let schemas: [&[u8]; 2] = [
        br#"{"a": {"lattice": {"step": 0.5, "offset": 0.25}}, "b": {"bounded": [-9, 9]}, "c": "integer"}"#,
        br#"{"a": {"periodic": [0, 7]}, "b": {"kind": "positive", "special": [0]}, "c": {"ordered": [-9, 0, 9]}}"#,
    ];
    let mixed = of_kinds(folder.path());
    models.push(mixed[0].clone());
    checkpoints.extend(mixed[1..].iter().cloned());
    let [files, streams] = tables::arrow();
    let [gzip, zstandard] = tables::compressed().map(|(name, ending, good)| format(name, ending, good, read_table));
    vec![
        format("model", "safetensors", models, read_model),
        format("checkpoint", "checkpoint", checkpoints, read_checkpoint),
        format("csv", "csv", [table("csv"), tables::texts()].concat(), read_table),
        format("tsv", "tsv", table("tsv"), read_table),
        gzip,
        zstandard,
        format("parquet", "parquet", [table("parquet"), vec![tables::parquet()]].concat(), read_table),
        format("arrow", "arrow", [table("arrow"), files].concat(), read_table),
        format("stream", "arrows", streams, read_table),
        format("npy", "npy", table("npy"), read_table),
        format("schema", "json", schemas.map(<[u8]>::to_vec).to_vec(), read_schema),
        format("npz", "npz", written("images.npz", &|path| images().write(path).unwrap()), read_images),
        format("array", "npy", written("images.npy", &|path| images().write(path).unwrap()), read_images),
        format("wav", "wav", written("r.wav", &|path| recordings().pick(&[3]).write(path).unwrap()), read_recordings),
        format("recordings", "npz", written("r.npz", &|path| recordings().write(path).unwrap()), read_recordings),
        format("picture", "png", written("p.png", &|path| knothe::plot::mosaic(&images(), 6).unwrap().write(path).unwrap()), read_picture),
    ]
}

/// 60 rows of three columns, of 0 and 1 where they are `binary`.
fn table(binary: bool) -> Table {
    let value = |j: usize, i: usize| {
        let wave = ((i * (2 * j + 3)) as f64 * 0.7).sin() * (j + 1) as f64;
        if binary {
            f64::from(wave > 0.2)
        } else if j == 2 {
            (3.0 * wave).round()
        } else {
            wave
        }
    };
    let column = |(j, name): (usize, &str)| Column::numbers(name, (0..60).map(|i| value(j, i)).collect(), binary || j == 2);
    Table { path: "table".into(), columns: ["a", "b", "c"].into_iter().enumerate().map(column).collect(), first_row: 0, notes: Vec::new() }
}

/// 24 images of two classes.
fn images() -> ImageSet {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let pixels = (0..24 * 16).map(|k| (k * 7 % 16) as u8).collect();
    ImageSet { path: "images".into(), shape, depth: 4, white: 15, pixels, labels: Some((0..24).map(|i| i % 2).collect()), weights: None }
}

fn schema(table: &Table, law: Law) -> (Schema, Split<<Schema as Coding>::Events>) {
    let (mut schema, _) = Schema::infer(table, &Overrides::default(), &Roles::default(), MissingPolicy::Reject).unwrap();
    schema.declare(law).unwrap();
    let split = Split::random(&table.path, &schema.rows(table, Need::Fit).unwrap(), 0).unwrap();
    schema.learn(&split.train).unwrap();
    (schema, split)
}

fn of_table(folder: &Path, family: &'static dyn Family, takes: Takes) -> Vec<Vec<u8>> {
    let (schema, split) = schema(&table(takes == Takes::Binary), takes.law());
    let mut recipe = Recipe::new(family, schema.space()).context(schema.context_dim());
    for (name, value) in [("layers", 1u64), ("components", 2), ("marginals", 4)] {
        if family.option(name).is_some() {
            recipe = recipe.set(name, knothe::families::Setting::Count(value));
        }
    }
    recipe = if family.option("hidden").is_some() { recipe.hidden([6]) } else { recipe };
    recipe = if family.option("mixing").is_some() { recipe.mixing(knothe::families::Mixing::Lu) } else { recipe };
    recipe = if family.option("source").is_some() { recipe.source(SourceKind::GaussianMixture) } else { recipe };
    files(folder, &schema, &split, recipe)
}

/// The files of a fit to a table with a column of every kind and missing values.
fn of_kinds(folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join("kinds.csv");
    std::fs::write(&path, &tables::texts()[0]).unwrap();
    let table = Table::read(&path).unwrap();
    let (mut schema, _) = Schema::infer(&table, &Overrides::default(), &Roles::default(), MissingPolicy::Model).unwrap();
    let split = Split::random(&table.path, &schema.rows(&table, Need::Fit).unwrap(), 0).unwrap();
    schema.learn(&split.train).unwrap();
    let recipe = MafMog::new(schema.space()).hidden([6]).layers(1).components(2);
    files(folder, &schema, &split, recipe)
}

fn of_images(folder: &Path, family: &'static dyn Family) -> Vec<Vec<u8>> {
    let coding = Pixels::of(&images(), None).unwrap();
    let split = Split::random("images".as_ref(), &images(), 0).unwrap();
    let mut recipe = Recipe::new(family, coding.space()).context(coding.context_dim());
    for (name, value) in [("steps_per_level", 1usize), ("layers", 2), ("width", 3), ("noise_width", 2)] {
        if family.option(name).is_some() {
            recipe = recipe.set(name, value);
        }
    }
    recipe = if family.option("dequantisation").is_some() { recipe.set("dequantisation", Noise::Variational) } else { recipe };
    files(folder, &coding, &split, recipe)
}

/// 12 recordings of two classes and different lengths.
fn recordings() -> RecordingSet {
    let samples = (0..12 * 20).map(|t| (t as f32 * 0.7).sin() * 0.5).collect();
    let labels = Some((0..12).map(|i| (i % 2).to_string()).collect());
    RecordingSet {
        path: "recordings".into(),
        rate: 8000,
        samples,
        ends: (1..=12).map(|i| 20 * i - i % 3 * usize::from(i < 12)).collect(),
        names: Vec::new(),
        labels,
    }
}

fn of_recordings(folder: &Path, family: &'static dyn Family) -> Vec<Vec<u8>> {
    let coding = Waveform::of(&[&recordings()]).unwrap();
    let split = Split::random("recordings".as_ref(), &recordings(), 0).unwrap();
    let mut recipe = Recipe::new(family, coding.space()).context(coding.context_dim());
    for (name, value) in [("layers", 3usize), ("width", 2), ("skip", 3)] {
        recipe = recipe.set(name, value);
    }
    files(folder, &coding, &split, recipe)
}

/// Three files: a model, the checkpoint of an interrupted fit, and the checkpoint of a finished member.
fn files<C: Coding>(folder: &Path, coding: &C, split: &Split<C::Events>, recipe: Recipe) -> Vec<Vec<u8>> {
    let (config, place) = (FitConfig { steps: Some(2), batch: 16, ..FitConfig::default() }, Placement::cpu(Precision::F32));
    let recipes = [recipe];
    let fitting = Fitting { split, coding, recipes: &recipes, weighting: Weighting::Uniform, config: &config, place: &place };
    let path = folder.join("fit.checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: 0.0, job: serde_json::json!({ "seed": 0 }) };
    let mut files = Vec::new();
    if fitting.run(Some(&checkpoints), None, &mut Stop).unwrap().is_none() {
        files.push(std::fs::read(&path).unwrap());
    }
    let model = fitting.run(Some(&checkpoints), None, &mut ()).unwrap().unwrap();
    files.push(std::fs::read(&path).unwrap());
    model.save(&folder.join("model")).unwrap();
    files.insert(0, std::fs::read(folder.join("model")).unwrap());
    files
}

/// Stops a fit after its first step.
struct Stop;

impl Observer for Stop {
    fn step(&mut self, _: &Progress) -> bool {
        false
    }
}

fn read_model(path: &Path) -> bool {
    let _ = AnyModel::load_outline(path).map(|model| with_model!(model, model => model.parameters()));
    AnyModel::load(path, "cpu").is_ok_and(|model| with_model!(model, model => used(&model)))
}

/// Draws from a model and scores the draws.
fn used<C: Coding>(model: &Model<C>) -> bool {
    let given = model.coding.usual_context(2).unwrap_or_else(|| vec![0.0; 2 * model.coding.given().len()]);
    let _ = model.exactness();
    let drawn = model.sample(2, &given, 0).and_then(|drawn| model.log_prob(&drawn, Scoring::default()));
    // A forged model may draw what is no number; it says so.
    drawn.is_ok() || model.members.is_empty()
}

fn read_checkpoint(path: &Path) -> bool {
    let Ok(resume) = Resume::read(path, 1) else { return false };
    let _ = (resume.finished(), resume.steps());
    // The fit of the family that the file names goes on for a step. A checkpoint in the middle names none: then each family of tables refuses or takes it.
    let (schema, split) = schema(&table(false), Law::Real);
    let family = ALL[0];
    let recipes = [Recipe::new(family, schema.space())];
    let (config, place) = (FitConfig { steps: Some(2), batch: 16, ..FitConfig::default() }, Placement::cpu(Precision::F32));
    let fitting =
        Fitting { split: &split, coding: &schema, recipes: &recipes, weighting: Weighting::Uniform, config: &config, place: &place };
    let _ = fitting.run(None, Some(resume), &mut Stop);
    true
}

fn read_table(path: &Path) -> bool {
    let Ok(table) = Table::read(path) else { return false };
    learned(&table, &Overrides::default())
}

/// The schema of a table, and what is wrong with it.
fn learned(table: &Table, overrides: &Overrides) -> bool {
    let found = Schema::infer(table, overrides, &Roles::default(), MissingPolicy::Drop).and_then(|(mut schema, _)| {
        let rows = schema.rows(table, Need::Fit)?;
        schema.learn(&rows)?;
        schema.check()?;
        diagnose(&table.path, &schema, &rows).map(|_| schema.encode(&rows).map(|rows| rows.len()))
    });
    found.is_ok()
}

fn read_schema(path: &Path) -> bool {
    Overrides::read(path).is_ok_and(|overrides| {
        let _ = learned(&table(false), &overrides);
        true
    })
}

fn read_images(path: &Path) -> bool {
    let Ok(images) = ImageSet::read(path, None) else { return false };
    let labelled = images.clone().with_labels("labels").unwrap_or(images);
    let coded = Pixels::of(&labelled, None).and_then(|coding| coding.encode(&labelled));
    coded.is_ok_and(|rows| rows.len() == labelled.len())
}

fn read_recordings(path: &Path) -> bool {
    let Ok(recordings) = RecordingSet::read(path, None, None) else { return false };
    let labelled = recordings.clone().with_labels("labels").unwrap_or(recordings);
    let _ = knothe::events::audio::spectrograms(&labelled.pick(&[0]));
    let coded = Waveform::of(&[&labelled]).and_then(|coding| coding.encode(&labelled.pick(&[0])));
    coded.is_ok_and(|rows| rows.len() == 1)
}

fn read_picture(path: &Path) -> bool {
    let _ = ImageSet::read(path.parent().unwrap(), None);
    ImageSet::read_picture(path, 3, 255).is_ok()
}

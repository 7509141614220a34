//! Images on the command line.

use std::path::Path;

use knothe::{
    Model,
    events::{
        Coding, Events,
        image::{self, ImageSet, ImageWriter, Pixels},
    },
    families::{Family, Takes},
    file::ending,
    memory,
    model::Split,
    plot::{Picture, check_mosaic, mosaic},
    space::{ImageShape, Law},
};
use serde_json::{Value as Json, json};

use super::{Kind, Opened, Parts, Read, Sink, check_labels, class_context, in_parts, is_picture, numbered, split};
use crate::{
    cli::{PlotArguments, SampleArguments},
    context::Context,
    drawing::{self, Facet},
    failure::Failure,
    fit_arguments::FitArguments,
    given::Value,
    hints::file_for_shell,
    options::Input,
    output::{is_stdout, write_picture},
    text_files::TextFiles,
};

/// The widest grid of one column for each class.
const COLUMNS: usize = 20;
/// Images that are scored at a time.
const PART: usize = 4096;
/// Images of a picture, unless the user wants others.
const DRAWN: usize = 64;

/// Images to fit to, with their weights.
fn weighted(path: &Path, arguments: &FitArguments) -> Result<ImageSet, Failure> {
    let set = set(path, &arguments.labels, &arguments.key)?;
    match &arguments.weights {
        Some(name) => Ok(set.with_weights(name)?),
        None => Ok(set),
    }
}

impl Kind for Pixels {
    const NOUN: &'static str = "images";
    const FAMILIES: &'static str = "images";
    const FAMILY: &'static str = "glow";
    const OPTIONS: &'static [&'static str] = &["labels", "key", "bits", "nearest"];

    fn takes(family: &dyn Family) -> bool {
        family.description().takes == Takes::Images
    }

    fn open(arguments: &FitArguments, _: Law) -> Result<Opened<Self>, Failure> {
        let images = weighted(&arguments.data, arguments)?;
        let coding = Pixels::of(&images, arguments.bits.map(usize::from))?;
        let split = split(images, arguments, arguments.seed.unwrap_or(0), weighted)?;
        Ok(Opened { coding, split })
    }

    fn split(&self, arguments: &FitArguments, seed: u64) -> Result<Split<ImageSet>, Failure> {
        split(weighted(&arguments.data, arguments)?, arguments, seed, weighted)
    }

    fn described(&self, n: usize) -> String {
        let ImageShape { channels, height, width } = self.shape;
        let of = if self.bits < self.depth { format!(" of {}", self.depth) } else { String::new() };
        let given = if self.classes.is_empty() { String::new() } else { format!(" given one of {} classes", self.classes.len()) };
        format!("{n} images of {channels} × {height} × {width} numbers (channels × height × width) of {}{of} bits{given}", self.bits)
    }

    fn read(&self, path: &Path, input: &Input) -> Result<Read<ImageSet>, Failure> {
        check_labels(input, !self.classes.is_empty())?;
        let mut images = set(path, &input.labels, &input.key)?;
        if let Some(class) = classes(&input.given, 1)?.first() {
            self.encode_context(&[*class as f64])?;
            images.labels = Some(vec![*class; images.len()]);
        }
        Ok(Read { events: images, dropped: 0 })
    }

    fn parts<'a>(&'a self, path: &Path, input: &'a Input) -> Result<Parts<'a, ImageSet>, Failure> {
        in_parts(self, self.read(path, input)?.events, PART)
    }

    fn context(&self, given: &[Value], _: Option<&Path>, _: &TextFiles) -> Result<Context, Failure> {
        Ok(class_context(self, classes(given, 1)?.first().map(|class| *class as f64), self.classes.len()))
    }

    fn sink<'a>(&'a self, arguments: &'a SampleArguments, context: &'a Context) -> Result<Box<dyn Sink<ImageSet> + 'a>, Failure> {
        let Some(out) = arguments.out.as_deref() else {
            return Err(Failure::usage("--out: expected a name that ends in .png, .npy or .npz for images, found none", ""));
        };
        Self::check_out(out)?;
        let nearest = arguments.nearest.as_ref().map(|path| ImageSet::read(path, arguments.key.as_deref())).transpose()?;
        nearest.iter().try_for_each(|images| self.check_shape(images))?;
        let in_turn = arguments.given.is_empty() && (1..=COLUMNS).contains(&self.classes.len());
        let columns = if in_turn { context.values.len() } else { square(arguments.n) };
        if !is_picture(out) && nearest.is_none() {
            return Ok(Box::new(Streamed(ImageWriter::create(out, self.shape, arguments.n)?)));
        }
        check_drawn(arguments.n, self.shape)?;
        if is_picture(out) {
            check_mosaic(self.shape, arguments.n, columns)?;
        }
        Ok(Box::new(Images { coding: self, drawn: None, nearest, columns, out }))
    }

    fn one(&self, name: &Path, input: &Input) -> Result<ImageSet, Failure> {
        let image = if image::is_picture(name) {
            ImageSet::read_picture(name, self.shape.channels, self.white)?
        } else {
            numbered::<Self>(name, "images.npz", |file| set(file, &input.labels, &input.key))?
        };
        // The model says what is wrong with either.
        self.check_shape(&image)?;
        Ok(image)
    }

    fn both(&self, [a, b]: [ImageSet; 2], given: &[Value]) -> Result<ImageSet, Failure> {
        if self.classes.is_empty() && !given.is_empty() {
            return Err(Failure::usage("--given class: expected a model with classes, found one without", "leave it out"));
        }
        let given = classes(given, 2)?;
        given.iter().try_for_each(|class| self.encode_context(&[*class as f64]).map(drop))?;
        let labels = match given[..] {
            [] => a.labels.clone().zip(b.labels).map(|(a, b)| [a, b].concat()),
            [both] => Some(vec![both; 2]),
            [first, second, ..] => Some(vec![first, second]),
        };
        Ok(ImageSet { pixels: [a.pixels.as_slice(), &b.pixels].concat(), labels, ..a })
    }

    fn check_out(out: &Path) -> Result<(), Failure> {
        if !is_stdout(out) && !matches!(ending(out).as_str(), "png" | "npy" | "npz") {
            let message = format!("--out: expected a name that ends in .png, .npy or .npz for images, found {}", out.display());
            return Err(Failure::usage(message, ""));
        }
        Ok(())
    }

    fn write(&self, images: &ImageSet, columns: usize, out: &Path) -> Result<(), Failure> {
        if is_picture(out) { write_picture(&mosaic(images, columns)?, out) } else { Ok(images.write(out)?) }
    }

    fn write_pairs(&self, images: &ImageSet, others: &ImageSet, out: &Path) -> Result<(), Failure> {
        self.write(&images.interleaved(others)?, 2 * square(images.len().div_ceil(2)), out)
    }

    fn shown(&self) -> Vec<(String, String)> {
        let ImageShape { channels, height, width } = self.shape;
        let mut lines = vec![
            ("images".to_owned(), format!("{channels} × {height} × {width} numbers (channels × height × width)")),
            ("numbers".to_owned(), format!("{} bits of {}; white is {}", self.bits, self.depth, self.white)),
        ];
        if !self.classes.is_empty() {
            lines.push(("classes".to_owned(), self.classes.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")));
        }
        lines
    }

    fn document(&self) -> Json {
        json!({ "coding": self })
    }

    fn next(&self, arguments: &FitArguments) -> Vec<(String, &'static str)> {
        let given = if self.classes.is_empty() { "" } else { " --labels …" };
        let [out, data] = [&arguments.out, &arguments.data].map(|path| file_for_shell(path));
        vec![
            (format!("knothe sample {out} -n 64 --out grid.png"), "a picture of new images"),
            (format!("knothe evaluate {out} {data}{given}"), "bits per dimension and checks"),
        ]
    }

    fn facets(&self, images: &ImageSet) -> Vec<Facet> {
        images.labels.iter().map(|labels| drawing::classes(labels.iter().map(i64::to_string))).collect()
    }

    fn picture(model: &Model<Self>, arguments: &PlotArguments) -> Result<Picture, Failure> {
        let coding = &model.coding;
        let n = arguments.n.map_or(DRAWN, |n| usize::try_from(n).unwrap_or(usize::MAX));
        check_drawn(n, coding.shape)?;
        let (side, columns) = (square(n), if arguments.data.is_some() { 2 * square(n) + 1 } else { square(n) });
        check_mosaic(coding.shape, n.div_ceil(side).saturating_mul(columns), columns)?;
        let context = coding.context(&arguments.input.given, None, &arguments.input.text_files)?;
        let samples = model.sample(n, &context.part(0, n), arguments.seed)?;
        let Some(path) = &arguments.data else { return Ok(mosaic(&samples, square(n))?) };
        let images = set(path, &arguments.input.labels, &arguments.input.key)?;
        coding.check_shape(&images)?;
        // Of a class that is given, the images with that label.
        let classes = classes(&arguments.input.given, 1)?;
        let shown = |i: &usize| images.labels.as_ref().is_none_or(|labels| classes.iter().all(|class| labels[*i] == *class));
        let images = images.pick(&(0..images.len()).filter(shown).collect::<Vec<_>>());
        Ok(mosaic(&side_by_side(&images, &samples), 2 * square(n) + 1)?)
    }
}

/// Images in a square on the left and samples in one on the right, with an empty column between them.
fn side_by_side(images: &ImageSet, samples: &ImageSet) -> ImageSet {
    let (n, side, dim) = (samples.len(), square(samples.len()), samples.shape.dim());
    let image = |set: &ImageSet, k: usize| set.pixels.get(k * dim..(k + 1) * dim).map_or_else(|| vec![0; dim], <[u8]>::to_vec);
    let mut pixels = Vec::with_capacity((2 * n + side) * dim);
    for row in 0..n.div_ceil(side.max(1)) {
        let places = row * side..(row + 1) * side;
        places.clone().for_each(|k| pixels.extend(image(images, k)));
        pixels.extend(vec![0; dim]);
        places.for_each(|k| pixels.extend(image(samples, k)));
    }
    ImageSet { pixels, labels: None, weights: None, ..samples.clone() }
}

/// Checks that memory holds so many images: their numbers as they are drawn, and as bytes.
fn check_drawn(n: usize, shape: ImageShape) -> Result<(), Failure> {
    Ok(memory::check(format!("drawing {n} images at once"), memory::product(&[16, n, shape.dim()]))?)
}

/// Images on their way to an array, part by part.
struct Streamed(ImageWriter);

impl Sink<ImageSet> for Streamed {
    fn take(&mut self, images: ImageSet) -> Result<(), Failure> {
        Ok(self.0.write(&images)?)
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.0.finish()?)
    }
}

/// Images on their way to a picture, or beside others.
struct Images<'a> {
    coding: &'a Pixels,
    drawn: Option<ImageSet>,
    nearest: Option<ImageSet>,
    columns: usize,
    out: &'a Path,
}

impl Sink<ImageSet> for Images<'_> {
    fn take(&mut self, images: ImageSet) -> Result<(), Failure> {
        match &mut self.drawn {
            None => self.drawn = Some(images),
            Some(drawn) => {
                drawn.pixels.extend(images.pixels);
                if let (Some(all), Some(labels)) = (&mut drawn.labels, images.labels) {
                    all.extend(labels);
                }
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let Some(drawn) = &self.drawn else { return Ok(()) };
        match &self.nearest {
            Some(others) => self.coding.write_pairs(drawn, &others.pick(&others.nearest(drawn)?), self.out),
            None => self.coding.write(drawn, self.columns, self.out),
        }
    }
}

/// Reads a set of images.
fn set(path: &Path, labels: &Option<String>, key: &Option<String>) -> Result<ImageSet, Failure> {
    let images = ImageSet::read(path, key.as_deref())?;
    Ok(match labels {
        Some(name) => images.with_labels(name)?,
        None => images,
    })
}

/// The rows and columns of a square of `n` images.
fn square(n: usize) -> usize {
    (n as f64).sqrt().ceil() as usize
}

/// The classes of `--given class=…`, at most `most` of them.
fn classes(given: &[Value], most: usize) -> Result<Vec<i64>, Failure> {
    let is_class = |v: &Value| v.column == "class" && v.value.fract() == 0.0;
    if given.len() <= most && given.iter().all(is_class) {
        return Ok(given.iter().map(|v| v.value as i64).collect());
    }
    let found = given.iter().map(|v| format!("{}={}", v.column, v.text)).collect::<Vec<_>>().join(" and ");
    let often = if most == 1 { "once" } else { "once or twice" };
    Err(Failure::usage(format!("--given: expected class and an integer, {often}, found {found}"), ""))
}

//! Images, from files to a model to pictures.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use knothe::{
    events::{Events, image::ImageSet},
    space::ImageShape,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{fitted, knothe, started, succeeds, weights};

const FIT: &str = "--levels 1 --steps-per-level 1 --width 4 --epochs 2 --batch 32 --threads 1";

/// Images of 4 × 4 pixels of 16 levels: of class 0 a bright upper half, of class 1 a bright lower one.
fn set(n: usize) -> ImageSet {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let level = |k: usize| {
        let (class, upper) = (k / 16 % 2, k % 16 < 8);
        let noise = ((k * 2_654_435_761) >> 7) % 5;
        if (class == 0) == upper { 11 + noise as u8 } else { noise as u8 }
    };
    let labels = Some((0..n).map(|i| i as i64 % 2).collect());
    ImageSet { path: PathBuf::new(), shape, depth: 4, white: 15, pixels: (0..16 * n).map(level).collect(), labels, weights: None }
}

/// A folder with `set.npz` and `images.safetensors`, fitted to its classes; made once.
pub fn images() -> &'static Path {
    static FOLDER: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        set(100).write(&folder.path().join("set.npz")).unwrap();
        succeeds(folder.path(), &format!("fit set.npz --labels labels {FIT} --out images.safetensors"));
        let path = folder.path().to_owned();
        (folder, path)
    });
    &FOLDER.1
}

/// The command ends with this code and message, and prints nothing.
fn refuses(folder: &Path, arguments: &str, code: i32, expected: &str) {
    let run = knothe(folder, arguments);
    assert!(run.code == code && run.stderr.contains(expected), "{arguments}: {} {}", run.code, run.stderr);
    assert!(run.stdout.is_empty(), "{arguments}: {}", run.stdout);
}

#[test]
fn a_fit_tells_bits_and_the_same_seed_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    set(100).write(&folder.path().join("set.npz")).unwrap();
    let json = succeeds(folder.path(), &format!("fit set.npz --model real_nvp --bits 3 {FIT} --out a.safetensors --json"));
    let found: Value = serde_json::from_str(&json).unwrap();
    let bits = found["bits_per_dim"]["mean"].as_f64().unwrap();
    assert!(bits > 0.0 && bits < 10.0 && found["exactness"] == "lower_bound" && found["dim"] == 16, "{json}");
    assert!(!folder.path().join("a.safetensors.checkpoint").exists());
    let again = knothe(folder.path(), &format!("fit set.npz --model real_nvp --bits 3 {FIT} --out b.safetensors"));
    assert!(again.stderr.contains("bits/dim") && again.stderr.contains("3 of 4 bits"), "{}", again.stderr);
    let [a, b] = ["a", "b"].map(|name| std::fs::read(folder.path().join(name).with_extension("safetensors")).unwrap());
    assert!(a == b, "two equal fits give equal files");
}

#[test]
fn samples_are_pictures_or_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let model = images().join("images.safetensors").display().to_string();
    for name in ["grid.png", "all.npz", "ones.npy"] {
        let given = if name == "ones.npy" { "--given class=1" } else { "" };
        assert_eq!(succeeds(folder.path(), &format!("sample {model} -n 6 --temperature 0.7 {given} --out {name}")), "");
    }
    let png = std::fs::read(folder.path().join("grid.png")).unwrap();
    // Two classes in turn are two columns of 32 pixels, with 2 between and around.
    assert_eq!(png[16..24], [[0, 0, 0, 70], [0, 0, 0, 104]].concat());
    let all = ImageSet::read(&folder.path().join("all.npz"), None).unwrap().with_labels("labels").unwrap();
    assert_eq!((all.len(), all.labels.unwrap()), (6, vec![0, 1, 0, 1, 0, 1]));
    assert_eq!(ImageSet::read(&folder.path().join("ones.npy"), None).unwrap().len(), 6);
    assert!(all.pixels.iter().all(|&v| v < 16));
}

#[test]
fn images_come_back_from_their_coordinates() {
    let folder = tempfile::tempdir().unwrap();
    let (all, path) = (set(100), folder.path().join("set.npz"));
    all.write(&path).unwrap();
    let read = |name: &str| ImageSet::read(&folder.path().join(name), None).unwrap();
    succeeds(
        folder.path(),
        &format!(
            "fit set.npz {} --out two.safetensors --dequantisation variational --coupling additive",
            FIT.replace("--levels 1", "--levels 2")
        ),
    );
    let json = succeeds(folder.path(), "reconstruct two.safetensors set.npz -n 6 --out pairs.npy --json");
    let found: Value = serde_json::from_str(&json).unwrap();
    // Rounding carries a number over the edge of its level once in a million.
    assert!(found["numbers"] == 96 && found["different"] == 0 && found["kept"] == 2, "{json}");
    let pairs = read("pairs.npy");
    assert!(
        (0..6).all(|k| pairs.pick(&[2 * k]).pixels == all.pick(&[k]).pixels && pairs.pick(&[2 * k + 1]).pixels == all.pick(&[k]).pixels)
    );
    let keep = |t: &str, out: &str| succeeds(folder.path(), &format!("reconstruct two.safetensors set.npz -n 6 --keep 1 {t} --out {out}"));
    let text = keep("--temperature 0", "coarse.npy");
    assert!(text.contains("6 images from 1 of 2 scales") && !text.contains(" 0 of 96"), "{text}");
    keep("", "drawn.npy");
    assert_ne!(read("coarse.npy").pixels, read("drawn.npy").pixels);
    let model = images().join("images.safetensors").display().to_string();
    succeeds(folder.path(), &format!("sample {model} -n 3 --nearest set.npz --out beside.npy"));
    let beside = read("beside.npy");
    assert_eq!(beside.len(), 6);
    for k in 0..3 {
        let [sample, nearest] = [2 * k, 2 * k + 1].map(|at| beside.pick(&[at]));
        assert_eq!(all.pick(&all.nearest(&sample).unwrap()).pixels, nearest.pixels);
    }
}

/// All autoregressive families have exact scores, samples, and completions that keep the given rows.
#[test]
fn autoregressive_models_complete_images() {
    let folder = tempfile::tempdir().unwrap();
    let all = set(100);
    all.write(&folder.path().join("set.npz")).unwrap();
    let read = |name: &str| ImageSet::read(&folder.path().join(name), None).unwrap();
    for (family, windows) in [("pixel_cnn", "3,3"), ("pixel_cnn_pp", "3,3"), ("row_lstm", "3"), ("diagonal_bilstm", "3")] {
        let fit = format!(
            "fit set.npz --labels labels --model {family} --layers 2 --width 4 --windows {windows} --epochs 2 --batch 32 --threads 1 --out m.safetensors --json"
        );
        let found: Value = serde_json::from_str(&succeeds(folder.path(), &fit)).unwrap();
        // Of four bits; a few steps teach little.
        assert!(found["exactness"] == "exact" && found["bits_per_dim"]["mean"].as_f64().unwrap() < 4.5, "{found}");
        let json = succeeds(folder.path(), "reconstruct m.safetensors set.npz --labels labels -n 6 --keep 2 --out pairs.npy --json");
        let found: Value = serde_json::from_str(&json).unwrap();
        assert!(found["kept"] == 2 && found["different"].as_u64().unwrap() > 0, "{json}");
        let pairs = read("pairs.npy");
        for k in 0..6 {
            let [before, after] = [2 * k, 2 * k + 1].map(|at| pairs.pick(&[at]).pixels);
            assert_eq!((&before, &before[..8]), (&all.pick(&[k]).pixels, &after[..8]), "the first two of four rows are kept");
        }
        let text = succeeds(folder.path(), "reconstruct m.safetensors set.npz --labels labels -n 6 --out same.npy");
        assert_eq!(text, "6 images from 4 of 4 rows of pixels: 0 of 96 numbers differ\n");
        succeeds(folder.path(), "sample m.safetensors -n 4 --out grid.png");
        refuses(folder.path(), "sample m.safetensors -n 4 --temperature 0.5 --out grid.png", 2, "temperature: expected 1");
        refuses(
            folder.path(),
            "reconstruct m.safetensors set.npz --labels labels --keep 5 --out x.npy",
            2,
            "rows of pixels to keep: expected 1 to 4, found 5",
        );
        refuses(
            folder.path(),
            "interpolate m.safetensors set.npz:1 set.npz:2 --labels labels -n 3 --out x.npy",
            1,
            "no source coordinates",
        );
    }
    refuses(folder.path(), "fit set.npz --model pixel_cnn --windows 4,3 --out x.safetensors", 2, "two odd numbers");
    refuses(folder.path(), "fit set.npz --model row_lstm --windows 4 --out x.safetensors", 2, "one odd number");
}

#[test]
fn interpolations_end_at_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let all = set(100);
    all.write(&folder.path().join("set.npz")).unwrap();
    let [first, second] = [0, 1].map(|k| all.pick(&[k]));
    let pixels = first.pixels.iter().map(|&v| [v * 17; 3]).collect();
    knothe::plot::Picture { width: 4, height: 4, pixels }.write(&folder.path().join("first.png")).unwrap();
    knothe::plot::Picture { width: 4, height: 5, pixels: vec![[0; 3]; 20] }.write(&folder.path().join("long.png")).unwrap();
    let model = images().join("images.safetensors").display().to_string();
    for (ends, out) in
        [("set.npz:1 set.npz:2 --labels labels", "array.npy"), ("first.png set.npz:2 --given class=0 --given class=1", "picture.npy")]
    {
        assert_eq!(succeeds(folder.path(), &format!("interpolate {model} {ends} -n 5 --out {out}")), "");
        let strip = ImageSet::read(&folder.path().join(out), None).unwrap();
        assert_eq!((strip.len(), strip.pick(&[0]).pixels, strip.pick(&[4]).pixels), (5, first.pixels.clone(), second.pixels.clone()));
        assert!(strip.pick(&[2]).pixels != first.pixels && strip.pick(&[2]).pixels != second.pixels);
    }
    succeeds(folder.path(), &format!("interpolate {model} set.npz:1 set.npz:2 --given class=1 --out strip.png"));
    let cases = [
        (
            "interpolate MODEL set.npz set.npz:1 --out x.png",
            2,
            "expected FILE:NUMBER, or a .png or .jpg file for a model of images, found set.npz",
        ),
        ("interpolate MODEL set.npz:0 set.npz:1 --out x.png", 2, "set.npz:0: expected a number from 1, found 0"),
        (
            "interpolate MODEL set.npz:101 set.npz:1 --out x.png",
            2,
            "set.npz:101: expected a number from 1 to 100, the number of images, found 101",
        ),
        ("interpolate MODEL set.npz:1 set.npz:2 --out x.png", 1, "expected a label for each image, found none"),
        ("interpolate MODEL set.npz:1 set.npz:2 --given class=7 --out x.png", 2, "class: expected one of 0, 1, found 7"),
        (
            "interpolate MODEL set.npz:1 set.npz:2 --given class=1 -n 1 --out x.png",
            2,
            "images of an interpolation: expected two or more, found 1",
        ),
        (
            "interpolate MODEL set.npz:1 long.png --given class=1 --out x.png",
            1,
            "expected images of 1 channels of 4 × 4, found 1 channels of 5 × 4",
        ),
        ("interpolate MODEL set.npz:1 none.png --given class=1 --out x.png", 1, "none.png"),
        ("interpolate MODEL set.npz:1 set.npz:2 --out x.csv", 2, "expected a name that ends in .png, .npy or .npz"),
        ("reconstruct MODEL set.npz --labels labels --keep 2 --out x.png", 2, "scales to keep: expected 1, found 2"),
        ("reconstruct MODEL set.npz --out x.png", 1, "expected a label for each image, found none"),
        ("reconstruct MODEL set.npz --labels labels -n 0 --out x.png", 2, "'0'"),
    ];
    for (arguments, code, expected) in cases {
        refuses(folder.path(), &arguments.replace("MODEL", &model), code, expected);
        assert!(!folder.path().join("x.png").exists(), "{arguments}");
    }
}

#[test]
fn evaluations_are_bounds_and_inspect_says_what_the_file_is() {
    let text = succeeds(images(), "evaluate images.safetensors set.npz --labels labels");
    assert!(text.contains("bits/dim") && text.contains("±") && text.contains("an upper bound"), "{text}");
    let json = |arguments: &str| serde_json::from_str::<Value>(&succeeds(images(), arguments)).unwrap();
    let bits = |options: &str| {
        let found = json(&format!("evaluate images.safetensors set.npz --labels labels --json {options}"));
        found["bits_per_dim"]["mean"].as_f64().unwrap()
    };
    // The logarithm of a mean is above the mean of the logarithms.
    let mean = (0..4).map(|seed| bits(&format!("--seed {seed}"))).sum::<f64>() / 4.0;
    assert!(bits("--samples 4") < mean);
    assert_eq!(json("inspect images.safetensors --json")["kind"], "images");
    let text = succeeds(images(), "inspect images.safetensors");
    assert!(
        text.contains("kind images") && text.contains("glow (") && text.contains("1 × 4 × 4") && text.contains("classes      0, 1"),
        "{text}"
    );
}

#[test]
fn images_have_scores_weights_ensembles_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    set(100).write(&folder.path().join("set.npz")).unwrap();
    // Weights of class 0 alone, as an array of 100 floats that numpy would write.
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{:<117}\n", "{'descr': '<f8', 'fortran_order': False, 'shape': (100,), }");
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    (0..100).for_each(|i| bytes.extend(f64::from(1 - i % 2).to_le_bytes()));
    std::fs::write(folder.path().join("weights.npy"), bytes).unwrap();
    let fit = format!("fit set.npz --model glow,real_nvp --validation set.npz --weights weights.npy {FIT} --out both.safetensors --json");
    let report: Value = serde_json::from_str(&succeeds(folder.path(), &fit)).unwrap();
    assert_eq!(report["fit"]["members"].as_array().unwrap().len(), 2);
    for check in ["ks", "energy", "tails"] {
        assert!(report["checks"][check]["verdict"].is_string(), "{report}");
    }
    let scores = crate::support::numbers(&succeeds(folder.path(), "score both.safetensors set.npz")).concat();
    // The mean of those of class 0 is what the weighted evaluation at the end of the fit has found.
    let mean = scores.iter().step_by(2).sum::<f64>() / 50.0;
    let found = report["log_likelihood"]["mean"].as_f64().unwrap();
    assert!(scores.len() == 100 && (mean - found).abs() < 1e-9 * found.abs(), "{mean} {found}");
    // A fit to class 0 alone finds the other class unlikely.
    assert!(mean > scores.iter().skip(1).step_by(2).sum::<f64>() / 50.0);
    let model = images().join("images.safetensors").display().to_string();
    for (arguments, sides) in [("plot both.safetensors -n 9", 3), ("plot both.safetensors set.npz -n 9", 7)] {
        assert_eq!(succeeds(folder.path(), &format!("{arguments} --out plot.png")), "");
        let png = std::fs::read(folder.path().join("plot.png")).unwrap();
        assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 34 * sides + 2, "{arguments}");
    }
    let one = succeeds(folder.path(), &format!("score {model} set.npz --given class=1"));
    assert_ne!(one, succeeds(folder.path(), &format!("score {model} set.npz --labels labels")));
    let refused = knothe(folder.path(), "reconstruct both.safetensors set.npz --out x.png");
    assert!(refused.code == 1 && refused.error().contains("expected a single model, found an ensemble of 2"), "{}", refused.stderr);
}

#[test]
fn a_folder_of_pictures_can_be_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let image = set(1);
    for k in 0..12u8 {
        let grey = |v: &u8| [v * 16 + k; 3];
        let picture = knothe::plot::Picture { width: 4, height: 4, pixels: image.pixels.iter().map(grey).collect() };
        picture.write(&pictures.join(format!("{k:02}.png"))).unwrap();
    }
    let run = knothe(folder.path(), &format!("fit pictures {FIT} --out model.safetensors"));
    assert!(
        run.code == 0 && run.stderr.contains("8 images of 3 × 4 × 4") | run.stderr.contains("10 images of 3 × 4 × 4"),
        "{}",
        run.stderr
    );
    assert!(succeeds(folder.path(), "evaluate model.safetensors pictures").contains("12 images"));
    std::fs::write(pictures.join("13.png"), "no picture").unwrap();
    let run = knothe(folder.path(), "evaluate model.safetensors pictures");
    assert!(run.code == 1 && run.error().contains("13.png: expected a whole PNG or JPEG picture"), "{}", run.stderr);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let run = knothe(folder.path(), "fit empty --out other.safetensors");
    assert!(run.code == 1 && run.error().contains("empty: expected pictures"), "{}", run.stderr);
    assert!(!folder.path().join("other.safetensors").exists());
}

#[test]
fn what_does_not_go_together_is_an_error() {
    let table = fitted().join("model.safetensors").display().to_string();
    let cases: [(&str, i32, &str); 22] = [
        ("evaluate images.safetensors set.npz --labels labels --given class=1", 2, "--given and --labels: expected one of them"),
        ("fit set.npz --noise 1 --out x", 2, "--noise: expected events of real numbers"),
        ("reconstruct TABLE set.npz --given x=1 --out x.csv", 2, "expected a context column, found 'x'"),
        ("fit set.npz --model maf --out x", 2, "--model maf: expected a family of images for set.npz"),
        ("fit set.npz --hidden 8 --out x", 2, "--hidden means nothing to the model glow"),
        ("fit set.npz --context class --out x", 2, "--context: expected a table, found images"),
        ("inspect images.safetensors --moments", 2, "expected a model of columns with names and units, found one of images"),
        ("fit set.npz --key other --out x", 1, "expected an array 'other', found 'images' and 'labels'"),
        ("fit set.npz --labels images --out x", 1, "expected labels in one dimension, found an array of 3 dimensions"),
        ("fit set.npz --bits 9 --out x", 2, "9"),
        ("fit set.npz --levels 9 --out x", 2, "an even height and width"),
        ("fit set.npz --resume --out x", 1, "no checkpoint to resume from"),
        ("fit none.npz --out x", 1, "none.npz"),
        ("evaluate images.safetensors set.npz", 1, "expected a label for each image, found none"),
        ("evaluate images.safetensors set.npz --given class=7", 2, "class: expected one of 0, 1, found 7"),
        ("evaluate TABLE set.npz --key images", 2, "--key: expected images or recordings, found a model of a table"),
        ("score images.safetensors set.npz", 1, "expected a label for each image, found none"),
        ("sample images.safetensors -n 4", 2, "expected a name that ends in .png, .npy or .npz"),
        ("sample images.safetensors -n 4 --out x.csv", 2, "expected a name that ends in .png, .npy or .npz"),
        ("sample images.safetensors -n 4 --out x.png --given class=5", 2, "class: expected one of 0, 1, found 5"),
        ("sample images.safetensors -n 4 --out x.png --temperature -1", 2, "expected a number of at least 0"),
        ("sample TABLE -n 4 --nearest set.npz", 2, "--nearest: expected images, found a model of a table"),
    ];
    for (arguments, code, expected) in cases {
        refuses(images(), &arguments.replace("TABLE", &table), code, expected);
    }
    let left = std::fs::read_dir(images()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.collect();
    left.sort();
    assert_eq!(left, ["images.safetensors", "set.npz"]);
    let table = knothe(fitted(), "fit table.csv --model glow --out x");
    assert!(table.code == 2 && table.error().contains("--model glow: expected a family of tables for table.csv"), "{}", table.stderr);
    let table = knothe(fitted(), "fit table.csv --bits 3 --out x");
    assert!(table.code == 2 && table.error().contains("--bits: expected images, found the table table.csv"), "{}", table.stderr);
}

#[cfg(unix)]
#[test]
fn an_interrupted_fit_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    set(100).write(&folder.path().join("set.npz")).unwrap();
    let fit = |out: &str| {
        format!("fit set.npz --levels 1 --steps-per-level 1 --width 4 --epochs 60 --batch 8 --patience 0 --threads 1 --out {out}")
    };
    succeeds(folder.path(), &fit("whole.safetensors"));
    let mut child = started(folder.path(), &fit("part.safetensors"), "part.safetensors.checkpoint");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "ended by the signal, in mid-fit");
    assert!(!folder.path().join("part.safetensors").exists());
    succeeds(folder.path(), &format!("{} --resume", fit("part.safetensors")));
    let [whole, part] = ["whole", "part"].map(|name| succeeds(folder.path(), &format!("evaluate {name}.safetensors set.npz --json")));
    assert_eq!(whole, part);
    let [whole, part] = ["whole", "part"].map(|name| weights(&folder.path().join(name).with_extension("safetensors")));
    assert!(whole == part);
    assert!(!folder.path().join("part.safetensors.checkpoint").exists(), "a finished fit needs no checkpoint");
}

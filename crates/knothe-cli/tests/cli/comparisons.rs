//! Two models on the same events.

use serde_json::Value;

use crate::{
    images::images,
    support::{copy, knothe, numbers, succeeds, table},
};

/// A folder with the model of the others and a Gaussian of the same columns.
fn pair() -> tempfile::TempDir {
    let folder = copy();
    succeeds(folder.path(), "fit table.csv --context class --missing drop --model gaussian --out gaussian.safetensors");
    std::fs::write(folder.path().join("more.csv"), table(600)).unwrap();
    folder
}

fn json(folder: &std::path::Path, arguments: &str) -> Value {
    serde_json::from_str(&succeeds(folder, &format!("{arguments} --json"))).unwrap()
}

#[test]
fn a_comparison_is_of_the_differences_of_the_scores() {
    let folder = pair();
    let scores = |model: &str| -> Vec<f64> { numbers(&succeeds(folder.path(), &format!("score {model} more.csv"))).concat() };
    let (a, b) = (scores("model.safetensors"), scores("gaussian.safetensors"));
    let d: Vec<f64> = b.iter().zip(&a).map(|(b, a)| b - a).collect();
    let n = d.len() as f64;
    let mean = d.iter().sum::<f64>() / n;
    let two_se = 2.0 * (d.iter().map(|d| (d - mean).powi(2)).sum::<f64>()).sqrt() / n;
    let found = json(folder.path(), "compare model.safetensors gaussian.safetensors more.csv");
    let number = |value: &Value| value.as_f64().unwrap();
    assert!((number(&found["difference"]["mean"]) - mean).abs() < 1e-9 && (number(&found["difference"]["two_se"]) - two_se).abs() < 1e-9);
    let higher = d.iter().filter(|d| **d > 0.0).count() as f64 / n;
    assert!((number(&found["second_is_higher"]) - higher).abs() < 1e-12);
    // Two epochs of a small flow are worse than the Gaussian, and the rows are Gaussian.
    assert_eq!((&found["better"], &found["models"][1]["log_likelihood"]["rows"]), (&"second".into(), &600.into()));
    assert_eq!(found["models"][0]["checks"]["columns"].as_array().unwrap().len(), 3);
    let text = succeeds(folder.path(), "compare model.safetensors gaussian.safetensors more.csv");
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["A", "B", "log-likelihood", "B", "difference", "share", "quantiles", "ks", "energy", "tails"], "{text}");
    assert!(text.contains("nats per row; B is better\n") && text.contains("% of 600 rows\n"), "{text}");
    // The other way round the sign changes.
    let turned = json(folder.path(), "compare gaussian.safetensors model.safetensors more.csv");
    assert!((number(&turned["difference"]["mean"]) + mean).abs() < 1e-9 && turned["better"] == "first");
    let same = json(folder.path(), "compare model.safetensors model.safetensors more.csv");
    assert_eq!((&same["difference"]["mean"], &same["better"], &same["second_is_higher"]), (&0.0.into(), &"neither".into(), &0.0.into()));
}

#[test]
fn the_picture_shows_every_column_and_the_context() {
    let folder = pair();
    let draw = |first: &str, second: &str| {
        succeeds(folder.path(), &format!("compare {first}.safetensors {second}.safetensors more.csv --out gains.png"));
        std::fs::read(folder.path().join("gains.png")).unwrap()
    };
    let picture = draw("model", "gaussian");
    assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");
    assert!(picture == draw("model", "gaussian") && picture != draw("gaussian", "model"));
}

#[test]
fn rows_that_one_model_cannot_score_are_left_out_for_both() {
    let folder = pair();
    let path = folder.path().join("more.csv");
    let full = std::fs::read_to_string(&path).unwrap();
    succeeds(folder.path(), "fit more.csv --drop same --context class --model gaussian --missing drop --out short.safetensors");
    let mut lines: Vec<String> = full.lines().map(str::to_owned).collect();
    lines[2] = lines[2].split(',').enumerate().map(|(j, field)| if j == 1 { "" } else { field }).collect::<Vec<_>>().join(",");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let run = knothe(folder.path(), "compare model.safetensors short.safetensors more.csv --json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("warning: 1 row lacks a value and is left out"), "{}", run.stderr);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&found["difference"]["rows"], &found["models"][0]["dropped"]), (&599.into(), &1.into()));
}

#[test]
fn rows_that_are_impossible_under_both_decide_nothing() {
    let folder = pair();
    // The numbers k were whole when the models were fitted.
    std::fs::write(folder.path().join("other.csv"), "class,x,y,k,same\n0,0.1,0.2,0.5,7.5\n1,0.3,0.2,0.5,7.5\n").unwrap();
    let text = succeeds(folder.path(), "compare model.safetensors gaussian.safetensors other.csv");
    assert!(text.contains("undefined: no event is possible under either model") && text.contains(" 0.0 % of 2 rows"), "{text}");
}

#[test]
fn images_are_compared_in_bits() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["set.npz", "images.safetensors"] {
        std::fs::copy(images().join(name), folder.path().join(name)).unwrap();
    }
    let fit = "fit set.npz --labels labels --levels 1 --steps-per-level 1 --width 4 --epochs 1 --batch 32 --threads 1 --seed 1";
    succeeds(folder.path(), &format!("{fit} --out other.safetensors"));
    let text = succeeds(folder.path(), "compare images.safetensors other.safetensors set.npz --labels labels --out gains.png");
    let bits = |line: &str| -> f64 { line.split_whitespace().find_map(|word| word.parse().ok()).unwrap() };
    let lines: Vec<&str> = text.lines().collect();
    let (a, b) = (bits(lines[2]), bits(lines[3]));
    assert!(lines[2].starts_with("bits/dim        A ") && lines[2].ends_with(" bits/dim, a bound"), "{text}");
    // Rounded to four digits.
    assert!((bits(lines[4].split_once("B − A").unwrap().1) - (b - a)).abs() < 2e-4, "{text}");
    assert!(text.contains(if b < a { "B is better" } else { "A is better" }) || text.contains("within its error"), "{text}");
}

#[test]
fn models_of_other_things_are_not_compared() {
    let folder = pair();
    for name in ["set.npz", "images.safetensors"] {
        std::fs::copy(images().join(name), folder.path().join(name)).unwrap();
    }
    let before = std::fs::read(folder.path().join("more.csv")).unwrap();
    for (arguments, expected) in [
        (
            "model.safetensors reals.safetensors more.csv",
            "models to compare: expected a second model with densities of the same columns, 'k', 'x' and 'y', like the first, found 'x' and 'y'",
        ),
        (
            "model.safetensors images.safetensors more.csv",
            "expected two models of one kind, found a model of a table and a model of images",
        ),
        ("model.safetensors gaussian.safetensors -", "expected a data file"),
        ("model.safetensors gaussian.safetensors more.csv --out gains.csv", "--out gains.csv: expected a name that ends in .png"),
        ("model.safetensors gaussian.safetensors more.csv --out -", "--out: expected a file"),
        ("model.safetensors gaussian.safetensors more.csv --labels a", "--labels: expected images or recordings, found a model of a table"),
        ("model.safetensors gaussian.safetensors more.csv --given q=1", "--given: expected a context column, found 'q'"),
    ] {
        let run = knothe(folder.path(), &format!("compare {arguments}"));
        assert!(run.code == 2 && run.error().contains(expected) && run.stdout.is_empty(), "{arguments}: {}", run.stderr);
    }
    assert_eq!(std::fs::read(folder.path().join("more.csv")).unwrap(), before);
}

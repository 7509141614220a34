//! What each command gives.

use knothe::events::table::Table;
use serde_json::Value;

use crate::support::{copy, fitted, knothe, numbers, succeeds};

fn log_prob(csv: &str) -> Vec<f64> {
    assert_eq!(csv.lines().next(), Some("log_prob"));
    numbers(csv).concat()
}

#[test]
fn scores_go_to_stdout_and_to_every_format_alike() {
    let folder = copy();
    let printed = log_prob(&succeeds(folder.path(), "score model.safetensors table.csv"));
    assert_eq!(printed.len(), 400);
    assert!(printed.iter().all(|l| l.is_finite()));
    for name in ["scores.csv", "scores.parquet", "scores.npy", "scores.arrow"] {
        assert_eq!(succeeds(folder.path(), &format!("score model.safetensors table.csv --out {name}")), "");
        let written = Table::read(&folder.path().join(name)).unwrap();
        assert_eq!(written.columns[0].values, printed, "{name}");
    }
}

#[test]
fn columns_are_matched_by_name_and_context_can_be_given() {
    let folder = copy();
    let original = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let write = |name: &str, order: &[usize]| {
        let pick = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            order.iter().map(|&j| fields[j]).collect::<Vec<_>>().join(",") + "\n"
        };
        std::fs::write(folder.path().join(name), original.lines().map(pick).collect::<String>()).unwrap();
    };
    write("turned.csv", &[4, 3, 2, 1, 0]);
    write("without.csv", &[1, 2, 3]);
    let as_they_are = succeeds(folder.path(), "score model.safetensors table.csv");
    assert_eq!(succeeds(folder.path(), "score model.safetensors turned.csv"), as_they_are);
    let of_one = log_prob(&succeeds(folder.path(), "score model.safetensors without.csv --given class=1"));
    let of_zero = log_prob(&succeeds(folder.path(), "score model.safetensors table.csv --given class=0"));
    for (i, value) in log_prob(&as_they_are).iter().enumerate() {
        assert_eq!(*value, if i % 2 == 1 { of_one[i] } else { of_zero[i] });
    }
    assert_ne!(of_one, of_zero);
}

#[test]
fn a_row_that_lacks_a_value_keeps_its_place() {
    let folder = copy();
    std::fs::write(folder.path().join("holes.csv"), "class,x,y,k\n0,0.1,0.2,1\n1,,0.2,1\n1,0.3,0.2,0\n").unwrap();
    let run = knothe(folder.path(), "score model.safetensors holes.csv");
    let values = log_prob(&run.stdout);
    assert!(values[0].is_finite() && values[1].is_nan() && values[2].is_finite(), "{values:?}");
    assert_eq!(run.stderr, "warning: 1 row lacks a value and has no log_prob (NaN)\n");
}

#[test]
fn scores_do_not_depend_on_weights_and_evaluations_do() {
    let folder = copy();
    let original = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let write = |name: &str, weight: &str| {
        let line = |(i, line): (usize, &str)| if i == 0 { format!("{line}\n") } else { format!("{weight}{}\n", &line[1..]) };
        std::fs::write(folder.path().join(name), original.lines().enumerate().map(line).collect::<String>()).unwrap();
    };
    write("none.csv", "0");
    write("text.csv", "heavy");
    succeeds(folder.path(), "fit table.csv --weights class --drop k,same --model gaussian --out weighted.safetensors");
    let scores = succeeds(folder.path(), "score weighted.safetensors table.csv");
    assert_eq!(log_prob(&scores).len(), 400);
    for name in ["none.csv", "text.csv"] {
        assert_eq!(succeeds(folder.path(), &format!("score weighted.safetensors {name}")), scores, "{name}");
    }
    let evaluation = knothe(folder.path(), "evaluate weighted.safetensors none.csv");
    assert!(evaluation.error().contains("found only 0"), "{}", evaluation.stderr);
}

#[test]
fn samples_are_rows_of_the_table() {
    let sample = |options: &str| succeeds(fitted(), &format!("sample model.safetensors {options}"));
    let one = sample("-n 50 --seed 3 --given class=1");
    assert_eq!(one.lines().next(), Some("x,y,k,same,class"));
    assert_eq!(one, sample("-n 50 --seed 3 --given class=1"));
    assert_ne!(one, sample("-n 50 --seed 4 --given class=1"));
    assert_eq!(one.lines().count(), 51);
    for line in one.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        assert!(fields[2].parse::<i64>().is_ok(), "{line}");
        assert_eq!(fields[3..], ["7.5", "1"], "{line}");
    }
    assert_eq!(sample("-n 0 --given class=1").lines().count(), 1);
}

#[test]
fn a_long_sample_is_drawn_in_parts_that_differ() {
    // 70,000 rows are two parts; equal parts would have equal rows.
    let all = succeeds(fitted(), "sample model.safetensors -n 70000 --given class=0");
    let mut rows: Vec<&str> = all.lines().skip(1).collect();
    assert_eq!(rows.len(), 70_000);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 70_000);
}

#[test]
fn samples_take_their_context_from_a_table() {
    let folder = copy();
    std::fs::write(folder.path().join("context.csv"), "note,class\n5,1\n6,0\n7,0\n").unwrap();
    let run = knothe(folder.path(), "sample model.safetensors -n 5 --context context.csv");
    let classes: Vec<f64> = numbers(&run.stdout).iter().map(|row| row[4]).collect();
    assert_eq!(classes, [1.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(run.stderr, "note: the context has 3 rows and is repeated to 5\n");
}

#[test]
fn evaluation_is_the_mean_of_the_scores() {
    let report: Value = serde_json::from_str(&succeeds(fitted(), "evaluate model.safetensors table.csv --json")).unwrap();
    let scores = log_prob(&succeeds(fitted(), "score model.safetensors table.csv"));
    let mean = scores.iter().sum::<f64>() / 400.0;
    // Two sums of 400 numbers of the order of 10 differ by rounding alone.
    assert!((report["log_likelihood"]["mean"].as_f64().unwrap() - mean).abs() < 1e-10);
    assert_eq!(report["log_likelihood"]["rows"], 400);
    assert!(report["log_likelihood"]["two_se"].as_f64().unwrap() > 0.0);
    assert_eq!(report["exactness"], "exact");
    assert_eq!(report["checks"]["ks"]["distances"].as_array().unwrap().len(), 3);
    for check in ["ks", "energy", "tails"] {
        let verdict = report["checks"][check]["verdict"].as_str().unwrap();
        assert!(["pass", "fail", "undecided"].contains(&verdict), "{check} {verdict}");
    }
    let text = succeeds(fitted(), "evaluate model.safetensors table.csv");
    for start in ["log-likelihood ", "units ", "ks ", "energy ", "tails "] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}: {text}");
    }
}

#[test]
fn an_evaluation_sees_a_model_that_is_wrong() {
    let folder = copy();
    let original = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let far: String = original.lines().map(|line| line.replacen(',', ",1", 1) + "\n").collect();
    std::fs::write(folder.path().join("far.csv"), far.replacen(",1x", ",x", 1).replace(",1-", ",-1")).unwrap();
    let report: Value = serde_json::from_str(&succeeds(folder.path(), "evaluate model.safetensors far.csv --json")).unwrap();
    for check in ["ks", "energy", "tails"] {
        assert_eq!(report["checks"][check]["verdict"], "fail", "{report}");
    }
}

#[test]
fn a_model_file_can_be_inspected() {
    let content: Value = serde_json::from_str(&succeeds(fitted(), "inspect model.safetensors --json")).unwrap();
    assert_eq!(content["model"], "maf");
    let units: Vec<&str> = content["columns"].as_array().unwrap().iter().map(|c| c["units"].as_str().unwrap()).collect();
    assert_eq!(units, ["density", "density", "mass", "constant"]);
    assert_eq!(content["context"][0]["name"], "class");
    assert!(content["parameters"].as_u64().unwrap() > 0);
    let text = succeeds(fitted(), "inspect model.safetensors");
    assert!(text.contains("k (integer; mass)") && text.contains("always 7.5"), "{text}");
}

#[test]
fn models_are_listed() {
    let list: Value = serde_json::from_str(&succeeds(fitted(), "models --json")).unwrap();
    let models = list.as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|m| m["name"].as_str().unwrap()).collect();
    let of_images = models.iter().filter(|m| m["of"] == "images").map(|m| m["name"].as_str().unwrap());
    assert_eq!(of_images.collect::<Vec<_>>(), ["glow", "real_nvp", "pixel_cnn", "pixel_cnn_pp", "row_lstm", "diagonal_bilstm"]);
    for name in ["gaussian", "made", "made_mog", "maf", "maf_mog", "iaf", "nice", "real_nvp", "nsf", "naf", "naf_ddsf", "sos"] {
        assert!(names.contains(&name), "{name}");
        assert!(succeeds(fitted(), "models").lines().any(|line| line.starts_with(&format!("  {name} "))), "{name}");
    }
}

#[test]
fn a_family_is_described_with_its_options() {
    let text = succeeds(fitted(), "models sos");
    for part in
        ["Jaini, Selby & Yu 2019", "tables of columns of numbers and categories", "--degree", "[default: 4]", "--components", "--mixing"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!succeeds(fitted(), "models gaussian").contains("--hidden"));
    let unknown = knothe(fitted(), "models resnet");
    assert!(unknown.code == 2 && unknown.error().contains("expected the name of a family, found 'resnet'"), "{}", unknown.stderr);
}

#[test]
fn rows_come_back_from_their_coordinates_and_have_others_between_them() {
    let folder = copy();
    let text = succeeds(folder.path(), "reconstruct reals.safetensors table.csv -n 50 --out back.csv");
    assert_eq!(text, "50 rows from 1 of 1 scales: 0 of 100 numbers differ\n");
    let [before, after] = ["table.csv", "back.csv"].map(|name| Table::read(&folder.path().join(name)).unwrap());
    for name in ["x", "y"] {
        let [a, b] = [&before, &after].map(|table| table.column(name).unwrap());
        // In 32 bits, of numbers of the order of 1.
        assert!(a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 1e-4), "{name}");
    }
    succeeds(folder.path(), "interpolate reals.safetensors table.csv:1 table.csv:3 -n 5 --out path.csv");
    let path = Table::read(&folder.path().join("path.csv")).unwrap();
    let [start, x] = [&before, &path].map(|table| &table.column("x").unwrap().values);
    assert!(x.len() == 5 && (x[0] - start[0]).abs() < 1e-4 && (x[4] - start[2]).abs() < 1e-4, "{x:?}");
    // The first and the third row are of class 0, the second of class 1: each row between two has the class of the nearer.
    succeeds(folder.path(), "interpolate reals.safetensors table.csv:1 table.csv:2 -n 4 --out path.csv");
    assert_eq!(Table::read(&folder.path().join("path.csv")).unwrap().column("class").unwrap().values, [0.0, 0.0, 1.0, 1.0]);
    let wrong = knothe(folder.path(), "interpolate reals.safetensors table.csv:401 table.csv:3 --out x.csv");
    assert!(wrong.code == 2 && wrong.error().contains("expected a complete row from 1 to 400, found 401"), "{}", wrong.stderr);
}

#[test]
fn a_low_temperature_draws_typical_rows() {
    let spread = |options: &str| {
        let x: Vec<f64> = numbers(&succeeds(fitted(), &format!("sample reals.safetensors -n 500 --given class=1 {options}")))
            .iter()
            .map(|r| r[0])
            .collect();
        let mean = x.iter().sum::<f64>() / 500.0;
        x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 500.0
    };
    assert!(spread("--temperature 0.1") < 0.1 * spread(""));
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeeds(fitted(), &format!("completions {shell}")).contains("evaluate"), "{shell}");
    }
}

#[test]
fn moments_are_in_the_units_of_the_file() {
    let folder = copy();
    let fit = "fit table.csv --context class --drop same,k --layers 1 --hidden 16 --epochs 40 --batch 64 --lr 0.01 --threads 1";
    succeeds(folder.path(), &format!("{fit} --model sos --form generative --degree 1 --components 2 --out sos.safetensors"));
    let csv = succeeds(folder.path(), "inspect sos.safetensors --moments --at table.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next().unwrap(), "row,column,mean,variance,skewness,excess_kurtosis,of,method");
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!((fields.len(), fields[7]), (8, "exact"), "{line}");
        assert_eq!(fields[6], "x", "{line}");
        let number = |i: usize| fields[i].parse::<f64>().unwrap();
        match fields[1] {
            "x" => x.push((number(2), number(3))),
            "y" => y.push((number(2), number(3))),
            _ => {}
        }
    }
    assert_eq!((x.len(), y.len()), (400, 400));
    // x ~ N(class, 1) and y ~ N(x, 0.25); a fit to 320 rows knows a mean to 0.06 and a variance to a tenth, and is not a perfect one.
    let mean = |v: &[(f64, f64)], class: usize| v.iter().skip(class).step_by(2).map(|m| m.0).sum::<f64>() / 200.0;
    assert!(mean(&x, 0).abs() < 0.4 && (mean(&x, 1) - 1.0).abs() < 0.4, "{} {}", mean(&x, 0), mean(&x, 1));
    let variance = |v: &[(f64, f64)]| v.iter().map(|m| m.1).sum::<f64>() / 400.0;
    assert!((variance(&x) - 1.0).abs() < 0.4 && (variance(&y) - 0.25).abs() < 0.15, "{} {}", variance(&x), variance(&y));

    let mean_row: Value = serde_json::from_str(&succeeds(folder.path(), "inspect sos.safetensors --moments --json")).unwrap();
    assert_eq!((&mean_row["method"], &mean_row["rows"][0]["columns"][1]["column"]), (&"exact".into(), &"y".into()));
    let codes = knothe(folder.path(), "inspect model.safetensors --moments");
    assert!(codes.code == 1 && codes.error().contains("expected continuous columns") && codes.error().contains("'k'"), "{}", codes.stderr);
    let refused = knothe(folder.path(), "inspect reals.safetensors --moments");
    assert_eq!(refused.code, 1);
    assert!(
        refused.error().contains("expected one autoregressive layer") && refused.stderr.contains("hint: fit with --model maf --layers 1"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_given_value_outside_the_training_range_is_noted() {
    let note = "note: --given class: 7 is outside the range of the training rows, 0 to 1\n";
    for (command, far) in [
        ("sample model.safetensors -n 3", 7),
        ("score model.safetensors table.csv", 7),
        ("evaluate model.safetensors table.csv", 7),
        ("sample model.safetensors -n 3", 1),
    ] {
        let run = knothe(fitted(), &format!("{command} --given class={far}"));
        assert_eq!((run.code, run.stderr.matches(note).count()), (0, usize::from(far == 7)), "{command}: {}", run.stderr);
    }
}

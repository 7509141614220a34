//! Posteriors of targets in shared libraries.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::knothe;

/// A library of `knothe-target`, which Cargo builds with the tests of the workspace.
pub fn library(name: &str) -> String {
    let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = PathBuf::from(env!("CARGO_BIN_EXE_knothe")).parent().unwrap().join("examples").join(file);
    assert!(path.exists(), "{} is not there: test with `cargo test --release --workspace`", path.display());
    path.display().to_string()
}

fn json(folder: &Path, arguments: &str) -> Value {
    let run = knothe(folder, arguments);
    assert_eq!(run.code, 0, "{arguments}: {}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

fn number(document: &Value, name: &str) -> f64 {
    document[name].as_f64().unwrap()
}

/// By 2-D quadrature, log Z is 9.088253.
#[test]
fn the_evidence_and_the_draws_of_bod() {
    let folder = tempfile::tempdir().unwrap();
    let found = json(folder.path(), &format!("posterior {} -n 2000 --finish importance --out draws.csv --json", library("bod")));
    let (evidence, error) = (number(&found, "log_evidence"), number(&found, "log_evidence_two_se"));
    // The error does not see a tail that no draw has reached.
    assert!((evidence - 9.088253).abs() < 0.01 && error < 0.01, "{found:#}");
    assert!(number(&found, "lower_bound") < evidence && number(&found, "k_hat") < 1.5, "{found:#}");
    // Half the variance of the log-weights is near the divergence if both are small, and above it if the weights have a tail.
    let ratio = number(&found, "proposal_variance") / (evidence - number(&found, "lower_bound"));
    assert!((0.5..50.0).contains(&ratio), "{ratio}: {found:#}");
    let draws = std::fs::read_to_string(folder.path().join("draws.csv")).unwrap();
    assert_eq!((draws.lines().count(), draws.lines().next().unwrap()), (2001, "x.1,x.2"));
    assert_eq!(found["finish"], "importance");
    // All finishes draw from one posterior: within five standard errors of 2,000 draws, of which those of chains may count half.
    for finish in ["adaptive", "metropolis", "hmc"] {
        let arguments = format!(
            "posterior {} -n 2000 --maps 1 --degree 2 --map-draws 128 --finish {finish} --out other.parquet --json",
            library("bod")
        );
        let other = json(folder.path(), &arguments);
        assert_eq!(other["finish"], finish);
        for k in 0..2 {
            let [one, two] = [&found, &other].map(|document| &document["parameters"][k]);
            let deviation = number(one, "standard_deviation");
            assert!((number(one, "mean") - number(two, "mean")).abs() < 0.2 * deviation, "{finish}: {one:#} {two:#}");
            assert!((number(two, "standard_deviation") / deviation - 1.0).abs() < 0.15, "{finish}: {one:#} {two:#}");
            assert_eq!(two["r_hat"].as_f64().is_some_and(|r| r < 1.05), finish != "adaptive", "{finish}: {two:#}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_draws_and_names_are_those_of_the_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let data = r#"{"y":[28,8,-3,7,-1,1,18,12],"sigma":[15,10,16,11,9,11,10,18]}"#;
    std::fs::write(folder.path().join("schools.json"), data).unwrap();
    let small = "-n 100 --maps 0 --map-draws 50";
    let run = |out: &str, threads: u32| {
        let command = format!("posterior {} --data schools.json {small} --threads {threads} --out {out}", library("eight_schools"));
        let run = knothe(folder.path(), &command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        (run.stdout, std::fs::read_to_string(folder.path().join(out)).unwrap())
    };
    let ((report, first), (_, second)) = (run("a.csv", 1), run("b.csv", 2));
    assert_eq!(first, second);
    // With polynomials as well.
    let bent = |out: &str, threads: u32| {
        let command = format!("posterior {} -n 100 --maps 1 --degree 3 --map-draws 64 --threads {threads} --out {out}", library("bod"));
        assert_eq!(knothe(folder.path(), &command).code, 0);
        std::fs::read(folder.path().join(out)).unwrap()
    };
    assert_eq!(bent("c.csv", 1), bent("d.csv", 2));
    assert!(first.starts_with("theta.1,theta.2,theta.3,theta.4,theta.5,theta.6,theta.7,theta.8,mu,tau\n"), "{first}");
    assert!(report.contains("log evidence") && report.contains("k̂") && report.contains("theta.8"), "{report}");
    // JSON text, and draws on standard output.
    let piped = knothe(folder.path(), &format!("posterior {} --data {data} {small} --out -", library("eight_schools")));
    assert!(piped.stdout == first && piped.stderr.contains("log evidence"), "{}", piped.stderr);
}

#[test]
fn what_is_no_target_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.so"), "no library").unwrap();
    std::fs::write(folder.path().join("short.json"), r#"{"y": [1, 2], "sigma": [1]}"#).unwrap();
    let schools = library("eight_schools");
    let refused = [
        ("posterior none.so --out x.csv".to_owned(), 1, "none.so"),
        ("posterior text.so --out x.csv".to_owned(), 1, "expected a shared library"),
        (format!("posterior {} --out x.csv", library("incomplete")), 1, "expected a library with the function 'bs_model_destruct'"),
        (format!("posterior {schools} --data none.json --out x.csv"), 1, "none.json"),
        (format!("posterior {schools} --data short.json --out x.csv"), 1, "expected one positive sigma for each y, found 1 and 2"),
        (format!("posterior {schools} --out x.csv"), 1, "expected a list of numbers 'y', found none"),
        (format!("posterior {} --out x.png", library("bod")), 2, "--out"),
        // Before the library is loaded.
        ("posterior none.so --out x.png".to_owned(), 2, "--out x.png: expected a name that ends in .csv"),
        ("posterior text.so --out text.so".to_owned(), 2, "expected a file other than the input text.so"),
    ];
    for (command, code, expected) in refused {
        let run = knothe(folder.path(), &command);
        assert!(run.code == code && run.error().contains(expected), "{command}: {} {}", run.code, run.stderr);
        assert!(run.stdout.is_empty() && !folder.path().join("x.csv").exists(), "{command}");
    }
}

#[test]
fn odd_targets_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let run_with = |is: &str, more: &str| {
        let small = "-n 400 --map-draws 64 --maps 1 --degree 2";
        knothe(folder.path(), &format!("posterior {} --data {{\"is\":\"{is}\"}} {small} {more} --out x.csv --json", library("odd")))
    };
    let run = |is: &str| run_with(is, "");
    for (is, expected) in [
        ("none", "expected a finite log density near 0, found -inf"),
        ("undefined", "expected a finite log density near 0, found NaN"),
        ("crash", "crashed"),
        ("other", "'other' is not known"),
        ("no_gradient", "expected a finite gradient of the log density, found NaN for 'a'"),
        ("wrong_gradient", "expected the gradient of the log density, found"),
        ("infinite_somewhere", "expected a log density below infinity, found inf at x = ("),
    ] {
        let run = run(is);
        assert!(run.code == 1 && run.stderr.contains(expected) && run.stdout.is_empty(), "{is}: {} {}", run.code, run.stderr);
        let file = format!("{}odd{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        assert!(run.error().contains(&file), "{is}: {}", run.stderr);
        assert!(!folder.path().join("x.csv").exists(), "{is}");
    }
    assert!(run("wrong_gradient").stderr.contains("for 'b' where central differences give"));
    // One message, and not one per evaluation.
    let panicked = run("panic");
    assert!(panicked.code == 1 && panicked.stderr.matches("panicked").count() == 1, "{} {}", panicked.code, panicked.stderr);
    let told = panicked.stderr.split_once("the target says: the target panicked at ").map_or("", |(_, told)| told);
    assert!(told.contains("odd.rs:") && told.contains(": nothing is right"), "{}", panicked.stderr);
    // Chains wander where there is no posterior. The tail of the weights of an affine map has k = 1, but its estimate varies.
    for is in ["improper", "half_improper"] {
        let run = run_with(is, "--finish hmc");
        let found: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        assert!(run.code == 1 || found["converged"] == false, "{is}: {} {}", run.stdout, run.stderr);
    }
    // A bound is no fault: log Z = log(π), since half of 2π is left.
    let bounded = run("bounded");
    let found: Value = serde_json::from_str(&bounded.stdout).unwrap_or_default();
    assert!((number(&found, "log_evidence") - std::f64::consts::PI.ln()).abs() < 0.1, "{} {}", bounded.stdout, bounded.stderr);
    assert_eq!([&found["proposal_variance"], &found["lower_bound"]], ["inf", "-inf"]);
    assert_eq!([&found["undefined_draws"], &found["failed_evaluations"]], [0_u64, 0]);
}

/// log Z = log(2π Φ(1.5)), and 134 of 2,000 draws are expected beyond 1.5.
#[test]
fn draws_that_the_target_refuses_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let small = "-n 400 --map-draws 64 --maps 1 --degree 2 --finish importance --out x.csv";
    for (is, message) in [("undefined_somewhere", None), ("refused_somewhere", Some("a is above 1.5"))] {
        let command = format!("posterior {} --data {{\"is\":\"{is}\"}} {small}", library("odd"));
        let found = json(folder.path(), &format!("{command} --json"));
        assert!((number(&found, "log_evidence") - 1.768_73).abs() < 0.1, "{found:#}");
        assert!((50.0..300.0).contains(&number(&found, "undefined_draws")), "{found:#}");
        assert_eq!(
            (number(&found, "failed_evaluations") > 0.0, found["first_failure"].as_str()),
            (message.is_some(), message),
            "{found:#}"
        );
        let text = knothe(folder.path(), &command).stdout;
        let undefined = format!("of 2000 weighted draws have no density: {}", message.unwrap_or("the log density is NaN"));
        assert!(text.contains(&undefined), "{text}");
        assert_eq!(text.contains("evaluations failed: a is above 1.5"), message.is_some(), "{text}");
    }
}

#[test]
fn the_report_is_the_same_as_text_and_json_and_beside_draws() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("posterior {} -n 400 --map-draws 64 --maps 1 --degree 2 --finish importance", library("bod"));
    let text = knothe(folder.path(), &format!("{command} --out x.csv")).stdout;
    let piped = knothe(folder.path(), &format!("{command} --out - --json"));
    assert_eq!(piped.stdout, std::fs::read_to_string(folder.path().join("x.csv")).unwrap());
    let found: Value = serde_json::from_str(&piped.stderr[piped.stderr.find('{').unwrap_or(0)..]).unwrap();
    // Fresh draws judge the map.
    assert!(text.contains(&format!("variance diagnostic {:.3e};", number(&found, "proposal_variance"))), "{text}");
    assert_ne!(found["variance"], found["proposal_variance"]);
    let reliable = found["reliability"] == "good";
    assert_eq!((text.contains("(unreliable, see importance"), text.contains(" ± ")), (!reliable, reliable), "{text}");
    assert_eq!(found["log_evidence_is_reliable"], reliable);
}

#[test]
fn pictures_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let command = |finish: &str, pictures: &str| {
        let small = "-n 400 --map-draws 64 --maps 1 --degree 2";
        knothe(folder.path(), &format!("posterior {} {small} --finish {finish} --pictures {pictures} --out x.csv", library("bod")))
    };
    assert_eq!(command("hmc", "one/two").code, 0);
    for name in ["corner", "weights", "trace", "ranks"] {
        let bytes = std::fs::read(folder.path().join(format!("one/two/{name}.png"))).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{name}");
    }
    // Weighted draws are no chains.
    assert_eq!(command("importance", "other").code, 0);
    assert!(!folder.path().join("other/ranks.png").exists() && folder.path().join("other/trace.png").exists());
    // Chains of one draw have no ranks, and a target need not have parameters where it has no density.
    let few = format!("posterior {} -n 20 --map-draws 64 --maps 1 --degree 2 --finish hmc --pictures few --out y.csv", library("bod"));
    let bounded = format!(
        "posterior {} --data {{\"is\":\"bounded_parameters\"}} -n 400 --map-draws 64 --maps 0 --finish importance --pictures bounded --out z.csv",
        library("odd")
    );
    for (command, pictures) in [(few, "few"), (bounded, "bounded")] {
        let run = knothe(folder.path(), &command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let is_there = |name: &str| folder.path().join(pictures).join(name).exists();
        assert!(is_there("corner.png") && is_there("weights.png") && !is_there("ranks.png"), "{pictures}");
    }
    let refused = command("hmc", "x.csv");
    assert!(refused.code == 2 && refused.error().contains("expected a folder, found a file"), "{}", refused.stderr);
}

/// A picture may replace none of the files that the command reads, and may not be standard output.
#[test]
fn pictures_replace_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("p");
    std::fs::create_dir(&pictures).unwrap();
    let data = r#"{"y":[28,8],"sigma":[15,10]}"#;
    std::fs::write(pictures.join("corner.png"), data).unwrap();
    let arguments = format!("posterior {} -n 8 --data p/corner.png --pictures p --out d.csv", library("eight_schools"));
    let run = knothe(folder.path(), &arguments);
    assert!(run.code == 2 && run.stderr.contains("corner.png: expected a file other than the input"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(pictures.join("corner.png")).unwrap(), data);
    let written = std::fs::File::create(pictures.join("trace.png")).unwrap();
    let arguments = ["posterior", &library("bod"), "-n", "8", "--pictures", "p", "--out", "d.csv"];
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_knothe"))
        .current_dir(folder.path())
        .args(arguments)
        .stdout(written)
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    let refused = run.status.code() == Some(2) && stderr.contains("found the same file");
    // Only Unix knows what standard output is.
    assert!(refused || cfg!(not(unix)), "{stderr}");
}

//! The words that users meet first.

use insta::assert_snapshot;

use crate::support::{fitted, knothe, succeeds};

#[test]
fn help_of_the_command() {
    assert_snapshot!(succeeds(fitted(), "--help"), @"");
}

#[test]
fn help_of_score() {
    assert_snapshot!(succeeds(fitted(), "score --help"), @"");
}

#[test]
fn help_of_fit_has_its_options_under_headings() {
    let help = succeeds(fitted(), "fit --help");
    for heading in ["Input:", "Model:", "Options of the families:", "Options of the image families:", "Training:", "Output:", "Runtime:"] {
        assert!(help.lines().any(|line| line == heading), "{heading} {help}");
    }
    for option in [
        "--out",
        "--model",
        "--ensemble",
        "--ensemble-weights",
        "--validation",
        "--epochs",
        "--batch",
        "--layers",
        "--hidden",
        "--components",
        "--marginals",
        "--lr",
        "--weight-decay",
        "--patience",
        "--seed",
        "--threads",
        "--precision",
        "--weights",
        "--context",
        "--schema",
        "--missing",
        "--drop",
        "--resume",
        "--json",
        "--device",
    ] {
        assert!(help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")), "{option}");
    }
}

#[test]
fn options_that_cannot_be_are_usage_errors() {
    let cases = [
        ("score model.safetensors table.csv --given class", "expected COLUMN=VALUE"),
        ("score model.safetensors table.csv --given class=a", "expected a number after the '='"),
        ("score model.safetensors table.csv --given x=1", "expected a context column, found 'x'"),
        ("score model.safetensors table.csv --given class=1 --given class=2", "expected each column once, found 'class' twice"),
        ("score model.safetensors table.csv --out scores.txt", "expected a name that ends in"),
        ("score model.safetensors table.csv --device tpu", "'tpu'"),
        ("score model.safetensors table.csv --threads 0", "'0'"),
        ("sample model.safetensors -n 5", "found none for 'class'"),
        ("fit table.csv --out out.safetensors --model resnet", "'resnet'"),
        ("fit table.csv --out out.safetensors --lr -1", "expected a number above 0"),
        ("fit table.csv --out out.safetensors --lr=0", "expected a number above 0"),
        ("fit table.csv --out out.safetensors --missing guess", "'guess'"),
        ("fit table.csv --out out.safetensors --model maf,resnet", "'resnet'"),
        ("fit table.csv --out out.safetensors --ensemble 0", "'0'"),
        ("fit table.csv --out out.safetensors --model maf,nsf --ensemble 1", "a member for each of the 2 models"),
        (
            "fit table.csv --out out.safetensors --model maf,made_binary",
            "expected families of the same events, found made_binary among others",
        ),
        ("fit table.csv --out out.safetensors --ensemble-weights validation", "means nothing to a single model"),
        (
            "fit table.csv --out out.safetensors --drop same --model nsf --form inverse",
            "--form: expected one of density, generative, found inverse",
        ),
        ("fit table.csv", "--out <FILE>"),
    ];
    for (arguments, expected) in cases {
        let run = knothe(fitted(), arguments);
        assert_eq!(run.code, 2, "{arguments}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(expected), "{arguments}: {}", run.stderr);
        assert!(!fitted().join("scores.txt").exists() && !fitted().join("out.safetensors").exists());
    }
}

#[test]
fn options_that_mean_nothing_to_a_model_are_usage_errors() {
    let cases = [
        ("real_nvp --form density", "--form means nothing to the model real_nvp"),
        ("iaf --triangular coupling", "--triangular means nothing to the model iaf"),
        ("naf --degree 2", "--degree means nothing to the model naf"),
        ("nsf --triangular coupling --residual", "residual: expected false for couplings"),
    ];
    for (model, expected) in cases {
        let run = knothe(fitted(), &format!("fit table.csv --drop same --out out.safetensors --model {model}"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{model}: {}", run.stderr);
        assert!(run.error().contains(expected), "{model}: {}", run.stderr);
        assert!(!fitted().join("out.safetensors").exists());
    }
}

#[test]
fn a_device_that_is_not_built_in_names_the_feature() {
    if cfg!(feature = "cuda") {
        return;
    }
    let run = knothe(fitted(), "score model.safetensors table.csv --device cuda");
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert_snapshot!(run.stderr, @r"
    error: device 'cuda': not built in
    hint: build knothe with `--features cuda`
    ");
}

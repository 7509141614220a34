//! The words that users meet first.

use insta::assert_snapshot;

use crate::support::{fitted, knothe, succeeds};

#[test]
fn help_of_the_command() {
    assert_snapshot!(succeeds(fitted(), "--help"), @r#"
    Fit a probability density to a table, score rows, draw samples, and check that it can be trusted

    Usage: knothe <COMMAND>

    Commands:
      fit          Fit a density to a table by maximum likelihood
      score        Print log q(x | context) of each row of a table, in nats
      sample       Draw rows from a model, as CSV with the columns of its table; or a picture of images
      evaluate     Report the log-likelihood of a table, and whether the density can be trusted
      inspect      Print what a model file holds: architecture, columns, and how it was fitted
      plot         Draw a model's density, beside or over the rows of a table, as a PNG
      reconstruct  Bring images to a model's source and back, and draw the pairs
      interpolate  Draw the images between two, along a great circle of the model's source
      models       List the models that can be fitted
      completions  Print the completion script of a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Example:
      knothe fit data/magic.parquet --context class --out magic.safetensors
      knothe evaluate magic.safetensors data/magic.parquet
      knothe score magic.safetensors data/magic.parquet --given class=0
      knothe sample magic.safetensors -n 1000 --given class=1 > samples.csv

    Tables are CSV, TSV, Parquet, Arrow IPC or NPY files, by the ending of their name.
    "#);
}

#[test]
fn help_of_score() {
    assert_snapshot!(succeeds(fitted(), "score --help"), @r#"
    Print log q(x | context) of each row of a table, in nats

    Usage: knothe score [OPTIONS] <MODEL> <TABLE>

    Arguments:
      <MODEL>  The model file
      <TABLE>  The table; columns are matched by name, in any order

    Options:
          --given <COLUMN=VALUE>  Set a context column for every row; may be repeated
          --out <FILE>            Write a CSV, TSV, Parquet, Arrow or NPY file instead of CSV on stdout
          --seed <N>              Seed of the noise that makes integer columns continuous [default: 0]
          --samples <K>           Noise samples a row for integer columns: a bound that tightens as K
                                  grows [default: 1]
          --device <NAME>         Device: cpu, or cuda or vulkan where they are built in [default: cpu]
          --threads <N>           Threads on the CPU [default: all cores]
      -h, --help                  Print help

    The units are those of the table's columns: a density for continuous columns, a mass for integer
    ones. A row that lacks a value (in a model fitted with --missing drop) has NaN as its log_prob, so
    the rows of the output are those of the table.

    Example:
      knothe score magic.safetensors data/magic.parquet --given class=0 --out log_prob.parquet
    "#);
}

#[test]
fn help_of_fit_is_one_page() {
    let help = succeeds(fitted(), "fit --help");
    assert!(help.lines().count() <= 75, "{help}");
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
        ("fit table.csv --out out.safetensors --model maf,made_binary", "made_binary, of 0 and 1 alone"),
        ("fit table.csv --out out.safetensors --ensemble-weights validation", "means nothing to a single model"),
        ("fit table.csv --out out.safetensors --model nsf --form inverse", "'inverse'"),
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
        ("nsf --triangular coupling --residual", "--residual means nothing to the model nsf with --triangular coupling"),
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
    assert_snapshot!(run.stderr, @"error: device 'cuda': not built in; build with `--features cuda`");
}

//! The words that users meet first.

use insta::assert_snapshot;

use crate::support::{fitted, knothe, succeeds};

#[test]
fn help_of_the_command() {
    assert_snapshot!(succeeds(fitted(), "--help"), @r#"
    Learn a probability density from data, then score rows, draw samples and check the fit

    Usage: knothe <COMMAND>

    Commands:
      fit          Fit a density to a table, to images or to recordings by maximum likelihood
      schema       Write the kinds that `fit` infers for the columns of a table, as a file for `fit
                   --schema`
      score        Write the log-density of each row, image or recording
      sample       Draw new rows, images or recordings from a model
      evaluate     Measure a model's log-likelihood on data and check whether to trust it
      compare      Compare the log-likelihoods of two models on the same data
      predict      Predict a column of a table from any other columns
      impute       Fill in the missing values of a table with draws given the known values
      inspect      Show the contents of a model file
      plot         Draw a model's density or samples as a PNG picture
      reconstruct  Reconstruct or complete events and compare them with the originals
      interpolate  Draw the events between two
      posterior    Draw from the posterior of a target in a shared library
      importance   Estimate expectations and the evidence from weighted draws
      models       List the model families, or describe one of them
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      knothe fit data/magic.parquet --context class --out magic.safetensors
      knothe evaluate magic.safetensors data/magic.parquet
      knothe score magic.safetensors data/magic.parquet --given class=0
      knothe sample magic.safetensors -n 1000 --given class=1 > samples.csv

    Tables are text (CSV, TSV and others, also .gz and .zst), Parquet, Arrow or NPY files, a pattern
    such as 'data/*.parquet', or - for standard input. Images are a folder of PNG and JPEG files, an NPZ
    file or an NPY file. Knothe recognises a format by the ending of the file name.

    Results go to standard output; progress, notes and errors go to standard error. The exit code is 0
    on success, 1 if the data or a file is at fault, 2 if an option is wrong, and 130 after Ctrl-C.
    "#);
}

#[test]
fn help_of_score() {
    assert_snapshot!(succeeds(fitted(), "score --help"), @r#"
    Write the log-density of each row, image or recording

    Usage: knothe score [OPTIONS] <MODEL> <DATA>

    Arguments:
      <MODEL>  Model file
      <DATA>   Table, images or recordings to score. Columns are matched by name, in any order

    Options:
      -h, --help  Print help

    Input:
          --given <COLUMN=VALUE>  Set a context column to this value in every row (images and
                                  recordings: class=VALUE). `score` also takes modelled columns if the
                                  model was fitted with --model any_order. Repeat the option for more
                                  columns
          --labels <NAME>         Class of each image or recording: the name of an array in the NPZ file
                                  or, for images, an NPY file. With WAV files, 'prefix' takes what
                                  precedes the first '_', '-' or space of each file name
          --key <NAME>            Name of the array that holds the images or the samples in an NPZ file
                                  [default: images or pcm]

    Text files:
          --delimiter <C>         Field delimiter: a character, tab, or space for any run of spaces and
                                  tabs [default: detected]
          --decimal <C>           Decimal mark: . or , [default: detected]
          --thousands <C>         Thousands separator: , . ' or space [default: detected]
          --quote <C>             Quote around fields that hold delimiters [default: detected]
          --comment <C>           First character of comment lines [default: detected]
          --header <true|false>   Whether the first line holds the names of the columns. If not, they
                                  are x1, x2, … [default: detected]
          --encoding <NAME>       Encoding, for example utf-16le or windows-1252 [default: detected]
          --missing-values <A,B>  Further texts that stand for a missing value, in every format
          --text <A,B>            Read these columns as text, in every format
          --keep-index            Read index columns like other columns, in every format

    Likelihood:
          --known <A,B>  Condition on these columns and score the others. The model must be fitted with
                         --model any_order
          --asked <A,B>  Score only these columns. Columns that are in neither list have no influence
                         [default: all columns that are not known]
          --seed <N>     Seed of the dequantisation noise and of the draws of true values [default: 0]
          --samples <K>  Draw K noise samples per image, or K times 256 true values per row with
                         measurement errors. K is at most 10^6. The bound on log_prob tightens as K
                         grows. Other tables need no draws [default: 1]

    Output:
          --out <FILE>  CSV, TSV, Parquet, Arrow IPC or NPY file to write, or - for standard output
                        [default: CSV on standard output]

    Runtime:
          --device <NAME>  Compute on cpu, cuda or vulkan. The last two need a build with that feature
                           [default: cpu]
          --threads <N>    Number of CPU threads, at most 16 per core [default: one per core]

    log_prob is log q(x | context) in nats, in the units of the table's own columns: a density for
    continuous columns and a probability for all other columns, special values and missing values. For
    a flow of images it is a lower bound of the log probability.

    With --known or --asked, log_prob is log q(asked columns | known columns, context). An impossible
    value in a known column is ignored.

    The output has one row per row of the table. log_prob is -inf if the row is impossible under the
    model; a note names the column. It is NaN if a context value is missing, and with a model fitted
    with --missing drop, if any value is missing.

    With a model fitted with --errors, log_prob is the log-likelihood of the measured values. Values
    whose column of errors the table lacks count as exact.

    A table is scored in parts, so it may be larger than the memory. Images are read as a whole.

    Examples:
      knothe score magic.safetensors data/magic.parquet --given class=0 --out log_prob.parquet
      knothe score digits.safetensors data/digits.npz --labels labels --samples 16
    "#);
}

#[test]
fn help_of_fit_has_its_options_under_headings() {
    let help = succeeds(fitted(), "fit --help");
    for heading in [
        "Input:",
        "Text files:",
        "Model:",
        "Options of the families:",
        "Options of the image families:",
        "Training:",
        "Output:",
        "Runtime:",
    ] {
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
        "--delimiter",
        "--missing-values",
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

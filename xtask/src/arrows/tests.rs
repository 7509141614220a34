use std::path::{Path, PathBuf};

use super::{LAYERS, Source, examine, source};

/// A library of two modules, `kernels` with the text given and `univariate`, which uses it.
fn library(kernels: &str) -> Vec<Source> {
    let file = |path: &str, text: &str| (PathBuf::from(path), format!("src/{path}"), text.to_owned());
    let top = file("lib.rs", "mod error; pub mod kernels; pub mod univariate; pub use univariate::{Map, Law as Other}; pub use burn;");
    let texts = [
        top,
        file("error.rs", ""),
        file("kernels/mod.rs", "mod lanes;\n#[cfg(test)]\nmod checks;\n"),
        file("kernels/checks.rs", "use crate::univariate::Map;"),
        file("kernels/lanes.rs", kernels),
        file("univariate.rs", "use crate::{\n    error::Result,\n    kernels::{Kernel, lanes},\n};"),
    ];
    source::read(&texts, Path::new("lib.rs")).unwrap_or_default()
}

#[test]
fn an_upward_use_is_reported_with_its_line() {
    assert_eq!(examine(&library("use crate::error::Result;"), LAYERS, &[]), [""; 0]);
    let planted = [
        "\n\nuse crate::univariate::Map;",
        "\n\nuse crate::{error::Result, Map};",
        "\n\nfn f() -> crate::Other {}",
        "use super::Real;\n\nuse super::super::univariate;",
        "// '\"'\nfn f<'a>(x: &'a str, y: char) -> bool { y == '\"' }\nuse crate::univariate;",
    ];
    for text in planted {
        let expected = ["src/kernels/lanes.rs:3: kernels uses univariate, which is above it"];
        assert_eq!(examine(&library(text), LAYERS, &[]), expected, "{text}");
    }
}

#[test]
fn comments_texts_and_tests_are_no_arrows() {
    let innocent = [
        "//! See [`crate::univariate`].\n/* crate::univariate */",
        "const A: &str = \"crate::univariate \\\" crate::univariate\"; const B: &str = r#\"crate::univariate\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::univariate::Map;\n    fn f() { let a = \"}\"; }\n}",
        "pub(crate) use burn; use crate::burn::tensor::Tensor;",
    ];
    for text in innocent {
        assert_eq!(examine(&library(text), LAYERS, &[]), [""; 0], "{text}");
    }
}

#[test]
fn circles_inside_a_layer_are_reported() {
    let all: &[&[&str]] = &[&["error", "kernels", "univariate"]];
    let problems = examine(&library("use crate::univariate::Map;"), all, &[]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(examine(&library(""), all, &[]), [""; 0]);
}

#[test]
fn exceptions_hold_for_one_file_and_end_with_their_need() {
    let exception = ("src/kernels/lanes.rs", "univariate");
    assert_eq!(examine(&library("use crate::univariate::Map;"), LAYERS, &[exception]), [""; 0]);
    let needless = examine(&library(""), LAYERS, &[exception]);
    assert!(needless.len() == 1 && needless[0].contains("no longer needed"), "{needless:?}");
}

#[test]
fn a_module_without_a_layer_is_reported() {
    let problems = examine(&library("use crate::error::Result;"), &[&["univariate"], &["error"]], &[]);
    assert!(problems[0].contains("module kernels has no layer"), "{problems:?}");
}

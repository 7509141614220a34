//! Pictures.

use std::path::Path;

use crate::support::{copy, fitted, knothe, succeeds};

/// The width and height of a PNG file.
fn size(path: &Path) -> [u32; 2] {
    let png = std::fs::read(path).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[png.len() - 8..png.len() - 4], *b"IEND");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn one_two_and_three_columns_have_their_pictures() {
    let folder = copy();
    for (drop, expected) in [("k,y,same,class", [720, 480]), ("k,same,class", [1042, 530]), ("same,class", [892, 874])] {
        std::fs::remove_file(folder.path().join("flat.png")).ok();
        succeeds(folder.path(), &format!("fit table.csv --drop {drop} --model gaussian --out flat.safetensors"));
        for table in ["", "table.csv"] {
            assert_eq!(succeeds(folder.path(), &format!("plot flat.safetensors {table} -n 500 --out flat.png")), "");
            assert_eq!(size(&folder.path().join("flat.png")), expected, "without {drop}, with '{table}'");
        }
    }
    // The same seed gives the same bytes, and another one others.
    let bytes = |seed: u64| {
        succeeds(folder.path(), &format!("plot flat.safetensors -n 500 --seed {seed} --out flat.png"));
        std::fs::read(folder.path().join("flat.png")).unwrap()
    };
    let first = bytes(3);
    assert!(bytes(3) == first && bytes(4) != first);
}

#[test]
fn a_context_is_given_or_averaged_over_a_table() {
    let folder = copy();
    let draw = |options: &str| {
        let run = knothe(folder.path(), &format!("plot model.safetensors {options} -n 500 --columns x,k --out a.png"));
        assert_eq!(run.code, 0, "{options}: {}", run.stderr);
        (std::fs::read(folder.path().join("a.png")).unwrap(), run.stderr)
    };
    let (zero, one, all) = (draw("--given class=0").0, draw("--given class=1").0, draw("table.csv").0);
    assert!(zero != one && one != all);
    // Rows of another class are not those of the density.
    assert_ne!(draw("table.csv --given class=0").0, draw("table.csv --given class=1").0);
    assert!(draw("table.csv --given class=0.5").1.starts_with("note: no row of table.csv has the context"));
}

#[test]
fn integers_and_odd_orders_can_be_drawn() {
    let folder = copy();
    succeeds(folder.path(), "fit table.csv --drop x,same,class --model gaussian --out pair.safetensors");
    for columns in ["y,k", "k,y", "k"] {
        succeeds(folder.path(), &format!("plot pair.safetensors table.csv -n 500 --columns {columns} --out {columns}.png"));
    }
    let [straight, turned] = ["y,k.png", "k,y.png"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    assert_ne!(straight, turned);
    assert_eq!(size(&folder.path().join("k.png")), [356, 338]);
}

#[test]
fn what_cannot_be_drawn_is_said_and_leaves_nothing() {
    let folder = copy();
    std::fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    let cases = [
        ("model.safetensors --out a.png", 2, "found none for 'class'"),
        ("model.safetensors --given class=1 --out a.pdf", 2, "expected a name that ends in .png, or - for standard output, found .pdf"),
        ("model.safetensors --given x=1 --out a.png", 2, "expected a context column, found 'x'"),
        ("model.safetensors --given class=1 --columns x,q --out a.png", 2, "expected a column that is modelled, found 'q'"),
        ("model.safetensors --given class=1 --columns x,x --out a.png", 2, "found 'x' twice"),
        ("model.safetensors other.csv --given class=1 --out a.png", 1, "expected a column 'x'"),
        ("model.safetensors none.csv --given class=1 --out a.png", 1, "none.csv"),
        ("none.safetensors --out a.png", 1, "none.safetensors"),
        ("table.csv --out a.png", 1, "not a whole safetensors file"),
        ("model.safetensors --given class=1 --out nowhere/a.png", 1, "cannot write nowhere/a.png"),
    ];
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    for (arguments, code, expected) in cases {
        let run = knothe(folder.path(), &format!("plot {arguments}"));
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{arguments}: {}", run.stderr);
        assert!(run.error().contains(expected), "{arguments}: {}", run.stderr);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before, "{arguments}");
    }
    assert_eq!(knothe(fitted(), "plot model.safetensors --given class=1 -n 0 --out a.png").code, 2);
}

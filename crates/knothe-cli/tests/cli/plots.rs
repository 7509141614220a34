//! Pictures.

use std::{fmt::Write, path::Path};

use knothe::events::image::ImageSet;

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
    assert_eq!(size(&folder.path().join("k.png")), [720, 480]);
}

/// The longest run of pixels of a colour in a column of a picture: red above blue by so much, or below it.
fn longest(picture: &ImageSet, x: f64, is: impl Fn(i32) -> bool) -> f64 {
    let (width, plane) = (picture.shape.width, picture.shape.pixels());
    let colour = |y: usize, channel: usize| i32::from(picture.pixels[channel * plane + y * width + x as usize]);
    let (mut most, mut now) = (0, 0);
    for y in 0..picture.shape.height {
        now = if is(colour(y, 0) - colour(y, 2)) { now + 1 } else { 0 };
        most = most.max(now);
    }
    f64::from(most)
}

/// The heights of the bars of the data and of the model around these places.
fn bars(path: &Path, centres: &[f64], beside: f64) -> [Vec<f64>; 2] {
    let picture = ImageSet::read_picture(path, 3, 255).unwrap();
    let data = centres.iter().map(|x| longest(&picture, x - beside, |red| (-60..-30).contains(&red))).collect();
    [data, centres.iter().map(|x| longest(&picture, x + beside, |red| red > 100)).collect()]
}

#[test]
fn bars_of_categories_are_their_shares() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..1000).map(|i| ["ash\n", "beech\n", "ash\n", "oak\n", "ash\n"][i % 5]).collect();
    std::fs::write(folder.path().join("trees.csv"), format!("tree\n{rows}")).unwrap();
    succeeds(folder.path(), "fit trees.csv --model gaussian --out trees.safetensors");
    succeeds(folder.path(), "plot trees.safetensors trees.csv --out trees.png");
    // Three cells of 208 pixels from 72 on.
    let [data, model] = bars(&folder.path().join("trees.png"), &[176.0, 384.0, 592.0], 40.0);
    assert!(data[0] > 200.0, "{data:?}");
    for k in 1..3 {
        // A pixel is 0.3 % of the highest bar, and the model has a part of the rows: one standard deviation of a share is 1.5 %.
        assert!((data[k] / data[0] - 1.0 / 3.0).abs() < 0.01, "{data:?}");
        assert!((model[k] / model[0] - 1.0 / 3.0).abs() < 0.1, "{model:?}");
    }
}

#[test]
fn a_column_whose_name_has_a_comma_can_be_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..200).map(|i| format!("{},{}\n", (f64::from(i) * 0.7).sin(), (f64::from(i) * 1.3).cos())).collect();
    std::fs::write(folder.path().join("a.csv"), format!("\"pay,USD\",x\n{rows}")).unwrap();
    succeeds(folder.path(), "fit a.csv --model gaussian --out m.safetensors");
    for columns in ["pay,USD", "x,pay,USD"] {
        succeeds(folder.path(), &format!("plot m.safetensors a.csv -n 500 --columns {columns} --out a.png"));
    }
    assert!(knothe(folder.path(), "plot m.safetensors a.csv --columns pay --out b.png").stderr.contains("found 'pay'"));
}

#[test]
fn special_and_missing_values_have_bars_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("n,amount\n");
    for i in 0..1000u64 {
        let amount = (1.0 + i as f64 * 0.618_034 % 1.0).powi(5) * (1.0 + (i as f64).sqrt() * 1e-3);
        let amount = [String::new(), "0".into(), "0".into(), "0".into()].get(i as usize % 10).cloned().unwrap_or(amount.to_string());
        writeln!(text, "{},{amount}", (i as f64 * 0.414_214).sin()).unwrap();
    }
    std::fs::write(folder.path().join("a.csv"), text).unwrap();
    succeeds(folder.path(), "fit a.csv --drop n --model gaussian --out one.safetensors");
    succeeds(folder.path(), "fit a.csv --model gaussian --out two.safetensors");
    succeeds(folder.path(), "plot one.safetensors a.csv --out one.png");
    succeeds(folder.path(), "plot two.safetensors a.csv --columns amount --out two.png");
    for name in ["one.png", "two.png"] {
        // 0 and missing have 58 pixels each, up to 696. 100 % are the height of the panel less 34 pixels of text.
        let [data, model] = bars(&folder.path().join(name), &[609.0, 667.0], 12.0);
        let whole = data[0] / 0.3;
        assert!((300.0..370.0).contains(&whole), "{name}: {data:?}");
        assert!((data[1] / whole - 0.1).abs() < 0.005, "{name}: {data:?}");
        assert!((model[0] / whole - 0.3).abs() < 0.05 && (model[1] / whole - 0.1).abs() < 0.03, "{name}: {model:?}");
    }
    // The pair has strips on both of its sides, in the place of the density of real numbers.
    succeeds(folder.path(), "plot two.safetensors a.csv --out pair.png");
    assert_eq!(size(&folder.path().join("pair.png")), [624, 640]);
}

#[test]
fn tables_of_every_kind_can_be_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("town,day,hour,score,member\n");
    for i in 0..600u64 {
        let score = if i % 7 == 0 { String::new() } else { format!("{}", (i as f64).sin()) };
        writeln!(text, "town number {},2021-0{}-1{},{},{score},{}", i * i % 23, 1 + i % 9, i % 10, i * 7 % 24, i % 3 == 0).unwrap();
    }
    std::fs::write(folder.path().join("mixed.csv"), text).unwrap();
    succeeds(folder.path(), "fit mixed.csv --model gaussian --out mixed.safetensors");
    // The room for labels and dates is beside that of the panels.
    for (options, least) in
        [("", [1196, 1220]), ("--columns day", [720, 480]), ("--columns town", [720, 480]), ("--columns day,town", [624, 656])]
    {
        succeeds(folder.path(), &format!("plot mixed.safetensors mixed.csv -n 500 {options} --out mixed.png"));
        let found = size(&folder.path().join("mixed.png"));
        assert!(found[0] >= least[0] && found[1] >= least[1], "{options}: {found:?}");
        succeeds(folder.path(), &format!("plot mixed.safetensors -n 500 {options} --out mixed.png"));
    }
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

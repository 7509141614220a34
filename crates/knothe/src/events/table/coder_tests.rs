#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::events::{
    Coding,
    table::{Column, Form as Held, Label, MissingPolicy, Need, Overrides, Roles, Spaced, Table, TableRows, Unit},
};

/// The code or number of an element, one value at a time, as the definition of each kind says.
fn encoded(c: &SchemaColumn, part: Part, value: f64) -> f64 {
    match (part, c.flag(value), c.kind.levels()) {
        (Part::Flag, flag, _) => flag.map_or(0.0, |k| 1.0 + k as f64),
        (Part::Level, Some(flag), Some(levels)) => (levels + flag) as f64,
        (Part::Level, ..) => match c.kind.lattice() {
            Some((lattice, Bounds { low: Some(low), .. })) => ((value - low) / lattice.step()).round(),
            _ => value,
        },
        (Part::Value, Some(_), _) => 0.0,
        (Part::Value, None, _) => {
            let v = c.kind.to_real(value, c.shift);
            if matches!(c.kind, Kind::Periodic(_)) { v } else { (v - c.shift) / c.scale }
        }
    }
}

/// The value of a code and a number, one at a time.
fn decoded(c: &SchemaColumn, code: Option<f64>, u: f64) -> f64 {
    // A special value that the law of the others has too is an atom of that law.
    let is_atom =
        |v: f64| matches!(c.kind, Kind::Integer(_) | Kind::Lattice(_)) && c.kind.levels().is_none() && c.kind.contradiction(v).is_none();
    let apart: Vec<f64> = c.special.iter().copied().filter(|v| !is_atom(*v)).collect();
    let special = |k: usize| apart.get(k).copied().unwrap_or(f64::NAN);
    if let Some(levels) = c.kind.levels() {
        let code = code.unwrap_or(0.0);
        return match c.kind.lattice() {
            _ if code >= levels as f64 => special(code as usize - levels),
            Some((lattice, Bounds { low: Some(low), .. })) => lattice.value(((low - lattice.offset()) / lattice.step()).round() + code),
            _ => code,
        };
    }
    if let Some(code) = code.filter(|&code| code > 0.0) {
        return special(code as usize - 1);
    }
    if matches!(c.kind, Kind::Periodic(_)) {
        return c.kind.to_file(u, c.shift);
    }
    let v = c.shift + c.scale * u;
    let Some((lattice, Bounds { low, high })) = c.kind.lattice() else { return c.kind.to_file(v, 0.0) };
    let k = ((v - lattice.offset()) / lattice.step()).round().clamp(-LARGEST_INDEX, LARGEST_INDEX);
    let value = match c.kind {
        Kind::Time(unit) => lattice.value(k).clamp(unit.first(), unit.last()),
        _ => lattice.value(k),
    };
    value.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY))
}

/// A column of every kind, without and with special and missing values.
fn schema(shift: f64, scale: f64) -> Schema {
    let bounds = |low, high| Bounds { low, high };
    let labels = || (0..3).map(|k| Label::Text(k.to_string())).collect::<Vec<_>>();
    let spaced = |low, high| Kind::Lattice(Spaced { step: 0.1, offset: 0.05, low, high });
    let kinds = [
        Kind::Continuous,
        Kind::Positive,
        Kind::Bounded([-1.0, 3.0]),
        Kind::Periodic([0.0, 360.0]),
        Kind::Integer(bounds(None, None)),
        Kind::Integer(bounds(Some(0.0), None)),
        Kind::Integer(bounds(Some(-2.0), Some(12.0))),
        Kind::Integer(bounds(Some(1.0), Some(500.0))),
        spaced(None, None),
        spaced(Some(0.05), Some(1.05)),
        Kind::Categorical(labels()),
        Kind::Ordered(labels()),
        Kind::Time(Unit::Day),
        Kind::Time(Unit::Microsecond),
        Kind::Constant(Label::Number(1.0)),
    ];
    let column = |(k, (kind, flags)): (usize, (Kind, usize))| SchemaColumn {
        name: format!("c{k}"),
        // Integers count their shift in whole steps, and categories have none.
        shift: if kind.levels().is_some() { 0.0 } else { kind.lattice().map_or(shift, |(lattice, _)| lattice.value(lattice.floor(shift))) },
        scale,
        kind,
        special: [vec![], vec![-99.0, 7.0]][flags % 2].clone(),
        missing: flags > 1,
    };
    let all = kinds.into_iter().flat_map(|kind| (0..4).map(move |flags| (kind.clone(), flags)));
    Schema { columns: all.enumerate().map(column).collect(), ..Schema::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn rows_are_coded_as_the_kinds_define_it(
        shift in -5.0..5.0f64, scale in 0.1..10.0f64, values in prop::collection::vec(-3.0..3.0f64, 60), codes in prop::collection::vec(0usize..20, 60),
    ) {
        let schema = schema(shift, scale);
        let (coder, layout, columns) = (schema.coder(), schema.layout(), schema.modelled().collect::<Vec<_>>());
        // Any code that the element has, and any number.
        let elements: Vec<f64> = layout.iter().enumerate().map(|(k, e)| match e.law {
            Law::Codes(n) => (codes[k % 60] % n as usize) as f64,
            _ => values[k % 60],
        }).collect();
        let mut x = vec![0.0; columns.len()];
        coder.decode(&elements, &mut x);
        for (j, c) in columns.iter().enumerate() {
            let of = |code: bool| layout.iter().position(|e| e.column == j && (e.part != Part::Value) == code).map(|k| elements[k]);
            let expected = decoded(c, of(true), of(false).unwrap_or(0.0));
            prop_assert_eq!(x[j].to_bits(), expected.to_bits(), "{:?}: {} and {}", c, x[j], expected);
        }
        let mut back = vec![f64::NAN; layout.len()];
        let ladj = coder.encode(&x, &mut back, |_| true);
        let mut expected = 0.0;
        for (k, e) in layout.iter().enumerate() {
            let (c, value) = (columns[e.column], x[e.column]);
            let u = encoded(c, e.part, value);
            prop_assert_eq!(back[k].to_bits(), u.to_bits(), "{:?} of {}: {} and {}", c, value, back[k], u);
            if e.law == Law::Real && c.flag(value).is_none() {
                expected += c.kind.log_slope(value, u) - c.scale.ln();
            }
        }
        prop_assert_eq!(ladj.to_bits(), f64::to_bits(expected));
        // The same through the coding, beside a row outside the support.
        let rows = TableRows { n: 2, x: [x.clone(), x].concat(), index: vec![0, 1], outside: vec![false, true], ..TableRows::default() };
        let all = schema.encode(&rows).unwrap();
        prop_assert!(all.values[..layout.len()].iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
        prop_assert_eq!((all.ladj[0].to_bits(), all.ladj[1], all.codes), (ladj.to_bits(), f64::NEG_INFINITY, coder.codes()));
        let decoded = schema.decode(all.values, vec![]).unwrap();
        prop_assert_eq!(decoded.n, 2);
    }
}

#[test]
fn ordered_labels_are_a_lattice_of_their_own_order() {
    let labels = ["low", "mid", "high", "top"];
    let texts: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    // As a file has them, in another order than the declared one.
    let column = Column { name: "c".into(), values: vec![3.0, 1.0, 0.0, f64::NAN, 2.0, 0.0], form: Held::Text(texts) };
    let t = Table { path: "t.csv".into(), columns: vec![column], ..Table::default() };
    let declared = Overrides::parse(r#"{"c": {"ordered": ["top", "high", "mid", "low"]}}"#).unwrap();
    let (mut schema, _) = Schema::infer(&t, &declared, &Roles::default(), MissingPolicy::Model).unwrap();
    let rows = schema.rows(&t, Need::Fit).unwrap();
    schema.fit(&rows).unwrap();
    let space = schema.space();
    assert_eq!(space.law_of(0), Law::Codes(2));
    let law = space.law_of(1);
    let cells = if let Law::Lattice(cells) = law { Some(cells) } else { None }.unwrap();
    assert!((cells.high.unwrap() - cells.low.unwrap() - 3.0 * cells.width).abs() < 1e-12);
    let coded = schema.encode(&rows).unwrap();
    let back = schema.decode(coded.values, Vec::new()).unwrap();
    // "top" comes first, and a missing label stays missing.
    assert_eq!(format!("{:?}", back.x), "[0.0, 2.0, 3.0, NaN, 1.0, 3.0]");
    assert_eq!(schema.columns_of(&back)[0].text(0), "top");
}

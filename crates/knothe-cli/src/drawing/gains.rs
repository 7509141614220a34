//! The picture of `knothe compare`: where each model gives the higher likelihood.

use std::path::Path;

use knothe::{
    events::{
        Events,
        table::{Bounds, Kind as ColumnKind, Label, Schema, SchemaColumn, TableRows},
    },
    model::{Comparison, LogLikelihood},
    plot::{Axis, Gains, Interval, Picture, Variable, gains},
};

use super::{BINS, LARGEST, PAIR_CATEGORIES, columns::Shown, grouped, name, table::redrawn};
use crate::failure::{Failure, say};

/// The most intervals along a column of real numbers, and the events that each of them has at least, where a column has so many.
const INTERVALS: usize = 16;
const EACH: usize = 50;
/// The fewest events whose mean difference is drawn.
const FEWEST: usize = 5;

/// A quantity along which two models are compared, and its value for each event.
pub type Facet = (Variable, Vec<f64>);

/// The columns of rows, and the columns of their context.
pub fn facets(schema: &Schema, rows: &TableRows) -> Vec<Facet> {
    let column = |all: &[f64], width: usize, j: usize| -> Vec<f64> { (0..rows.n).map(|i| all[i * width + j]).collect() };
    let modelled: Vec<SchemaColumn> = schema.modelled().cloned().collect();
    let facet = |column: &SchemaColumn, values: Vec<f64>| {
        let shown = Shown::new(column, &values, &[], BINS, PAIR_CATEGORIES);
        let places = shown.places(&values);
        (shown.variable, places)
    };
    let own = modelled.iter().enumerate().map(|(j, c)| facet(c, column(&rows.x, modelled.len(), j)));
    let context = schema.context.iter().enumerate().map(|(j, c)| {
        let values = column(&rows.context, schema.context.len(), j);
        let kind = match c.labels.as_slice() {
            [] if values.iter().all(|v| v.fract() == 0.0) => ColumnKind::Integer(Bounds::default()),
            [] => ColumnKind::Continuous,
            labels => ColumnKind::Categorical(labels.to_vec()),
        };
        facet(&SchemaColumn { name: c.name.clone(), kind, special: Vec::new(), missing: false, shift: 0.0, scale: 1.0 }, values)
    });
    own.chain(context).collect()
}

/// The classes of events as a facet.
pub fn classes(labels: impl IntoIterator<Item = String>) -> Facet {
    let labels: Vec<Label> = labels.into_iter().map(Label::Text).collect();
    let mut known = labels.clone();
    known.sort_by_key(Label::to_string);
    known.dedup();
    let values: Vec<f64> = labels.iter().map(|label| known.iter().position(|k| k == label).map_or(f64::NAN, |k| k as f64)).collect();
    let column = SchemaColumn {
        name: "class".into(),
        kind: ColumnKind::Categorical(known),
        special: Vec::new(),
        missing: false,
        shift: 0.0,
        scale: 1.0,
    };
    let shown = Shown::new(&column, &values, &[], BINS, PAIR_CATEGORIES);
    let places = shown.places(&values);
    (shown.variable, places)
}

/// Draws the differences of two models on the compared events, along these facets. `words` are for one event and for several.
pub fn gains_of<E: Events>(
    facets: Vec<Facet>,
    events: &E,
    [one, several]: [&str; 2],
    comparison: &Comparison,
    files: [&Path; 3],
) -> Result<Picture, Failure> {
    let (differences, weights) = (&comparison.differences, events.weights());
    let mut panels: Vec<(f64, Gains)> = facets.into_iter().map(|facet| along(facet, differences, weights)).collect();
    panels.sort_by(|a, b| b.0.total_cmp(&a.0));
    if panels.len() > LARGEST {
        say(format_args!("note: the picture shows the {LARGEST} of {} columns along which the difference varies most", panels.len()));
    }
    let panels: Vec<Gains> = panels.into_iter().take(LARGEST).map(|(_, panel)| panel).collect();
    let drawn: Vec<f64> = redrawn(weights, events.len(), 0).into_iter().map(|i| differences[i]).collect();
    let label = format!("log-likelihood of B minus log-likelihood of A, in nats per {one}");
    let axis = Axis::new(&label, &[&drawn], [f64::NEG_INFINITY, f64::INFINITY], BINS);
    let [first, second, data] = files.map(name);
    let caption = format!("A {first}, B {second}; {data}, {} {several}; bands: ± two standard errors", grouped(events.len()));
    Ok(gains((&axis, &drawn), &panels, ["higher under A", "higher under B"], &caption)?)
}

/// The mean differences along a facet, and how much they vary beyond their errors.
fn along((variable, values): Facet, differences: &[f64], weights: Option<&[f64]>) -> (f64, Gains) {
    let mut found: Vec<(usize, Interval)> = Vec::new();
    let mut interval = |ends: [f64; 2], of: &[usize]| -> Option<Interval> {
        let of: Vec<usize> = of.iter().copied().filter(|&i| differences[i].is_finite()).collect();
        if of.len() < FEWEST {
            return None;
        }
        let pick = |all: &[f64]| of.iter().map(|&i| all[i]).collect::<Vec<f64>>();
        let LogLikelihood { mean, two_se, .. } = LogLikelihood::of(&pick(differences), weights.map(pick).as_deref());
        let interval = Interval { ends, mean, error: two_se };
        found.push((of.len(), interval));
        Some(interval)
    };
    let (axis, is_apart) = (&variable.axis, |v: f64| variable.apart.iter().position(|a| a.holds(v)));
    let of_bar = |k: usize| (0..values.len()).filter(|&i| is_apart(values[i]) == Some(k)).collect::<Vec<_>>();
    let apart = (0..variable.apart.len()).map(|k| interval([k as f64 - 0.35, k as f64 + 0.35], &of_bar(k))).collect();
    let mut inside: Vec<usize> = (0..values.len()).filter(|&i| is_apart(values[i]).is_none() && axis.find(values[i]).is_some()).collect();
    inside.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let cell = |i: usize| axis.find(values[i]);
    let ordinary = if axis.discrete {
        let cells = inside.chunk_by(|&i, &j| cell(i) == cell(j));
        cells.filter_map(|of| of.first().and_then(|&i| cell(i)).and_then(|k| interval(ends(axis, k), of))).collect()
    } else {
        // As many events in each, but for equal values, which stay together.
        let count = (inside.len() / EACH).clamp(1, INTERVALS);
        let starts: Vec<f64> = (0..count).filter_map(|k| inside.get(k * inside.len() / count)).map(|&i| values[i]).collect();
        let part = |i: usize| starts.partition_point(|start| *start <= values[i]);
        let parts: Vec<&[usize]> = inside.chunk_by(|&i, &j| part(i) == part(j)).collect();
        let start = |k: usize| parts.get(k).or(parts.last()).map(|of| of[0]);
        let end = |k: usize| if k + 1 < parts.len() { start(k + 1) } else { inside.last().copied() };
        let ends = |k: usize| Some([values[start(k)?], values[end(k)?]]);
        (0..parts.len()).filter_map(|k| interval(ends(k)?, parts[k])).collect()
    };
    let total = found.iter().map(|(n, _)| *n as f64).sum::<f64>().max(1.0);
    let mean = found.iter().map(|(n, i)| *n as f64 * i.mean).sum::<f64>() / total;
    let beyond = |i: &Interval| ((i.mean - mean).powi(2) - (0.5 * i.error).powi(2)).max(0.0);
    let varies = found.iter().map(|(n, i)| *n as f64 * beyond(i)).sum::<f64>() / total;
    (varies, Gains { ordinary, apart, variable: variable.clone() })
}

/// The ends of a cell.
fn ends(axis: &Axis, cell: usize) -> [f64; 2] {
    let (centre, half) = (axis.centre(cell), 0.35 * axis.cell());
    [centre - half, centre + half]
}

#[cfg(test)]
mod tests {
    use knothe::plot::Apart;

    use super::*;

    #[test]
    fn intervals_hold_as_many_events_each() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let variable = Variable::from(Axis::between("x", 0.0, 1.0, 48));
        // A gain of 1 in the upper half.
        let differences: Vec<f64> = values.iter().map(|v| f64::from(u8::from(*v >= 0.5))).collect();
        let (varies, found) = along((variable.clone(), values.clone()), &differences, None);
        assert_eq!(found.ordinary.len(), 16);
        assert!(found.ordinary[..8].iter().all(|i| i.mean == 0.0) && found.ordinary[8..].iter().all(|i| i.mean == 1.0), "{found:?}");
        assert_eq!([found.ordinary[8].ends[0], found.ordinary[15].ends[1]], [0.5, 0.999]);
        assert!((varies - 0.25).abs() < 1e-12);
        // What does not vary with a column has no part in its score.
        let turning: Vec<f64> = (0..1000).map(|i| f64::from(i % 2)).collect();
        assert!(along((variable, values), &turning, None).0 < 1e-6);
    }

    #[test]
    fn equal_values_and_values_apart_stay_together() {
        let mut values = vec![2.0; 300];
        values.extend((0..100).map(|i| 3.0 + f64::from(i) / 100.0));
        values.extend([f64::NAN; 10]);
        let apart = vec![Apart { name: "missing".into(), values: vec![f64::NAN] }, Apart { name: "0".into(), values: vec![0.0] }];
        let variable = Variable { axis: Axis::between("x", 1.0, 5.0, 48), apart };
        let differences: Vec<f64> = values.iter().map(|v| if v.is_nan() { 7.0 } else { *v }).collect();
        let (_, found) = along((variable, values), &differences, None);
        assert_eq!((found.ordinary[0].ends, found.ordinary[0].mean), ([2.0, 3.0], 2.0));
        assert_eq!((found.apart[0].map(|i| i.mean), found.apart[1]), (Some(7.0), None));
        // Impossible events and a few events have no mean.
        let (_, none) = along(
            (Variable::from(Axis::between("x", 0.0, 1.0, 4)), vec![0.5; 9]),
            &[[f64::INFINITY; 5].as_slice(), &[1.0; 4]].concat(),
            None,
        );
        assert!(none.ordinary.is_empty());
    }
}

//! Whether the log_prob of two models of tables can be compared.

use super::{Schema, quoted, schema::SchemaColumn};
use crate::error::{Error, Result};

/// Checks that two models give densities of the same columns: each a probability in both models, or a density in both with the same special values, and missing values modelled in both or in none.
///
/// A density and a probability have different units, so their logarithms differ by an arbitrary constant. Kinds of real numbers can differ, as can the lattices of discrete values and the
/// context.
pub(super) fn check(first: &Schema, second: &Schema) -> Result<()> {
    let sorted = |schema: &Schema| {
        let mut names: Vec<String> = schema.modelled().map(|c| c.name.clone()).collect();
        names.sort_unstable();
        names
    };
    let [names, others] = [first, second].map(sorted);
    if names != others {
        return Err(differ(format!("densities of the same columns, {}", quoted(&names)), quoted(&others)));
    }
    for column in first.modelled() {
        let Some(other) = second.modelled().find(|c| c.name == column.name) else { continue };
        if of(column) != of(other) {
            let named = |c: &SchemaColumn| format!("{} of the column '{}'", of(c), c.name);
            return Err(differ(named(column), named(other)));
        }
    }
    let measured =
        |schema: &Schema| -> Vec<String> { schema.errors.iter().map(|e| format!("errors of '{}' in '{}'", e.column, e.error)).collect() };
    let weighted = |schema: &Schema| -> Vec<String> { schema.weights.iter().map(|name| format!("weights in '{name}'")).collect() };
    for (none, own, found) in
        [("no measurement errors", measured(first), measured(second)), ("no weights", weighted(first), weighted(second))]
    {
        if own != found {
            let text = |list: Vec<String>| if list.is_empty() { none.to_owned() } else { list.join(", ") };
            return Err(differ(text(own), text(found)));
        }
    }
    Ok(())
}

fn differ(expected: String, found: String) -> Error {
    Error::invalid("models to compare", format!("a second model with {expected}, like the first"), found)
}

/// The contribution of a column to log_prob.
fn of(column: &SchemaColumn) -> String {
    // A model of missing values has a probability of presence in every row.
    let missing = if column.missing { ", also of missing values" } else { "" };
    if column.kind.is_discrete() {
        return format!("a probability{missing}");
    }
    let mut special = column.special.clone();
    special.sort_by(f64::total_cmp);
    match special.as_slice() {
        [] => format!("a density{missing}"),
        values => format!("a density with special values {}{missing}", values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::{Bounds, Kind, Label},
        *,
    };

    fn schema(columns: &[(&str, Kind, &[f64])]) -> Schema {
        let column = |(name, kind, special): &(&str, Kind, &[f64])| SchemaColumn {
            special: special.to_vec(),
            ..SchemaColumn::new(name, kind.clone())
        };
        Schema { columns: columns.iter().map(column).collect(), ..Schema::default() }
    }

    #[test]
    fn densities_are_not_compared_with_probabilities() {
        let integer = || Kind::Integer(Bounds::default());
        let first = schema(&[("a", Kind::Continuous, &[]), ("b", integer(), &[]), ("c", Kind::Positive, &[0.0])]);
        // Another order, another kind of real numbers and another kind of discrete values.
        let same = schema(&[("c", Kind::Continuous, &[0.0]), ("a", Kind::Positive, &[]), ("b", Kind::Categorical(Vec::new()), &[])]);
        assert!(check(&first, &same).is_ok());
        // A constant column has no part in log_prob.
        let constant = schema(&[
            ("a", Kind::Continuous, &[]),
            ("b", integer(), &[]),
            ("c", Kind::Positive, &[0.0]),
            ("d", Kind::Constant(Label::Number(1.0)), &[]),
        ]);
        assert!(check(&first, &constant).is_ok());
        for (other, found) in [
            (schema(&[("a", Kind::Continuous, &[]), ("b", integer(), &[])]), "found 'a' and 'b'"),
            (
                schema(&[("a", integer(), &[]), ("b", integer(), &[]), ("c", Kind::Positive, &[0.0])]),
                "found a probability of the column 'a'",
            ),
            (
                schema(&[("a", Kind::Continuous, &[]), ("b", integer(), &[]), ("c", Kind::Positive, &[])]),
                "found a density of the column 'c'",
            ),
            (Schema { weights: Some("w".into()), ..first.clone() }, "with no weights, like the first, found weights in 'w'"),
        ] {
            let message = check(&first, &other).unwrap_err().to_string();
            assert!(message.starts_with("models to compare: expected ") && message.ends_with(found), "{message}");
        }
    }
}

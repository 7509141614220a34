//! Infers the schema of a table from its values.

use std::path::Path;

use super::{
    atoms::{atoms, excess, heaps},
    column::{Column, Form, shown},
    declared::{Declared, Overrides},
    edges::edges,
    errors::check_kinds,
    kind::{Bounds, Kind, Label, Spaced},
    lattice::{INTEGERS, Lattice, whole},
    placeholders::placeholders,
    quoted,
    reader::Table,
    rows::{complete_rows, near, not_moments, not_numbers, other_form},
    schema::{ContextColumn, MissingPolicy, Notice, Roles, Schema, SchemaColumn},
    slips::Slips,
    text::{is_missing, is_number},
    unread::unread,
};
use crate::{
    error::{Error, Result},
    hint::{Hint, counted},
    space::Cells,
};

/// The most labels of a categorical column.
pub(super) const MOST_CATEGORIES: usize = 4_096;
/// The most labels of a text column that is inferred to be categorical.
const MOST_INFERRED: usize = 1_000;
/// The most distinct values of a numeric column without a pattern that is inferred to be categorical, and the fewest rows per value on average.
const MOST_NUMBERS: usize = 32;
const ROWS_PER_NUMBER: usize = 20;

impl Schema {
    /// Infers the schema of a table, with notices for the user. Shifts are 0 and scales 1 until [`Schema::fit`].
    ///
    /// A column has the kind that `overrides` declares. Otherwise:
    ///
    /// - a column with a single value is [`Kind::Constant`];
    /// - text is [`Kind::Categorical`]. Text that hardly repeats is left out, with a notice;
    /// - false and true are categorical, and dates and times are [`Kind::Time`];
    /// - whole numbers are [`Kind::Integer`], with bounds at hard edges, and equally spaced numbers are [`Kind::Lattice`];
    /// - other numbers are [`Kind::Continuous`]. A value that many rows have, such as 0, is a special value with its own probability. The others are
    ///   [`Kind::Positive`] if the special value is 0 and all others lie above it.
    ///
    /// Otherwise a positive or bounded column is suggested in a notice and not assumed, because values outside the observed range may be possible.
    ///
    /// # Errors
    /// Names that the table lacks, contradictory roles, missing values that the policy rejects, fewer than two rows, and a table without a column to model.
    pub fn infer(table: &Table, overrides: &Overrides, roles: &Roles, missing: MissingPolicy) -> Result<(Schema, Vec<Notice>)> {
        check_roles(table, roles)?;
        check_known(table, "the schema", overrides.0.keys())?;
        let is_error = |c: &Column| roles.errors.iter().any(|e| e.error == c.name);
        let is_used = |c: &&Column| !roles.drop.contains(&c.name) && roles.weights.as_ref() != Some(&c.name) && !is_error(c);
        let used: Vec<&Column> = table.columns.iter().filter(is_used).collect();
        let is_context = |c: &Column| roles.context.contains(&c.name);
        let models = used.iter().map(|&c| (c, &c.values[..], missing == MissingPolicy::Model && !is_context(c)));
        let kept = complete_rows(table, &models.collect::<Vec<_>>(), missing)?;
        if kept.len() < 2 {
            return Err(Error::table(&table.path, format!("expected at least 2 rows to learn from, found {}", kept.len()), None));
        }
        // A notice that asks for a declaration is left out if the column is declared, or is dropped or context, which take none.
        let takes_none = |c: &String| overrides.0.contains_key(c) || roles.context.contains(c) || roles.drop.contains(c);
        let is_declared =
            |notice: &&Notice| matches!(&notice.hint, Some(Hint::DeclareKind { columns, .. }) if columns.iter().all(takes_none));
        let mut notices: Vec<Notice> = table.notes.iter().filter(|notice| !is_declared(notice)).cloned().collect();
        let (weights, dropped, errors) = (roles.weights.clone(), roles.drop.clone(), roles.errors.clone());
        let mut schema = Schema { weights, dropped, errors, missing, ..Schema::default() };
        for name in &roles.context {
            let Some(column) = table.column(name) else { continue };
            let seen = Seen::of(column, &kept);
            if overrides.0.contains_key(name) {
                notices.push(Notice::new(format!("'{name}' is context, so its entry in the schema is not used"), None));
            }
            if seen.sorted.first() == seen.sorted.last() {
                notices.push(Notice::new(
                    format!("the context column '{name}' has a single value and carries no information"),
                    Hint::other("leave it out"),
                ));
            }
            let found = context(table, column, &seen)?;
            notices.extend(slipped(table, column, &kept, found.labels.len()));
            schema.context.push(found);
        }
        for column in used.iter().filter(|c| !is_context(c)) {
            match inferred(table, column, overrides.0.get(&column.name), &kept)? {
                Inferred::Column(found, more) => {
                    schema.columns.push(found);
                    notices.extend(more);
                }
                Inferred::LeftOut(notice) => {
                    schema.dropped.push(column.name.clone());
                    notices.push(notice);
                }
            }
        }
        check_kinds(table, &schema)?;
        if schema.width() == 0 {
            return Err(no_column_left(&table.path, &schema, &notices));
        }
        notices.extend(suggestions(table, &schema, overrides, &kept));
        // A model is written only if it can be read again.
        schema.check()?;
        Ok((schema, notices))
    }
}

/// The result for one column.
enum Inferred {
    Column(SchemaColumn, Vec<Notice>),
    LeftOut(Notice),
}

/// The values of a column in the rows that are kept.
struct Seen {
    /// In order, without the missing ones.
    sorted: Vec<f64>,
    missing: usize,
    distinct: usize,
}

impl Seen {
    fn of(column: &Column, kept: &[usize]) -> Self {
        let mut sorted: Vec<f64> = kept.iter().map(|&i| column.values[i]).filter(|v| !v.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let distinct = sorted.chunk_by(|a, b| a == b).count();
        Seen { missing: kept.len() - sorted.len(), sorted, distinct }
    }

    /// The values except some.
    fn without(&self, values: &[f64]) -> Self {
        let sorted: Vec<f64> = self.sorted.iter().copied().filter(|v| !values.contains(v)).collect();
        Seen { distinct: sorted.chunk_by(|a, b| a == b).count(), missing: self.missing, sorted }
    }

    /// The labels of the values that occur.
    fn labels(&self, form: &Form) -> Vec<Label> {
        let mut labels: Vec<Label> = self.sorted.chunk_by(|a, b| a == b).map(|run| label(form, run[0])).collect();
        if matches!(form, Form::Text(_)) {
            labels.sort_by_key(Label::to_string);
        }
        labels
    }
}

/// The label of a value.
fn label(form: &Form, value: f64) -> Label {
    match form {
        Form::Text(texts) => Label::Text(texts.get(value as usize).cloned().unwrap_or_default()),
        Form::Boolean => Label::Flag(value == 1.0),
        Form::Time(unit) => Label::Text(unit.text(value).unwrap_or_default()),
        Form::Real | Form::Whole => Label::Number(value),
    }
}

/// Infers one column.
fn inferred(table: &Table, column: &Column, declared: Option<&Declared>, kept: &[usize]) -> Result<Inferred> {
    let (name, seen) = (&column.name, Seen::of(column, kept));
    if seen.sorted.is_empty() {
        return Ok(Inferred::LeftOut(Notice::new(format!("'{name}' has no value in any row: it is left out"), None)));
    }
    if seen.distinct == 1 && seen.missing == 0 {
        let value = label(&column.form, seen.sorted[0]);
        let message = format!("'{name}' is {value} in every row: it is left out of the density and restored in samples");
        let notice = Notice::new(message, Hint::DropConstant(name.clone()));
        return Ok(Inferred::Column(SchemaColumn::new(name, Kind::Constant(value)), vec![notice]));
    }
    let mut notice = None;
    let (kind, special) = match declared {
        Some(Declared { kind, special }) => (of_table(table, column, kind, &seen)?, special.clone()),
        None if has_too_many_texts(column, &seen) => {
            return Ok(Inferred::LeftOut(left_out(table, column, kept, &seen)));
        }
        None => match &column.form {
            Form::Text(_) | Form::Boolean => {
                notice = slipped(table, column, kept, seen.distinct).or_else(|| unread(column, ". The column is read as text"));
                (Kind::Categorical(seen.labels(&column.form)), Vec::new())
            }
            Form::Time(unit) => (Kind::Time(*unit), Vec::new()),
            Form::Real | Form::Whole => {
                let far = far(table, column, kept);
                notice = far.1;
                numbers(&seen.without(&far.0), far.0, column.form.is_whole())
            }
        },
    };
    check_keeps_apart(table, column, &kind, &seen)?;
    let notices: Vec<Notice> = notice.into_iter().chain(words_for_missing(name, &kind)).collect();
    // A value that already has its own mass is not a special value too.
    let special: Vec<f64> =
        special.into_iter().filter(|v| !kind.is_discrete() || kind.has_atoms() || kind.contradiction(*v).is_some()).collect();
    let missing = seen.missing > 0;
    Ok(Inferred::Column(SchemaColumn { special, missing, ..SchemaColumn::new(name, kind) }, notices))
}

/// A notice of categories that text files use for a missing value.
fn words_for_missing(name: &str, kind: &Kind) -> Option<Notice> {
    let text = |label: &Label| if let Label::Text(text) = label { Some(text.clone()) } else { None };
    let words: Vec<String> = kind.labels()?.iter().filter_map(text).filter(|text| is_missing(text.as_bytes())).collect();
    let noun = if words.len() == 1 { "category" } else { "categories" };
    let message = format!("'{name}' has the {noun} {}, which text files use for a missing value", quoted(&words));
    (!words.is_empty()).then(|| Notice::new(message, Hint::ReadAsMissing(words)))
}

/// Whether a column has too many texts for categories. Some of these columns identify their rows.
fn has_too_many_texts(column: &Column, seen: &Seen) -> bool {
    matches!(column.form, Form::Text(_)) && (seen.distinct > MOST_INFERRED || 2 * seen.distinct > seen.sorted.len())
}

/// Why a column of so many texts is left out.
fn left_out(table: &Table, column: &Column, kept: &[usize], seen: &Seen) -> Notice {
    let (name, rows) = (&column.name, seen.sorted.len());
    let categorical = Hint::DeclareKind { columns: vec![name.clone()], kind: r#""categorical""#.into(), only_seen: false };
    if let Some(slips) = Slips::of(table, column, kept) {
        let Slips { others, among, .. } = &slips;
        let message = format!("'{name}' is text because of {others}, among {among}: it is left out");
        return Notice::new(message, slips.hint().unwrap_or(categorical));
    }
    if let Some(notice) = unread(column, ". The column is read as text and has too many different values, so it is left out") {
        return notice;
    }
    let reason = if seen.distinct == rows {
        ": it identifies rows, so it is left out".into()
    } else if 2 * seen.distinct > rows {
        ", too many for categories: it is left out".into()
    } else {
        format!(", more than {MOST_INFERRED}: it is left out")
    };
    Notice::new(format!("'{name}' has {} different texts in {rows} rows{reason}", seen.distinct), categorical)
}

/// The notice of a categorical column whose texts are nearly all numbers, or nearly all dates.
fn slipped(table: &Table, column: &Column, kept: &[usize], categories: usize) -> Option<Notice> {
    let slips = Slips::of(table, column, kept).filter(Slips::are_few)?;
    let (noun, hint) = (counted(categories, "category", "categories"), slips.hint());
    Some(Notice::new(format!("'{}' holds {} and {}, so it is text with {noun}", column.name, slips.among, slips.others), hint))
}

/// A declared kind, with the labels of the table if none are declared. A column of another form is an error.
fn of_table(table: &Table, column: &Column, kind: &Kind, seen: &Seen) -> Result<Kind> {
    match kind {
        Kind::Categorical(labels) | Kind::Ordered(labels) if labels.is_empty() => {
            if seen.distinct > MOST_CATEGORIES {
                let problem = format!("expected at most {MOST_CATEGORIES} categories in column '{}', found {}", column.name, seen.distinct);
                return Err(Error::table(&table.path, problem, Hint::DropColumns(vec![column.name.clone()])));
            }
            let labels = seen.labels(&column.form);
            Ok(if matches!(kind, Kind::Ordered(_)) { Kind::Ordered(labels) } else { Kind::Categorical(labels) })
        }
        Kind::Categorical(_) | Kind::Ordered(_) => Ok(kind.clone()),
        Kind::Time(_) if matches!(column.form, Form::Time(_)) => Ok(kind.clone()),
        Kind::Time(_) => Err(not_moments(table, column)),
        _ if column.is_numeric() => Ok(kind.clone()),
        _ => Err(not_numbers(table, column)),
    }
}

/// Placeholders among the values of a column, such as 1e20 for a missing value, and a notice that names them.
fn far(table: &Table, column: &Column, kept: &[usize]) -> (Vec<f64>, Option<Notice>) {
    let there: Vec<usize> = kept.iter().copied().filter(|&i| !column.values[i].is_nan()).collect();
    let found = placeholders(&there.iter().map(|&i| column.values[i]).collect::<Vec<_>>());
    let each: Vec<String> = found
        .iter()
        .filter_map(|p| {
            let rows = if p.rows.len() == 1 { "row".into() } else { format!("{} rows, first in row", p.rows.len()) };
            let row = table.number(*there.get(*p.rows.first()?)?);
            Some(format!("{} in {rows} {row}, {:.0e} interquartile ranges from the median", shown(p.value), p.times))
        })
        .collect();
    let message = format!("'{}' is {}; such a value gets a probability of its own", column.name, each.join(" and "));
    let hint = Hint::other("if it stands for a missing value, leave the field empty");
    (found.iter().map(|p| p.value).collect(), (!each.is_empty()).then(|| Notice::new(message, hint)))
}

/// Infers the kind of a numeric column and its special values, some of which are already known.
fn numbers(seen: &Seen, known: Vec<f64>, whole_form: bool) -> (Kind, Vec<f64>) {
    let sorted = &seen.sorted;
    let without = |special: &[f64]| sorted.iter().copied().filter(|v| !special.contains(v)).collect::<Vec<f64>>();
    let all_whole = whole_form && sorted.iter().all(|&v| whole(v).is_some());
    let (lattice, exceptions): (_, Vec<f64>) = match Lattice::find(sorted) {
        Some(found) if !all_whole || found.lattice.step() > 1.0 => {
            (Some(found.lattice), found.exceptions.into_iter().map(|(value, _)| value).collect())
        }
        _ if all_whole => (Some(INTEGERS), Vec::new()),
        _ => (None, Vec::new()),
    };
    let rest = without(&exceptions);
    let is_alone = known.is_empty();
    let mut special = [known, exceptions].concat();
    special.extend(atoms(&rest, lattice.as_ref()).into_iter().map(|(value, _)| value));
    let mut rest = without(&special);
    if let Some(mut lattice) = lattice {
        if rest.is_empty() {
            return (categories(seen), Vec::new());
        }
        match gaps(&rest, &lattice) {
            Gaps::Unequal if is_alone => return (categories(seen), Vec::new()),
            Gaps::Equal(wider) => lattice = wider,
            _ => {}
        }
        // Where each value has its own mass, none can be in excess.
        if edges(&rest, &lattice).contains(&None) {
            special.extend(excess(&rest, &lattice));
            rest = without(&special);
        }
        // 0 and 1 are answers to a yes-no question, however rare one of them is.
        let [mut low, mut high] = if rest.iter().all(|v| *v == 0.0 || *v == 1.0) { [Some(0.0), Some(1.0)] } else { edges(&rest, &lattice) };
        // A special value below the first ordinary value or above the last one lies outside the bounds.
        let near = |k: f64| lattice.value(lattice.floor(k + 1e-6 * lattice.step()));
        let below = special.iter().copied().filter(|s| rest.first().is_some_and(|first| s < first)).fold(f64::NEG_INFINITY, f64::max);
        if below.is_finite() && low.is_none_or(|low| below >= low) {
            low = Some(near(below) + lattice.step());
        }
        let above = special.iter().copied().filter(|s| rest.last().is_some_and(|last| s > last)).fold(f64::INFINITY, f64::min);
        if above.is_finite() && high.is_none_or(|high| above <= high) {
            high = Some(near(above - 0.5 * lattice.step()));
        }
        let kind = |low, high| {
            if all_whole && lattice == INTEGERS {
                Kind::Integer(Bounds { low, high })
            } else {
                Kind::Lattice(Spaced { step: lattice.step(), offset: lattice.offset(), low, high })
            }
        };
        // Rounding can move a value off its lattice or beyond a bound. A kind that a row contradicts is not inferred.
        let holds = |kind: &Kind| kind.is_possible() && rest.iter().all(|v| kind.contradiction(*v).is_none());
        if let Some(kind) = [kind(low, high), kind(None, None)].into_iter().find(holds) {
            if kind.has_atoms() {
                // The law of the others has room for so many.
                let mut left = Cells::MOST_ATOMS;
                special.retain(|v| {
                    let fits = kind.contradiction(*v).is_some() || left > 0;
                    left = left.saturating_sub(usize::from(kind.contradiction(*v).is_none()));
                    fits
                });
                special.extend(heaps(&rest, &lattice, left));
            }
            return (kind, special);
        }
    }
    let few = seen.distinct <= MOST_NUMBERS && seen.distinct * ROWS_PER_NUMBER <= sorted.len();
    match rest.first().filter(|_| !few) {
        None => (categories(seen), Vec::new()),
        Some(&least) if least > 0.0 && special.contains(&0.0) => (Kind::Positive, special),
        Some(_) => (Kind::Continuous, special),
    }
}

/// The gaps between values on a lattice.
enum Gaps {
    /// None, or gaps that chance explains.
    None,
    /// The values are those of a wider lattice.
    Equal(Lattice),
    /// The values are codes.
    Unequal,
}

/// The gaps between at most 32 sorted values with at least 20 rows each. In a count, a gap between two such values does not occur by chance.
fn gaps(sorted: &[f64], lattice: &Lattice) -> Gaps {
    let runs: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
    let cells: Vec<f64> = runs.windows(2).map(|w| ((w[1][0] - w[0][0]) / lattice.step()).round()).collect();
    if !(3..=MOST_NUMBERS).contains(&runs.len()) || runs.iter().any(|run| run.len() < ROWS_PER_NUMBER) || cells.iter().all(|&c| c <= 1.0) {
        return Gaps::None;
    }
    if cells.iter().any(|c| *c != cells[0]) {
        return Gaps::Unequal;
    }
    let (first, step) = (sorted[0], cells[0] * lattice.step());
    // As a difference, 4.99 − 5 · 1 has digits that no value of the column has.
    let offset = first - step * (first / step).round();
    Gaps::Equal(
        [offset, first]
            .into_iter()
            .map(|offset| Lattice::new(step, offset))
            .find(Lattice::is_decimal)
            .unwrap_or(Lattice::new(step, offset)),
    )
}

/// The values of a column as categories.
fn categories(seen: &Seen) -> Kind {
    Kind::Categorical(seen.labels(&Form::Real))
}

/// A context column: labels for text, and numbers otherwise, with 0 and 1 for false and true.
fn context(table: &Table, column: &Column, seen: &Seen) -> Result<ContextColumn> {
    let labels = if matches!(column.form, Form::Text(_)) { seen.labels(&column.form) } else { Vec::new() };
    if labels.len() > MOST_INFERRED {
        let problem =
            format!("expected at most {MOST_INFERRED} categories in the context column '{}', found {}", column.name, labels.len());
        return Err(Error::table(&table.path, problem, None));
    }
    if labels.is_empty() && !column.is_numeric() {
        let hint = Hint::other("context takes no dates or times: read the column as text for a category per value, or write numbers");
        return Err(match other_form(table, column, "numbers or categories", is_number) {
            Error::Table { path, column, row, problem, .. } => Error::Table { path, column, row, problem, hint: Some(hint.into()) },
            other => other,
        });
    }
    Ok(ContextColumn { name: column.name.clone(), labels, shift: 0.0, scale: 1.0, range: None })
}

/// Refuses a declared lattice that merges distinct values, because the difference would be lost.
fn check_keeps_apart(table: &Table, column: &Column, kind: &Kind, seen: &Seen) -> Result<()> {
    let Kind::Lattice(spaced) = kind else { return Ok(()) };
    let lattice = Lattice::new(spaced.step, spaced.offset);
    match lattice.merges(&seen.sorted) {
        None => Ok(()),
        Some((distinct, cells)) => Err(Error::Table {
            path: table.path.clone(),
            column: Some(column.name.clone()),
            row: None,
            problem: format!(
                "expected a step that keeps the {distinct} distinct values apart, found {}, which leaves {cells} values",
                lattice.step()
            ),
            hint: Some(Hint::other("declare a smaller step, or remove the rows that hold a placeholder for a missing value").into()),
        }),
    }
}

/// Notices that suggest kinds which the observed values allow, as lines for the schema.
fn suggestions(table: &Table, schema: &Schema, overrides: &Overrides, kept: &[usize]) -> Vec<Notice> {
    let mut positive = Vec::new();
    let mut shares = Vec::new();
    let continuous = |c: &&SchemaColumn| c.kind == Kind::Continuous && c.special.is_empty() && !overrides.0.contains_key(&c.name);
    for column in schema.modelled().filter(continuous) {
        let Some(values) = table.column(&column.name).map(|c| &c.values) else { continue };
        let all = |holds: &dyn Fn(f64) -> bool| kept.iter().all(|&i| values[i].is_nan() || holds(values[i]));
        if all(&|v| 0.0 < v && v < 1.0) {
            shares.push(column.name.as_str());
        } else if all(&|v| v > 0.0) {
            positive.push(column.name.as_str());
        }
    }
    let each = [(positive, "above 0", r#""positive""#), (shares, "between 0 and 1", r#"{"bounded": [0, 1]}"#)];
    let notice = |(names, range, kind): &(Vec<&str>, &str, &str)| {
        let verb = if names.len() == 1 { "is" } else { "are" };
        let columns = names.iter().map(|&name| name.to_owned()).collect();
        let hint = Hint::DeclareKind { columns, kind: (*kind).into(), only_seen: true };
        Notice::new(format!("{} {verb} {range} in every row", quoted(names)), hint)
    };
    each.iter().filter(|(names, ..)| !names.is_empty()).map(notice).collect()
}

/// Checks that the table has every name and that no column has two roles.
fn check_roles(table: &Table, roles: &Roles) -> Result<()> {
    check_known(table, "the context", &roles.context)?;
    check_known(table, "the setting of the weights", &roles.weights)?;
    check_known(table, "the list of dropped columns", &roles.drop)?;
    check_known(table, "the list of columns with errors", roles.errors.iter().map(|e| &e.column))?;
    check_known(table, "the list of errors", roles.errors.iter().map(|e| &e.error))?;
    // Several columns may share their errors.
    let mut errors: Vec<&String> = roles.errors.iter().map(|e| &e.error).collect();
    errors.sort();
    errors.dedup();
    let measured = roles.errors.iter().map(|e| &e.column);
    let mut all: Vec<&String> = roles.context.iter().chain(&roles.weights).chain(&roles.drop).chain(measured).chain(errors).collect();
    all.sort();
    match all.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => {
            Err(Error::invalid("context, weights, errors and dropped columns", "each column in one role", format!("'{}' in two", twice[0])))
        }
        None => Ok(()),
    }
}

fn check_known<'a>(table: &Table, place: &str, names: impl IntoIterator<Item = &'a String>) -> Result<()> {
    let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    match names.into_iter().find(|n| table.column(n).is_none()) {
        Some(name) => {
            let problem = format!("{place} names a column '{name}', but the table has {}", quoted(&known));
            Err(Error::table(&table.path, problem, near(name, &known)))
        }
        None => Ok(()),
    }
}

fn no_column_left(path: &Path, schema: &Schema, notices: &[Notice]) -> Error {
    let constant: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).collect();
    let found = match (constant.is_empty(), notices.last()) {
        (false, _) => format!("only constant ones: {}", quoted(&constant)),
        (true, Some(notice)) => format!("none: {}", notice.message),
        (true, None) => "none".into(),
    };
    Error::table(path, format!("expected at least one column to learn a density of, found {found}"), None)
}

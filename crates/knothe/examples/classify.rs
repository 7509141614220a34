//! What a conditional density is for: held-out MAGIC events classified by Bayes' rule, beside a logistic regression.
//!
//! `cargo run --release --example classify -- data/magic.parquet [EPOCHS]` fits q(x | class) and q(x), and prints the held-out
//! log-likelihood of both and the area under the ROC curve of log q(x | gamma) − log q(x | hadron).

use std::path::Path;

use knothe::events::Coding;
use knothe::events::table::{MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows};
use knothe::families::Maf;
use knothe::fit::FitConfig;
use knothe::model::{Fitting, Model, Scoring, Split, Weighting};
use knothe::{Placement, Precision, Result};
use nalgebra::{DMatrix, DVector};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "data/magic.parquet".into());
    let epochs = arguments.next().and_then(|e| e.parse().ok()).unwrap_or(100);
    let table = Table::read(Path::new(&path))?;

    let (conditional, split) = fit(&table, Roles { context: vec!["class".into()], ..Roles::default() }, epochs)?;
    let (unconditional, _) = fit(&table, Roles { drop: vec!["class".into()], ..Roles::default() }, epochs)?;
    let held_out = split.judge();
    let (with, without) = (conditional.record.held_out, unconditional.record.held_out);
    println!("held-out log q(x | class)  {:.4} ± {:.4} nats ({} rows)", with.mean, with.two_se, with.rows);
    println!("held-out log q(x)          {:.4} ± {:.4} nats", without.mean, without.two_se);

    let class = held_out.context.clone();
    let given = |class: f64| conditional.log_prob(&TableRows { context: vec![class; held_out.n], ..held_out.clone() }, Scoring::default());
    let evidence: Vec<f64> = given(1.0)?.iter().zip(given(0.0)?).map(|(gamma, hadron)| gamma - hadron).collect();
    println!("AUC of Bayes' rule         {:.4}", area_under_curve(&evidence, &class));
    println!("AUC of logistic regression {:.4}", area_under_curve(&logistic_regression(&split.train, held_out), &class));
    Ok(())
}

/// The default masked autoregressive flow, on the same rows whatever the roles of the columns.
fn fit(table: &Table, roles: Roles, epochs: u64) -> Result<(Model<Schema>, Split<TableRows>)> {
    let (mut schema, _) = Schema::infer(table, &Overrides::default(), &roles, MissingPolicy::Reject)?;
    let split = Split::random(Path::new("magic"), &schema.rows(table, Need::Fit)?, 0)?;
    schema.fit(&split.train)?;
    let recipes = [Maf::new(schema.space()).context(schema.context_dim())];
    let config = FitConfig { epochs, ..FitConfig::default() };
    let place = Placement::cpu(Precision::F32);
    let weighting = Weighting::Uniform;
    let fitting = Fitting { split: &split, coding: &schema, recipes: &recipes, weighting, config: &config, place: &place };
    let model = fitting.run(None, None, &mut ())?;
    let model = model.ok_or_else(|| knothe::Error::invalid("fit", "a fit to its end", "an interrupted one"))?;
    Ok((model, split))
}

/// The probability that a row of class 1 scores above one of class 0 (Mann & Whitney 1947); ties count half.
fn area_under_curve(score: &[f64], class: &[f64]) -> f64 {
    let mut ranked: Vec<(f64, f64)> = score.iter().copied().zip(class.iter().copied()).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ones = class.iter().sum::<f64>();
    let (mut below, mut sum) = (0.0, 0.0);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let (one, zero) = (tied.iter().map(|t| t.1).sum::<f64>(), tied.iter().map(|t| 1.0 - t.1).sum::<f64>());
        sum += one * (below + 0.5 * zero);
        below += zero;
    }
    sum / (ones * (class.len() as f64 - ones))
}

/// Scores of the held-out rows by a logistic regression on standardised columns, fitted by Newton's method.
fn logistic_regression(train: &TableRows, test: &TableRows) -> Vec<f64> {
    let dim = train.x.len() / train.n;
    let raw = |rows: &TableRows| DMatrix::from_row_slice(rows.n, dim, &rows.x);
    let fit_to = raw(train);
    let mean = fit_to.row_mean();
    let deviation = fit_to.row_variance().map(f64::sqrt);
    let design = |rows: &TableRows| {
        let mut x = raw(rows);
        for mut row in x.row_iter_mut() {
            row -= &mean;
            row.component_div_assign(&deviation);
        }
        x.insert_column(dim, 1.0)
    };
    let (x, y) = (design(train), DVector::from_column_slice(&train.context));
    let mut beta = DVector::zeros(dim + 1);
    for _ in 0..25 {
        let p = (&x * &beta).map(|t: f64| 1.0 / (1.0 + (-t).exp()));
        let mut weighted = x.clone();
        for (mut row, p) in weighted.row_iter_mut().zip(&p) {
            row *= p * (1.0 - p);
        }
        match x.tr_mul(&weighted).cholesky() {
            Some(hessian) => beta += hessian.solve(&x.tr_mul(&(&y - p))),
            None => break,
        }
    }
    (design(test) * beta).iter().copied().collect()
}

//! Two linear regressions of posteriordb, by their data: `kidscore_interaction` (Gelman and Hill 2007) and `logmesquite`.
//!
//! y ~ N(X β, σ) with flat β. σ is half-Cauchy(0, 2.5) for the first and flat for the second. The unconstrained parameters are β and log σ.

use knothe_target::{Target, export, numbers, serde_json::Value};

/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

struct Regression {
    /// The predictors of each observation.
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    /// The scale of the prior of σ; none if it is flat.
    scale: Option<f64>,
}

export!(Regression);

/// Rows from columns.
fn rows(columns: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, String> {
    let n = columns[0].len();
    if n == 0 || columns.iter().any(|column| column.len() != n) {
        return Err(format!("expected columns of one length, found {:?}", columns.iter().map(Vec::len).collect::<Vec<_>>()));
    }
    Ok((0..n).map(|i| columns.iter().map(|column| column[i]).collect()).collect())
}

impl Target for Regression {
    fn new(data: &Value, _: u32) -> Result<Self, String> {
        let of = |name: &str| numbers(data, name);
        let logs = |name: &str| Ok::<_, String>(of(name)?.into_iter().map(f64::ln).collect::<Vec<f64>>());
        let (columns, y, scale) = if data.get("kid_score").is_some() {
            let (high_school, iq) = (of("mom_hs")?, of("mom_iq")?);
            let both = high_school.iter().zip(&iq).map(|(a, b)| a * b).collect();
            (vec![vec![1.0; iq.len()], high_school, iq, both], of("kid_score")?, Some(2.5))
        } else {
            let names = ["diam1", "diam2", "canopy_height", "total_height", "density"];
            let mut columns = vec![vec![1.0; of("weight")?.len()]];
            for name in names {
                columns.push(logs(name)?);
            }
            columns.push(of("group")?);
            (columns, logs("weight")?, None)
        };
        let x = rows(&columns)?;
        if x.len() != y.len() {
            return Err(format!("expected one observation per row, found {} and {}", y.len(), x.len()));
        }
        Ok(Regression { x, y, scale })
    }

    fn names(&self) -> Vec<String> {
        (1..=self.x[0].len()).map(|k| format!("beta.{k}")).chain(["sigma".into()]).collect()
    }

    fn log_density(&self, x: &[f64], jacobian: bool, gradient: &mut [f64]) -> Result<f64, String> {
        let n = self.x[0].len();
        let (beta, log_sigma) = x.split_at(n);
        let (log_sigma, sigma) = (log_sigma[0], log_sigma[0].exp());
        gradient.fill(0.0);
        let mut log = 0.0;
        for (row, y) in self.x.iter().zip(&self.y) {
            let residual = (y - row.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>()) / sigma;
            log -= 0.5 * residual * residual + log_sigma + HALF_LOG_TAU;
            gradient[n] += residual * residual - 1.0;
            gradient.iter_mut().zip(row).for_each(|(g, x)| *g += residual / sigma * x);
        }
        if let Some(scale) = self.scale {
            let ratio = (sigma / scale).powi(2);
            // As in Stan, the law is not scaled to the half line.
            log -= ratio.ln_1p() + (std::f64::consts::PI * scale).ln();
            gradient[n] -= 2.0 * ratio / (1.0 + ratio);
        }
        if jacobian {
            log += log_sigma;
            gradient[n] += 1.0;
        }
        Ok(log)
    }

    fn constrain(&self, x: &[f64], parameters: &mut [f64]) {
        parameters.copy_from_slice(x);
        if let Some(sigma) = parameters.last_mut() {
            *sigma = sigma.exp();
        }
    }
}

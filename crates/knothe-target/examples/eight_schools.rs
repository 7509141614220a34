//! Eight schools (Rubin 1981), in the non-centred form or, with `"centred": true` in the data, in the centred one.
//!
//! y_j ~ N(θ_j, σ_j), θ_j ~ N(μ, τ), μ ~ N(0, 5), τ ~ half-Cauchy(0, 5). The unconstrained parameters are the eight θ_j, or in the non-centred form θ̃_j with θ_j = μ + τ θ̃_j, then μ
//! and log τ.

use std::f64::consts::PI;

use knothe_target::{Target, export, numbers, serde_json::Value};

/// The standard deviation of the prior of μ, and the scale of the prior of τ.
const SCALE: f64 = 5.0;
/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_7;

struct EightSchools {
    y: Vec<f64>,
    sigma: Vec<f64>,
    centred: bool,
}

export!(EightSchools);

impl Target for EightSchools {
    fn new(data: &Value, _: u32) -> Result<Self, String> {
        let (y, sigma) = (numbers(data, "y")?, numbers(data, "sigma")?);
        if y.is_empty() || y.len() != sigma.len() || sigma.iter().any(|s| *s <= 0.0) {
            return Err(format!("expected one positive sigma for each y, found {} and {}", sigma.len(), y.len()));
        }
        let centred = data.get("centred").and_then(Value::as_bool).unwrap_or(false);
        Ok(EightSchools { y, sigma, centred })
    }

    fn names(&self) -> Vec<String> {
        let schools = (1..=self.y.len()).map(|j| format!("theta.{j}"));
        schools.chain(["mu".into(), "tau".into()]).collect()
    }

    fn log_density(&self, x: &[f64], jacobian: bool, gradient: &mut [f64]) -> Result<f64, String> {
        let n = self.y.len();
        let (mu, log_tau) = (x[n], x[n + 1]);
        let tau = log_tau.exp();
        let ratio = (tau / SCALE).powi(2);
        // The priors of μ and τ, and log|dτ/d log τ| = log τ. As in Stan, the law of τ is not scaled to the half line.
        let mut log = -0.5 * (mu / SCALE).powi(2) - HALF_LOG_TAU - SCALE.ln() - ratio.ln_1p() - (PI * SCALE).ln();
        gradient[n] = -mu / (SCALE * SCALE);
        gradient[n + 1] = -2.0 * ratio / (1.0 + ratio);
        if jacobian {
            log += log_tau;
            gradient[n + 1] += 1.0;
        }
        for j in 0..n {
            let theta = if self.centred { x[j] } else { mu + tau * x[j] };
            let residual = (self.y[j] - theta) / self.sigma[j];
            let pull = residual / self.sigma[j];
            log -= 0.5 * residual * residual + HALF_LOG_TAU + self.sigma[j].ln();
            if self.centred {
                let own = (theta - mu) / tau;
                log -= 0.5 * own * own + log_tau + HALF_LOG_TAU;
                gradient[j] = pull - own / tau;
                gradient[n] += own / tau;
                gradient[n + 1] += own * own - 1.0;
            } else {
                log -= 0.5 * x[j] * x[j] + HALF_LOG_TAU;
                gradient[j] = pull * tau - x[j];
                gradient[n] += pull;
                gradient[n + 1] += pull * tau * x[j];
            }
        }
        Ok(log)
    }

    fn constrain(&self, x: &[f64], parameters: &mut [f64]) {
        let n = self.y.len();
        let (mu, tau) = (x[n], x[n + 1].exp());
        for (parameter, x) in parameters.iter_mut().zip(&x[..n]) {
            *parameter = if self.centred { *x } else { mu + tau * x };
        }
        parameters[n..].copy_from_slice(&[mu, tau]);
    }
}

//! The biochemical oxygen demand model (El Moselhy and Marzouk 2012, §5.2, in the form of Parno and Marzouk 2018): five measurements of B(t) = a (1 − exp(−b t)) with errors of variance
//! 10⁻³. a = 0.4 + 0.8 Φ(x_1), b = 0.01 + 0.3 Φ(x_2), and the prior of x is standard normal.

use knothe_target::{Target, export, serde_json::Value};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

const MEASURED: [f64; 5] = [0.18, 0.32, 0.42, 0.49, 0.54];
const VARIANCE: f64 = 1e-3;

struct Bod;

export!(Bod);

impl Target for Bod {
    fn new(_: &Value, _: u32) -> Result<Self, String> {
        Ok(Bod)
    }

    fn names(&self) -> Vec<String> {
        vec!["x.1".into(), "x.2".into()]
    }

    fn log_density(&self, x: &[f64], _jacobian: bool, gradient: &mut [f64]) -> Result<f64, String> {
        let normal = Normal::standard();
        let (a, b) = (0.4 + 0.8 * normal.cdf(x[0]), 0.01 + 0.3 * normal.cdf(x[1]));
        let (by_a, by_b) = (0.8 * normal.pdf(x[0]), 0.3 * normal.pdf(x[1]));
        let mut log = normal.ln_pdf(x[0]) + normal.ln_pdf(x[1]);
        gradient.copy_from_slice(&[-x[0], -x[1]]);
        for (t, measured) in (1..).map(f64::from).zip(MEASURED) {
            let decay = (-b * t).exp();
            let residual = measured - a * (1.0 - decay);
            log -= 0.5 * (residual * residual / VARIANCE + (std::f64::consts::TAU * VARIANCE).ln());
            gradient[0] += residual / VARIANCE * (1.0 - decay) * by_a;
            gradient[1] += residual / VARIANCE * a * t * decay * by_b;
        }
        Ok(log)
    }
}

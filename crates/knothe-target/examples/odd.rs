//! Targets that are wrong in one respect each, chosen by `"is"` in the data. The tests show what is said of them.
#![allow(missing_docs)]

use knothe_target::{Target, export, serde_json::Value};

struct Odd(String);

export!(Odd);

impl Target for Odd {
    fn new(data: &Value, _: u32) -> Result<Self, String> {
        Ok(Odd(data.get("is").and_then(Value::as_str).ok_or("expected a text 'is'")?.to_owned()))
    }

    fn names(&self) -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    fn log_density(&self, x: &[f64], _jacobian: bool, gradient: &mut [f64]) -> Result<f64, String> {
        gradient.fill(0.0);
        Ok(match self.0.as_str() {
            "none" => f64::NEG_INFINITY,
            "undefined" => f64::NAN,
            // Flat: it has no integral.
            "improper" => 0.0,
            // Flat in the second coordinate alone.
            "half_improper" => {
                gradient[0] = -x[0];
                -0.5 * x[0] * x[0]
            }
            // Without density where half of a normal law lies.
            "bounded" => {
                gradient.copy_from_slice(&[-x[0], -x[1]]);
                if x[0] < 0.0 { f64::NEG_INFINITY } else { -0.5 * (x[0] * x[0] + x[1] * x[1]) }
            }
            "crash" => std::process::abort(),
            other => return Err(format!("'{other}' is not known")),
        })
    }
}

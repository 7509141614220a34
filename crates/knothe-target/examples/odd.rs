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
        // Most of them are the standard normal law in most places.
        let normal = -0.5 * (x[0] * x[0] + x[1] * x[1]);
        gradient.copy_from_slice(&[-x[0], -x[1]]);
        Ok(match self.0.as_str() {
            "none" => f64::NEG_INFINITY,
            "undefined" => f64::NAN,
            "infinite_somewhere" if x[0] > 1.5 => f64::INFINITY,
            "undefined_somewhere" if x[0] > 1.5 => f64::NAN,
            "refused_somewhere" if x[0] > 1.5 => return Err("a is above 1.5".into()),
            "infinite_somewhere" | "undefined_somewhere" | "refused_somewhere" => normal,
            // Flat: it has no integral.
            "improper" => {
                gradient.fill(0.0);
                0.0
            }
            // Flat in the second coordinate alone.
            "half_improper" => {
                gradient[1] = 0.0;
                -0.5 * x[0] * x[0]
            }
            // Without density where half of a normal law lies. The second one has no parameters there either.
            "bounded" | "bounded_parameters" if x[0] < 0.0 => f64::NEG_INFINITY,
            "bounded" | "bounded_parameters" => normal,
            "wrong_gradient" => {
                gradient[1] = -2.0 * x[1];
                normal
            }
            "no_gradient" => {
                gradient.fill(f64::NAN);
                normal
            }
            "panic" => {
                assert!(x.is_empty(), "nothing is right");
                normal
            }
            "crash" => std::process::abort(),
            other => return Err(format!("'{other}' is not known")),
        })
    }

    fn constrain(&self, x: &[f64], parameters: &mut [f64]) {
        assert!(self.0 != "bounded_parameters" || x[0] >= 0.0, "a is below 0");
        parameters.copy_from_slice(x);
    }
}

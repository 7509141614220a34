//! The budget of `knothe fit --model auto`.

use std::str::FromStr;

use knothe::model::race;

/// The name that stands for a race.
pub const AUTO: &str = "auto";
/// The seconds of a race, unless the user has others.
const SECONDS: f64 = 120.0;

/// What a race may use: "90s", "5m", "1h" or "2000steps".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(pub race::Budget);

impl Default for Budget {
    fn default() -> Self {
        Budget(race::Budget::Seconds(SECONDS))
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = (text[..at].trim(), text[at..].trim());
        let expected = || "expected a time such as 90s, 5m or 1h, or a number of steps such as 2000steps".to_owned();
        if unit == "steps" || unit == "step" {
            return number
                .parse()
                .ok()
                .filter(|n| (1..=1_000_000_000_000).contains(n))
                .map(|n| Budget(race::Budget::Steps(n)))
                .ok_or_else(expected);
        }
        let seconds = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(expected()),
        };
        let value: Option<f64> = number.parse().ok().map(|n: f64| n * seconds).filter(|v| *v > 0.0 && *v <= 1e8);
        value.map(|v| Budget(race::Budget::Seconds(v))).ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_times_or_steps() {
        for (text, expected) in [
            ("90s", race::Budget::Seconds(90.0)),
            ("1.5m", race::Budget::Seconds(90.0)),
            ("2 min", race::Budget::Seconds(120.0)),
            ("1h", race::Budget::Seconds(3600.0)),
            ("2000steps", race::Budget::Steps(2000)),
            ("1 step", race::Budget::Steps(1)),
        ] {
            assert_eq!(text.parse(), Ok(Budget(expected)), "{text}");
        }
        for text in ["", "90", "s", "0s", "-1s", "nans", "infs", "1e9h", "0steps", "1.5steps", "5 days"] {
            assert!(text.parse::<Budget>().is_err_and(|e| e.starts_with("expected a time")), "{text}");
        }
    }
}

//! The rounding of the numbers of a column, judged by the digits with which they are stored.

/// The most values whose digits are counted.
const LOOKED_AT: usize = 10_000;
/// Numbers with more digits come from 64-bit arithmetic, not from rounding to decimals.
const DECIMAL_DIGITS: i32 = 15;
/// The same for numbers that 32 bits hold.
const SINGLE_DIGITS: i32 = 6;

/// The precision to which the values of a column were rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rounding {
    /// Whole numbers, which count as exact.
    Whole,
    /// This many decimals or this many significant digits, whichever is coarser.
    Decimal { decimals: i32, digits: i32 },
    /// 32-bit floats.
    Single,
    /// 64-bit floats.
    Double,
}

impl Rounding {
    /// The rounding of a column, from the shortest text of each value.
    pub(super) fn of(values: &[f64]) -> Self {
        let stride = values.len().div_ceil(LOOKED_AT).max(1);
        let seen = || values.iter().step_by(stride).copied();
        let single = seen().all(|v| f64::from(v as f32) == v);
        let (mut decimals, mut digits) = (i32::MIN, 1);
        for value in seen().filter(|&v| v != 0.0) {
            let (count, exponent) = written(value, single);
            decimals = decimals.max(count - 1 - exponent);
            digits = digits.max(count);
        }
        match (decimals <= 0, single) {
            (true, _) => Rounding::Whole,
            (false, true) if digits > SINGLE_DIGITS => Rounding::Single,
            (false, false) if digits > DECIMAL_DIGITS => Rounding::Double,
            _ => Rounding::Decimal { decimals, digits },
        }
    }

    /// The number of decimals, if the values were rounded to decimals.
    pub(super) fn step(&self) -> Option<i32> {
        if let Rounding::Decimal { decimals, .. } = self { Some(*decimals) } else { None }
    }

    /// The largest distance between a stored value and the original number.
    ///
    /// Floats may have a few roundings, because a sum or a product of them has several.
    pub(super) fn half_width(&self, value: f64) -> f64 {
        match *self {
            Rounding::Whole => 0.0,
            Rounding::Decimal { decimals, digits } => {
                let exponent = if value == 0.0 { i32::MIN / 2 } else { value.abs().log10().floor() as i32 };
                0.5 * 10f64.powi((-decimals).max(exponent + 1 - digits))
            }
            Rounding::Single => f64::from(f32::EPSILON) * value.abs(),
            Rounding::Double => 2.0 * f64::EPSILON * value.abs(),
        }
    }
}

/// The number of significant digits in the shortest text of a number, and its power of ten.
fn written(value: f64, single: bool) -> (i32, i32) {
    let text = if single { format!("{:e}", value as f32) } else { format!("{value:e}") };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.bytes().filter(u8::is_ascii_digit).count() as i32, exponent.parse().unwrap_or(0))
}

/// The number of significant digits in the shortest text of a number.
pub(super) fn significant_digits(value: f64) -> i32 {
    written(value, f64::from(value as f32) == value).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_say_how_a_column_was_stored() {
        assert_eq!(Rounding::of(&[1.0, 20.0, -300.0, 0.0]), Rounding::Whole);
        assert_eq!(Rounding::of(&[1.25, 20.5, -300.0]), Rounding::Decimal { decimals: 2, digits: 3 });
        assert_eq!(Rounding::of(&[0.1, 1234.56]), Rounding::Decimal { decimals: 2, digits: 6 });
        let thirds: Vec<f64> = (1..9).map(|k| f64::from(k) / 3.0).collect();
        assert_eq!(Rounding::of(&thirds), Rounding::Double);
        let single: Vec<f64> = thirds.iter().map(|&v| f64::from(v as f32)).collect();
        assert_eq!(Rounding::of(&single), Rounding::Single);
        // Two decimals stored as 32-bit floats are still two decimals.
        assert_eq!(Rounding::of(&[0.11f32, 1.25, 3.07].map(f64::from)), Rounding::Decimal { decimals: 2, digits: 3 });
    }

    #[test]
    fn the_coarser_of_decimals_and_digits_counts() {
        let six_digits = Rounding::Decimal { decimals: 9, digits: 6 };
        assert_eq!([six_digits.half_width(123_456.0), six_digits.half_width(0.0)], [0.5, 0.5e-9]);
        assert_eq!(Rounding::Whole.half_width(7.0), 0.0);
        assert_eq!(Rounding::Decimal { decimals: 2, digits: 5 }.half_width(1.25), 0.005);
    }
}

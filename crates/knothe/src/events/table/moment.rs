//! Moments: units, parsing and formatting.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};

use super::column::{Column, Form, Unit};

/// Date formats besides ISO in which day and month cannot be confused.
const UNAMBIGUOUS: [&str; 8] = ["%b %d %Y", "%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%B %d %Y", "%B %d, %Y", "%d %B %Y", "%d.%m.%Y"];
/// Formats of the time of day after a date.
const TIMES: [&str; 2] = ["%H:%M:%S%.f", "%H:%M"];

impl Unit {
    /// The length of the unit in microseconds.
    pub fn microseconds(self) -> i64 {
        match self {
            Unit::Day => 86_400_000_000,
            Unit::Second => 1_000_000,
            Unit::Millisecond => 1_000,
            Unit::Microsecond => 1,
        }
    }

    /// The first moment of the year 1. Every reader supports the years 1 to 9999.
    pub(super) fn first(self) -> f64 {
        (-62_135_596_800_000_000 / self.microseconds()) as f64
    }

    /// The last moment of the year 9999.
    pub(super) fn last(self) -> f64 {
        let last = 253_402_300_799_999_999 / self.microseconds();
        // The float that is nearest to the last microsecond is one of the year 10000.
        if last as f64 as i64 > last { (last as f64).next_down() } else { last as f64 }
    }

    /// The moment `count` units after the start of 1970 in ISO 8601, or nothing beyond the range of the calendar (about 262,000 years on either side).
    pub fn text(self, count: f64) -> Option<String> {
        let format = match self {
            Unit::Day => "%Y-%m-%d",
            Unit::Second => "%Y-%m-%dT%H:%M:%S",
            Unit::Millisecond => "%Y-%m-%dT%H:%M:%S%.3f",
            Unit::Microsecond => "%Y-%m-%dT%H:%M:%S%.6f",
        };
        // Casts saturate, and saturated values are outside the calendar. A product of floats would lose the thousandths of far years.
        let microseconds = (count.round() as i64).checked_mul(self.microseconds())?;
        Some(DateTime::from_timestamp_micros(microseconds)?.format(format).to_string())
    }

    /// Parses a date or time in ISO 8601, or a date that names its month, as the number of units since the start of 1970. A text without a zone is in UTC.
    pub fn parse(self, text: &str) -> Option<f64> {
        Some(parse(text)? as f64 / self.microseconds() as f64)
    }
}

/// Parses ISO 8601 with `-` or `/`, and dates that name their month, as microseconds since the start of 1970 in UTC. A text without a zone is in UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !(8..=40).contains(&bytes.len()) {
        return None;
    }
    let moment = match bytes {
        [y, _, _, _, mark @ (b'-' | b'/'), ..] if y.is_ascii_digit() => iso(text, *mark)?,
        // A year at the end has four digits. Fewer digits might be a day.
        [.., before, a, b, c, d] if !before.is_ascii_digit() && [a, b, c, d].iter().all(|c| c.is_ascii_digit()) => {
            let date = UNAMBIGUOUS.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())?;
            date.and_time(NaiveTime::MIN)
        }
        _ => return None,
    };
    (1..=9999).contains(&moment.year()).then(|| moment.and_utc().timestamp_micros())
}

/// Whether a text is a date or a time.
pub(super) fn is_moment(text: &str) -> bool {
    parse(text).is_some()
}

/// Parses `2026-11-29`, optionally with a time after a space or `T`, a fraction and a zone.
fn iso(text: &str, mark: u8) -> Option<NaiveDateTime> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let date = NaiveDate::parse_from_str(date, if mark == b'-' { "%Y-%m-%d" } else { "%Y/%m/%d" }).ok()?;
    let Some(time) = time else { return Some(date.and_time(NaiveTime::MIN)) };
    let (time, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => (time[..at].trim_end(), offset(&time[at..])?),
        None => (time, 0),
    };
    let time = TIMES.iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?;
    date.and_time(time).checked_sub_signed(chrono::TimeDelta::minutes(offset))
}

/// The minutes of `Z`, `+02:00`, `+0200` or `+02`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..)?.parse::<i64>().unwrap_or(0));
    let minutes = 60 * hours + minutes;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

/// A column of moments from microseconds, in the coarsest unit that represents all of them, and the first row that a 64-bit float cannot represent. Such a row lies before
/// 1684 or after 2255. Whole seconds are exact in every year, and so are whole milliseconds in a column without microseconds.
pub(super) fn column(name: &str, microseconds: &[Option<i64>]) -> (Column, Option<usize>) {
    let holds = |unit: &Unit| microseconds.iter().flatten().all(|m| m % unit.microseconds() == 0);
    let unit = [Unit::Day, Unit::Second, Unit::Millisecond].into_iter().find(holds).unwrap_or(Unit::Microsecond);
    let values = microseconds.iter().map(|m| m.map_or(f64::NAN, |m| (m / unit.microseconds()) as f64)).collect();
    let is_lost = |m: &Option<i64>| m.is_some_and(|m| unit == Unit::Microsecond && (m as f64) as i64 != m);
    (Column { name: name.into(), values, form: Form::Time(unit) }, microseconds.iter().position(is_lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        // date -d 2026-11-29 +%s is 1795910400.
        let day = 1_795_910_400_000_000;
        for (text, expected) in [
            ("2026-11-29", Some(day)),
            ("2026/11/29", Some(day)),
            ("Nov 29 2026", Some(day)),
            ("29 Nov 2026", Some(day)),
            ("29-Nov-2026", Some(day)),
            ("29.11.2026", Some(day)),
            ("11.29.2026", None),
            ("November 29, 2026", Some(day)),
            ("2026-11-29T00:00:01.5", Some(day + 1_500_000)),
            ("2026-11-29 02:00:00+02:00", Some(day)),
            ("2026-11-28T19:00Z", Some(day - 5 * 3_600_000_000)),
            ("2026-11-28 19:00:00-0500", Some(day)),
            ("1969-12-31", Some(-86_400_000_000)),
            ("2026-13-01", None),
            ("2026-02-30", None),
            ("11/12/2026", None),
            ("12-11-10", None),
            ("20261129", None),
            ("Jan 1 20", None),
            ("2026-11-29 noon", None),
            ("2026-1é-29T", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (unit, count, text) in [
            (Unit::Day, 20_786.0, "2026-11-29"),
            (Unit::Second, 1_795_939_200.0, "2026-11-29T08:00:00"),
            (Unit::Millisecond, 1_795_939_200_125.0, "2026-11-29T08:00:00.125"),
            (Unit::Microsecond, 1_795_939_200_125_250.0, "2026-11-29T08:00:00.125250"),
        ] {
            assert_eq!(unit.text(count).as_deref(), Some(text));
            assert_eq!(parse(text), Some(count as i64 * unit.microseconds()));
        }
        assert_eq!(Unit::Day.text(1e30), None);
        // Milliseconds are exact in every year.
        let last = Unit::Millisecond.last();
        assert_eq!(Unit::Millisecond.text(last).as_deref(), Some("9999-12-31T23:59:59.999"));
        assert_eq!(Unit::Millisecond.text(last - 2.0).as_deref(), Some("9999-12-31T23:59:59.997"));
    }
}

//! Ticks of dates and times.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::ticks::Ticks;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Monday, 5 January 1970, from which weeks are counted.
const MONDAY: i64 = 4 * DAY;
/// The mean month of the Gregorian calendar.
const MONTH: i64 = 2_629_746 * SECOND;
/// Steps of equal length.
const EQUAL: [i64; 19] = [
    1_000,
    10_000,
    100_000,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];
/// Steps of months.
const MONTHS: [i64; 14] = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000, 12_000, 24_000];

/// The moment of a number in microseconds, within the years that a calendar of four digits has.
fn moment(value: f64, unit: i64) -> NaiveDateTime {
    let microseconds = (value * unit as f64).clamp(-62_135_596_800e6, 253_402_300_799e6) as i64;
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default().naive_utc()
}

/// The day of a number, in ISO form.
pub(super) fn day(value: f64, unit: i64) -> String {
    moment(value, unit).format("%Y-%m-%d").to_string()
}

/// Moments between two numbers at round steps (seconds to years, as the range asks), at most `count` or one more. `unit` is the length of 1 in microseconds, and no
/// step is shorter.
pub(super) fn ticks(low: f64, high: f64, count: usize, unit: i64) -> Ticks {
    let unit = unit.max(1);
    let [first, last] = [low, high].map(|v| moment(v, unit).and_utc().timestamp_micros());
    let least = (last - first) / count.max(1) as i64;
    if last <= first {
        return Vec::new();
    }
    match EQUAL.into_iter().find(|step| *step >= least && step % unit == 0) {
        Some(step) => {
            let phase = if step % (7 * DAY) == 0 { MONDAY } else { 0 };
            let start = phase + (first - phase).div_euclid(step) * step;
            let all = (0..).map(|k| start + k * step).skip_while(|t| *t < first).take_while(|t| *t <= last);
            all.map(|t| (t as f64 / unit as f64, text(t, step))).collect()
        }
        None => {
            let step = MONTHS.into_iter().find(|months| months * MONTH >= least).unwrap_or(MONTHS[MONTHS.len() - 1]);
            months(moment(low, unit).date(), [first, last], step).map(|(t, text)| (t as f64 / unit as f64, text)).collect()
        }
    }
}

/// The first days of every so many months.
fn months(from: NaiveDate, [first, last]: [i64; 2], step: i64) -> impl Iterator<Item = (i64, String)> {
    let index = 12 * i64::from(from.year()) + i64::from(from.month0());
    let start = index.div_euclid(step) * step;
    let date = move |k: i64| NaiveDate::from_ymd_opt(0, 1, 1)?.checked_add_months(Months::new(u32::try_from(start + k * step).ok()?));
    let format = if step % 12 == 0 { "%Y" } else { "%Y-%m" };
    (0..)
        .map_while(move |k| {
            date(k).map(|date| (date.and_time(NaiveTime::MIN).and_utc().timestamp_micros(), date.format(format).to_string()))
        })
        .skip_while(move |(t, _)| *t < first)
        .take_while(move |(t, _)| *t <= last)
}

/// What is written at a moment of a step: a date, a time of the day, or at midnight the day.
fn text(moment: i64, step: i64) -> String {
    let time = DateTime::from_timestamp_micros(moment).unwrap_or_default();
    let format = match step {
        _ if step >= DAY => "%Y-%m-%d",
        _ if time.num_seconds_from_midnight() == 0 && time.nanosecond() == 0 => "%-d %b",
        _ if step >= MINUTE => "%H:%M",
        _ if step >= SECOND => "%H:%M:%S",
        _ => "%H:%M:%S%.3f",
    };
    time.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, count: usize, unit: i64) -> Vec<String> {
        ticks(low, high, count, unit).into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn dates_stand_at_round_steps() {
        // date -d 2021-01-01 +%s is 1609459200, 18,628 days.
        let start = 18_628.0;
        assert_eq!(texts(start, start + 4.0, 6, DAY), ["2021-01-01", "2021-01-02", "2021-01-03", "2021-01-04", "2021-01-05"]);
        // 2021-01-04 is a Monday.
        assert_eq!(ticks(start, start + 20.0, 3, DAY)[0], (start + 3.0, "2021-01-04".into()));
        assert_eq!(texts(start, start + 20.0, 3, DAY), ["2021-01-04", "2021-01-11", "2021-01-18"]);
        assert_eq!(texts(start + 10.0, start + 130.0, 5, DAY), ["2021-02", "2021-03", "2021-04", "2021-05"]);
        assert_eq!(ticks(start + 10.0, start + 130.0, 5, DAY)[1].0, start + 31.0 + 28.0);
        assert_eq!(texts(start, start + 3_000.0, 9, DAY), ["2021", "2022", "2023", "2024", "2025", "2026", "2027", "2028", "2029"]);
        assert_eq!(texts(-40_000.0, 40_000.0, 5, DAY), ["1900", "1950", "2000", "2050"]);
        assert!(ticks(3.0, 3.0, 4, DAY).is_empty() && ticks(f64::NAN, 1.0, 4, DAY).len() < 60);
    }

    #[test]
    fn times_stand_at_round_steps() {
        // 2021-01-01T20:00 to 2021-01-02T04:00, in seconds.
        let low = 1_609_459_200.0 + 20.0 * 3_600.0;
        assert_eq!(texts(low, low + 8.0 * 3_600.0, 4, SECOND), ["21:00", "2 Jan", "03:00"]);
        assert_eq!(texts(low, low + 60.0, 4, SECOND), ["20:00:00", "20:00:15", "20:00:30", "20:00:45", "20:01:00"]);
        assert_eq!(texts(1e3 * low, 1e3 * low + 200.0, 2, 1_000), ["20:00:00.000", "20:00:00.100", "20:00:00.200"]);
        // Days are not divided, however few there are.
        assert_eq!(texts(18_628.0, 18_629.0, 8, DAY), ["2021-01-01", "2021-01-02"]);
        assert_eq!(day(low, SECOND), "2021-01-01");
    }
}

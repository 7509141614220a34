//! Ticks: their places and texts.

use super::{
    axis::{Axis, Marks},
    dates,
};

/// The most ticks of an axis.
const MOST: i64 = 50;
/// The room between the texts of neighbouring ticks, in pixels.
const BETWEEN: f64 = 8.0;
/// The height of a line of text.
const LINE: f64 = 13.0;
/// The length to which upright labels are shortened, and that of labels beside an axis.
const LONGEST: f64 = 96.0;
/// How far a text that is drawn may reach beyond the end of its axis.
const EDGE: f64 = 3.0;
/// The most ticks that are tried if fewer ticks leave only one text.
const MOST_FINER: usize = 12;
/// A number or date that would reach farther than this beyond the end of its axis is not drawn.
const BEYOND: f64 = 14.0;
/// A cell of this width has room for some letters of a label.
const WIDE: f64 = 64.0;

/// Values, each with its text.
pub(super) type Ticks = Vec<(f64, String)>;

/// Text as a canvas has it: its width, and how it is shortened to a width.
pub(super) trait Measure {
    fn width(&self, text: &str) -> f64;
    fn shorten(&self, text: &str, room: f64) -> String;
}

impl Axis {
    /// At most about `count` round values with their texts.
    fn round(&self, count: usize) -> Ticks {
        match &self.marks {
            Marks::Numbers => ticks(self.low, self.high, count),
            Marks::Lattice { step, offset } => on_lattice(self.low, self.high, count, *step, *offset),
            Marks::Moments(unit) => dates::ticks(self.low, self.high, count, *unit),
            Marks::Labels(_) => Vec::new(),
        }
    }

    /// Every k-th label, so that neighbours are `least` pixels apart.
    fn of_cells(&self, texts: &[String], length: f64, least: f64) -> Ticks {
        let each = (least * texts.len() as f64 / length).ceil().max(1.0) as usize;
        texts.iter().enumerate().step_by(each).map(|(k, text)| (k as f64, text.clone())).collect()
    }

    /// The ticks of an axis across of a length in pixels, and whether their texts stand upright.
    pub(super) fn across(&self, length: f64, font: &impl Measure) -> (Ticks, bool) {
        let Marks::Labels(texts) = &self.marks else {
            let most = ((length / 55.0) as usize).max(if self.is_few() { self.cells } else { 2 });
            let fitting = |count: usize| {
                Some(self.within(self.round(count), length, font)).filter(|ticks| with_text(ticks) > 0 && self.fit(ticks, length, font))
            };
            let ticks = (1..=most).rev().find_map(fitting).unwrap_or_else(|| self.within(self.round(1), length, font));
            // A single number does not show the range of the axis.
            let more = || (most + 1..=MOST_FINER).filter_map(fitting).find(|ticks| with_text(ticks) > 1);
            let ticks = if with_text(&ticks) > 1 { ticks } else { more().unwrap_or(ticks) };
            return (ticks, false);
        };
        let cell = length / texts.len().max(1) as f64;
        let all_fit = texts.iter().all(|text| font.width(text) + BETWEEN <= cell);
        let (shown, room, upright) = match cell {
            _ if all_fit || cell >= WIDE => (self.of_cells(texts, length, 0.0), cell - BETWEEN, false),
            _ => (self.of_cells(texts, length, LINE), LONGEST, true),
        };
        (shortened(shown, room, font), upright)
    }

    /// Whether the texts of ticks stand apart.
    fn fit(&self, ticks: &Ticks, length: f64, font: &impl Measure) -> bool {
        let apart = ticks.windows(2).map(|w| (w[1].0 - w[0].0) / (self.high - self.low) * length).fold(f64::INFINITY, f64::min);
        let places: Vec<[f64; 2]> = ticks.iter().filter(|t| !t.1.is_empty()).map(|t| self.reach(t, length, font)).collect();
        let widest = ticks.iter().map(|t| font.width(&t.1)).fold(0.0, f64::max);
        widest + BETWEEN <= apart && places.windows(2).all(|pair| pair[0][1] + BETWEEN / 2.0 <= pair[1][0])
    }

    /// Where the text of a tick begins and ends along the axis. It is moved inwards until it reaches at most [`EDGE`] beyond an end.
    pub(super) fn reach(&self, tick: &(f64, String), length: f64, font: &impl Measure) -> [f64; 2] {
        let width = font.width(&tick.1);
        let start = (self.share(tick.0) * length - width / 2.0).min(length + EDGE - width).max(-EDGE);
        [start, start + width]
    }

    /// Ticks without the texts that would reach far beyond the ends, into the axis beside this one.
    fn within(&self, ticks: Ticks, length: f64, font: &impl Measure) -> Ticks {
        let reach = |t: &(f64, String)| {
            let (at, half) = (self.share(t.0) * length, font.width(&t.1) / 2.0);
            (half - at).max(at + half - length)
        };
        ticks.into_iter().map(|t| if reach(&t) > BEYOND { (t.0, String::new()) } else { t }).collect()
    }

    /// The ticks of an axis up of a length in pixels.
    pub(super) fn up(&self, length: f64, font: &impl Measure) -> Ticks {
        match &self.marks {
            Marks::Labels(texts) => shortened(self.of_cells(texts, length, LINE), LONGEST, font),
            _ if self.is_few() => self.round(self.cells.min((length / LINE) as usize)),
            _ => self.round(((length / 45.0) as usize).max(2)),
        }
    }

    /// The name, with the day of the first value if the ticks are times of a day.
    pub(super) fn title(&self, ticks: &Ticks) -> String {
        match self.marks {
            Marks::Moments(unit) if ticks.iter().any(|t| t.1.contains(':')) => {
                format!("{} (from {})", self.label, dates::day(self.low, unit))
            }
            _ => self.label.clone(),
        }
    }
}

fn with_text(ticks: &Ticks) -> usize {
    ticks.iter().filter(|t| !t.1.is_empty()).count()
}

/// Texts that fit into a length: cut at their ends, or in the middle where that leaves equal ones.
fn shortened(ticks: Ticks, room: f64, font: &impl Measure) -> Ticks {
    let cut: Ticks = ticks.iter().map(|(k, text)| (*k, font.shorten(text, room))).collect();
    let mut texts: Vec<&str> = cut.iter().map(|t| t.1.as_str()).collect();
    texts.sort_unstable();
    if texts.windows(2).all(|w| w[0] != w[1]) {
        return cut;
    }
    ticks.into_iter().map(|(k, text)| (k, middle(&text, room, font))).collect()
}

/// A text without its middle, if it is too long.
fn middle(text: &str, room: f64, font: &impl Measure) -> String {
    let letters: Vec<char> = text.chars().collect();
    let kept = |n: usize| {
        let (head, tail) = (letters.iter().take(n.div_ceil(2)), letters.iter().skip(letters.len() - n / 2));
        if n == letters.len() { text.into() } else { head.chain(&['…']).chain(tail).collect::<String>() }
    };
    (1..=letters.len()).rev().map(kept).find(|text| font.width(text) <= room).unwrap_or_default()
}

/// The least of 1, 2, 5 and 10 times a power of 10 that is at least `least`: the factor and the power.
fn nice(least: f64) -> (f64, f64) {
    let power = least.log10().floor();
    let unit = 10f64.powf(power);
    match [1.0, 2.0, 5.0].into_iter().find(|f| f * unit >= least * (1.0 - 1e-9)) {
        Some(factor) => (factor, power),
        None => (1.0, power + 1.0),
    }
}

/// Multiples of 1, 2 or 5 times a power of 10 between two numbers, at most `count` or one more.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Ticks {
    let least = (high - low) / count.max(1) as f64;
    if !(least.is_normal() && least > 0.0) {
        return Vec::new();
    }
    let (factor, exponent) = nice(least);
    let step = factor * 10f64.powf(exponent);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let large = low.abs().max(high.abs()) >= 1e5 || exponent < -4.0;
    let text = |value: f64| {
        let digits = (-exponent).max(0.0) as usize;
        if value == 0.0 {
            "0".into()
        } else if large {
            let digits = (value.abs().log10().floor() - exponent).max(0.0) as usize;
            format!("{value:.digits$e}").replace('-', "−")
        } else {
            format!("{value:.digits$}").replace('-', "−")
        }
    };
    (first..=last.min(first.saturating_add(MOST))).map(|k| (k as f64 * step, text(k as f64 * step))).collect()
}

/// Values offset + k · step between two numbers at equal distances, at most `count` or one more.
fn on_lattice(low: f64, high: f64, count: usize, step: f64, offset: f64) -> Ticks {
    let least = (high - low) / (count.max(1) as f64 * step);
    if !(least.is_normal() && least > 0.0) {
        return Vec::new();
    }
    let (factor, exponent) = nice(least.max(1.0));
    let each = (factor * 10f64.powf(exponent)).round();
    let first = ((low - offset) / (each * step)).ceil() as i64;
    let last = ((high - offset) / (each * step)).floor() as i64;
    let value = |k: i64| offset + k as f64 * each * step;
    let all = || (first..=last.min(first.saturating_add(MOST))).map(value);
    // The fewest decimals that hold every value, up to the error of its sum.
    let held = |digits: &i32| all().all(|v| (v * 10f64.powi(*digits) - (v * 10f64.powi(*digits)).round()).abs() < 1e-6);
    let digits = (0..9).find(held).unwrap_or(9) as usize;
    let large = low.abs().max(high.abs()) >= 1e5;
    let text = |v: f64| if large && v != 0.0 { format!("{v:e}") } else { format!("{v:.digits$}") };
    all().map(|v| (v, text(v).replace('-', "−"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of 6 pixels.
    struct Six;

    impl Measure for Six {
        fn width(&self, text: &str) -> f64 {
            6.0 * text.chars().count() as f64
        }

        fn shorten(&self, text: &str, room: f64) -> String {
            text.chars().take((room / 6.0) as usize).collect()
        }
    }

    fn texts(ticks: Ticks) -> Vec<String> {
        ticks.into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        let shown = |low, high, count| texts(ticks(low, high, count));
        assert_eq!(shown(-1.3, 1.2, 5), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(shown(0.0, 100.0, 5), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(shown(0.0, 3e6, 3), ["0", "1e6", "2e6", "3e6"]);
        assert_eq!(shown(0.0102, 0.0131, 3), ["0.011", "0.012", "0.013"]);
        assert!(ticks(1.0, 1.0, 4).is_empty() && ticks(f64::NAN, 1.0, 4).is_empty());
    }

    #[test]
    fn ticks_of_a_lattice_are_its_values() {
        let shown = |low, high, count, step, offset| texts(on_lattice(low, high, count, step, offset));
        // Real numbers would have ticks at 1.5 and 2.5.
        assert_eq!(shown(0.5, 3.5, 6, 1.0, 0.0), ["1", "2", "3"]);
        assert_eq!(shown(0.5, 3.5, 40, 1.0, 0.0), ["1", "2", "3"]);
        assert_eq!(shown(-0.5, 23.5, 5, 1.0, 0.0), ["0", "5", "10", "15", "20"]);
        assert_eq!(shown(0.0, 2.0, 8, 0.5, 0.25), ["0.25", "0.75", "1.25", "1.75"]);
        assert_eq!(shown(0.0, 1.0, 10, 0.1, 0.0).len(), 11);
        assert_eq!(shown(-10.5, 10.5, 3, 1.0, 0.0), ["−10", "0", "10"]);
        assert_eq!(shown(99_999.5, 100_002.5, 4, 1.0, 0.0), ["1e5", "1.00001e5", "1.00002e5"]);
    }

    #[test]
    fn labels_are_shortened_or_turned_and_thinned() {
        let axis = Axis::of_labels("town", ["Wien", "Graz", "Bruck an der Mur"].map(String::from).to_vec());
        let (ticks, upright) = axis.across(600.0, &Six);
        assert!(!upright && ticks[2] == (2.0, "Bruck an der Mur".into()));
        let (ticks, upright) = axis.across(210.0, &Six);
        assert!(!upright && ticks[2].1 == "Bruck an d");
        assert!(axis.across(100.0, &Six).1);
        // Labels that begin alike keep their ends.
        let alike = Axis::of_labels("town", ["town number 1", "town number 2"].map(String::from).to_vec());
        assert_eq!(texts(alike.across(140.0, &Six).0), ["town …er 1", "town …er 2"]);
        // 30 labels on 130 pixels: a line for every third.
        let many = Axis::of_labels("k", (0..30).map(|k| k.to_string()).collect());
        assert_eq!(texts(many.up(130.0, &Six)), ["0", "3", "6", "9", "12", "15", "18", "21", "24", "27"]);
        assert_eq!(many.across(130.0, &Six).0.len(), 10);
    }

    #[test]
    fn numbers_and_dates_do_not_overlap() {
        let axis = Axis { marks: Marks::Moments(86_400_000_000), ..Axis::between("since", 18_628.0, 18_640.0, 12) };
        // 2021-01-01 to 2021-01-13 has a date every two days where there is room, and Mondays alone on 200 pixels.
        assert_eq!(axis.across(700.0, &Six).0.len(), 7);
        assert_eq!(texts(axis.across(200.0, &Six).0), ["2021-01-04", "2021-01-11"]);
        // A single date does not show the range of 1,000 days.
        let years = Axis { marks: Marks::Moments(86_400_000_000), ..Axis::between("since", 18_628.0, 19_628.0, 12) };
        assert_eq!(texts(years.across(110.0, &Six).0), ["2021", "2022", "2023"]);
        // A date at the end of its axis would reach into the next one.
        assert_eq!(texts(axis.across(700.0, &Six).0)[..2], ["", "2021-01-03"]);
    }

    #[test]
    fn few_values_have_a_tick_each() {
        let rating = Axis::between("rating", 1.0, 5.0, 48).on_lattice(0.0, 1.0);
        assert_eq!(texts(rating.up(74.0, &Six)), ["1", "2", "3", "4", "5"]);
        assert_eq!(texts(rating.across(90.0, &Six).0), ["1", "2", "3", "4", "5"]);
        assert_eq!(texts(rating.across(60.0, &Six).0), ["2", "4"]);
        // Two ticks at least, in the smallest panel.
        assert_eq!(texts(Axis::between("x", 0.0, 90.0, 48).up(74.0, &Six)), ["0", "50"]);
    }
}

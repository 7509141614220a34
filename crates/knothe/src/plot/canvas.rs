//! A picture in memory: rectangles, lines, discs and text, drawn at twice the size and averaged, so that edges are smooth.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use super::picture::Picture;
use crate::error::{Error, Result};

/// DejaVu Sans with the Latin, Greek and Cyrillic letters and mathematical signs, so that no font of the system is needed.
const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");
/// Pixels drawn for a pixel of the picture, along each axis.
const SCALE: f64 = 2.0;
/// The most characters of a line of text.
const MOST_LETTERS: usize = 1000;

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// Where text stands relative to its point: its start, its middle or its end.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A canvas; coordinates are pixels of the picture from its upper left corner, and may be fractions.
pub(super) struct Canvas {
    size: [usize; 2],
    pixels: Vec<Colour>,
    font: FontRef<'static>,
}

impl Canvas {
    /// A white canvas.
    pub fn new(width: usize, height: usize) -> Result<Self> {
        let font = FontRef::try_from_slice(FONT).map_err(|e| Error::invalid("font", "the font of the library", e))?;
        let size = [width * SCALE as usize, height * SCALE as usize];
        Ok(Canvas { size, pixels: vec![[255; 3]; size[0] * size[1]], font })
    }

    fn blend(&mut self, x: i64, y: i64, colour: Colour, alpha: f64) {
        let [width, height] = self.size.map(|s| s as i64);
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let pixel = &mut self.pixels[(y * width + x) as usize];
            for (old, new) in pixel.iter_mut().zip(colour) {
                *old = (f64::from(*old) * (1.0 - alpha) + f64::from(new) * alpha).round() as u8;
            }
        }
    }

    /// Fills a rectangle from one corner to the opposite one.
    pub fn fill(&mut self, [x0, y0]: [f64; 2], [x1, y1]: [f64; 2], colour: Colour, alpha: f64) {
        // Rounded ends, so that rectangles that share an edge neither overlap nor leave a gap.
        let end = |v: f64| (v * SCALE).round() as i64;
        for y in end(y0.min(y1))..end(y0.max(y1)) {
            for x in end(x0.min(x1))..end(x0.max(x1)) {
                self.blend(x, y, colour, alpha);
            }
        }
    }

    /// A straight line.
    pub fn line(&mut self, a: [f64; 2], b: [f64; 2], width: f64, colour: Colour) {
        let ([a, b], half) = ([a, b].map(|p| p.map(|v| v * SCALE)), width * SCALE / 2.0);
        let along = [b[0] - a[0], b[1] - a[1]];
        let square = along[0] * along[0] + along[1] * along[1];
        let range = |j: usize| (a[j].min(b[j]) - half - 1.0).floor() as i64..=(a[j].max(b[j]) + half + 1.0).ceil() as i64;
        for y in range(1) {
            for x in range(0) {
                let p = [x as f64 + 0.5 - a[0], y as f64 + 0.5 - a[1]];
                let t = if square > 0.0 { ((p[0] * along[0] + p[1] * along[1]) / square).clamp(0.0, 1.0) } else { 0.0 };
                let coverage = half + 0.5 - (p[0] - t * along[0]).hypot(p[1] - t * along[1]);
                if coverage > 0.0 {
                    self.blend(x, y, colour, coverage.min(1.0));
                }
            }
        }
    }

    /// The edges of a rectangle, by its upper left corner and its size.
    pub fn outline(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], colour: Colour) {
        let corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
        (0..4).for_each(|k| self.line(corners[k], corners[(k + 1) % 4], 1.0, colour));
    }

    /// A filled disc.
    pub fn disc(&mut self, [x, y]: [f64; 2], radius: f64, colour: Colour, alpha: f64) {
        let (x, y, radius) = (x * SCALE, y * SCALE, radius * SCALE);
        let range = |centre: f64| (centre - radius - 1.0).floor() as i64..=(centre + radius + 1.0).ceil() as i64;
        for j in range(y) {
            for i in range(x) {
                let coverage = (radius + 0.5 - (i as f64 + 0.5 - x).hypot(j as f64 + 0.5 - y)).clamp(0.0, 1.0);
                self.blend(i, j, colour, alpha * coverage);
            }
        }
    }

    /// The edge of a disc.
    pub fn ring(&mut self, [x, y]: [f64; 2], radius: f64, width: f64, colour: Colour) {
        let (x, y, radius, half) = (x * SCALE, y * SCALE, radius * SCALE, width * SCALE / 2.0);
        let range = |centre: f64| (centre - radius - half - 1.0).floor() as i64..=(centre + radius + half + 1.0).ceil() as i64;
        for j in range(y) {
            for i in range(x) {
                let off = ((i as f64 + 0.5 - x).hypot(j as f64 + 0.5 - y) - radius).abs();
                self.blend(i, j, colour, (half + 0.5 - off).clamp(0.0, 1.0));
            }
        }
    }

    fn scale(&self, size: f64) -> PxScale {
        let em = f64::from(self.font.units_per_em().unwrap_or(1000.0));
        PxScale::from((size * SCALE * f64::from(self.font.height_unscaled()) / em) as f32)
    }

    /// The width of a line of text of a size in pixels.
    pub fn text_width(&self, text: &str, size: f64) -> f64 {
        let font = self.font.as_scaled(self.scale(size));
        text.chars().map(|c| f64::from(font.h_advance(font.glyph_id(c)))).sum::<f64>() / SCALE
    }

    /// A line of text whose baseline runs through a point, to the right, or upwards when `upright`.
    pub fn text(&mut self, [x, y]: [f64; 2], text: &str, size: f64, colour: Colour, anchor: Anchor, upright: bool) {
        let width = self.text_width(text, size);
        let mut pen = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        } * SCALE;
        let (font, scale) = (self.font.clone(), self.scale(size));
        for c in text.chars() {
            let glyph = font.glyph_id(c).with_scale_and_position(scale, point(0.0, 0.0));
            let advance = f64::from(font.as_scaled(scale).h_advance(glyph.id));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|i, j, coverage| {
                    let (dx, dy) = (pen + f64::from(corner.x) + f64::from(i), f64::from(corner.y) + f64::from(j));
                    let [dx, dy] = if upright { [dy, -dx] } else { [dx, dy] };
                    self.blend((x * SCALE + dx).round() as i64, (y * SCALE + dy).round() as i64, colour, f64::from(coverage).min(1.0));
                });
            }
            pen += advance;
        }
    }

    /// As much of a text as a width has room for, with an ellipsis where some is left out.
    pub fn shortened(&self, text: &str, size: f64, room: f64) -> String {
        // Only so many characters are measured, to bound the time.
        let whole: String = text.chars().take(MOST_LETTERS).collect();
        if whole.len() == text.len() && self.text_width(text, size) <= room {
            return whole;
        }
        let mut kept: Vec<char> = whole.chars().collect();
        while kept.pop().is_some() {
            let shorter = format!("{}…", kept.iter().collect::<String>());
            if self.text_width(&shorter, size) <= room {
                return shorter;
            }
        }
        String::new()
    }

    /// The picture.
    pub fn finish(self) -> Picture {
        let (n, [width, height]) = (SCALE as usize, self.size.map(|s| s / SCALE as usize));
        let mean = |x: usize, y: usize, channel: usize| {
            let each = (0..n * n).map(|k| u32::from(self.pixels[(y * n + k / n) * self.size[0] + x * n + k % n][channel]));
            ((each.sum::<u32>() + (n * n / 2) as u32) / (n * n) as u32) as u8
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| [0, 1, 2].map(|c| mean(x, y, c))).collect();
        Picture { width, height, pixels }
    }
}

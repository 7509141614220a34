//! Colours, and the scale from none to much: even steps are even to the eye.

use super::canvas::Colour;

/// Text, frames and ticks.
pub(super) const INK: Colour = [38, 42, 48];
/// What stands back.
pub(super) const FAINT: Colour = [150, 156, 164];
/// The data.
pub(super) const DATA: Colour = [72, 120, 168];
/// The model, beside the data.
pub(super) const MODEL: Colour = [204, 85, 34];

/// The colour of a share from 0, white, to 1, a dark blue.
///
/// A path through Oklab (Ottosson 2020) on which lightness falls linearly, so that equal steps look equal; the hue turns from sky to
/// violet blue, and the chroma is greatest in the middle, where screens have room for it.
pub(super) fn scale(share: f64) -> Colour {
    let t = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let lightness = 1.0 - 0.76 * t;
    let chroma = 0.10 * (std::f64::consts::PI * t.powf(0.9)).sin().max(0.0) + 0.04 * t;
    let hue = (235.0 + 40.0 * t).to_radians();
    oklab(lightness, chroma * hue.cos(), chroma * hue.sin())
}

fn oklab(l: f64, a: f64, b: f64) -> Colour {
    let [l, m, s] = [
        l + 0.396_337_777_4 * a + 0.215_803_757_3 * b,
        l - 0.105_561_345_8 * a - 0.063_854_172_8 * b,
        l - 0.089_484_177_5 * a - 1.291_485_548 * b,
    ]
    .map(|v| v * v * v);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
    ]
    .map(|linear| {
        let linear = linear.clamp(0.0, 1.0);
        let v = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (255.0 * v).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_darkens_from_white() {
        assert_eq!(scale(0.0), [255, 255, 255]);
        // Relative luminance (ITU-R BT.709) falls at every step.
        let light = |c: Colour| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
        let steps: Vec<f64> = (0..=20).map(|i| light(scale(f64::from(i) / 20.0))).collect();
        assert!(steps.windows(2).all(|w| w[1] < w[0]), "{steps:?}");
        assert_eq!(scale(f64::NAN), scale(0.0));
    }
}

//! Spectrograms: the power of each frequency over time.

use rustfft::{FftPlanner, num_complex::Complex};

use super::RecordingSet;
use crate::{
    events::{Events, image::ImageSet},
    space::ImageShape,
};

/// Samples per window.
const WINDOW: usize = 256;
/// Samples from the start of one window to the start of the next.
const HOP: usize = 64;
/// The range of powers that is drawn, in decibels below the power of a full-scale sine.
const RANGE: f64 = 80.0;
/// The most windows of a picture. Longer recordings are cut off there.
const WIDEST: usize = 1024;

/// Frequencies from 0 to half the sample rate.
const FREQUENCIES: usize = WINDOW / 2 + 1;

/// The largest spectrogram.
pub const LARGEST_SPECTROGRAM: ImageShape = ImageShape { channels: 1, height: FREQUENCIES, width: WIDEST };

/// The spectrogram of each recording, as grey images of the same size. Frequency goes upwards from 0 to half the sample rate, and time goes to the right. White is the power of a
/// full-scale sine, and black is 80 dB below it.
///
/// Window t holds the samples 64 t to 64 t + 255, weighted by a Hann window w. The power at frequency k is |Σ_n w_n x_n e^{−2πikn/256}|²/(Σ_n w_n/2)².
pub fn spectrograms(set: &RecordingSet) -> ImageSet {
    let windows = |samples: usize| samples.saturating_sub(WINDOW).div_ceil(HOP).min(WIDEST - 1) + 1;
    let (height, width) = (FREQUENCIES, set.lengths().map(windows).max().unwrap_or(1));
    let shape = ImageShape { channels: 1, height, width };
    let hann: Vec<f64> = (0..WINDOW).map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / WINDOW as f64).cos()).collect();
    let full = (hann.iter().sum::<f64>() / 2.0).powi(2);
    let transform = FftPlanner::new().plan_fft_forward(WINDOW);
    let mut pixels = vec![0u8; set.len() * shape.dim()];
    let mut spectrum = vec![Complex::new(0.0, 0.0); WINDOW];
    for (at, image) in pixels.chunks_exact_mut(shape.dim()).enumerate() {
        let recording = set.recording(at);
        for t in 0..windows(recording.len()) {
            for (n, value) in spectrum.iter_mut().enumerate() {
                let sample = recording.get(t * HOP + n).copied().unwrap_or(0.0);
                *value = Complex::new(f64::from(sample) * hann[n], 0.0);
            }
            transform.process(&mut spectrum);
            for k in 0..height {
                let decibels = 10.0 * (spectrum[k].norm_sqr() / full).max(f64::MIN_POSITIVE).log10();
                image[(height - 1 - k) * width + t] = ((decibels / RANGE + 1.0).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }
    ImageSet { path: set.path.clone(), shape, depth: 8, white: u8::MAX, pixels, labels: None, weights: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_is_one_line_of_its_own_power() {
        // 1,000 Hz at 8,000 samples per second is line 32 of 128. Half the amplitude is 6.02 dB less.
        let sine = |amplitude: f64| (0..1024).map(move |n| (amplitude * (std::f64::consts::TAU * 0.125 * f64::from(n)).sin()) as f32);
        let set =
            RecordingSet { rate: 8000, samples: sine(1.0).chain(sine(0.5)).collect(), ends: vec![1024, 2048], ..RecordingSet::default() };
        let images = spectrograms(&set);
        assert_eq!((images.len(), images.shape.height, images.shape.width), (2, 129, 13));
        let at = |image: usize, frequency: usize| images.pixels[image * images.shape.dim() + (128 - frequency) * 13 + 6];
        assert_eq!([at(0, 32), at(1, 32)], [255, (255.0 * (1.0 - 6.0206 / 80.0f64)).round() as u8]);
        assert!(at(0, 20) < 60 && at(0, 64) < 60);
    }
}

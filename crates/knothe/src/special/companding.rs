//! The μ-law, which gives quiet sounds finer levels than loud ones.

/// sign(x) log(1 + μ |x|)/log(1 + μ) of an amplitude x in [−1, 1]. The result is in [−1, 1] (ITU-T G.711 in its continuous form; van den Oord et al. 2016, *WaveNet*, §2.2).
pub fn mu_law(x: f64, mu: f64) -> f64 {
    ((mu * x.abs()).ln_1p() / mu.ln_1p()).copysign(x)
}

/// The inverse of [`mu_law`]: the amplitude sign(y) ((1 + μ)^|y| − 1)/μ.
pub fn mu_law_inverse(y: f64, mu: f64) -> f64 {
    ((y.abs() * mu.ln_1p()).exp_m1() / mu).copysign(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_has_its_ends_its_slope_and_its_inverse() {
        let mu = 255.0;
        for (x, y) in [(0.0, 0.0), (1.0, 1.0), (-1.0, -1.0), (1.0 / 255.0, 2f64.ln() / 256f64.ln()), (-3.0 / 255.0, -0.25)] {
            assert!((mu_law(x, mu) - y).abs() < 1e-15, "{x}");
        }
        for k in -1000..=1000 {
            let y = f64::from(k) / 1000.0;
            assert!((mu_law(mu_law_inverse(y, mu), mu) - y).abs() < 1e-14, "{y}");
        }
        // The slope at 0 is μ/log(1 + μ).
        assert!((mu_law(1e-9, mu) / 1e-9 - mu / 256f64.ln()).abs() < 1e-4);
    }
}

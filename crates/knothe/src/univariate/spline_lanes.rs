//! The rational-quadratic spline in one pass, both ways; see [`super::Spline`] for the formula.
//!
//! In the bin from (l, b) to (r, t) with slopes d and e at its ends, w = r − l, s = (t − b)/w, ξ = (x − l)/w, κ = 1 − ξ and
//! N = s ξ² + d ξκ, D = s (ξ² + κ²) + (d + e) ξκ, M = e ξ² + 2 s ξκ + d κ²: y = b + s w N/D and T′ = s² M/D². For a loss L with
//! ∂L/∂y = g and ∂L/∂ log T′ = h, with q = N/D and 1 − q = (s κ² + e ξκ)/D,
//!
//! - ∂L/∂s = g s w (ξ² − q (ξ² + κ²))/D + 2 h (1/s + ξκ/M − (ξ² + κ²)/D), at a height that stands still,
//! - ∂L/∂d = g s w (1 − q) ξκ/D + h (κ²/M − 2 ξκ/D), ∂L/∂e = −g s w q ξκ/D + h (ξ²/M − 2 ξκ/D),
//! - ∂L/∂ξ = g w T′ + h ℓ, ℓ = 2 (e ξ − d κ + s (κ − ξ))/M − 2 (κ − ξ)(d + e − 2 s)/D,
//!
//! from which ∂L/∂t = g q + ∂L/∂s / w, ∂L/∂b = g − ∂L/∂t, ∂L/∂l = (s ∂L/∂s − κ ∂L/∂ξ)/w, ∂L/∂r = −(s ∂L/∂s + ξ ∂L/∂ξ)/w and
//! ∂L/∂x = ∂L/∂ξ / w. A knot is 2B times the sum of the shares before it: that of bin i < k gets ∂L/∂l + ∂L/∂r, that of the bin k itself
//! ∂L/∂r, and the softmax p turns gradients S into p_i (S_i − Σ p S). The outer knots stand still.
//!
//! The inverse x = T⁻¹(y) with gradients g and h of x and log ∂x/∂y has, with u = (g − h ℓ/w)/T′, ∂L/∂y = u, and for θ what T has with
//! −u and −h in the place of g and h.

use super::{
    Inverted, Spline,
    spline::{LEAST_SHARE, LEAST_SLOPE, slope_shift},
};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// The bin of each lane: its corner and size, its slopes, and what their gradients need.
struct Bin<T> {
    /// Its number.
    index: Lanes<T>,
    left: Lanes<T>,
    width: Lanes<T>,
    bottom: Lanes<T>,
    height: Lanes<T>,
    /// 1/w and 1/(s w).
    narrow: Lanes<T>,
    flat: Lanes<T>,
    /// s.
    mean: Lanes<T>,
    slopes: [Lanes<T>; 2],
    /// The derivatives of the slopes by their raw parameters.
    by_raw: [Lanes<T>; 2],
    x: Axis<T>,
    y: Axis<T>,
}

/// ξ, κ, N, M, and the reciprocals of D and M.
struct Place<T> {
    xi: Lanes<T>,
    kappa: Lanes<T>,
    product: Lanes<T>,
    numerator: Lanes<T>,
    slope: Lanes<T>,
    by_denominator: Lanes<T>,
    by_slope: Lanes<T>,
}

/// Gradients by the sides of a bin and by the slopes at its ends.
struct Pull<T> {
    left: Lanes<T>,
    right: Lanes<T>,
    bottom: Lanes<T>,
    top: Lanes<T>,
    slopes: [Lanes<T>; 2],
    /// By x.
    at: Lanes<T>,
}

/// One axis on the way through the bins: the exponentials of its raw shares.
#[derive(Clone, Copy)]
struct Axis<T> {
    /// 1/Σ of all.
    scale: Lanes<T>,
    /// Σ of those before the bin that is looked at.
    sum: Lanes<T>,
    /// Σ of those before the bin that is taken, and its own.
    before: Lanes<T>,
    own: Lanes<T>,
}

/// Puts exp(θ − max θ) of the parameters from `first` on into `exponentials`; returns their sum.
#[inline(always)]
fn exponentiate<T: Real>(theta: Theta<'_, T>, first: usize, exponentials: &mut [Lanes<T>]) -> Lanes<T> {
    let mut most = theta.get(first);
    for k in 1..exponentials.len() {
        most = most.larger(theta.get(first + k));
    }
    let mut sum = Lanes::of(0.0);
    for (k, e) in exponentials.iter_mut().enumerate() {
        *e = (theta.get(first + k) - most).moderate_exp();
        sum = sum + *e;
    }
    sum
}

impl<T: Real> Axis<T> {
    /// In the first bin.
    #[inline(always)]
    fn new(scale: Lanes<T>, first: Lanes<T>) -> Self {
        let zero = Lanes::of(0.0);
        Axis { scale, sum: zero, before: zero, own: first }
    }

    /// Looks at the bin after that with the exponential `before`.
    #[inline(always)]
    fn pass(&mut self, before: Lanes<T>) {
        self.sum = self.sum + before;
    }

    /// Takes the bin that is looked at, with the exponential `own`, where `at` is not below `bound`.
    #[inline(always)]
    fn take(&mut self, at: Lanes<T>, bound: Lanes<T>, own: Lanes<T>) {
        self.before = at.below(bound, self.before, self.sum);
        self.own = at.below(bound, self.own, own);
    }

    /// The gradients of the raw shares, but for the exponential of each, from those of both ends of the bin: of shares after the bin's own, of
    /// that, and of those before it, which move both ends.
    #[inline(always)]
    fn by_shares(&self, start: Lanes<T>, end: Lanes<T>) -> [Lanes<T>; 3] {
        let both = start + end;
        let mean = (both * self.before + end * self.own) * self.scale;
        [-(mean * self.scale), (end - mean) * self.scale, (both - mean) * self.scale]
    }
}

impl Spline {
    /// 2B times what the floors leave to the softmax.
    #[inline(always)]
    fn extent(&self) -> f64 {
        2.0 * self.bound * (1.0 - LEAST_SHARE * self.bins as f64)
    }

    /// The knot before bin `index`: `sum` are the exponentials before it, `reach` is the extent of one.
    #[inline(always)]
    fn knot<T: Real>(&self, sum: Lanes<T>, reach: Lanes<T>, index: Lanes<T>) -> Lanes<T> {
        sum.fused(reach, index.fused(Lanes::of(2.0 * self.bound * LEAST_SHARE), Lanes::of(-self.bound)))
    }

    /// Where the bin that is taken begins along an axis, and how far it goes.
    #[inline(always)]
    fn side<T: Real>(&self, axis: &Axis<T>, reach: Lanes<T>, index: Lanes<T>) -> [Lanes<T>; 2] {
        let start = self.knot(axis.before, reach, index);
        let end = self.knot(axis.before + axis.own, reach, index + T::of(1.0));
        // The last ends at B.
        [start, index.below(Lanes::of(self.bins as f64 - 1.5), end, Lanes::of(self.bound)) - start]
    }

    /// The bin whose side along the axis `side`, 0 of x or 1 of y, holds `at`.
    #[inline(always)]
    fn find<T: Real>(&self, at: Lanes<T>, side: usize, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> Bin<T> {
        let bins = self.bins;
        let (zero, one) = (Lanes::of(0.0), Lanes::of(1.0));
        let (widths, heights) = work.split_at_mut(bins);
        let sums = [exponentiate(theta, 0, widths), exponentiate(theta, bins, heights)];
        // One division for both: the sums are between 1 and the number of bins.
        let inverse = one / (sums[0] * sums[1]);
        let (mut x, mut y) = (Axis::new(sums[1] * inverse, widths[0]), Axis::new(sums[0] * inverse, heights[0]));
        let extent = T::of(self.extent());
        let [wide, high] = [x.scale * extent, y.scale * extent];
        let (mut index, mut raw_start, mut raw_end) = (zero, theta.get(2 * bins), theta.get(2 * bins));
        for k in 1..bins {
            x.pass(widths[k - 1]);
            y.pass(heights[k - 1]);
            let number = Lanes::of(k as f64);
            let bound = if side == 0 { self.knot(x.sum, wide, number) } else { self.knot(y.sum, high, number) };
            x.take(at, bound, widths[k]);
            y.take(at, bound, heights[k]);
            index = at.below(bound, index, number);
            raw_start = at.below(bound, raw_start, theta.get(2 * bins + k - 1));
            raw_end = at.below(bound, raw_end, theta.get(2 * bins + k.min(bins - 2)));
        }
        let [[left, width], [bottom, height]] = [self.side(&x, wide, index), self.side(&y, high, index)];
        let (narrow, flat) = (one / width, one / height);
        let shifted = [raw_start + T::of(slope_shift()), raw_end + T::of(slope_shift())];
        let slopes = [shifted[0].softplus() + T::of(LEAST_SLOPE), shifted[1].softplus() + T::of(LEAST_SLOPE)];
        let by_raw = [shifted[0].sigmoids().0, shifted[1].sigmoids().0];
        // The slopes at ±B are 1.
        let (first, last) = (Lanes::of(0.5), Lanes::of(bins as f64 - 1.5));
        Bin {
            index,
            left,
            width,
            bottom,
            height,
            narrow,
            flat,
            mean: height * narrow,
            slopes: [index.below(first, one, slopes[0]), index.below(last, slopes[1], one)],
            by_raw: [index.below(first, zero, by_raw[0]), index.below(last, by_raw[1], zero)],
            x,
            y,
        }
    }

    /// Writes the gradients of θ from those of the bin.
    #[inline(always)]
    fn spread<T: Real>(&self, bin: &Bin<T>, pull: &Pull<T>, exponentials: &[Lanes<T>], into: &mut ThetaGradient<'_, T>) {
        let (bins, zero) = (self.bins, Lanes::of(0.0));
        let (extent, last) = (T::of(self.extent()), Lanes::of(bins as f64 - 1.5));
        let (widths, heights) = exponentials.split_at(bins);
        // The end of the last bin stands still.
        let (right, top) = (bin.index.below(last, pull.right, zero), bin.index.below(last, pull.top, zero));
        let by_widths = bin.x.by_shares(pull.left * extent, right * extent);
        let by_heights = bin.y.by_shares(pull.bottom * extent, top * extent);
        let [start, end] = [pull.slopes[0] * bin.by_raw[0], pull.slopes[1] * bin.by_raw[1]];
        for k in 0..bins {
            // The bin is below `low` before k, below `high` k itself, below `beyond` k + 1.
            let [low, high, beyond] = [-0.5, 0.5, 1.5].map(|d| Lanes::of(k as f64 + d));
            let of = |[later, own, earlier]: [Lanes<T>; 3]| bin.index.below(low, later, bin.index.below(high, own, earlier));
            into.set(k, widths[k] * of(by_widths));
            into.set(bins + k, heights[k] * of(by_heights));
            if k + 1 < bins {
                // The knot between k and k + 1.
                let at_knot = bin.index.below(high, end, bin.index.below(beyond, start, zero));
                into.set(2 * bins + k, bin.index.below(low, zero, at_knot));
            }
        }
    }

    /// `inside` where x is within (−B, B), else `outside`.
    #[inline(always)]
    fn choose<T: Real>(&self, x: Lanes<T>, inside: Lanes<T>, outside: Lanes<T>) -> Lanes<T> {
        x.magnitude().below(Lanes::of(self.bound), inside, outside)
    }
}

impl<T: Real> Bin<T> {
    #[inline(always)]
    fn place(&self, xi: Lanes<T>, kappa: Lanes<T>) -> Place<T> {
        let [start, end] = self.slopes;
        let (square, product, rest) = (xi * xi, xi * kappa, kappa * kappa);
        let denominator = self.mean * (square + rest) + (start + end) * product;
        let slope = end * square + self.mean * product * T::of(2.0) + start * rest;
        let one = Lanes::of(1.0);
        Place {
            xi,
            kappa,
            product,
            numerator: self.mean * square + start * product,
            slope,
            by_denominator: one / denominator,
            by_slope: one / slope,
        }
    }

    /// Where `x` is.
    #[inline(always)]
    fn forward(&self, x: Lanes<T>) -> Place<T> {
        let xi = (x - self.left) * self.narrow;
        self.place(xi, Lanes::of(1.0) - xi)
    }

    /// Where T is `y`: the closed form of [`Spline`]'s inverse.
    #[inline(always)]
    fn backward(&self, y: Lanes<T>) -> Place<T> {
        let [start, end] = self.slopes;
        let eta = (y - self.bottom) * self.flat;
        let rest = Lanes::of(1.0) - eta;
        let g = start * rest - end * eta;
        let twice = self.mean * T::of(2.0);
        let p = (g * g + twice * twice * eta * rest).root() + g.magnitude();
        let zero = Lanes::of(0.0);
        let (up, down) = (g.below(zero, p, twice * eta), g.below(zero, twice * rest, p));
        let scale = Lanes::of(1.0) / (up + down);
        self.place(up * scale, down * scale)
    }

    /// T′.
    #[inline(always)]
    fn slope(&self, at: &Place<T>) -> Lanes<T> {
        // In an order that neither a large nor a small slope at a knot makes overflow.
        let ratio = self.mean * at.by_denominator;
        ratio * at.slope * ratio
    }

    /// ∂ log T′/∂ξ.
    #[inline(always)]
    fn bend(&self, at: &Place<T>) -> Lanes<T> {
        let [start, end] = self.slopes;
        let difference = at.kappa - at.xi;
        let up = (end * at.xi - start * at.kappa + self.mean * difference) * at.by_slope;
        (up - difference * (start + end - self.mean * T::of(2.0)) * at.by_denominator) * T::of(2.0)
    }

    #[inline(always)]
    fn pull(&self, at: &Place<T>, g: Lanes<T>, h: Lanes<T>) -> Pull<T> {
        let two = T::of(2.0);
        let (mean, inverse, by_slope) = (self.mean, at.by_denominator, at.by_slope);
        let (square, rest) = (at.xi * at.xi, at.kappa * at.kappa);
        let share = at.numerator * inverse;
        let other = (mean * rest + self.slopes[1] * at.product) * inverse;
        let scaled = g * self.height * inverse;
        let product = at.product * inverse;
        let by_mean = scaled * (square * other - rest * share)
            + h * (self.width * self.flat + at.product * by_slope - (square + rest) * inverse) * two;
        let by_start = scaled * other * at.product + h * (rest * by_slope - product * two);
        let by_end = h * (square * by_slope - product * two) - scaled * share * at.product;
        let by_xi = g * self.width * self.slope(at) + h * self.bend(at);
        let narrow = self.narrow;
        let top = g * share + by_mean * narrow;
        Pull {
            left: (mean * by_mean - at.kappa * by_xi) * narrow,
            right: -(mean * by_mean + at.xi * by_xi) * narrow,
            bottom: g - top,
            top,
            slopes: [by_start, by_end],
            at: by_xi * narrow,
        }
    }
}

impl LaneMap for Spline {
    fn scratch(&self) -> usize {
        2 * self.bins
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let inner = self.choose(x, x, Lanes::of(0.0));
        let bin = self.find(inner, 0, theta, scratch);
        let at = bin.forward(inner);
        let y = bin.bottom + bin.height * (at.numerator * at.by_denominator);
        (self.choose(x, y, x), self.choose(x, bin.slope(&at).log(), Lanes::of(0.0)))
    }

    #[inline(always)]
    fn gradient<T: Real>(
        &self,
        x: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        mut into: ThetaGradient<'_, T>,
        scratch: &mut [Lanes<T>],
    ) -> Lanes<T> {
        let inner = self.choose(x, x, Lanes::of(0.0));
        let bin = self.find(inner, 0, theta, scratch);
        let zero = Lanes::of(0.0);
        let pull = bin.pull(&bin.forward(inner), self.choose(x, g, zero), self.choose(x, h, zero));
        self.spread(&bin, &pull, scratch, &mut into);
        self.choose(x, pull.at, g)
    }
}

impl LaneMap for Inverted<Spline> {
    fn scratch(&self) -> usize {
        self.0.scratch()
    }

    #[inline(always)]
    fn value<T: Real>(&self, y: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let inner = self.0.choose(y, y, Lanes::of(0.0));
        let bin = self.0.find(inner, 1, theta, scratch);
        let at = bin.backward(inner);
        let x = at.xi.fused(bin.width, bin.left);
        (self.0.choose(y, x, y), self.0.choose(y, -bin.slope(&at).log(), Lanes::of(0.0)))
    }

    #[inline(always)]
    fn gradient<T: Real>(
        &self,
        y: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        mut into: ThetaGradient<'_, T>,
        scratch: &mut [Lanes<T>],
    ) -> Lanes<T> {
        let inner = self.0.choose(y, y, Lanes::of(0.0));
        let bin = self.0.find(inner, 1, theta, scratch);
        let at = bin.backward(inner);
        let zero = Lanes::of(0.0);
        let (inside, h) = (self.0.choose(y, g, zero), self.0.choose(y, h, zero));
        let by_y = (inside - h * bin.bend(&at) * bin.narrow) / bin.slope(&at);
        let pull = bin.pull(&at, -by_y, -h);
        self.0.spread(&bin, &pull, scratch, &mut into);
        self.0.choose(y, by_y, g)
    }
}

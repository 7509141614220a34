//! The two precisions of kernels, with what vectorised functions need to know of their bits.

use super::{spare::Spare, tile::Tile, transpose};

/// What kernels compute with: `f32` or `f64`.
pub(crate) trait Real: nalgebra::RealField + burn::tensor::Element + bytemuck::Pod {
    /// The exponent below which e^x is taken as 0, and that above which it is infinite.
    const EXPONENTS: [f64; 2];
    /// The highest power of the series of exp on ±log 2/2 at this precision.
    const EXP_DEGREE: usize;
    /// The terms of the series of log, in s² for |s| ≤ 0.172.
    const LOG_TERMS: usize;
    /// The same for |s| ≤ 1/3.
    const WIDE_LOG_TERMS: usize;
    /// log 2 in two parts, of which integers times the first are exact.
    const LOG_2: [f64; 2];
    /// Added to a small number, it rounds it to an integer, which then stands in the lowest bits.
    const ROUNDING: f64;
    /// The smallest number with all its digits.
    const SMALLEST: f64;
    /// A power of two that gives every smaller number all its digits.
    const RAISE: i32;

    /// The memory that tables of this precision have left.
    fn spare() -> &'static Spare<Self>;

    /// A constant, rounded.
    #[inline(always)]
    fn of(value: f64) -> Self {
        nalgebra::convert(value)
    }

    /// self · a + b, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;

    /// 2ⁿ of n + [`Real::ROUNDING`].
    fn power_of_two(self) -> Self;

    /// m in [√½, √2) and n with x = m 2ⁿ, of an x not below [`Real::SMALLEST`].
    fn mantissa_and_exponent(self) -> (Self, Self);

    /// The square root.
    fn root(self) -> Self;

    /// into[c · stride + r] = from[r · across + c] of a square of a vector's rows and columns, each with its stride.
    fn transpose_square(from: (&[Self], usize), into: (&mut [Self], usize)) {
        transpose::square(from, into);
    }

    /// The values of a tile at this precision.
    fn tile_value(tile: &dyn Tile, x: &[Self], theta: &[Self], into: [&mut [Self]; 2]);

    /// The gradients of a tile at this precision.
    fn tile_gradient(tile: &dyn Tile, x: &[Self], theta: &[Self], g: [&[Self]; 2], into: [&mut [Self]; 2]);
}

impl Real for f32 {
    const EXPONENTS: [f64; 2] = [-87.336, 88.722];
    const EXP_DEGREE: usize = 7;
    const LOG_TERMS: usize = 5;
    const WIDE_LOG_TERMS: usize = 7;
    const LOG_2: [f64; 2] = [0.693_359_375, -2.121_944_400_546_905_8e-4];
    const ROUNDING: f64 = 12_582_912.0;
    const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
    const RAISE: i32 = 24;

    fn spare() -> &'static Spare<f32> {
        static SPARE: Spare<f32> = Spare::new();
        &SPARE
    }

    #[inline(always)]
    fn of(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn fused(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn power_of_two(self) -> f32 {
        f32::from_bits(self.to_bits().wrapping_add(127) << 23)
    }

    #[inline(always)]
    fn mantissa_and_exponent(self) -> (f32, f32) {
        // The bits of √½, so that the exponent changes there.
        let n = (self.to_bits().wrapping_sub(0x3f35_04f3) as i32) >> 23;
        (f32::from_bits(self.to_bits().wrapping_sub((n as u32) << 23)), n as f32)
    }

    #[inline(always)]
    fn root(self) -> f32 {
        self.sqrt()
    }

    fn transpose_square(from: (&[f32], usize), into: (&mut [f32], usize)) {
        #[cfg(target_arch = "x86_64")]
        if let pulp::Arch::V4(simd) = pulp::Arch::new() {
            return simd.vectorize(transpose::avx512::Square { simd, from, into });
        }
        transpose::square(from, into);
    }

    fn tile_value(tile: &dyn Tile, x: &[f32], theta: &[f32], into: [&mut [f32]; 2]) {
        tile.value_f32(x, theta, into);
    }

    fn tile_gradient(tile: &dyn Tile, x: &[f32], theta: &[f32], g: [&[f32]; 2], into: [&mut [f32]; 2]) {
        tile.gradient_f32(x, theta, g, into);
    }
}

impl Real for f64 {
    const EXPONENTS: [f64; 2] = [-708.39, 709.78];
    const EXP_DEGREE: usize = 13;
    const LOG_TERMS: usize = 11;
    const WIDE_LOG_TERMS: usize = 16;
    const LOG_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    const ROUNDING: f64 = 6_755_399_441_055_744.0;
    const SMALLEST: f64 = f64::MIN_POSITIVE;
    const RAISE: i32 = 54;

    fn spare() -> &'static Spare<f64> {
        static SPARE: Spare<f64> = Spare::new();
        &SPARE
    }

    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn fused(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn power_of_two(self) -> f64 {
        f64::from_bits(self.to_bits().wrapping_add(1023) << 52)
    }

    #[inline(always)]
    fn mantissa_and_exponent(self) -> (f64, f64) {
        let n = (self.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd) as i64) >> 52;
        // The integer as a number by its bits: AVX2 has no conversion of 64-bit integers.
        let number = f64::from_bits(Self::ROUNDING.to_bits().wrapping_add(n as u64)) - Self::ROUNDING;
        (f64::from_bits(self.to_bits().wrapping_sub((n as u64) << 52)), number)
    }

    #[inline(always)]
    fn root(self) -> f64 {
        self.sqrt()
    }

    fn tile_value(tile: &dyn Tile, x: &[f64], theta: &[f64], into: [&mut [f64]; 2]) {
        tile.value_f64(x, theta, into);
    }

    fn tile_gradient(tile: &dyn Tile, x: &[f64], theta: &[f64], g: [&[f64]; 2], into: [&mut [f64]; 2]) {
        tile.gradient_f64(x, theta, g, into);
    }
}

//! Where tensors live and how precise they are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// What a tensor takes beside its numbers, in numbers.
const OF_A_TENSOR: usize = 64;

/// Random numbers that are drawn one after another.
const PART: usize = 4096;

/// The precision of parameters and evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 64-bit floats.
    F64,
}

impl Precision {
    /// ε, the distance from 1 to the next number.
    pub fn epsilon(self) -> f64 {
        match self {
            Precision::F32 => f64::from(f32::EPSILON),
            Precision::F64 => f64::EPSILON,
        }
    }
}

/// A device and a precision: what a new tensor needs to know.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The precision.
    pub precision: Precision,
    outline: Option<Outline>,
}

/// A count of the numbers that an outline stands for.
#[derive(Clone, Debug)]
struct Outline {
    counted: Arc<AtomicUsize>,
    most: usize,
}

impl Placement {
    /// A device at a precision.
    pub fn new(device: Device, precision: Precision) -> Self {
        Placement { device, precision, outline: None }
    }

    /// The CPU at a precision.
    pub fn cpu(precision: Precision) -> Self {
        Placement::new(Device::flex(), precision)
    }

    /// A placement for outlines: its tensors have the right shapes, but their numbers take no memory and mean nothing. Everything that is built on it and
    /// on its clones may ask for `most` numbers in total. More is an error before any memory is taken. So the size of a network is known before it is built.
    pub fn outline(precision: Precision, most: usize) -> Self {
        Placement { outline: Some(Outline { counted: Arc::default(), most }), ..Placement::cpu(precision) }
    }

    /// Whether what is built here is an outline.
    pub(crate) fn is_outline(&self) -> bool {
        self.outline.is_some()
    }

    /// Refuses to evaluate an outline.
    pub(crate) fn check_whole(&self) -> Result<()> {
        let reason = "expected a model with its parameters, found the header of its file alone".into();
        if self.is_outline() { Err(Error::Unsupported { what: "evaluation".into(), reason, hint: None }) } else { Ok(()) }
    }

    /// Counts numbers before they are allocated, such as the entries of an index. A layer of many numbers calls it when it has made its tensors, which count
    /// themselves; 0 only looks.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an outline has asked for too many.
    pub(crate) fn count(&self, numbers: usize) -> Result<()> {
        let Some(Outline { counted, most }) = &self.outline else { return Ok(()) };
        let saturating = |sum: usize| Some(sum.saturating_add(numbers));
        let before = counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, saturating).unwrap_or_else(|sum| sum);
        match before.saturating_add(numbers) {
            sum if sum > *most => Err(Error::invalid("numbers of the network", format!("at most {most}"), format!("{sum} or more"))),
            _ => Ok(()),
        }
    }

    /// A device by name: `cpu`, and `cuda` or `vulkan` where they are built in.
    pub fn named(device: &str, precision: Precision) -> Result<Self> {
        let missing = |feature: &str| Error::Device {
            device: device.into(),
            reason: "not built in".into(),
            hint: Some(Hint::BuildWith(feature.into()).into()),
        };
        let device = match device {
            "cpu" => Device::flex(),
            #[cfg(feature = "cuda")]
            "cuda" => Device::cuda(0),
            #[cfg(not(feature = "cuda"))]
            "cuda" => return Err(missing("cuda")),
            #[cfg(feature = "vulkan")]
            "vulkan" => Device::vulkan(burn::tensor::DeviceKind::default()),
            #[cfg(not(feature = "vulkan"))]
            "vulkan" => return Err(missing("vulkan")),
            other => return Err(Error::invalid("device", "cpu, cuda or vulkan", other)),
        };
        let placement = Placement::new(device, precision);
        if !placement.device.supports_dtype(placement.dtype()) {
            return Err(Error::Device {
                device: format!("{:?}", placement.device),
                reason: "has no 64-bit floats".into(),
                hint: Some(Hint::SinglePrecision.into()),
            });
        }
        Ok(placement)
    }

    /// The placement of an existing tensor.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        let precision = if tensor.dtype() == DType::F64 { Precision::F64 } else { Precision::F32 };
        Placement::new(tensor.device(), precision)
    }

    /// The same precision on the same device, with gradients.
    pub fn autodiff(&self) -> Self {
        Placement { device: self.device.clone().autodiff(), ..self.clone() }
    }

    /// Burn's name for the precision.
    pub fn dtype(&self) -> DType {
        match self.precision {
            Precision::F32 => DType::F32,
            Precision::F64 => DType::F64,
        }
    }

    /// A tensor from values in row-major order; `values.len()` is the product of `shape`.
    pub fn tensor<const D: usize>(&self, values: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
        self.tensor_of(shape, || values)
    }

    /// A tensor from values that are made only where they are needed: an outline has none.
    pub fn tensor_of<const D: usize>(&self, shape: [usize; D], values: impl FnOnce() -> Vec<f64>) -> Tensor<D> {
        if self.is_outline() {
            return self.zeros(shape);
        }
        let values = values();
        let data = match self.precision {
            Precision::F32 => TensorData::new(values.into_iter().map(|v| v as f32).collect::<Vec<_>>(), shape),
            Precision::F64 => TensorData::new(values, shape),
        };
        Tensor::from_data(data, (&self.device, self.dtype()))
    }

    /// Zeros.
    pub fn zeros<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        if self.is_outline() {
            // A refusal waits for the layer's own call.
            let numbers = shape.iter().fold(1usize, |product, &n| product.saturating_mul(n));
            let _ = self.count(numbers.saturating_add(OF_A_TENSOR));
        }
        // Burn expands to no size of 0.
        if self.is_outline() && !shape.contains(&0) {
            return Tensor::<D>::zeros([1; D], (&self.device, self.dtype())).expand(shape);
        }
        Tensor::zeros(shape, (&self.device, self.dtype()))
    }

    /// Independent standard normal numbers, drawn in 64 bits on the host, many of them on every thread: the same ones with any number of threads.
    pub fn normal<const D: usize>(&self, shape: [usize; D], rng: &mut impl Rng) -> Tensor<D> {
        self.tensor_of(shape, || draw(StandardNormal, shape.iter().product(), rng))
    }

    /// Independent uniform numbers on [0, 1).
    pub fn uniform<const D: usize>(&self, shape: [usize; D], rng: &mut impl Rng) -> Tensor<D> {
        self.tensor_of(shape, || draw(StandardUniform, shape.iter().product(), rng))
    }

    /// Independent uniform numbers on (0, 1), both ends excluded at either precision.
    pub fn open_uniform<const D: usize>(&self, shape: [usize; D], rng: &mut impl Rng) -> Tensor<D> {
        let lowest = self.precision.epsilon() / 4.0;
        let mut u = draw(StandardUniform, shape.iter().product(), rng);
        u.iter_mut().for_each(|u| *u = lowest + (1.0 - 2.0 * lowest) * *u);
        self.tensor(u, shape)
    }
}

/// So many independent numbers: of more than one part, each part from a stream of its own, of a seed that is drawn.
fn draw(law: impl Distribution<f64> + Sync, count: usize, rng: &mut impl Rng) -> Vec<f64> {
    if count <= PART {
        return law.sample_iter(rng).take(count).collect();
    }
    let (seed, mut numbers) = (rng.random(), vec![0.0; count]);
    numbers.par_chunks_mut(PART).enumerate().for_each(|(stream, part)| {
        let mut rng = ChaCha12Rng::from_seed(seed);
        rng.set_stream(stream as u64);
        part.iter_mut().zip((&law).sample_iter(rng)).for_each(|(number, drawn)| *number = drawn);
    });
    numbers
}

/// The type of a module's first parameter of real numbers, or none where it has no such parameter.
pub(crate) fn dtype_of(module: &impl Module) -> Option<DType> {
    struct First(Option<DType>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.get_or_insert_with(|| param.val().dtype());
        }
    }
    let mut first = First(None);
    module.visit(&mut first);
    first.0
}

/// Gives a parameter new values in row-major order; its identity, its device and whether it is trained stay.
pub(crate) fn assign<const D: usize>(param: &mut Param<Tensor<D>>, values: Vec<f64>) {
    let trained = param.is_require_grad();
    *param = param.clone().map(|old| {
        let new = Placement::of(&old).tensor(values, old.dims());
        if trained { new.require_grad() } else { new }
    });
}

/// The values of a tensor in row-major order, as 64-bit floats.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_drawn_apart() {
        let rng = || ChaCha12Rng::seed_from_u64(3);
        let drawn = draw(StandardNormal, 3 * PART + 5, &mut rng());
        assert_eq!(drawn, draw(StandardNormal, 3 * PART + 5, &mut rng()));
        let mut sorted = drawn.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        assert_eq!(sorted.len(), drawn.len(), "a part was drawn twice");
        // Within five of the standard errors of mean and variance.
        let n = drawn.len() as f64;
        let (mean, square) = (drawn.iter().sum::<f64>() / n, drawn.iter().map(|z| z * z).sum::<f64>() / n);
        assert!(mean.abs() < 5.0 / n.sqrt() && (square - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
    }

    #[test]
    fn a_call_moves_the_stream_on() {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        for count in [10, 2 * PART] {
            assert_ne!(draw(StandardUniform, count, &mut rng), draw(StandardUniform, count, &mut rng));
        }
    }
}

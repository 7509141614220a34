//! What the tests share: points, randomised parameters, and the registry of every bijection and density.

pub mod own;
pub mod registry;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use knothe::{Placement, values};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

pub fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Six rows of the source's bulk, the origin, three rows at |z| = 8 and three at |z| = 30 in every coordinate.
pub fn points(dim: usize, place: &Placement, rng: &mut ChaCha12Rng) -> Tensor<2> {
    let mut z = values(place.normal([6, dim], rng));
    z.extend(vec![0.0; dim]);
    for distance in [8.0, 8.0, 8.0, 30.0, 30.0, 30.0] {
        z.extend((0..dim).map(|_| if rng.random::<bool>() { distance } else { -distance }));
    }
    place.tensor(z, [13, dim])
}

/// Standard normal context for `rows` rows; none for width 0.
pub fn context(rows: usize, context_dim: usize, place: &Placement, rng: &mut ChaCha12Rng) -> Option<Tensor<2>> {
    (context_dim > 0).then(|| place.normal([rows, context_dim], rng))
}

/// Adds N(0, deviation²) to every parameter that is trained, so that a map is far from its start.
pub fn randomised<M: Module>(module: M, deviation: f64, rng: &mut ChaCha12Rng) -> M {
    struct Noise<'a>(f64, &'a mut ChaCha12Rng);
    impl ModuleMapper for Noise<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            param.map(|t| {
                let t = t.inner();
                let noise = Placement::of(&t).normal(t.dims(), self.1) * self.0;
                Tensor::from_inner(t + noise).require_grad()
            })
        }
    }
    // Without gradients, Burn does not tell a trained parameter from a constant.
    module.train().map(&mut Noise(deviation, rng)).valid()
}

//! The linear maps.

use super::*;

/// Every linear map.
pub fn linear() -> Vec<Entry<Map>> {
    let mut all = Vec::new();
    for dim in [1, 2, 5] {
        let name = |name: &str| format!("{name}, D = {dim}");
        let natural: Option<Vec<usize>> = Some((0..dim).collect());
        let mut turned = layer(name("permutation"), (dim, 0), None, move |place, rng| {
            Ok(Layer::Permutation(Permutation::new(&Order::random(dim, rng), place)))
        });
        turned.near_identity = false;
        all.push(turned);
        let mut turned = layer(name("random rotation"), (dim, 0), None, move |place, rng| {
            Ok(Layer::Rotation(Rotation::new(dim, 4, RotationStart::Random, place, rng)?))
        });
        turned.near_identity = false;
        all.push(turned);
        all.push(layer(name("rotation"), (dim, 0), None, move |place, rng| {
            Ok(Layer::Rotation(Rotation::new(dim, 4, RotationStart::Identity, place, rng)?))
        }));
        all.push(layer(name("LU"), (dim, 0), None, move |place, _| Ok(Layer::Lu(Lu::new(dim, place)))));
        for entry in [
            layer(name("matrix"), (dim, 0), None, move |place, rng| Ok(Layer::Matrix(Matrix::new(dim, place, rng)))),
            layer(name("LU of a rotation"), (dim, 0), None, move |place, rng| Ok(Layer::Lu(Lu::rotated(dim, place, rng)))),
        ] {
            all.push(Entry { near_identity: false, ..entry });
        }
        all.push(layer(name("actnorm"), (dim, 0), natural.clone(), move |place, _| Ok(Layer::ActNorm(ActNorm::new(dim, place)))));
        // In training a batch norm reads its batch, by intention.
        all.push(layer(name("batch norm"), (dim, 0), natural.clone(), move |place, _| {
            Ok(Layer::BatchNorm(BatchNorm::new(dim, place).valid()))
        }));
        let marginals = layer(name("marginals of skewed columns"), (dim, 0), natural, move |place, rng| {
            let mut map = Marginals::new(dim, 12, place)?;
            let x: Tensor<2> = place.normal([1_000, dim], rng);
            map.initialise(&mut &Dataset::new(values(x.exp() - 1.0), dim, place)?)?;
            Ok(Layer::Marginals(map))
        });
        all.push(Entry { near_identity: false, ..marginals });
        all.push(layer(name("marginals"), (dim, 0), None, move |place, _| Ok(Layer::Marginals(Marginals::new(dim, 5, place)?))));
        for context_dim in [0, 2] {
            let whitening = layer(name("whitening"), (dim, context_dim), Some((0..dim).rev().collect()), move |place, rng| {
                let mut map = TriangularAffine::whitening(&Order::natural(dim).reversed(), context_dim, place);
                // Columns that share all but a few hundredths with the first one.
                let (rows, shared): (usize, Tensor<2>) = (500, place.normal([500, 1], rng));
                let x = place.normal([rows, dim], rng) * 0.05 + shared;
                let given = place.normal::<2>([rows, context_dim.max(1)], rng);
                let x = if context_dim > 0 { x + given.clone().narrow(1, 0, 1) } else { x };
                let mut data = Dataset::new(values(x), dim, place)?;
                data = if context_dim > 0 { data.with_context(values(given), context_dim)? } else { data };
                map.initialise(&mut &data)?;
                Ok(Layer::TriangularAffine(map))
            });
            all.push(Entry { near_identity: false, ..whitening });
            let order = Order::natural(dim).reversed();
            all.push(layer(name("triangular affine"), (dim, context_dim), Some(order.columns().to_vec()), move |place, _| {
                Ok(Layer::TriangularAffine(TriangularAffine::new(&order, context_dim, place)))
            }));
        }
    }
    all
}

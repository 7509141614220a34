//! Maps with parts that are not built in.

use super::*;

/// Layers that are not built in, and built-in layers around them.
pub fn own() -> Vec<Entry<Map>> {
    let natural = || Some(vec![0, 1]);
    let mut all = Vec::new();
    for context_dim in [0, 2] {
        let name = |name: &str| format!("own {name}, context {context_dim}");
        all.push(layer(name("layer"), (2, context_dim), natural(), move |place, _| {
            Ok(Layer::Own(Own::Banana(Banana::new(context_dim, place))))
        }));
        let network = move |place: &Placement| OneLayer::masked(Order::natural(3).reversed(), context_dim, 2, place);
        let order = || Some(vec![2, 1, 0]);
        all.push(layer(name("conditioner, forward in one pass"), (3, context_dim), order(), move |place, _| {
            Ok(Layer::Own(Own::Autoregressive(Autoregressive::of(network(place), affine(Scale::Exp))?)))
        }));
        all.push(layer(name("conditioner, inverse in one pass"), (3, context_dim), order(), move |place, _| {
            Ok(Layer::Own(Own::InverseAutoregressive(Inverse::of(Autoregressive::of(network(place), affine(Scale::Exp))?))))
        }));
        all.push(layer(name("conditioner of a coupling"), (3, context_dim), Some(vec![1, 0, 2]), move |place, _| {
            let network = OneLayer::dense([1, 2], context_dim, 2, place);
            Ok(Layer::Own(Own::Coupling(Coupling::of(&[true, false, true], network, affine(Scale::Softplus))?)))
        }));
        all.push(layer(name("layer in the first columns"), (3, context_dim), Some(vec![0, 1, 2]), move |place, _| {
            let inner = Map::with_own(2, vec![Layer::Own(Own::Banana(Banana::new(context_dim, place)))])?;
            Ok(Layer::Partial(Partial::new(3, inner)?))
        }));
        let between: Build<Map> = Box::new(move |place, rng| {
            let masked = |rng: &mut _| {
                let config = MadeConfig { activation: Activation::Tanh, ..made(Order::natural(2), context_dim, &[16], false) };
                Ok(Layer::Autoregressive(Autoregressive::new(config, affine(Scale::Exp), place, rng)?))
            };
            let own = Layer::Own(Own::Banana(Banana::new(context_dim, place)));
            Map::with_own(2, vec![masked(rng)?, masked(rng)?, own, masked(rng)?])
        });
        all.push(Entry {
            name: name("layer between masked ones"),
            dim: 2,
            context_dim,
            order: natural(),
            near_identity: true,
            build: between,
        });
    }
    all
}

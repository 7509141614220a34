//! The maps of images.

use super::*;

/// The smallest image that has a colour, a block and a neighbour on each side.
pub const IMAGE: ImageShape = ImageShape { channels: 3, height: 4, width: 4 };

/// A network of convolutions, smooth, since central differences cross the kinks of others.
pub fn convolutions(context_dim: usize, windows: &[usize]) -> ConvolutionalConfig {
    ConvolutionalConfig { context_dim, width: 4, windows: windows.to_vec(), activation: Activation::Silu, residual: windows.len() > 2 }
}

/// A small network of a family of images: two levels and few channels.
pub fn small_image_model(family: &'static dyn Family, context_dim: usize) -> Recipe {
    let small = Recipe::new(family, IMAGE).context(context_dim).seed(3).activation(Activation::Silu);
    small.levels(2).steps_per_level(2).width(4).windows([3, 1, 3])
}

/// Small networks of every family of images, with every mixing of the channels that the family has.
pub fn small_image_models(context_dim: usize) -> Vec<Recipe> {
    let of = |family: &'static dyn Family| match family.option("channel_mixing").map(|option| option.range) {
        Some(Range::Name(names)) => names.iter().map(|&name| small_image_model(family, context_dim).set("channel_mixing", name)).collect(),
        _ => vec![small_image_model(family, context_dim)],
    };
    // Those with levels; the others are no flows.
    let is_flow = |family: &&&'static dyn Family| family.supports(&Space::from(IMAGE)) && family.option("levels").is_some();
    ALL.iter().filter(is_flow).flat_map(|&family| of(family)).collect()
}

/// Every map of images.
pub fn images() -> Vec<Entry<Map>> {
    let (dim, channels) = (IMAGE.dim(), IMAGE.channels);
    let mut all = Vec::new();
    let masks = [
        ("odd checkerboard", IMAGE.checkerboard(true)),
        ("even checkerboard", IMAGE.checkerboard(false)),
        ("second channels", IMAGE.half_of_channels(true)),
        ("first channels", IMAGE.half_of_channels(false)),
    ];
    for (k, (name, moves)) in masks.into_iter().enumerate() {
        let order = Some((0..dim).filter(|&j| !moves[j]).chain((0..dim).filter(|&j| moves[j])).collect::<Vec<_>>());
        let scale = [Scale::Exp, Scale::Sigmoid, Scale::One, Scale::Exp][k];
        let (context_dim, windows) = ([2, 0, 2, 0][k], [&[3, 1, 3][..], &[3], &[3, 3], &[1, 5]][k]);
        let build = move |place: &Placement, rng: &mut ChaCha12Rng| {
            Coupling::of_image(IMAGE, &moves, convolutions(context_dim, windows), affine(scale), place, rng)
        };
        let build2 = build.clone();
        let couplings = [
            layer(format!("image coupling of {name}"), (dim, context_dim), order.clone(), move |p, r| {
                Ok(Layer::ImageCoupling(build(p, r)?))
            }),
            layer(format!("inverse image coupling of {name}"), (dim, context_dim), order, move |p, r| {
                Ok(Layer::InverseImageCoupling(Inverse::of(build2(p, r)?)))
            }),
        ];
        all.extend(couplings.map(|entry| Entry { near_identity: scale != Scale::Sigmoid, ..entry }));
    }
    let pixelwise = |name: &str, inner: fn(&Placement, &mut ChaCha12Rng) -> Layer<Never>| {
        let entry = layer(name, (dim, 0), None, move |place, rng| {
            Ok(Layer::Pixelwise(Pixelwise::new(IMAGE, Compose::new(channels, vec![inner(place, rng)])?)?))
        });
        Entry { near_identity: false, ..entry }
    };
    all.push(pixelwise("1 × 1 convolution", |place, rng| Layer::Matrix(Matrix::new(3, place, rng))));
    all.push(pixelwise("1 × 1 convolution by its factors", |place, rng| Layer::Lu(Lu::rotated(3, place, rng))));
    all.push(pixelwise("actnorm of channels", |place, _| Layer::ActNorm(ActNorm::new(3, place))));
    let squeeze = layer("squeeze", (dim, 0), None, |place, _| Ok(Layer::Permutation(Permutation::new(&IMAGE.squeeze()?, place))));
    all.push(Entry { near_identity: false, ..squeeze });
    all.push(layer("partial", (dim, 2), None, |place, rng| {
        let half = ImageShape { height: 2, ..IMAGE };
        let inner = Coupling::of_image(half, &half.checkerboard(true), convolutions(2, &[3]), affine(Scale::Exp), place, rng)?;
        Ok(Layer::Partial(Partial::new(IMAGE.dim(), Map::with_own(half.dim(), vec![Layer::ImageCoupling(inner)])?)?))
    }));
    for recipe in small_image_models(2) {
        let name = format!("{} of images {:?}", recipe.name(), recipe.family().option("channel_mixing").map(|o| recipe.get(&o)));
        let build: Build<Map> = Box::new(move |place, _| {
            let whole = recipe.dequantised(place)?.inner().bijection().clone();
            Map::with_own(whole.dim(), vec![Layer::Own(Own::Chain(whole))])
        });
        all.push(Entry { name, dim, context_dim: 2, order: None, near_identity: false, build });
    }
    all
}

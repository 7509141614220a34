//! PixelCNN++ (Salimans et al. 2017), of images.

use rand_chacha::ChaCha12Rng;

use super::{Description, FamilyOption, Recipe, pixel_by_pixel::PixelByPixel, pixel_cnn, pixels};
use crate::{
    conditioner::PixelCnn, error::Result, network::Network, placement::Placement, source::PixelMixture, univariate::CoupledLogistics,
};

/// Components of the mixture.
const COMPONENTS: FamilyOption = FamilyOption::count("components", "Number of logistic laws in the mixture of each pixel", (1, 1_000), 10);

family! {
    PixelCnnPp {
        name: "pixel_cnn_pp",
        about: "Autoregressive model of images with mixtures of discretised logistic laws",
        details: "P(x) = Π P(x_p | x_<p), pixel by pixel in rows. The channels of a pixel share one component of a mixture of discretised logistic laws. Its location in each channel depends linearly on the \
             earlier channels (Salimans, Karpathy, Chen & Kingma 2017, PixelCNN++, §2.1 and 2.2). The network is that of pixel_cnn, without the paper's down-sampling. \
             Neighbouring levels have similar masses, so the model learns from fewer images than pixel_cnn. log_prob is exact, without noise.",
        takes: Images,
    }
}

impl PixelByPixel for PixelCnnPp {
    type Conditioner = PixelCnn;

    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn own(&self) -> Vec<FamilyOption> {
        vec![COMPONENTS]
    }

    fn joined(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let law = CoupledLogistics::new(recipe.count(&COMPONENTS), pixels::image(recipe).channels, pixels::levels_of(recipe))?;
        let conditioner = pixel_cnn::conditioner(recipe, law.parameters(), false, place, rng)?;
        Ok(Network::PixelMixture(PixelMixture::new(conditioner, law)?))
    }
}

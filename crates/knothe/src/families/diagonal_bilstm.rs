//! The Diagonal BiLSTM (van den Oord et al. 2016), of images.

use rand_chacha::ChaCha12Rng;

use super::{Description, Recipe, pixel_by_pixel::PixelByPixel, row_lstm};
use crate::{
    conditioner::{PixelRnn, Recurrence},
    error::Result,
    network::Network,
    placement::Placement,
};

family! {
    DiagonalBilstm {
        name: "diagonal_bilstm",
        about: "Autoregressive model of images: two LSTMs that go from diagonal to diagonal",
        details: "P(x) = Π P(x_j | x_<j), row by row, within a row pixel by pixel, and within a pixel channel by channel. The state of a pixel depends on the states of the \
             pixel above it and of the pixel beside it. This is the pixel to the left in one LSTM and the pixel to the right in the other. Each pixel thus depends on all \
             earlier pixels (van den Oord, Kalchbrenner & Kavukcuoglu 2016, Pixel recurrent neural networks, §3.2). The layers are residual. This family is slower than \
             row_lstm and sees more. Images of one bit have Bernoulli laws, and other images have categorical laws. log_prob is exact, without noise. Sampling goes pixel \
             by pixel.",
        takes: Images,
    }
}

impl PixelByPixel for DiagonalBilstm {
    type Conditioner = PixelRnn;

    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn joined(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        row_lstm::network(recipe, Recurrence::Diagonal, place, rng)
    }
}

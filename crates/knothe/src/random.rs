//! One seed, many independent streams: what each is for decides which it is, so that none is used twice.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// What random numbers are for.
// Only tables are split and sampled in blocks.
#[cfg_attr(not(feature = "tables"), allow(dead_code))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The parameters' start.
    Start = 1,
    /// The split of a table.
    Split,
    /// The order of an epoch's rows.
    Shuffle,
    /// The noise of a training step.
    Noise,
    /// The dequantisation noise of an evaluation.
    Evaluation,
    /// Samples.
    Sample,
    /// What a check draws.
    Check,
    /// The order of the columns.
    Order,
    /// What an objective draws.
    Objective,
    /// The true values of rows that were measured with errors.
    Errors,
}

/// The stream of a seed for a purpose; `index` tells apart the epochs, steps or blocks that it is for.
pub(crate) fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha12Rng {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 56) | (index & ((1 << 56) - 1)));
    rng
}

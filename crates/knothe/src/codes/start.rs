//! The data-dependent start: frequencies of codes, and means and deviations of lattices and reals.

use burn::tensor::Tensor;

use super::layout::{GroupLaw, Layout};
use crate::{
    bijection::Replay,
    error::{Error, Result},
    placement::values,
    space::Cells,
};

/// The number added to the count of each code, so that a code without rows keeps a mass (Jeffreys 1946).
const PSEUDO_COUNT: f64 = 0.5;
/// The least deviation of reals.
const LEAST: f64 = 1e-3;

/// Sums over the rows in which an element is present.
#[derive(Clone, Debug)]
enum Sums {
    /// The weight of each code.
    Codes(Vec<f64>),
    /// Σ w, Σ w v and Σ w v² of the values of a lattice that are no atoms, or of reals, and the weight of each atom.
    Lattice([f64; 3], [f64; Cells::MOST_ATOMS]),
}

/// The parameters of all laws if they were the same for all rows. `present` marks the elements that are present.
pub(crate) fn biases(layout: &Layout, data: &mut dyn Replay, present: impl Fn(Tensor<2>) -> Option<Tensor<2>>) -> Result<Vec<f64>> {
    let empty = |&(g, _): &(usize, usize)| match layout.groups[g].law {
        GroupLaw::Codes(k) => Sums::Codes(vec![0.0; k as usize]),
        GroupLaw::Lattices(_) | GroupLaw::Reals(_) => Sums::Lattice([0.0; 3], [0.0; Cells::MOST_ATOMS]),
    };
    let mut sums: Vec<Sums> = layout.places.iter().map(empty).collect();
    data.each(&mut |batch| {
        let x = batch.x.clone().inner();
        let present = present(x.clone()).map(values);
        for (k, v) in values(x).into_iter().enumerate() {
            let (row, j) = (k / layout.dim, k % layout.dim);
            let weight = batch.weight(row) * present.as_ref().map_or(1.0, |present| present[k]);
            if weight == 0.0 {
                continue;
            }
            match &mut sums[j] {
                // A value that is not a code gives no mass to start from, and log_prob reports it.
                Sums::Codes(counts) if v >= 0.0 && v.fract() == 0.0 => {
                    if let Some(count) = counts.get_mut(v as usize) {
                        *count += weight;
                    }
                }
                Sums::Codes(_) => {}
                Sums::Lattice(sums, atoms) => match layout.groups[layout.places[j].0].law.atom_at(layout.places[j].1, v) {
                    Some(k) => atoms[k] += weight,
                    None => sums.iter_mut().zip([1.0, v, v * v]).for_each(|(sum, power)| *sum += weight * power),
                },
            }
        }
        Ok(())
    })?;
    let mut biases = vec![0.0; layout.parameters()];
    for (j, sums) in sums.into_iter().enumerate() {
        let (g, i) = layout.places[j];
        let group = &layout.groups[g];
        let own = match (sums, &group.law) {
            (Sums::Codes(counts), _) => logits(&counts),
            (Sums::Lattice([count, sum, squares], atoms), GroupLaw::Lattices(law)) => {
                let total = count + atoms.iter().sum::<f64>() + PSEUDO_COUNT;
                let shares: Vec<f64> = atoms.iter().take(law.atoms_of(i)).map(|atom| (atom + PSEUDO_COUNT) / total).collect();
                let mean = sum / count;
                match count > 0.0 {
                    true => law.start(i, mean, (squares / count - mean * mean).max(0.0).sqrt(), &shares),
                    false => law.start(i, 0.0, 1.0, &shares),
                }
            }
            (Sums::Lattice([count, sum, squares], _), GroupLaw::Reals(law)) if count > 0.0 => {
                let mean = sum / count;
                // A constant column starts at the least deviation.
                law.start(mean, (squares / count - mean * mean).max(0.0).sqrt().max(LEAST))
            }
            (Sums::Lattice(..), GroupLaw::Reals(law)) => law.start(0.0, 1.0),
            (Sums::Lattice(..), GroupLaw::Codes(_)) => Vec::new(),
        };
        if !own.iter().all(|bias| bias.is_finite()) {
            return Err(Error::NotFinite { what: format!("element {j} of the training set"), rows: Vec::new() });
        }
        group.places(i).into_iter().zip(own).for_each(|(place, bias)| biases[place] = bias);
    }
    Ok(biases)
}

/// The logit of code 1 for two codes, and otherwise the logarithm of each code's share.
fn logits(counts: &[f64]) -> Vec<f64> {
    let total = counts.iter().sum::<f64>() + PSEUDO_COUNT * counts.len() as f64;
    let log_share = |count: &f64| ((count + PSEUDO_COUNT) / total).ln();
    match counts {
        [zeros, ones] => vec![log_share(ones) - log_share(zeros)],
        _ => counts.iter().map(log_share).collect(),
    }
}

//! The terms of the polynomials of a map, and which to add.

use std::collections::BTreeSet;

use crate::conditioner::{MultiIndex, degree_of, reduced_margin, total_degree};

/// Terms with a gradient below this share of the largest one are left out.
const WEAK: f64 = 0.1;
/// New terms per term so far.
const GROWTH: f64 = 0.5;

/// The multi-indices of each coordinate.
#[derive(Clone, Debug)]
pub(super) struct Terms(Vec<BTreeSet<MultiIndex>>);

impl Terms {
    /// The constant and all linear terms.
    pub fn linear(dim: usize) -> Self {
        Terms((0..dim).map(|rank| total_degree(rank + 1, 1).into_iter().collect()).collect())
    }

    pub fn dim(&self) -> usize {
        self.0.len()
    }

    pub fn sets(&self) -> &[BTreeSet<MultiIndex>] {
        &self.0
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(BTreeSet::len).sum()
    }

    /// The highest total degree.
    pub fn degree(&self) -> usize {
        self.0.iter().flatten().map(degree_of).max().unwrap_or(0)
    }

    /// These terms and their reduced margins up to a total degree.
    pub fn with_margin(&self, degree: usize) -> Self {
        let all = self.0.iter().enumerate();
        Terms(all.map(|(rank, set)| set | &reduced_margin(set, rank + 1, degree)).collect())
    }

    pub fn extend(&mut self, terms: Vec<(usize, MultiIndex)>) {
        for (rank, alpha) in terms {
            self.0[rank].insert(alpha);
        }
    }
}

/// The new terms to which the loss is most sensitive, from the gradient by the coefficients of old and new ones: at most half as many as there are, or one per coordinate if that is more.
pub(super) fn strongest(gradient: &[(usize, MultiIndex, f64)], known: &Terms) -> Vec<(usize, MultiIndex)> {
    let mut new: Vec<&(usize, MultiIndex, f64)> =
        gradient.iter().filter(|(rank, alpha, slope)| slope.is_finite() && *slope != 0.0 && !known.sets()[*rank].contains(alpha)).collect();
    new.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    let least = WEAK * new.first().map_or(0.0, |(_, _, slope)| slope.abs());
    let most = ((GROWTH * known.count() as f64) as usize).max(known.dim());
    new.into_iter().take(most).take_while(|(_, _, slope)| slope.abs() >= least).map(|(rank, alpha, _)| (*rank, alpha.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_terms_are_added() {
        let mut terms = Terms::linear(2);
        assert_eq!((terms.count(), terms.degree()), (5, 1));
        let gradient = vec![
            (0, vec![(0, 1)], 9.0),
            (0, vec![(0, 2)], -0.05),
            (1, vec![(0, 2)], -2.0),
            (1, vec![(0, 1), (1, 1)], 0.15),
            (1, vec![(1, 2)], 0.1),
        ];
        // The first has no new term, and the others are weak.
        let chosen = strongest(&gradient, &terms);
        assert_eq!(chosen, [(1, vec![(0, 2)])]);
        terms.extend(chosen);
        terms.extend(vec![(1, vec![(0, 1), (1, 1)])]);
        assert_eq!((terms.count(), terms.degree()), (7, 2));
        // x² of the first coordinate; x³, x²y and y² of the second.
        assert_eq!(terms.with_margin(9).count(), 7 + 1 + 3);
    }
}

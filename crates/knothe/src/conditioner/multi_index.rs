//! Multi-indices: the degrees of the variables of a monomial.

use std::collections::BTreeSet;

/// Degrees of variables. The variables are the context columns and then the coordinates in their order. A pair is a variable and its degree, above 0; pairs are sorted by variable.
pub type MultiIndex = Vec<(usize, usize)>;

/// The total degree of a multi-index.
pub fn degree_of(alpha: &MultiIndex) -> usize {
    alpha.iter().map(|(_, degree)| degree).sum()
}

/// All multi-indices of a total degree of at most `degree` over the first `variables` variables.
pub fn total_degree(variables: usize, degree: usize) -> Vec<MultiIndex> {
    let mut all: Vec<MultiIndex> = vec![Vec::new()];
    for variable in 0..variables {
        let mut longer = Vec::new();
        for known in &all {
            let left = degree - degree_of(known);
            longer.extend((1..=left).map(|d| known.iter().copied().chain([(variable, d)]).collect::<MultiIndex>()));
        }
        all.extend(longer);
    }
    all
}

/// The reduced margin of a set of multi-indices over the first `variables` variables, up to a total degree: the multi-indices that are not in the set, but all of which are that have one degree
/// less in one variable (Baptista, Marzouk and Zahm 2023, §4.3).
pub fn reduced_margin(set: &BTreeSet<MultiIndex>, variables: usize, degree: usize) -> BTreeSet<MultiIndex> {
    let within = |alpha: &&MultiIndex| degree_of(alpha) < degree;
    let longer = set.iter().filter(within).flat_map(|alpha| (0..variables).map(|variable| higher(alpha, variable)));
    longer.filter(|alpha| !set.contains(alpha) && (0..alpha.len()).all(|k| set.contains(&lower(alpha, k)))).collect()
}

/// A multi-index with one degree more in a variable.
fn higher(alpha: &MultiIndex, variable: usize) -> MultiIndex {
    let mut alpha = alpha.clone();
    match alpha.binary_search_by_key(&variable, |(own, _)| *own) {
        Ok(k) => alpha[k].1 += 1,
        Err(k) => alpha.insert(k, (variable, 1)),
    }
    alpha
}

/// A multi-index with one degree less in its k-th variable.
fn lower(alpha: &MultiIndex, k: usize) -> MultiIndex {
    let mut alpha = alpha.clone();
    alpha[k].1 -= 1;
    alpha.retain(|(_, degree)| *degree > 0);
    alpha
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_multi_indices_as_the_binomial_coefficient_says() {
        for (variables, degree, count) in [(1, 3, 4), (2, 2, 6), (3, 3, 20), (6, 2, 28), (4, 0, 1)] {
            let all = total_degree(variables, degree);
            assert_eq!(all.len(), count);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), count);
        }
    }

    #[test]
    fn the_margin_of_a_total_degree_is_the_next_one() {
        for (variables, degree) in [(1, 2), (3, 1), (4, 2)] {
            let set: BTreeSet<MultiIndex> = total_degree(variables, degree).into_iter().collect();
            let next: BTreeSet<MultiIndex> = total_degree(variables, degree + 1).into_iter().collect();
            assert_eq!(reduced_margin(&set, variables, 9), next.difference(&set).cloned().collect());
            assert_eq!(reduced_margin(&set, variables, degree), BTreeSet::new());
        }
        // Of {1, x, x², y}: x³, xy and y², since x²y has the predecessor xy.
        let set = BTreeSet::from([vec![], vec![(0, 1)], vec![(0, 2)], vec![(1, 1)]]);
        assert_eq!(reduced_margin(&set, 2, 9), BTreeSet::from([vec![(0, 3)], vec![(0, 1), (1, 1)], vec![(1, 2)]]));
    }
}

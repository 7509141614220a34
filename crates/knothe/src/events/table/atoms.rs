//! Atoms: single values that have far more rows than their neighbours explain.

use super::lattice::Lattice;

/// The smallest share of the rows that an atom of a continuous column has.
const SHARE: f64 = 0.01;
/// The same for a column on a lattice, where values repeat anyway.
const SHARE_ON_LATTICE: f64 = 0.05;
/// The fewest rows of an atom, so that two equal values in a small table are not one.
const ROWS: usize = 5;
/// The smallest share of the rows for a value that lies farther from all others than their range, such as a placeholder for missing values.
const SHARE_APART: f64 = 0.001;
/// An atom has at least this many times the rows of the values near it; then the same on a lattice.
const TIMES: usize = 5;
const TIMES_ON_LATTICE: usize = 10;
/// An atom has at least this many times the rows of each of its two nearest values. The first value of a steep decay does not.
const TIMES_NEXT: usize = 3;
/// The number of values on either side that count as near.
const NEAR: usize = 20;
/// Columns on a lattice with fewer cells have no atoms, because each value already has its own mass.
const CELLS: f64 = 64.0;
/// The same for a value at an end of a lattice with fewer cells, compared with what the values next to it predict; and the smallest share of the rows that it has.
const TIMES_PREDICTED: f64 = 3.0;
const SHARE_AT_AN_END: f64 = 0.2;
/// Cells on either side of a heap that are compared with it, and the inverse of the share of the other rows that lie farther away.
const CELLS_AROUND: usize = 2;
const FARTHER: usize = 4;
/// The most atoms of a column. The most frequent ones are kept.
const MOST: usize = 8;

/// The atoms of sorted values and their counts, in increasing order.
///
/// Values are compared with those near them, so the mode of rounded or whole numbers is not an atom. In a column on a lattice with more than 64 cells and at most
/// 8 distinct values, every value is an atom. So are two values that are not neighbours on their lattice.
pub(super) fn atoms(sorted: &[f64], lattice: Option<&Lattice>) -> Vec<(f64, usize)> {
    let runs: Vec<(f64, usize)> = sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Vec::new() };
    if first.0 == last.0 {
        return Vec::new();
    }
    let at_least = |share: f64| ROWS.max((share * sorted.len() as f64).ceil() as usize);
    let apart: Vec<usize> =
        [0, runs.len() - 1].into_iter().filter(|&i| stands_apart(&runs, i) && runs[i].1 >= at_least(SHARE_APART)).collect();
    if let Some(lattice) = lattice {
        let bulk = || (0..runs.len()).filter(|i| !apart.contains(i)).map(|i| runs[i].0);
        let cells = bulk().next_back().zip(bulk().next()).map_or(0.0, |(last, first)| (last - first) / lattice.step());
        // Two values with others between them, such as 90 and 100, are codes if both repeat.
        if runs.len() == 2 && cells > 1.5 && runs.iter().all(|run| run.1 >= ROWS) {
            return runs;
        }
        if cells < CELLS {
            return apart.into_iter().map(|i| runs[i]).collect();
        }
        if runs.len() <= MOST {
            return runs.into_iter().filter(|run| run.1 >= ROWS).collect();
        }
    }
    let (share, times) = if lattice.is_some() { (SHARE_ON_LATTICE, TIMES_ON_LATTICE) } else { (SHARE, TIMES) };
    let candidates: Vec<usize> =
        (0..runs.len()).filter(|&i| runs[i].1 >= at_least(share) && runs[i].1 >= times * typical(&runs, i)).collect();
    let steep = |i: usize| {
        let next = [i.checked_sub(1), Some(i + 1)].into_iter().flatten().filter(|k| !candidates.contains(k));
        next.filter_map(|k| runs.get(k)).any(|run| TIMES_NEXT * run.1 > runs[i].1)
    };
    let mut found: Vec<usize> = candidates.iter().copied().filter(|&i| !steep(i)).collect();
    found.extend(apart.into_iter().filter(|i| !candidates.contains(i)));
    found.sort_by_key(|&i| std::cmp::Reverse(runs[i].1));
    found.truncate(MOST);
    found.sort_unstable();
    found.into_iter().map(|i| runs[i]).collect()
}

/// The first or the last of few sorted values on a lattice, if it has far more rows than the decay of the others explains, as the zeros of a zero-inflated count do.
///
/// The counts of Poisson, geometric and binomial laws are log-concave: with the counts c₀ at the end, c₁ next to it and cₖ further in, c₀ ≤ c₁ (c₁ / cₖ)^(1/(k−1)). A value with at least three times
/// as many rows is an excess. Each count may be off by two standard deviations.
pub(super) fn excess(sorted: &[f64], lattice: &Lattice) -> Option<f64> {
    let mut runs: Vec<(f64, f64)> = sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f64)).collect();
    let is_excess = |runs: &[(f64, f64)]| {
        let [end, next, others @ ..] = runs else { return false };
        let cells = |a: f64, b: f64| ((a - b) / lattice.step()).abs();
        let most = next.1 + 2.0 * next.1.sqrt();
        let predicted = others.iter().filter_map(|other| {
            let least = other.1 - 2.0 * other.1.sqrt();
            (least > 0.0).then(|| most * (most / least).max(1.0).powf(cells(end.0, next.0) / cells(other.0, next.0)))
        });
        let predicted = predicted.fold(f64::INFINITY, f64::min);
        end.1 >= SHARE_AT_AN_END * sorted.len() as f64 && end.1 >= TIMES_PREDICTED * predicted
    };
    let ends = [0, 1].map(|_| {
        let found = is_excess(&runs).then(|| runs[0].0);
        runs.reverse();
        found
    });
    ends.into_iter().flatten().next()
}

/// The values between the ends of sorted values on a lattice that have far more rows than the cells around them: round numbers, or a usual answer. Those with the most rows, at most `most`.
///
/// Half of the steps of a narrow peak look so too. So a good part of the other rows has to lie farther away.
pub(super) fn heaps(sorted: &[f64], lattice: &Lattice, most: usize) -> Vec<f64> {
    let runs: Vec<(f64, usize)> = sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    let n = sorted.len();
    let is_heap = |i: usize| {
        let (value, count) = runs[i];
        let around = i.saturating_sub(CELLS_AROUND)..(i + CELLS_AROUND + 1).min(runs.len());
        let near =
            around.filter(|&k| k != i && (runs[k].0 - value).abs() < (CELLS_AROUND as f64 + 0.5) * lattice.step()).map(|k| runs[k].1);
        let (highest, sum) = near.fold((0, 0), |(highest, sum), count| (highest.max(count), sum + count));
        let expected = highest as f64;
        count >= ROWS.max((SHARE * n as f64).ceil() as usize)
            && count as f64 >= TIMES_PREDICTED * (expected + 2.0 * expected.sqrt())
            && FARTHER * (n - count - sum) >= n - count
    };
    let mut found: Vec<usize> = (1..runs.len().saturating_sub(1)).filter(|&i| is_heap(i)).collect();
    found.sort_by_key(|&i| std::cmp::Reverse(runs[i].1));
    found.truncate(most);
    found.sort_unstable();
    found.into_iter().map(|i| runs[i].0).collect()
}

/// The 90 % quantile of the counts of the nearby values. It exceeds the median, so that chance repeats among the many single rows of coarsely rounded values are not atoms.
fn typical(runs: &[(f64, usize)], i: usize) -> usize {
    let range = i.saturating_sub(NEAR)..(i + NEAR + 1).min(runs.len());
    let mut counts: Vec<usize> = range.filter(|&k| k != i).map(|k| runs[k].1).collect();
    counts.sort_unstable();
    counts.get(counts.len() * 9 / 10).copied().unwrap_or(0)
}

/// Whether the first or the last value is farther from all others than those are from each other, and is also more frequent than the values near it or ten times as far away.
fn stands_apart(runs: &[(f64, usize)], i: usize) -> bool {
    let others = if i == 0 { &runs[1..] } else { &runs[..runs.len() - 1] };
    let (Some(low), Some(high)) = (others.first(), others.last()) else { return false };
    let gap = if i == 0 { low.0 - runs[0].0 } else { runs[i].0 - high.0 };
    let range = high.0 - low.0;
    others.len() > 1 && gap > range && (gap > 10.0 * range || runs[i].1 >= TIMES_NEXT * typical(runs, i))
}

#[cfg(test)]
#[path = "atoms_tests.rs"]
mod tests;

//! Which candidate runs next, and for which share of the budget: successive halving (Karnin, Koren and Somekh 2013, *Almost optimal exploration in multi-armed bandits*).
//!
//! All m candidates run in the first rung, and the better half of a rung runs in the next one, until one is left. Each of the ⌈log₂ m⌉ + 1 rungs has the same share of the budget, so a candidate
//! that goes on runs twice as long as before.

use serde::{Deserialize, Serialize};

/// A candidate's run in one rung, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heat {
    /// The candidate.
    pub candidate: usize,
    /// The rung.
    pub rung: usize,
}

/// The rungs of a race of so many candidates.
pub(super) fn rungs(candidates: usize) -> usize {
    if candidates == 0 { 0 } else { candidates.next_power_of_two().ilog2() as usize + 1 }
}

/// The candidates in a rung.
fn entrants(candidates: usize, rung: usize) -> usize {
    candidates.div_ceil(1 << rung)
}

/// The share of the budget of each run in a rung.
pub(super) fn share(candidates: usize, rung: usize) -> f64 {
    1.0 / (rungs(candidates) * entrants(candidates, rung)) as f64
}

/// The next run, given the validation scores of each candidate in the rungs that it has finished. A candidate that failed has a score of −∞ and runs no more. None at the end.
pub(super) fn next(scores: &[Vec<f64>]) -> Option<Heat> {
    let best = |k: usize| scores[k].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let failed = |k: usize| scores[k].last() == Some(&f64::NEG_INFINITY);
    (0..rungs(scores.len())).find_map(|rung| {
        let mut field: Vec<usize> = (0..scores.len()).filter(|&k| scores[k].len() >= rung && (rung == 0 || !failed(k))).collect();
        // Equal scores keep the order of the candidates.
        field.sort_by(|&a, &b| best(b).total_cmp(&best(a)));
        if rung == 0 {
            field.sort_unstable();
        }
        field.truncate(entrants(scores.len(), rung));
        // Candidates of a later rung have finished this one.
        field.into_iter().find(|&k| scores[k].len() == rung).map(|candidate| Heat { candidate, rung })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runs of a race whose candidates have these scores in every rung.
    fn race(values: &[f64]) -> Vec<(usize, usize)> {
        let mut scores = vec![Vec::new(); values.len()];
        let mut runs = Vec::new();
        while let Some(Heat { candidate, rung }) = next(&scores) {
            scores[candidate].push(values[candidate]);
            runs.push((candidate, rung));
        }
        runs
    }

    #[test]
    fn the_better_half_goes_on() {
        assert_eq!(
            race(&[1.0, 4.0, 2.0, 3.0, 0.0]),
            [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (1, 1), (3, 1), (2, 1), (1, 2), (3, 2), (1, 3)]
        );
        assert_eq!(race(&[1.0]), [(0, 0)]);
        assert_eq!(race(&[]), []);
        // Candidates that fail make room, and the others go on.
        let none = f64::NEG_INFINITY;
        assert_eq!(race(&[none, 1.0, none, none]), [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (1, 2)]);
        assert_eq!(race(&[none, none]), [(0, 0), (1, 0)]);
    }

    #[test]
    fn the_budget_is_used() {
        for candidates in 1..40 {
            let values: Vec<f64> = (0..candidates).map(|k| ((k * 37) % 41) as f64).collect();
            let total: f64 = race(&values).iter().map(|(_, rung)| share(candidates, *rung)).sum();
            assert!((total - 1.0).abs() < 1e-12, "{candidates}: {total}");
        }
    }

    #[test]
    fn a_score_that_falls_does_not_count() {
        // The first candidate was best in the first rung and fell in the second.
        let scores = [vec![5.0, 1.0], vec![3.0, 4.0], vec![2.0], vec![1.0]];
        assert_eq!(next(&scores), Some(Heat { candidate: 0, rung: 2 }));
    }
}

//! Parts of rows of similar length, so that little is computed beyond the ends of the rows.

/// Each row of a part has at least this share of the longest length of the part.
const SHARE: f64 = 0.75;
/// The most steps of a part of several rows.
const MOST: usize = 1 << 17;

/// The rows of these lengths in parts, the longest first. The parts depend only on the lengths.
pub(super) fn parts(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|&row| lengths[row] > 0).collect();
    order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for row in order {
        let fits = |part: &&mut Vec<usize>| {
            let longest = lengths[part[0]];
            lengths[row] as f64 >= SHARE * longest as f64 && (part.len() + 1) * longest <= MOST
        };
        match parts.last_mut().filter(fits) {
            Some(part) => part.push(row),
            None => parts.push(vec![row]),
        }
    }
    let without: Vec<usize> = (0..lengths.len()).filter(|&row| lengths[row] == 0).collect();
    if !without.is_empty() {
        parts.push(without);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_about_one_length_are_together() {
        assert_eq!(parts(&[10, 100, 90, 0, 9, 76, 74]), [vec![1, 2, 5], vec![6], vec![0, 4], vec![3]]);
        assert_eq!(parts(&[MOST / 2, MOST / 2, MOST / 2]), [vec![0, 1], vec![2]]);
        assert_eq!(parts(&[2 * MOST]), [vec![0]]);
        assert!(parts(&[]).is_empty());
    }
}

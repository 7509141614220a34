//! Which spaces there can be. A space can come from a file of a stranger.

use super::{Law, Shape, Space};
use crate::error::{Error, Result};

/// The most numbers by which a network reads the elements that are not real.
const MOST_FEATURES: usize = 1_000_000;

impl Space {
    /// Checks that laws, parents and their order are possible. It asks for no memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a varying length of anything but a sequence. [`Error::Shape`] where there is neither one law nor one for each element, or not one parent for each. [`Error::Invalid`] for an impossible law, a parent
    /// that is not an element of codes before its child, real columns before discrete ones, and more than 10⁶ features.
    pub fn check(&self) -> Result<()> {
        let dim = self.dim();
        if self.varying && !matches!(self.shape, Shape::Sequence { .. }) {
            return Err(Error::invalid("varying length", "none but of sequences", self.shape.name()));
        }
        if self.laws.len() != 1 && self.laws.len() != dim {
            return Err(Error::shape("laws", format!("1 or {dim}, one for each element"), self.laws.len()));
        }
        self.laws.iter().try_for_each(|law| law.check())?;
        let count = if self.laws.len() == 1 { dim } else { 1 };
        let discrete = self.laws.iter().filter(|law| law.is_discrete());
        // An element of one code has no feature, but it takes room as well.
        let features = discrete.fold(0usize, |sum, law| sum.saturating_add(law.features().max(1).saturating_mul(count)));
        let columns = matches!(self.shape, Shape::Columns(_));
        if columns && features > MOST_FEATURES {
            return Err(Error::invalid("codes of a row", format!("at most {MOST_FEATURES} in all"), features));
        }
        if columns && !self.laws.is_sorted_by_key(|law| !law.is_discrete()) {
            return Err(Error::invalid("laws", "those of codes and lattices before those of real numbers", "a real number before them"));
        }
        self.check_parents()
    }

    fn check_parents(&self) -> Result<()> {
        if self.parents.is_empty() {
            return Ok(());
        }
        if !matches!(self.shape, Shape::Columns(_)) {
            return Err(Error::invalid("parents", "none but of columns", self.shape.name()));
        }
        if self.parents.len() != self.dim() {
            return Err(Error::shape("parents", format!("{}, one for each element", self.dim()), self.parents.len()));
        }
        for j in 0..self.dim() {
            if let Some(parent) = self.parent(j)
                && !(parent < j && matches!(self.law_of(parent), Law::Codes(_)))
            {
                return Err(Error::invalid(format!("parent of element {j}"), "an element of codes before it", parent));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{super::Cells, *};

    fn columns(laws: &[Law]) -> Result<Space> {
        Space::of_laws(Shape::Columns(laws.len()), laws.to_vec())
    }

    const LATTICE: Law = Law::Lattice(Cells { width: 0.5, low: Some(0.0), high: None, atoms: [None; 8] });

    #[test]
    fn discrete_columns_stand_first() {
        let space = columns(&[Law::Codes(3), LATTICE, Law::Real]).unwrap();
        assert!(space.is_mixed() && space.discrete() == 2 && space.law().is_none());
        assert!(columns(&[LATTICE, Law::Real, Law::Codes(2)]).is_err());
        assert!(columns(&[LATTICE, LATTICE]).unwrap().is_mixed());
        assert!(!columns(&[Law::Real, Law::Real]).unwrap().is_mixed());
        assert!(Space::new(Shape::Columns(usize::MAX), Law::Codes(3)).check().is_err());
    }

    #[test]
    fn only_sequences_vary_in_length() {
        let sequence = Space::new(Shape::Sequence { channels: 1, length: 5 }, Law::Codes(4));
        assert_eq!([sequence.clone(), sequence.clone().of_varying_length()].map(|space| space.dim()), [5, 6]);
        assert!(sequence.of_varying_length().check().is_ok());
        assert!(Space::from(5).of_varying_length().check().is_err());
    }

    #[test]
    fn parents_are_codes_before_their_children() {
        let space = columns(&[Law::Codes(2), Law::Codes(2), LATTICE, Law::Real]).unwrap();
        let with = |parents: [Option<u32>; 4]| space.clone().with_parents(parents.to_vec());
        let found = with([None, Some(0), Some(1), Some(0)]).unwrap();
        assert_eq!((0..4).map(|j| found.parent(j)).collect::<Vec<_>>(), [None, Some(0), Some(1), Some(0)]);
        assert_eq!(with([None; 4]).unwrap(), space);
        assert!(with([None, Some(1), None, None]).is_err());
        assert!(with([Some(1), None, None, None]).is_err());
        assert!(with([None, None, None, Some(2)]).is_err());
        assert!(with([None, None, None, Some(9)]).is_err());
        assert!(space.clone().with_parents(vec![None, Some(0)]).is_err());
    }

    #[test]
    fn a_space_survives_its_file_and_an_old_one_still_opens() {
        let space = columns(&[Law::Codes(2), LATTICE]).unwrap().with_parents(vec![None, Some(0)]).unwrap();
        let text = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<Space>(&text).unwrap(), space);
        let old = r#"{"shape":{"columns":3},"laws":["real"]}"#;
        assert_eq!(serde_json::from_str::<Space>(old).unwrap(), Space::from(3));
        assert_eq!(serde_json::to_string(&Space::from(3)).unwrap(), old);
    }
}

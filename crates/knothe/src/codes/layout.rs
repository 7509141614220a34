//! The layout of the elements of a row: groups with the same law, the features that a network reads, and the places of the parameters.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::{
    error::{Error, Result},
    kernels::FAR,
    order::index,
    placement::Placement,
    space::{Cells, Law, Space},
    univariate::{Bernoulli, Categorical, Conditional, DiscretisedLogistics, GaussianMixture},
};

/// Elements with the same law. Parameter p of the i-th element is number `first` + p · elements + i of all parameters.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub law: GroupLaw,
    pub elements: Vec<usize>,
    pub first: usize,
    /// The law of the group, and the law of each element.
    pub whole: Arc<dyn Conditional>,
    pub each: Vec<Arc<dyn Conditional>>,
}

/// The law that the elements of a group share.
#[derive(Clone, Debug)]
pub(crate) enum GroupLaw {
    Codes(u32),
    Lattices(DiscretisedLogistics),
    Reals(GaussianMixture),
}

impl GroupLaw {
    /// The atom of element i of the group that is at v.
    pub fn atom_at(&self, i: usize, v: f64) -> Option<usize> {
        match self {
            GroupLaw::Codes(_) | GroupLaw::Reals(_) => None,
            GroupLaw::Lattices(law) => law.atom_at(i, v),
        }
    }
}

impl Group {
    fn of_codes(k: u32, elements: Vec<usize>) -> Self {
        let law: Arc<dyn Conditional> = if k == 2 { Arc::new(Bernoulli) } else { Arc::new(Categorical(k as usize)) };
        Group { law: GroupLaw::Codes(k), each: vec![law.clone(); elements.len()], whole: law, elements, first: 0 }
    }

    fn of_lattices(components: usize, cells: Vec<Cells>, elements: Vec<usize>) -> Result<Self> {
        let law = DiscretisedLogistics::new(components, cells)?;
        let each = (0..elements.len()).map(|i| Arc::new(law.coordinate(i)) as Arc<dyn Conditional>).collect();
        Ok(Group { law: GroupLaw::Lattices(law.clone()), whole: Arc::new(law), each, elements, first: 0 })
    }

    fn of_reals(components: usize, elements: Vec<usize>) -> Self {
        let law = GaussianMixture(components);
        let whole: Arc<dyn Conditional> = Arc::new(law);
        Group { law: GroupLaw::Reals(law), each: vec![whole.clone(); elements.len()], whole, elements, first: 0 }
    }

    /// The numbers of all parameters.
    pub fn width(&self) -> usize {
        self.whole.parameters() * self.elements.len()
    }

    /// The places of the parameters of the i-th element.
    pub fn places(&self, i: usize) -> Vec<usize> {
        (0..self.whole.parameters()).map(|p| self.first + p * self.elements.len() + i).collect()
    }

    /// The values of these elements, `[rows, elements]`.
    pub fn values(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone().select(1, index(&self.elements, &x.device()))
    }

    /// The parameters of these elements, `[rows, parameters, elements]`, among all of them.
    pub fn parameters(&self, theta: &Tensor<2>) -> Tensor<3> {
        let rows = theta.dims()[0];
        theta.clone().narrow(1, self.first, self.width()).reshape([rows, self.whole.parameters(), self.elements.len()])
    }

    /// The number of features per element.
    fn features_of_each(&self) -> usize {
        match self.law {
            GroupLaw::Codes(k) => Law::Codes(k).features(),
            GroupLaw::Lattices(_) | GroupLaw::Reals(_) => 1,
        }
    }

    /// The features, element by element: an indicator of each of the codes 1, 2, …, or c asinh(v/c) with c = 5 for a lattice value or a real.
    fn features(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let x = self.values(x);
        match self.law {
            GroupLaw::Codes(1) => None,
            GroupLaw::Codes(2) => Some(x),
            GroupLaw::Codes(k) => {
                let ([rows, n], other) = (x.dims(), k as usize - 1);
                let place = Placement::of(&x);
                let codes = place.tensor((1..k).map(f64::from).collect(), [1, 1, other]).expand([rows, n, other]);
                let same = x.unsqueeze_dim::<3>(2).expand([rows, n, other]).equal(codes);
                Some(place.zeros([rows, n, other]).mask_fill(same, 1.0).reshape([rows, n * other]))
            }
            // A product, because Burn computes the gradient of a quotient by a number in 32 bits, even for 64-bit tensors.
            GroupLaw::Lattices(_) | GroupLaw::Reals(_) => Some((x * FAR.recip()).asinh() * FAR),
        }
    }
}

/// The ancestors of each element, level by level. The number of discrete elements stands for none.
#[derive(Clone, Debug)]
pub(crate) struct Ancestors {
    levels: Vec<Vec<usize>>,
}

impl Ancestors {
    fn of(space: &Space, elements: std::ops::Range<usize>) -> Self {
        let mut levels = Vec::new();
        let mut at: Vec<Option<usize>> = elements.map(|j| space.parent(j)).collect();
        // A parent precedes its child, so this ends.
        while at.iter().any(Option::is_some) {
            levels.push(at.iter().map(|parent| parent.unwrap_or(space.discrete())).collect());
            at = at.into_iter().map(|parent| parent.and_then(|parent| space.parent(parent))).collect();
        }
        Ancestors { levels }
    }

    /// 1 for present and 0 for absent elements; nothing if all are always present.
    pub fn present(&self, codes: &Tensor<2>) -> Option<Tensor<2>> {
        let (first, rest) = self.levels.split_first()?;
        let rows = codes.dims()[0];
        let zeros = codes.zeros_like().mask_fill(codes.clone().equal_scalar(0.0), 1.0);
        let zeros = Tensor::cat(vec![zeros, Placement::of(codes).zeros([rows, 1]) + 1.0], 1);
        let level = |parents: &Vec<usize>| zeros.clone().select(1, index(parents, &codes.device()));
        Some(rest.iter().fold(level(first), |present, parents| present * level(parents)))
    }
}

/// The discrete elements of a space in groups, or all of its elements, and the parents of all elements.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub dim: usize,
    pub groups: Vec<Group>,
    /// The group of each element, and its place in it.
    pub places: Vec<(usize, usize)>,
    /// The ancestors of the discrete elements and of the reals.
    pub ancestors: Ancestors,
    pub ancestors_of_reals: Ancestors,
}

impl Layout {
    /// Lays out the discrete elements, with `components` logistic laws per lattice.
    pub fn new(space: &Space, components: usize) -> Result<Self> {
        if space.discrete() == 0 {
            return Err(Error::invalid("space of codes", "an element of codes or of a lattice", format!("{:?}", space.shape)));
        }
        Layout::of(space, space.discrete(), components, 0)
    }

    /// Lays out all elements, with `components` logistic laws per lattice and `gaussians` Gaussians per real.
    pub fn whole(space: &Space, components: usize, gaussians: usize) -> Result<Self> {
        Layout::of(space, space.dim(), components, gaussians)
    }

    fn of(space: &Space, dim: usize, components: usize, gaussians: usize) -> Result<Self> {
        let mut alphabets = std::collections::BTreeMap::<u32, Vec<usize>>::new();
        let (mut lattices, mut reals) = (Vec::<(usize, Cells)>::new(), Vec::new());
        for j in 0..dim {
            match space.law_of(j) {
                Law::Codes(k) => alphabets.entry(k).or_default().push(j),
                Law::Lattice(cells) => lattices.push((j, cells)),
                Law::Real if gaussians > 0 => reals.push(j),
                Law::Real => {
                    return Err(Error::invalid("laws", "those of codes and lattices before those of real numbers", "a real number"));
                }
            }
        }
        let mut groups: Vec<Group> = alphabets.into_iter().map(|(k, elements)| Group::of_codes(k, elements)).collect();
        if !lattices.is_empty() {
            let (elements, cells) = lattices.into_iter().unzip();
            groups.push(Group::of_lattices(components, cells, elements)?);
        }
        if !reals.is_empty() {
            groups.push(Group::of_reals(gaussians, reals));
        }
        let (mut first, mut places) = (0, vec![(0, 0); dim]);
        for (g, group) in groups.iter_mut().enumerate() {
            group.first = first;
            first += group.width();
            group.elements.iter().enumerate().for_each(|(i, &j)| places[j] = (g, i));
        }
        let [ancestors, ancestors_of_reals] = [0..dim, dim..space.dim()].map(|elements| Ancestors::of(space, elements));
        Ok(Layout { dim, groups, places, ancestors, ancestors_of_reals })
    }

    /// The number of all parameters.
    pub fn parameters(&self) -> usize {
        self.groups.iter().map(Group::width).sum()
    }

    /// The element of each parameter.
    pub fn elements_of_parameters(&self) -> Vec<usize> {
        self.groups.iter().flat_map(|group| std::iter::repeat_n(&group.elements, group.whole.parameters()).flatten().copied()).collect()
    }

    /// The element of each feature.
    pub fn elements_of_features(&self) -> Vec<usize> {
        let of = |group: &Group| {
            let count = group.features_of_each();
            group.elements.iter().flat_map(move |&j| std::iter::repeat_n(j, count)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of).collect()
    }

    /// The features of rows in which absent elements are 0, `[rows, features]`; nothing if there are no features.
    pub fn features(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let all: Vec<_> = self.groups.iter().filter_map(|group| group.features(x)).collect();
        (!all.is_empty()).then(|| Tensor::cat(all, 1))
    }

    /// Values per group, `[rows, elements]`, joined in the order of the elements.
    pub fn in_order(&self, of_groups: Vec<Tensor<2>>) -> Tensor<2> {
        let starts: Vec<usize> =
            self.groups.iter().scan(0, |sum, group| Some(std::mem::replace(sum, *sum + group.elements.len()))).collect();
        let order: Vec<usize> = self.places.iter().map(|&(g, i)| starts[g] + i).collect();
        let all = Tensor::cat(of_groups, 1);
        if order.is_sorted() { all } else { all.clone().select(1, index(&order, &all.device())) }
    }
}

//! The parameters of a module by name: what files and checkpoints hold.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

use crate::{
    error::{Error, Result},
    placement::Placement,
};

/// Parameters by their path in the module, such as `bijection.layers.0.inner.conditioner.layers.1.weight`.
pub type Parameters = BTreeMap<String, TensorData>;
/// The shape and the precision of parameters by their path.
pub type Shapes = BTreeMap<String, (Vec<usize>, DType)>;

/// Copies every parameter of a module, trained or not, to the host.
pub fn collect(module: &impl Module) -> Parameters {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.found
}

/// How many numbers the parameters of a module hold.
pub fn count(module: &impl Module) -> usize {
    module.num_params()
}

/// The device and the precision of a module's first parameter. None of a module without parameters.
pub(crate) fn placement(module: &impl Module) -> Option<Placement> {
    struct First(Option<Placement>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.get_or_insert_with(|| Placement::of(&param.val()));
        }
    }
    let mut first = First(None);
    module.visit(&mut first);
    first.0
}

/// Checks that `parameters` fit a module and are finite. The module may be an [outline](Placement::outline).
///
/// # Errors
/// As [`check_shapes`], and [`Error::NotFinite`] for a parameter that is not finite.
pub fn check(module: &impl Module, parameters: &Parameters) -> Result<()> {
    check_shapes(module, &shapes(parameters))?;
    match parameters.iter().find(|(_, data)| !data.iter::<f64>().all(f64::is_finite)) {
        Some((name, _)) => Err(Error::NotFinite { what: format!("parameter '{name}'"), rows: Vec::new() }),
        None => Ok(()),
    }
}

/// The shape and the precision of each parameter.
pub fn shapes(parameters: &Parameters) -> Shapes {
    parameters.iter().map(|(name, data)| (name.clone(), (data.shape().to_vec(), data.dtype()))).collect()
}

/// Checks that these are the shapes and the precisions of the parameters of a module.
///
/// # Errors
/// [`Error::Invalid`] for a missing or an extra parameter, [`Error::Shape`] for another shape or precision; each names the parameter.
pub fn check_shapes(module: &impl Module, shapes: &Shapes) -> Result<()> {
    let mut check = Check { path: Vec::new(), unseen: shapes.clone(), problem: Ok(()) };
    module.visit(&mut check);
    check.problem?;
    match check.unseen.into_keys().next() {
        Some(extra) => Err(Error::invalid("parameters", "only those of the architecture", format!("'{extra}' as well"))),
        None => Ok(()),
    }
}

/// Puts `parameters` into a module of the same architecture, exactly: a missing, extra or differently shaped one is an error.
///
/// # Errors
/// As [`check`].
pub fn restore<M: Module>(module: M, mut parameters: Parameters) -> Result<M> {
    check(&module, &parameters)?;
    Ok(module.map(&mut Restore { path: Vec::new(), source: &mut parameters }))
}

struct Check {
    path: Vec<String>,
    unseen: Shapes,
    problem: Result<()>,
}

impl ModuleVisitor for Check {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let expected = (param.dims().to_vec(), param.val().dtype());
        let problem = match self.unseen.remove(&path) {
            Some(found) if found == expected => return,
            Some(found) => Error::shape(format!("parameter '{path}'"), format!("{expected:?}"), found),
            None => Error::invalid("parameters", format!("'{path}'"), "no such parameter"),
        };
        if self.problem.is_ok() {
            self.problem = Err(problem);
        }
    }
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    found: Parameters,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.val().into_data());
    }
}

struct Restore<'a> {
    path: Vec<String>,
    source: &'a mut Parameters,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.source.remove(&self.path.join(".")) else { return param };
        param.map(|old| {
            let (device, tracked) = (old.device(), old.is_require_grad());
            let new = Tensor::from_data(data, (&device, old.dtype()));
            if tracked { new.require_grad() } else { new }
        })
    }
}

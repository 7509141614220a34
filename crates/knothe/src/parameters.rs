//! The parameters of a module by name: what files and checkpoints hold.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::{
    error::{Error, Result},
    placement::Placement,
};

/// Parameters by their path in the module, such as `bijection.layers.0.inner.conditioner.layers.1.weight`.
pub type Parameters = BTreeMap<String, TensorData>;

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

/// Puts `parameters` into a module of the same architecture, exactly: a missing, extra or differently shaped one is an error.
pub fn restore<M: Module>(module: M, mut parameters: Parameters) -> Result<M> {
    let mut restore = Restore { path: Vec::new(), source: &mut parameters, problem: None };
    let module = module.map(&mut restore);
    if let Some(problem) = restore.problem {
        return Err(problem);
    }
    match parameters.into_keys().next() {
        Some(extra) => Err(Error::invalid("parameters", "only those of the architecture", format!("'{extra}' as well"))),
        None => Ok(module),
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
    problem: Option<Error>,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(data) = self.source.remove(&path) else {
            self.problem.get_or_insert(Error::invalid("parameters", format!("'{path}'"), "no such parameter"));
            return param;
        };
        let (expected, found) = ((param.dims().to_vec(), param.dtype()), (data.shape().to_vec(), data.dtype()));
        if expected != found {
            self.problem.get_or_insert(Error::shape(format!("parameter '{path}'"), format!("{expected:?}"), found));
            return param;
        }
        param.map(|old| {
            let (device, tracked) = (old.device(), old.is_require_grad());
            let new = Tensor::from_data(data, (&device, old.dtype()));
            if tracked { new.require_grad() } else { new }
        })
    }
}

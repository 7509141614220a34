//! The hook between the gradient and the optimiser's step.

use burn::tensor::DType;

use crate::{
    error::{Error, Result},
    kernels::Flat,
};

/// The gradient of one parameter, in row-major order.
#[derive(Debug)]
pub enum Gradient<'a> {
    /// The gradient of a parameter in 32 bits.
    F32(&'a mut [f32]),
    /// The gradient of a parameter in 64 bits.
    F64(&'a mut [f64]),
}

impl Gradient<'_> {
    /// The number of elements. It is 0 for a parameter without a gradient, such as a frozen one.
    pub fn len(&self) -> usize {
        match self {
            Gradient::F32(numbers) => numbers.len(),
            Gradient::F64(numbers) => numbers.len(),
        }
    }

    /// Whether the parameter has no gradient.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sees the gradients of every step, and may change them, before the optimiser uses them; see [`super::Fit::hook`].
pub type Hook<'a> = Box<dyn FnMut(&mut [Gradient<'_>]) -> Result<()> + Send + 'a>;

/// Calls the hook on gradients. On the CPU it gets their own memory.
///
/// Where the loss is not finite, all gradients become NaN first. So the average over processes is NaN as well, and all of them skip the step.
pub(super) fn call(hook: &mut Hook, gradients: &mut [Option<Flat>], finite: bool) -> Result<()> {
    let mut on_host: Vec<_> = gradients.iter_mut().map(|gradient| gradient.take().map(Flat::into_host)).collect();
    let mut slices = Vec::with_capacity(on_host.len());
    for gradient in &mut on_host {
        let mut slice = match gradient {
            None => Gradient::F32(&mut []),
            Some((data, _)) => match data.dtype() {
                DType::F64 => Gradient::F64(data.as_mut_slice().map_err(unreadable)?),
                _ => Gradient::F32(data.as_mut_slice().map_err(unreadable)?),
            },
        };
        match &mut slice {
            Gradient::F32(numbers) if !finite => numbers.fill(f32::NAN),
            Gradient::F64(numbers) if !finite => numbers.fill(f64::NAN),
            _ => {}
        }
        slices.push(slice);
    }
    hook(&mut slices)?;
    for (gradient, host) in gradients.iter_mut().zip(on_host) {
        *gradient = host.map(|(data, back)| back(data));
    }
    Ok(())
}

fn unreadable(problem: impl std::fmt::Debug) -> Error {
    Error::Unsupported { what: "a hook on gradients".into(), reason: format!("needs 32-bit or 64-bit floats: {problem:?}"), hint: None }
}

//! Targets for Knothe: unnormalised log densities, for example posteriors, in shared libraries.
//!
//! Such a library has the C interface of compiled Stan models (BridgeStan 2). Knothe loads it at run time, so a target that is written in Rust and one that comes from Stan are the same
//! thing. A target is a type that implements [`Target`], and the macro [`export!`] makes the functions of the interface from it. The library is a crate of type `cdylib`:
//!
//! ```no_run
#![doc = include_str!("../examples/bod.rs")]
//! # fn main() {}
//! ```

mod c;

#[doc(hidden)]
pub use c::{
    Exported, constrain, constrained_names, construct, destruct, free_message, log_density, log_density_gradient, number,
    unconstrained_names, unconstrained_number,
};
pub use serde_json;

/// An unnormalised log density of parameters θ, in terms of unconstrained parameters x ∈ ℝᵈ with θ = T(x).
pub trait Target: Sized + Send + Sync {
    /// The target of these data, a JSON document. `seed` serves targets that draw data.
    ///
    /// # Errors
    /// In words, if there is no target of these data.
    fn new(data: &serde_json::Value, seed: u32) -> Result<Self, String>;

    /// The names of the parameters θ, such as `tau` and `theta.1`.
    fn names(&self) -> Vec<String>;

    /// The names of the unconstrained parameters x.
    fn unconstrained_names(&self) -> Vec<String> {
        self.names()
    }

    /// log π̃(T(x)), and with `jacobian` also log|det ∂T/∂x|. Writes the gradient with respect to x.
    ///
    /// # Errors
    /// In words, if x has no density. A panic counts as an error.
    fn log_density(&self, x: &[f64], jacobian: bool, gradient: &mut [f64]) -> Result<f64, String>;

    /// θ = T(x).
    fn constrain(&self, x: &[f64], parameters: &mut [f64]) {
        parameters.copy_from_slice(x);
    }
}

/// The numbers of a JSON document under a name.
///
/// # Errors
/// In words, if there are none.
pub fn numbers(data: &serde_json::Value, name: &str) -> Result<Vec<f64>, String> {
    let found = data.get(name).and_then(|own| own.as_array()).ok_or_else(|| format!("expected a list of numbers '{name}', found none"))?;
    let number = |value: &serde_json::Value| value.as_f64().ok_or_else(|| format!("expected numbers in '{name}', found {value}"));
    found.iter().map(number).collect()
}

/// Makes the functions of the C interface from a type that implements [`Target`].
#[macro_export]
macro_rules! export {
    ($target:ty) => {
        #[allow(missing_docs, unsafe_code, clippy::missing_safety_doc)]
        mod bridge {
            use std::ffi::{c_char, c_int, c_uint, c_void};

            use super::*;

            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_model_construct(data: *const c_char, seed: c_uint, error: *mut *mut c_char) -> *mut c_void {
                unsafe { $crate::construct::<$target>(data, seed, error) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_model_destruct(model: *mut c_void) {
                unsafe { $crate::destruct::<$target>(model) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_free_error_msg(message: *mut c_char) {
                unsafe { $crate::free_message(message) }
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn bs_model_info(_model: *const c_void) -> *const c_char {
                c"Knothe target, STAN_THREADS=true".as_ptr()
            }
            #[unsafe(no_mangle)]
            pub extern "C" fn bs_name(_model: *const c_void) -> *const c_char {
                concat!(stringify!($target), "\0").as_ptr().cast()
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_param_num(model: *const c_void, _: bool, _: bool) -> c_int {
                unsafe { $crate::number::<$target>(model) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_param_unc_num(model: *const c_void) -> c_int {
                unsafe { $crate::unconstrained_number::<$target>(model) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_param_names(model: *const c_void, _: bool, _: bool) -> *const c_char {
                unsafe { $crate::constrained_names::<$target>(model) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_param_unc_names(model: *const c_void) -> *const c_char {
                unsafe { $crate::unconstrained_names::<$target>(model) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_log_density(
                model: *const c_void,
                _propto: bool,
                jacobian: bool,
                x: *const f64,
                log: *mut f64,
                error: *mut *mut c_char,
            ) -> c_int {
                unsafe { $crate::log_density::<$target>(model, jacobian, x, log, error) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_log_density_gradient(
                model: *const c_void,
                _propto: bool,
                jacobian: bool,
                x: *const f64,
                log: *mut f64,
                gradient: *mut f64,
                error: *mut *mut c_char,
            ) -> c_int {
                unsafe { $crate::log_density_gradient::<$target>(model, jacobian, x, log, gradient, error) }
            }
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn bs_param_constrain(
                model: *const c_void,
                _: bool,
                _: bool,
                x: *const f64,
                parameters: *mut f64,
                _rng: *mut c_void,
                error: *mut *mut c_char,
            ) -> c_int {
                unsafe { $crate::constrain::<$target>(model, x, parameters, error) }
            }
        }
    };
}

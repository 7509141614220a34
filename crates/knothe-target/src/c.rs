//! The functions behind the C interface, for any target.
//!
//! A panic must not leave a function that C calls, so it becomes an error or, where there is none to return, ends the process.
// They are public for the macro alone, and each does what the function of the interface does.
#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::ptr::null_mut;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::Once;

use crate::Target;

/// A target with the names that the interface returns.
#[derive(Debug)]
pub struct Exported<T> {
    target: T,
    names: CString,
    unconstrained: CString,
    /// Numbers of parameters, constrained and unconstrained.
    numbers: [usize; 2],
}

impl<T: Target> Exported<T> {
    fn new(data: &str, seed: u32) -> Result<Self, String> {
        let text = match data {
            "" => "{}".to_owned(),
            path if Path::new(path).extension().is_some_and(|e| e == "json") => {
                std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"))?
            }
            text => text.to_owned(),
        };
        let document = serde_json::from_str(&text).map_err(|e| format!("expected a JSON document, found an error: {e}"))?;
        let target = T::new(&document, seed)?;
        let (names, unconstrained) = (target.names(), target.unconstrained_names());
        let joined = |names: &[String]| CString::new(names.join(",")).map_err(|e| e.to_string());
        Ok(Exported { names: joined(&names)?, unconstrained: joined(&unconstrained)?, numbers: [names.len(), unconstrained.len()], target })
    }
}

thread_local! {
    /// The text to which the guarded call of this thread takes the place of a panic; null outside of such calls. A pointer has no destructor, which would keep the library loaded.
    static PLACE: Cell<*mut String> = const { Cell::new(null_mut()) };
}

/// Panics of guarded calls become errors, so they are not printed. There could be one per evaluation.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            let place = PLACE.get();
            if place.is_null() {
                usual(panic);
            } else if let Some(location) = panic.location() {
                // SAFETY: the text is alive as long as the pointer is there, and nothing else in this thread uses it during the call.
                unsafe { *place = format!(" at {location}") };
            }
        }));
    });
}

/// Runs a call. A panic becomes an error.
fn guarded<R>(call: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
    let mut place = String::new();
    let outer = PLACE.replace(&raw mut place);
    let result = catch_unwind(AssertUnwindSafe(call));
    PLACE.set(outer);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("the target panicked{place}: {}", text.unwrap_or_default()))
    })
}

/// Hands a message to the caller, who frees it.
unsafe fn say(error: *mut *mut c_char, message: &str) {
    if !error.is_null()
        && let Ok(message) = CString::new(message.replace('\0', " "))
    {
        // SAFETY: the caller passes null or a place for a pointer.
        unsafe { *error = message.into_raw() }
    }
}

pub unsafe fn construct<T: Target>(data: *const c_char, seed: c_uint, error: *mut *mut c_char) -> *mut c_void {
    silence();
    // SAFETY: the caller passes null or a C string.
    let data = if data.is_null() { String::new() } else { unsafe { CStr::from_ptr(data) }.to_string_lossy().into_owned() };
    match guarded(|| Exported::<T>::new(&data, seed)) {
        Ok(model) => Box::into_raw(Box::new(model)).cast(),
        Err(message) => {
            // SAFETY: as the interface promises.
            unsafe { say(error, &message) };
            null_mut()
        }
    }
}

pub unsafe fn destruct<T: Target>(model: *mut c_void) {
    if !model.is_null() {
        // SAFETY: the model came from `construct`, and is destroyed once.
        drop(unsafe { Box::from_raw(model.cast::<Exported<T>>()) });
    }
}

pub unsafe fn free_message(message: *mut c_char) {
    if !message.is_null() {
        // SAFETY: the message came from `say`.
        drop(unsafe { CString::from_raw(message) });
    }
}

/// # Safety
/// `model` came from [`construct`] with the same T and is alive. The same holds for all functions below.
unsafe fn of<'a, T>(model: *const c_void) -> &'a Exported<T> {
    // SAFETY: as the caller promises.
    unsafe { &*model.cast::<Exported<T>>() }
}

pub unsafe fn number<T: Target>(model: *const c_void) -> c_int {
    // SAFETY: see `of`.
    c_int::try_from(unsafe { of::<T>(model) }.numbers[0]).unwrap_or(c_int::MAX)
}

pub unsafe fn unconstrained_number<T: Target>(model: *const c_void) -> c_int {
    // SAFETY: see `of`.
    c_int::try_from(unsafe { of::<T>(model) }.numbers[1]).unwrap_or(c_int::MAX)
}

pub unsafe fn constrained_names<T: Target>(model: *const c_void) -> *const c_char {
    // SAFETY: see `of`.
    unsafe { of::<T>(model) }.names.as_ptr()
}

pub unsafe fn unconstrained_names<T: Target>(model: *const c_void) -> *const c_char {
    // SAFETY: see `of`.
    unsafe { of::<T>(model) }.unconstrained.as_ptr()
}

pub unsafe fn log_density<T: Target>(model: *const c_void, jacobian: bool, x: *const f64, log: *mut f64, error: *mut *mut c_char) -> c_int {
    // SAFETY: see `of`.
    let mut gradient = vec![0.0; unsafe { of::<T>(model) }.numbers[1]];
    // SAFETY: as the interface promises.
    unsafe { log_density_gradient::<T>(model, jacobian, x, log, gradient.as_mut_ptr(), error) }
}

pub unsafe fn log_density_gradient<T: Target>(
    model: *const c_void,
    jacobian: bool,
    x: *const f64,
    log: *mut f64,
    gradient: *mut f64,
    error: *mut *mut c_char,
) -> c_int {
    // SAFETY: see `of`.
    let own = unsafe { of::<T>(model) };
    // SAFETY: the interface promises as many numbers as there are unconstrained parameters.
    let (x, gradient) = unsafe { (from_raw_parts(x, own.numbers[1]), from_raw_parts_mut(gradient, own.numbers[1])) };
    match guarded(|| own.target.log_density(x, jacobian, gradient)) {
        Ok(found) => {
            // SAFETY: the interface promises a place for the result.
            unsafe { *log = found };
            0
        }
        Err(message) => {
            // SAFETY: as the interface promises.
            unsafe { say(error, &message) };
            -1
        }
    }
}

pub unsafe fn constrain<T: Target>(model: *const c_void, x: *const f64, parameters: *mut f64, error: *mut *mut c_char) -> c_int {
    // SAFETY: see `of`.
    let own = unsafe { of::<T>(model) };
    // SAFETY: the interface promises as many numbers as there are parameters.
    let (x, parameters) = unsafe { (from_raw_parts(x, own.numbers[1]), from_raw_parts_mut(parameters, own.numbers[0])) };
    let done = guarded(|| {
        own.target.constrain(x, parameters);
        Ok(())
    });
    match done {
        Ok(()) => 0,
        Err(message) => {
            // SAFETY: as the interface promises.
            unsafe { say(error, &message) };
            -1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_where_it_was() {
        silence();
        let none: Vec<f64> = Vec::new();
        let found = guarded(|| Ok(none[0]));
        let expected = |text: &String| text.starts_with("the target panicked at ") && text.contains("c.rs:") && text.contains("len is 0");
        assert!(found.as_ref().is_err_and(expected), "{found:?}");
        // The next call has a place of its own.
        assert_eq!(guarded(|| Err::<f64, String>("no".into())), Err("no".into()));
        assert!(PLACE.get().is_null());
    }
}

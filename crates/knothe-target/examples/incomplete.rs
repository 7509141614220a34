//! A library that lacks most functions of the interface. The tests show that it is refused.
#![allow(unsafe_code, missing_docs)]

use std::ffi::{c_char, c_uint, c_void};

#[unsafe(no_mangle)]
pub extern "C" fn bs_model_construct(_data: *const c_char, _seed: c_uint, _error: *mut *mut c_char) -> *mut c_void {
    std::ptr::null_mut()
}

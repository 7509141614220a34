//! Targets in shared libraries with the C interface of compiled Stan models.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use libloading::Library;

use super::Target;
use crate::error::{Error, Result};

type Construct = unsafe extern "C" fn(*const c_char, c_uint, *mut *mut c_char) -> *mut c_void;
type Destruct = unsafe extern "C" fn(*mut c_void);
type FreeMessage = unsafe extern "C" fn(*mut c_char);
type Count = unsafe extern "C" fn(*const c_void) -> c_int;
type CountAll = unsafe extern "C" fn(*const c_void, bool, bool) -> c_int;
type Names = unsafe extern "C" fn(*const c_void) -> *const c_char;
type NamesAll = unsafe extern "C" fn(*const c_void, bool, bool) -> *const c_char;
type Gradient = unsafe extern "C" fn(*const c_void, bool, bool, *const f64, *mut f64, *mut f64, *mut *mut c_char) -> c_int;
type LogDensity = unsafe extern "C" fn(*const c_void, bool, bool, *const f64, *mut f64, *mut *mut c_char) -> c_int;
type Constrain = unsafe extern "C" fn(*const c_void, bool, bool, *const f64, *mut f64, *mut c_void, *mut *mut c_char) -> c_int;

/// A target in a shared library with the C interface of BridgeStan 2 (Roualdes et al. 2023, *BridgeStan: efficient in-memory access to the methods of a Stan model*).
///
/// The library is a compiled Stan model, or one that was written by hand. It has the functions `bs_model_construct`, `bs_model_destruct`, `bs_free_error_msg`, `bs_param_num`,
/// `bs_param_unc_num`, `bs_param_names`, `bs_param_unc_names`, `bs_log_density_gradient` and `bs_param_constrain`. The density is that of the unconstrained parameters, with the Jacobian
/// determinant of the transformation and with all constants. Several threads evaluate the target at once only if the optional function `bs_model_info` returns a text with `STAN_THREADS=true`.
pub struct LibraryTarget {
    path: PathBuf,
    model: Handle,
    names: Vec<String>,
    unconstrained_names: Vec<String>,
    gradient: Gradient,
    /// The density alone, if the library has that.
    density: Option<LogDensity>,
    constrain: Constrain,
    free_message: FreeMessage,
    parallel: bool,
    /// The first message of an evaluation that failed.
    message: Mutex<Option<String>>,
    failures: AtomicU64,
    // Last, so that the model is destroyed before its code is unloaded.
    _library: Library,
}

/// Transformed parameters are parameters, such as the effects of a model that is not centred.
const TRANSFORMED: bool = true;

/// Held by each call of a library that does not say that its models need no lock. Two models of one library may share what they write to, so there is one lock for all.
static LOCK: Mutex<()> = Mutex::new(());

/// A model, which is destroyed with its owner.
struct Handle {
    model: *mut c_void,
    destruct: Destruct,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the model came from the same library's `bs_model_construct`, and is destroyed once.
        unsafe { (self.destruct)(self.model) }
    }
}

// SAFETY: evaluations go through `LibraryTarget::locked`, one at a time unless the library says that its models need no lock.
unsafe impl Send for LibraryTarget {}
// SAFETY: as above.
unsafe impl Sync for LibraryTarget {}

/// A function of a library.
///
/// # Safety
/// The library's function of this name has the type F.
unsafe fn function<F: Copy>(library: &Library, path: &Path, name: &str) -> Result<F> {
    // SAFETY: as the caller promises.
    match unsafe { library.get::<F>(name.as_bytes()) } {
        Ok(found) => Ok(*found),
        Err(_) => Err(wrong(path, format!("expected a library with the function '{name}', found none"))),
    }
}

fn wrong(path: &Path, reason: String) -> Error {
    Error::Unsupported { what: path.display().to_string(), reason, hint: None }
}

/// The message of a library, which is freed.
fn message(text: *mut c_char, free: FreeMessage) -> String {
    if text.is_null() {
        return "no message".into();
    }
    // SAFETY: the library wrote a C string, which belongs to the caller until it is freed.
    unsafe {
        let found = CStr::from_ptr(text).to_string_lossy().split_whitespace().collect::<Vec<_>>().join(" ");
        free(text);
        found
    }
}

/// Names with commas between them.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn names(text: *const c_char) -> Vec<String> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl LibraryTarget {
    /// Loads a library and constructs its model. `data` is the path of a JSON file, or JSON text; an empty text is a model without data. `seed` serves models that draw data.
    ///
    /// Loading a library runs its code: load only those that you trust.
    ///
    /// # Errors
    /// [`Error::Io`] if the library or the data file is not there, and [`Error::Unsupported`] for a library without one of the functions, with names that do not fit its numbers of
    /// parameters, or whose model cannot be constructed.
    pub fn load(path: &Path, data: &str, seed: u32) -> Result<Self> {
        std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        if Path::new(data).extension().is_some_and(|e| e == "json") {
            std::fs::metadata(data).map_err(|e| Error::io("read", Path::new(data), e))?;
        }
        // A name without a folder would be looked for elsewhere.
        let whole = path.canonicalize().map_err(|e| Error::io("read", path, e))?;
        // SAFETY: the initialisers of the library run now. The documentation says so.
        let library = unsafe { Library::new(&whole) }
            .map_err(|e| wrong(path, format!("expected a shared library, found a file that cannot be loaded: {e}")))?;
        let text = CString::new(data).map_err(|_| Error::invalid("data", "text without a zero byte", "one with it"))?;
        // SAFETY: these are the types of BridgeStan's interface.
        let (construct, destruct, free_message, count, count_all, unconstrained, constrained, gradient, constrain) = unsafe {
            (
                function::<Construct>(&library, path, "bs_model_construct")?,
                function::<Destruct>(&library, path, "bs_model_destruct")?,
                function::<FreeMessage>(&library, path, "bs_free_error_msg")?,
                function::<Count>(&library, path, "bs_param_unc_num")?,
                function::<CountAll>(&library, path, "bs_param_num")?,
                function::<Names>(&library, path, "bs_param_unc_names")?,
                function::<NamesAll>(&library, path, "bs_param_names")?,
                function::<Gradient>(&library, path, "bs_log_density_gradient")?,
                function::<Constrain>(&library, path, "bs_param_constrain")?,
            )
        };
        let mut problem = null_mut();
        let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `text` is a C string that lives until the end of the call.
        let model = unsafe { construct(text.as_ptr(), seed, &raw mut problem) };
        if model.is_null() {
            return Err(wrong(path, format!("expected a model of these data, found an error: {}", message(problem, free_message))));
        }
        let model = Handle { model, destruct };
        drop(guard);
        // SAFETY: the model is alive, and the names are C strings of the library.
        let (number, number_all, own_names, constrained_names) = unsafe {
            (
                count(model.model),
                count_all(model.model, TRANSFORMED, false),
                names(unconstrained(model.model)),
                names(constrained(model.model, TRANSFORMED, false)),
            )
        };
        for (what, number, names) in [("unconstrained", number, &own_names), ("constrained", number_all, &constrained_names)] {
            if usize::try_from(number).ok() != Some(names.len()) || names.is_empty() {
                return Err(wrong(
                    path,
                    format!("expected one name for each {what} parameter, found {number} parameters and {} names", names.len()),
                ));
            }
        }
        // SAFETY: the type of BridgeStan's interface.
        let info = unsafe { function::<Names>(&library, path, "bs_model_info") };
        // SAFETY: the model is alive, and the text is a C string.
        let parallel = info.is_ok_and(|info| unsafe { names(info(model.model)) }.join(",").contains("STAN_THREADS=true"));
        // SAFETY: the type of BridgeStan's interface.
        let density = unsafe { function::<LogDensity>(&library, path, "bs_log_density") }.ok();
        Ok(LibraryTarget {
            path: path.to_owned(),
            model,
            names: constrained_names,
            unconstrained_names: own_names,
            gradient,
            density,
            constrain,
            free_message,
            parallel,
            message: Mutex::new(None),
            failures: AtomicU64::new(0),
            _library: library,
        })
    }

    /// The names of the model's own parameters, as [`LibraryTarget::constrain`] returns them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of the unconstrained parameters, over which the density is.
    pub fn unconstrained_names(&self) -> &[String] {
        &self.unconstrained_names
    }

    /// The number of evaluations of the density that failed so far. Their result is NaN, and [`Target::first_message`] says why the first of them failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The log density of an evaluation that returned `code`.
    fn log_of(&self, code: c_int, log: f64, problem: *mut c_char) -> f64 {
        if code == 0 {
            return log;
        }
        // Stan rejects parameters by an error, so it is no reason to end the work.
        let text = message(problem, self.free_message);
        self.message.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        self.failures.fetch_add(1, Ordering::Relaxed);
        f64::NAN
    }

    /// Runs a call of the library, one at a time unless the library needs no lock.
    fn locked<T>(&self, call: impl FnOnce() -> T) -> T {
        let _guard = (!self.parallel).then(|| LOCK.lock().unwrap_or_else(PoisonError::into_inner));
        call()
    }

    /// The model's own parameters, with transformed parameters, for unconstrained ones.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of parameters, and [`Error::Unsupported`] with the library's message if it cannot compute them.
    pub fn constrain(&self, x: &[f64]) -> Result<Vec<f64>> {
        self.check(x)?;
        let mut found = vec![f64::NAN; self.names.len()];
        let mut problem = null_mut();
        // SAFETY: both slices are as long as the model's numbers of parameters say. Without generated quantities no random numbers are needed.
        let code = self.locked(|| unsafe {
            (self.constrain)(
                self.model.model,
                TRANSFORMED,
                false,
                x.as_ptr(),
                found.as_mut_ptr(),
                without_provenance_mut(0),
                &raw mut problem,
            )
        });
        if code == 0 {
            Ok(found)
        } else {
            Err(wrong(&self.path, format!("expected parameters, found an error: {}", message(problem, self.free_message))))
        }
    }

    fn check(&self, x: &[f64]) -> Result<()> {
        let dim = self.unconstrained_names.len();
        if x.len() == dim { Ok(()) } else { Err(Error::shape("x", format!("{dim} numbers"), x.len())) }
    }
}

impl Target for LibraryTarget {
    fn dim(&self) -> usize {
        self.unconstrained_names.len()
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.check(x)?;
        self.check(gradient)?;
        let (mut log, mut problem) = (f64::NAN, null_mut());
        // SAFETY: both slices have the model's number of unconstrained parameters.
        let code = self.locked(|| unsafe {
            (self.gradient)(self.model.model, false, true, x.as_ptr(), &raw mut log, gradient.as_mut_ptr(), &raw mut problem)
        });
        if code != 0 {
            gradient.fill(0.0);
        }
        Ok(self.log_of(code, log, problem))
    }

    fn log_density(&self, x: &[f64]) -> Result<f64> {
        let Some(density) = self.density else { return self.log_density_and_gradient(x, &mut vec![0.0; x.len()]) };
        self.check(x)?;
        let (mut log, mut problem) = (f64::NAN, null_mut());
        // SAFETY: the slice has the model's number of unconstrained parameters.
        let code = self.locked(|| unsafe { density(self.model.model, false, true, x.as_ptr(), &raw mut log, &raw mut problem) });
        Ok(self.log_of(code, log, problem))
    }

    fn is_parallel(&self) -> bool {
        self.parallel
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn first_message(&self) -> Option<String> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! A race: candidates are fitted inside a budget, and the better half goes on. The result is the likeliest mixture of the trained candidates on the validation events, where simple candidates are favoured by a few events.

mod candidates;
mod clock;
mod field;
mod plan;
mod run;

pub use candidates::{Candidate, candidates};
pub use run::{Budget, Race, RaceObserver, Raced, Standing};

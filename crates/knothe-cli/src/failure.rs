//! How a command fails: one line that says what was expected and what came, one line that says what to do, and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::hints;

/// The longest message in characters.
const LONGEST: usize = 4_000;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// The library's reason.
    Knothe(knothe::Error),
    /// An option that does not fit the model or the table; exit code 2.
    Usage {
        /// What is wrong: expected and found.
        message: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// Standard output cannot be written. A reader that has gone away is no failure.
    Output(io::Error),
    /// The user has stopped the command, which has said where it can go on; exit code 130, as shells have it.
    Interrupted,
    /// A defect of the program.
    Defect(String),
}

impl Failure {
    /// An option that does not fit.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Usage { message: message.into(), hint: hint.into() }
    }

    /// Says on stderr what is wrong; the exit code is 2 for options, 1 for everything else, and 0 for a reader that has gone away.
    pub fn report(&self) -> ExitCode {
        let (code, message, hint) = match self {
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Failure::Interrupted => return ExitCode::from(130),
            Failure::Output(e) => (1, format!("cannot write standard output: {e}"), String::new()),
            Failure::Usage { message, hint } => (2, message.clone(), hint.clone()),
            Failure::Defect(what) => (1, format!("bug in knothe: {what}"), "please report it with the command and the data".into()),
            Failure::Knothe(e @ knothe::Error::Invalid { .. }) => (2, e.to_string(), e.hint().map(hints::worded).unwrap_or_default()),
            Failure::Knothe(e) => (1, e.to_string(), e.hint().map(hints::worded).unwrap_or_default()),
        };
        let mut stderr = io::stderr().lock();
        // Nobody is left to be told when stderr is gone.
        let _ = writeln!(stderr, "error: {}", shortened(&printable(&message, false)));
        if !hint.is_empty() {
            let _ = writeln!(stderr, "hint: {}", shortened(&printable(&hint, false)));
        }
        ExitCode::from(code)
    }
}

impl From<knothe::Error> for Failure {
    fn from(error: knothe::Error) -> Self {
        Failure::Knothe(error)
    }
}

/// Writes to stderr what the user should know; a closed stderr is no reason to fail.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{}", shortened(&printable(&line.to_string(), true)));
}

/// Whether a character may steer a terminal or turn the order of a line.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text for a terminal. Names from files may hold characters that [steer](steers) it; they are escaped. Line feeds stay where a text has
/// `lines`.
pub fn printable(text: &str, lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && !(lines && c == '\n') { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// A message without its middle where it is too long to be read.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let [start, end] = [text.chars().take(LONGEST / 2).collect::<String>(), text.chars().skip(length - LONGEST / 4).collect()];
    format!("{start} … ({} characters more) … {end}", length - LONGEST / 2 - LONGEST / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\nd é", true), "a\\u{1b}[31mb\\u{202e}c\nd é");
        assert_eq!(printable("a\nb\rc", false), "a\\nb\\rc");
    }

    #[test]
    fn long_messages_lose_their_middle() {
        let long = shortened(&format!("first{}last", "é".repeat(100_000)));
        assert!(long.starts_with("first") && long.ends_with("last") && long.chars().count() < LONGEST, "{} characters", long.len());
        assert_eq!(shortened("short"), "short");
    }
}

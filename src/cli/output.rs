//! Where text and files go.

use memgraph::error::{Error, ErrorKind as Fault, Result};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes to standard output.
///
/// # Errors
///
/// If it cannot be written; [`is_broken_pipe`] distinguishes a reader that left from a real fault.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Error::unwritable(Path::new("standard output"), error))
}

/// Writes to a file, or to standard output for `-`.
///
/// # Errors
///
/// If it cannot be written.
pub(super) fn write(target: &Path, text: &str) -> Result<()> {
    if is_stdout(target) {
        return print(text);
    }
    std::fs::write(target, text).map_err(|error| Error::unwritable(target, error))
}

/// Refuses two outputs on standard output: neither could be read. Each target has the name of its option.
///
/// # Errors
///
/// If there are two.
pub(super) fn check_targets(targets: &[(&str, Option<&Path>)]) -> Result<()> {
    let to_stdout = targets.iter().filter(|(_, target)| target.is_some_and(is_stdout));
    let names: Vec<&str> = to_stdout.map(|(name, _)| *name).collect();
    match names[..] {
        [] | [_] => Ok(()),
        [first, second, ..] => {
            let message = format!("`{first} -` and `{second} -` both write to standard output");
            let help =
                format!("give a file to one of them, such as `{second} report{}`", second.replace("--", "."));
            Err(Error::new(Fault::Usage, message).help(help))
        }
    }
}

/// Whether a target is standard output.
pub(super) fn is_stdout(target: &Path) -> bool {
    target.as_os_str() == "-"
}

/// Whether standard output shows colours: a terminal does, unless NO_COLOR is set.
pub(super) fn is_colored() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Whether the reader of standard output left.
pub(super) fn is_broken_pipe(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Prints a warning to standard error; there is nowhere to report that this failed.
pub(super) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// Prints an error to standard error; there is nowhere to report that this failed.
pub(super) fn complain(error: &Error) {
    let _ = writeln!(std::io::stderr(), "error: {error}");
}

/// Prints a note to standard error; there is nowhere to report that this failed.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

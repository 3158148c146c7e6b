//! The one error type: what went wrong, where, and how to mend it.

use std::fmt;

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and how to mend it.
///
/// The text form is the one that the command line prints:
///
/// ```text
/// <what went wrong, with the two values that disagree>
///   --> <file>:<line>:<col> | <file> at byte N, layer "<name>" (id 217, Add, opset1), input 0
///   note: <the fact that explains it>
///   help: <a flag, a command or an edit that mends it>
/// ```
///
/// # Example
///
/// ```
/// use memgraph::formats;
///
/// let error = formats::open("no/such/model.xml".as_ref()).unwrap_err();
/// assert!(error.is_io());
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    location: Location,
    notes: Vec<String>,
    help: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The family of an [`Error`]; the predicates of [`Error`] expose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read or a write.
    Io,
    /// The file breaks its format.
    Malformed,
    /// The file is fine, but asks for something that has no rule here.
    Unsupported,
    /// A dimension or a value that the run must give is missing.
    UnboundDim,
    /// A cap of `formats::limits` was exceeded.
    Limit,
    /// Shapes or types of a node contradict each other.
    Shape,
    /// A budget, baseline or tolerance was exceeded.
    OverBudget,
    /// The call itself is off: unknown name, bad number.
    Usage,
    /// A proof failed: a bug of this program.
    Internal,
}

/// A place in a model: file, position, node and port, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The file as the user named it.
    pub file: Option<String>,
    /// Where in the file.
    pub position: Option<Position>,
    /// The node, in the words of its file.
    pub layer: Option<Layer>,
    /// Which input or output of the node.
    pub port: Option<Port>,
}

/// A position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Line and column, both from 1; a column of 0 is not known.
    Line(u32, u32),
    /// Byte from the start.
    Byte(u64),
}

/// A node in the words of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// The node's name.
    pub name: String,
    /// The file's own id, if it has ids.
    pub id: Option<i64>,
    /// The operator type as the file spells it.
    pub type_name: String,
    /// The operator set, such as `opset1`.
    pub opset: String,
}

/// One side of a node, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Input number.
    Input(usize),
    /// Output number.
    Output(usize),
}

impl Error {
    /// An error of `kind`; `message` is lower case, names the two values that disagree, and has no full stop.
    #[cold]
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            location: Location::default(),
            notes: Vec::new(),
            help: None,
            cause: None,
        }))
    }

    /// `file` cannot be read.
    #[cold]
    #[must_use]
    pub fn io(file: &std::path::Path, error: std::io::Error) -> Error {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => {
                Some("check the path; a relative one begins at the working folder")
            }
            std::io::ErrorKind::PermissionDenied => {
                Some("make it readable, or run as a user who may read it")
            }
            std::io::ErrorKind::IsADirectory => Some("give a file"),
            _ => None,
        };
        Error::access("cannot read", help, file, error)
    }

    /// `file` cannot be written.
    #[cold]
    #[must_use]
    pub fn unwritable(file: &std::path::Path, error: std::io::Error) -> Error {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => Some("make the folder first"),
            std::io::ErrorKind::PermissionDenied => Some("give a place that may be written to"),
            std::io::ErrorKind::IsADirectory => Some("give a file, new or old"),
            _ => None,
        };
        Error::access("cannot write", help, file, error)
    }

    fn access(what: &str, help: Option<&str>, file: &std::path::Path, error: std::io::Error) -> Error {
        let mut made = Error::new(ErrorKind::Io, format!("{what}: {error}")).in_file(file);
        made.0.help = help.map(str::to_owned);
        made.0.cause = Some(Box::new(error));
        made
    }

    /// Names the file, unless one is named already.
    #[cold]
    #[must_use]
    pub fn in_file(mut self, file: &std::path::Path) -> Error {
        self.0.location.file.get_or_insert_with(|| file.display().to_string());
        self
    }

    /// Gives the place, as far as this error has none: what is known already stays.
    #[cold]
    #[must_use]
    pub fn at(mut self, location: Location) -> Error {
        let known = &mut self.0.location;
        known.file = known.file.take().or(location.file);
        known.position = known.position.or(location.position);
        known.layer = known.layer.take().or(location.layer);
        known.port = known.port.or(location.port);
        self
    }

    /// Adds a fact that explains the error.
    #[cold]
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Error {
        self.0.notes.push(note.into());
        self
    }

    /// Says how to mend it: a flag, a command or an edit.
    #[cold]
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    /// The family of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong, without place and help.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it went wrong.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// Whether the operating system refused a read or a write.
    #[must_use]
    pub fn is_io(&self) -> bool {
        self.0.kind == ErrorKind::Io
    }

    /// Whether the file asks for something that has no rule here.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == ErrorKind::Unsupported
    }

    /// Whether a dimension or value is missing that the run must give.
    #[must_use]
    pub fn is_unbound_dim(&self) -> bool {
        self.0.kind == ErrorKind::UnboundDim
    }

    /// Whether a cap was exceeded.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.0.kind == ErrorKind::Limit
    }

    /// Whether a budget, baseline or tolerance was exceeded.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        self.0.kind == ErrorKind::OverBudget
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if self.0.location != Location::default() {
            write!(f, "\n  --> {}", self.0.location)?;
        }
        for note in &self.0.notes {
            write!(f, "\n  note: {note}")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
        }
        match self.position {
            Some(Position::Line(line, 0)) => write!(f, ":{line}")?,
            Some(Position::Line(line, column)) => write!(f, ":{line}:{column}")?,
            Some(Position::Byte(byte)) => write!(f, " at byte {byte}")?,
            None => {}
        }
        if let Some(layer) = &self.layer {
            let comma = if self.file.is_some() { ", " } else { "" };
            write!(f, "{comma}layer \"{}\" (", layer.name)?;
            if let Some(id) = layer.id {
                write!(f, "id {id}, ")?;
            }
            write!(f, "{}", layer.type_name)?;
            if !layer.opset.is_empty() {
                write!(f, ", {}", layer.opset)?;
            }
            f.write_str(")")?;
        }
        match self.port {
            Some(Port::Input(port)) => write!(f, ", input {port}"),
            Some(Port::Output(port)) => write!(f, ", output {port}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// A problem in the input that does not end the analysis.
///
/// Diagnostics are counted in every report; `code` is stable (`MG0001` …).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub location: Location,
    /// What, in one sentence.
    pub text: String,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Good to know; the numbers hold.
    Note,
    /// A number may be off; `--strict` makes it an error.
    Warning,
    /// A number is incomplete: totals are lower bounds.
    Incomplete,
}

impl Severity {
    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Incomplete => "incomplete",
        }
    }
}

/// A word of a command line, in quotes where a shell would not read it as it is.
///
/// # Example
///
/// ```
/// use memgraph::error::shell_word;
///
/// assert_eq!(shell_word("models/a.xml"), "models/a.xml");
/// assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
/// ```
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@:,=~".contains(c);
    let is_word = !word.is_empty() && word.chars().all(is_plain);
    if is_word { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The same number of bytes, unless a sum or product on the way to it left 64 bits.
///
/// # Errors
///
/// If it is 2^64 - 1, where sums saturate; `what` names it.
pub(crate) fn countable(bytes: u64, what: &str) -> Result<u64> {
    if bytes < u64::MAX {
        return Ok(bytes);
    }
    Err(Error::new(ErrorKind::Limit, format!("{what} exceeds 2^64 bytes, which cannot be counted"))
        .help("give smaller numbers; no machine has so much memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_saturate_are_errors() {
        assert_eq!(countable(u64::MAX - 1, "all").unwrap(), u64::MAX - 1);
        let error = countable((u64::MAX - 1).saturating_add(1), "the cache").unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("the cache exceeds 2^64 bytes"), "{error}");
    }
}

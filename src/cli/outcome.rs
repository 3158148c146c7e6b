//! How a command ends.

/// Exit status, for every `--help`.
pub(super) const EXIT_STATUS: &str = "Exit status: 0 fine; 1 a check failed (budget, regression, tolerance); 2 usage, unreadable \
input or any other error; 3 the analysis is incomplete (unknown sizes allowed): the number is a lower bound.";

/// What a command that ended without an error has to say to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Fine,
    Failed,
    Incomplete,
}

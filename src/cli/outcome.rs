//! How a command ends.

/// Exit status, for every `--help`.
pub(super) const EXIT_STATUS: &str = "Exit status: 0 fine; 1 a check failed (budget, regression, tolerance); 2 usage, unreadable \
input or any other error; 3 the analysis is incomplete (unknown sizes allowed): the number is a lower bound.";

/// What follows the options in a command's help: examples, each as what it is for and the command, and the exit status.
pub(super) fn help(examples: &[(&str, &str)]) -> String {
    let examples: String =
        examples.iter().map(|(purpose, command)| format!("  # {purpose}\n  {command}\n")).collect();
    format!("Examples:\n{examples}\n{EXIT_STATUS}")
}

/// What a command that ended without an error has to say to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Fine,
    Failed,
    Incomplete,
}

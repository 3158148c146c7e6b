//! Checks as commands of a GitHub workflow: an annotation per failure, at the check's line of the memgraph.toml.
//!
//! Source: docs.github.com, "Workflow commands for GitHub Actions", and `toCommand` of actions/toolkit for what is escaped.

use super::super::model::Checks;
use std::fmt::Write;

/// An `::error` per failure, a `::notice` per baseline that was written, and a line with the counts.
#[must_use]
pub fn render(checks: &Checks) -> String {
    let mut out = String::new();
    let file = property(&checks.config);
    for check in checks.failures() {
        let title = property(&format!("{}: {}", check.name, check.kind));
        let (line, message) = (check.line, data(&check.message));
        let _ = writeln!(out, "::error file={file},line={line},title={title}::{message}"); // Writing to a String cannot fail.
    }
    for updated in &checks.updated {
        let _ = writeln!(
            out,
            "::notice file={file},title={}::written: {}",
            property(&updated.name),
            data(&updated.file)
        );
    }
    let _ = writeln!(out, "{}: {}", data(&checks.config), checks.summary());
    out
}

/// A message as a command has it: one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which ends at a colon or a comma.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::tests::checks;
    use super::*;

    #[test]
    fn a_failure_is_one_line_at_its_place() {
        let text = render(&checks());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "::error file=ci/memgraph.toml,line=3,title=chat%3A baseline::total 3.00 GiB: +1.00 GiB (+50.0 %25), over 2 %25",
                "::error file=ci/memgraph.toml,line=3,title=gone <&\">%3A analysis::cannot read: no such file%0A  --> a|b.xml%0A  help: check the path",
                "ci/memgraph.toml: 2 of 4 checks failed",
            ]
        );
    }
}

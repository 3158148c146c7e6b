//! What `check` found, in the forms that people, code hosts and test runners read.

pub mod badge;
pub mod github;
pub mod junit;
pub mod markdown;
pub mod text;

use super::model::Check;
use crate::units::Bytes;

/// The word for how a row came out.
fn status(check: &Check) -> &'static str {
    match (check.ok, check.judged) {
        (false, _) => "FAILED",
        (true, true) => "ok",
        (true, false) => "-",
    }
}

/// Value, limit and ratio as cells of a table.
fn cells(check: &Check) -> [String; 3] {
    let bytes = |bytes: Option<u64>| bytes.map_or(String::new(), |bytes| Bytes(bytes).to_string());
    let ratio = check.ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"));
    [bytes(check.value), bytes(check.limit), ratio]
}

/// A message in one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::model::{Check, CheckKind, Checks};

    /// Four rows: within its budget, over its baseline, not judged, and not analysed.
    pub(crate) fn checks() -> Checks {
        let row = |name: &str, kind| Check {
            name: name.to_owned(),
            model: "m".to_owned(),
            kind,
            ok: true,
            judged: true,
            line: 3,
            ..Check::default()
        };
        let rows = vec![
            Check {
                figure: Some("resident".to_owned()),
                value: Some(3 << 30),
                limit: Some(4 << 30),
                ratio: Some(0.75),
                message: "3.00 GiB resident fits 4.00 GiB".to_owned(),
                ..row("chat", CheckKind::Budget)
            },
            Check {
                figure: Some("total".to_owned()),
                value: Some(3 << 30),
                limit: Some(2 << 30),
                ratio: Some(1.5),
                ok: false,
                message: "total 3.00 GiB: +1.00 GiB (+50.0 %), over 2 %".to_owned(),
                ..row("chat", CheckKind::Baseline)
            },
            Check {
                figure: Some("llama.cpp: total".to_owned()),
                judged: false,
                message: "no tolerance, not judged".to_owned(),
                ..row("chat", CheckKind::Measured)
            },
            Check {
                ok: false,
                message: "cannot read: no such file\n  --> a|b.xml\n  help: check the path".to_owned(),
                ..row("gone <&\">", CheckKind::Analysis)
            },
        ];
        Checks::new("ci/memgraph.toml".to_owned(), rows, Vec::new())
    }
}

//! Rows of a breakdown: siblings of equal size, such as one layer's product and the next layer's, are one row.

use super::super::model::Share;
use crate::units::Bytes;
use std::collections::BTreeMap;

/// A row of a breakdown: one share, or several that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name, with a star for a number that differs: `layers.*.mlp.gate_proj`.
    pub(super) name: String,
    /// Bytes of all.
    pub(super) bytes: u64,
    /// Bytes of all by section.
    pub(super) sections: Vec<u64>,
    /// How many shares it represents.
    pub(super) count: usize,
}

impl Row {
    /// How many it represents, and its name.
    pub(super) fn full_name(&self) -> String {
        if self.count > 1 { format!("{} x {}", self.count, self.name) } else { self.name.clone() }
    }
}

/// The rows of some shares, largest first; equal ones in the order of the numbers in their names.
///
/// Shares are alike if their names differ in one number at most and their sizes are written the same.
///
/// Cost: O(n log n) in shares.
pub(super) fn rows(shares: &[Share], measure: impl Fn(&Share) -> (u64, Vec<u64>)) -> Vec<Row> {
    let mut groups: BTreeMap<(String, String), Vec<&Share>> = BTreeMap::new();
    for share in shares {
        let size = Bytes(measure(share).0).to_string();
        groups.entry((template(&share.key), size)).or_default().push(share);
    }
    let mut rows: Vec<Row> = groups
        .into_iter()
        .map(|((template, _), shares)| {
            let mut row =
                Row { name: name(&template, &shares), bytes: 0, sections: Vec::new(), count: shares.len() };
            for (bytes, sections) in shares.iter().map(|share| measure(share)) {
                row.bytes = row.bytes.saturating_add(bytes);
                row.sections.resize(sections.len(), 0);
                for (sum, bytes) in row.sections.iter_mut().zip(sections) {
                    *sum = sum.saturating_add(bytes);
                }
            }
            row
        })
        .collect();
    rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| natural(&a.name).cmp(&natural(&b.name))));
    rows
}

/// A name with its first number left out.
fn template(key: &str) -> String {
    match number(key) {
        Some((start, end)) => format!("{}*{}", &key[..start], &key[end..]),
        None => key.to_owned(),
    }
}

/// Start and end of the first number that is a whole word of a name.
fn number(key: &str) -> Option<(usize, usize)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut start = 0;
    for word in key.split(|c| !is_word(c)) {
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((start, start + word.len()));
        }
        start += word.len()
            + key.get(start + word.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    None
}

fn name(template: &str, shares: &[&Share]) -> String {
    match shares {
        [only] => only.key.clone(),
        _ => template.to_owned(),
    }
}

/// A name in parts that compare as a reader orders them: 2 before 10.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = Vec::new();
    let mut digits = String::new();
    for c in name.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            parts.push((digits.parse().unwrap_or(u64::MAX), String::new()));
            digits.clear();
        }
        match parts.last_mut() {
            Some((0, text)) if !text.is_empty() => text.push(c),
            _ => parts.push((0, c.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::super::model::By;
    use super::*;

    fn share(key: &str, bytes: u64) -> Share {
        Share {
            by: By::Node,
            key: key.to_owned(),
            bytes,
            weights_bytes: 0,
            weights_file_bytes: 0,
            state_bytes: 0,
            at_peak_bytes: bytes,
        }
    }

    fn names(shares: &[Share]) -> Vec<String> {
        let rows = rows(shares, |share| (share.bytes, vec![share.bytes]));
        rows.into_iter().map(|row| format!("{} {}", row.full_name(), row.bytes)).collect()
    }

    #[test]
    fn equal_siblings_are_one_row() {
        let gates: Vec<_> =
            (0..24).map(|layer| share(&format!("m.layers.{layer}.mlp.gate_proj/MatMul"), 100)).collect();
        assert_eq!(names(&gates), ["24 x m.layers.*.mlp.gate_proj/MatMul 2400"]);
    }

    #[test]
    fn others_stay_apart_in_numeric_order() {
        let layers = [("layer 10", 7), ("layer 2", 7), ("layer 1", 9), ("other", 7)]
            .map(|(key, bytes)| share(key, bytes));
        assert_eq!(names(&layers), ["2 x layer * 14", "layer 1 9", "other 7"]);
        assert!(natural("layer 2") < natural("layer 10"));
    }

    #[test]
    fn numbers_within_words_are_not_numbers() {
        assert_eq!(template("conv2d.3.x"), "conv2d.*.x");
        assert_eq!(template("fc1"), "fc1");
        assert_eq!(template("é.7"), "é.*");
    }
}

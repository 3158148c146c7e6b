//! Records of measured runs: what scripts/measure_openvino and scripts/measure_onnxruntime write.
//!
//! A record has phases with the peaks of the heap and of the resident set. As in a report, what the process held before the
//! model was read and the arrays of the user do not count.

use super::config::Quantity;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::document;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The figures of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    resident: u64,
    heap: u64,
}

impl Record {
    /// Reads the record `id` of a file; without one, its only record.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a list of such records, or has none of that name.
    pub(super) fn read(path: &Path, id: Option<&str>) -> Result<Record> {
        let text = document::read(path)?;
        let fault = |error: serde_json::Error| {
            Error::new(ErrorKind::Malformed, format!("the file has no records of measured runs: {error}"))
                .in_file(path)
                .help("scripts/measure_openvino and scripts/measure_onnxruntime write records")
        };
        // Files of several tools differ; only the record that is asked for has to be of this form.
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(fault)?;
        let name = |record: &serde_json::Value| record.get("id")?.as_str().map(str::to_owned);
        let mut found = all.iter().filter(|record| id.is_none_or(|id| name(record).as_deref() == Some(id)));
        let names = || all.iter().filter_map(name).take(8).collect::<Vec<_>>().join(", ");
        let Some(record) = found.next().filter(|_| id.is_some() || all.len() == 1) else {
            let message = match id {
                Some(id) => format!("record \"{id}\" does not exist"),
                None => format!("the file has {} records, and `id` names none", all.len()),
            };
            return Err(Error::new(ErrorKind::Usage, message)
                .in_file(path)
                .help(format!("records: {}", names())));
        };
        let measured: Measured = serde_json::from_value(record.clone()).map_err(fault)?;
        measured
            .figures()
            .ok_or_else(|| Error::new(ErrorKind::Malformed, "the record has no phases").in_file(path))
    }

    /// A figure; `None` for one that no record has.
    pub(super) fn figure(self, of: Quantity) -> Option<u64> {
        match of {
            Quantity::Resident => Some(self.resident),
            Quantity::Heap => Some(self.heap),
            Quantity::Total | Quantity::Weights => None,
        }
    }
}

#[derive(Deserialize)]
struct Measured {
    baseline: Resident,
    phases: Vec<Phase>,
    #[serde(default)]
    io_bytes: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Resident {
    #[serde(rename = "VmRSS")]
    resident: u64,
}

#[derive(Deserialize)]
struct Phase {
    heap_before: u64,
    heap_peak: u64,
    #[serde(default)]
    anon_before: u64,
    #[serde(default)]
    anon_peak: u64,
    rss_peak: u64,
}

impl Measured {
    fn figures(&self) -> Option<Record> {
        let first = self.phases.first()?;
        let inputs = self.io_bytes.get("in_prefill").or_else(|| self.io_bytes.get("in"));
        let sizes =
            inputs.and_then(serde_json::Value::as_object).into_iter().flat_map(|sizes| sizes.values());
        let user = sizes.filter_map(serde_json::Value::as_u64).fold(0, u64::saturating_add);
        let before = [first.heap_before, first.anon_before, user].into_iter().fold(0, u64::saturating_add);
        let heap = self.phases.iter().map(|phase| phase.heap_peak.saturating_add(phase.anon_peak)).max()?;
        let resident = self.phases.iter().map(|phase| phase.rss_peak).max()?;
        let own = self.baseline.resident.saturating_add(user);
        Some(Record { resident: resident.saturating_sub(own), heap: heap.saturating_sub(before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[
        {"id": "a", "baseline": {"VmRSS": 100}, "io_bytes": {"in": {"x": 10}, "out": {"y": 5}}, "phases": [
            {"name": "read_model", "heap_before": 20, "heap_peak": 25, "anon_before": 2, "anon_peak": 3, "rss_peak": 120},
            {"name": "infer1", "heap_before": 25, "heap_peak": 90, "anon_before": 3, "anon_peak": 4, "rss_peak": 300}]},
        {"id": "b", "settings": {}}
    ]"#;

    #[test]
    fn figures_are_over_what_the_process_held_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), TEXT).unwrap();
        let record = Record::read(file.path(), Some("a")).unwrap();
        assert_eq!(record, Record { resident: 300 - 100 - 10, heap: 94 - 22 - 10 });
        assert_eq!(record.figure(Quantity::Total), None);
        let error = |id| Record::read(file.path(), id).unwrap_err().to_string();
        assert!(error(Some("c")).contains("records: a, b"), "{}", error(Some("c")));
        assert!(error(None).contains("the file has 2 records"));
        assert!(error(Some("b")).contains("missing field"));
    }
}

//! CSV: the breakdown, one row per share; a sweep, one row per point.

use super::model::{Report, Sweep};

/// The breakdown as CSV with a header; keys are quoted where they need it. A pipeline's has a column `part`.
#[must_use]
pub fn render(report: &Report) -> String {
    let is_pipeline = !report.components.is_empty();
    let part = if is_pipeline { "part," } else { "" };
    let mut text = format!("{part}by,key,bytes,weights_bytes,state_bytes,at_peak_bytes\n");
    for share in &report.breakdown {
        // The keys of a pipeline start with the part.
        let (part, key) = match share.key.split_once(": ") {
            Some((part, key)) if is_pipeline => (part, key),
            _ => ("", share.key.as_str()),
        };
        if is_pipeline {
            text.push_str(&format!("{},", quoted(part)));
        }
        text.push_str(&format!("{},{},{},{}", share.by, quoted(key), share.bytes, share.weights_bytes));
        text.push_str(&format!(",{},{}\n", share.state_bytes, share.at_peak_bytes));
    }
    text
}

/// The points of a sweep as CSV with a header; figures of a point that failed are empty.
#[must_use]
pub fn sweep(found: &Sweep) -> String {
    let second = found.vary2.as_ref().map_or(String::new(), |name| format!("{},", quoted(name)));
    let mut text = format!("{},{second}", quoted(&found.vary));
    text.push_str(
        "total_bytes,heap_peak_bytes,resident_peak_bytes,kv_cache_bytes,arena_bytes,phase,node,moved,error\n",
    );
    for point in &found.points {
        let second = point.value2.map_or(String::new(), |value| format!("{value},"));
        let figures = point.figures.as_ref().map_or(",,,,,,".to_owned(), |found| {
            let bytes = [
                found.total_bytes,
                found.heap_peak_bytes,
                found.resident_peak_bytes,
                found.kv_cache_bytes,
                found.arena_bytes,
            ];
            let bytes = bytes.map(|bytes| bytes.to_string()).join(",");
            format!("{bytes},{},{}", quoted(&found.phase), quoted(&found.node))
        });
        let error = quoted(point.error.as_deref().unwrap_or_default());
        text.push_str(&format!("{},{second}{figures},{},{error}\n", point.value, point.moved));
    }
    text
}

/// A field as RFC 4180 wants it.
pub(super) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(super::quoted("a,b"), "\"a,b\"");
        assert_eq!(super::quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(super::quoted("layer 3"), "layer 3");
    }
}

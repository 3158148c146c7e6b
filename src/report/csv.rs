//! CSV: the breakdown, one row per share.

use super::model::Report;

/// The breakdown as CSV with a header; keys are quoted where they need it.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::from("by,key,bytes,weights_bytes,state_bytes,at_peak_bytes\n");
    for share in &report.breakdown {
        text.push_str(&format!(
            "{},{},{},{}",
            share.by,
            quoted(&share.key),
            share.bytes,
            share.weights_bytes
        ));
        text.push_str(&format!(",{},{}\n", share.state_bytes, share.at_peak_bytes));
    }
    text
}

/// A field as RFC 4180 wants it.
fn quoted(field: &str) -> String {
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

//! Checks as a badge: the JSON that shields.io reads from an endpoint.

use super::super::model::Checks;

/// `{"schemaVersion":1,"label":"memory","message":"40 checks passed","color":"brightgreen"}`.
#[must_use]
pub fn render(checks: &Checks) -> String {
    let color = if checks.failed > 0 { "red" } else { "brightgreen" };
    let badge = serde_json::json!({
        "schemaVersion": 1, "label": "memory", "message": checks.summary(), "color": color, "isError": checks.failed > 0,
    });
    format!("{badge}\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_failure_is_red() {
        let text = super::render(&super::super::tests::checks());
        assert_eq!(
            text,
            "{\"schemaVersion\":1,\"label\":\"memory\",\"message\":\"2 of 4 checks failed\",\"color\":\"red\",\"isError\":true}\n"
        );
    }
}

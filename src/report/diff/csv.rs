//! A comparison as CSV: raw bytes, one row per figure.

use super::super::csv::quoted;
use super::super::model::{Delta, Diff};

/// Totals, phases (resident peaks) and every changed row; keys are quoted where they need it.
#[must_use]
pub fn render(diff: &Diff) -> String {
    let mut text = "by,key,old_key,old,new,delta,status\n".to_owned();
    let mut add = |by: &str, key: &str, old_key: &str, delta: Delta, status: &str| {
        let Delta { old, new, delta } = delta;
        text.push_str(&format!("{by},{},{},{old},{new},{delta},{status}\n", quoted(key), quoted(old_key)));
    };
    for (name, &total) in &diff.totals {
        add("total", name, "", total, "");
    }
    for phase in &diff.phases {
        add("phase", &phase.name, "", phase.resident_peak_bytes, "");
    }
    for row in &diff.rows {
        let old_key = row.old_key.as_deref().unwrap_or_default();
        add(row.by.name(), &row.key, old_key, Delta::of(row.old, row.new), row.status.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::model::DiffRow;
    use super::*;

    #[test]
    fn every_row_has_all_columns() {
        let mut diff = Diff::new("a".to_owned(), "b".to_owned());
        diff.totals.insert("total_bytes".to_owned(), Delta::of(1, 3));
        let row = DiffRow { key: "a,b".to_owned(), old: 1, new: 3, delta: 2, ..DiffRow::default() };
        diff.rows.push(row);
        let text = render(&diff);
        assert_eq!(
            text,
            "by,key,old_key,old,new,delta,status\ntotal,total_bytes,,1,3,2,\ncomponent,\"a,b\",,1,3,2,changed\n"
        );
    }
}

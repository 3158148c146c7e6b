//! Mutations of JSON: values, types of values, keys, lengths of lists.

use super::choice::{number, vary};
use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};

/// A mutant of a JSON document.
pub(super) fn mutant(file: &[u8], changes: u8, u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    let Ok(mut value) = serde_json::from_slice::<Value>(file) else { return Ok(None) };
    for _ in 0..changes {
        change(&mut value, u)?;
    }
    Ok(serde_json::to_vec(&value).ok())
}

/// Changes one value somewhere below `value`.
fn change(value: &mut Value, u: &mut Unstructured<'_>) -> Result<()> {
    match value {
        Value::Object(entries) if !entries.is_empty() && u.ratio(9, 10)? => member(entries, u),
        Value::Array(items) if !items.is_empty() && u.ratio(9, 10)? => vary(u, items, change),
        other => replace(other, u),
    }
}

fn member(entries: &mut Map<String, Value>, u: &mut Unstructured<'_>) -> Result<()> {
    let names: Vec<String> = entries.keys().cloned().collect();
    let name = u.choose(&names)?;
    match u.int_in_range(0..=9u8)? {
        0 => {
            entries.shift_remove(name);
        }
        // Another key has the value as well, or instead of its own.
        1 => {
            let (value, other) = (entries.get(name).cloned().unwrap_or_default(), u.choose(&names)?);
            entries.insert(other.clone(), value);
        }
        2 => {
            let value = entries.shift_remove(name).unwrap_or_default();
            entries.insert(format!("{name}_"), value);
        }
        3 => {
            let whole = Value::Object(entries.clone());
            entries.insert(name.clone(), whole);
        }
        _ => change(entries.entry(name.clone()).or_insert(Value::Null), u)?,
    }
    Ok(())
}

/// Another value in the place of a number, a text or a whole part of the document; mostly of the same type.
fn replace(value: &mut Value, u: &mut Unstructured<'_>) -> Result<()> {
    let is_kept = u.ratio(7, 10)?;
    *value = match &*value {
        Value::Number(old) if is_kept => number(u, old.as_i64().unwrap_or(1))?.into(),
        Value::Bool(old) if is_kept => (!old).into(),
        Value::String(old) if is_kept => super::choice::word(u, old)?.into(),
        old => match u.int_in_range(0..=8u8)? {
            0 => Value::Null,
            1 => number(u, 1)?.into(),
            2 => u64::MAX.into(),
            3 => (*u.choose(&[0.0, -1.5, 1e-300, 1e300])?).into(),
            4 => true.into(),
            5 => "x".into(),
            6 => Value::Array(vec![old.clone(); 3]),
            7 => Value::Array(Vec::new()),
            _ => Value::Object(Map::new()),
        },
    };
    Ok(())
}

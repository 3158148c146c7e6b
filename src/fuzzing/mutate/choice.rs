//! Choices that the mutators of all formats share: numbers at the edges of what readers take, and changes of lists.

use arbitrary::{Result, Unstructured};

/// Numbers at which sizes, ranks and ids stop to be valid.
const EDGES: &[i64] = &[
    0,
    1,
    -1,
    -2,
    2,
    63,
    64,
    65,
    127,
    255,
    256,
    4095,
    4096,
    4097,
    65_535,
    65_536,
    1 << 20,
    (1 << 20) + 1,
    i32::MAX as i64,
    1 << 31,
    u32::MAX as i64,
    1 << 32,
    1 << 40,
    1 << 43,
    i64::MAX / 2,
    i64::MAX,
    i64::MIN,
];

/// A number instead of `old`: near it, small, or at an edge.
pub(super) fn number(u: &mut Unstructured<'_>, old: i64) -> Result<i64> {
    Ok(match u.int_in_range(0..=9u8)? {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old.wrapping_mul(2),
        3 => old / 2,
        4 => old.wrapping_neg(),
        5..=7 => u.int_in_range(0..=16)?,
        _ => *u.choose(EDGES)?,
    })
}

/// Removes, copies, moves or changes one item of a list; a list without items stays as it is.
pub(super) fn vary<T: Clone>(
    u: &mut Unstructured<'_>,
    items: &mut Vec<T>,
    change: impl FnOnce(&mut T, &mut Unstructured<'_>) -> Result<()>,
) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(items.len())?;
    match u.int_in_range(0..=9u8)? {
        0 => {
            items.remove(at);
        }
        1 => items.insert(at, items[at].clone()),
        2 => items.swap(at, 0),
        3 => {
            let other = u.choose_index(items.len())?;
            items[at] = items[other].clone();
        }
        _ => change(&mut items[at], u)?,
    }
    Ok(())
}

/// A text instead of `old`: a number, a list, a truth value or a word, mostly of the same kind.
pub(super) fn word(u: &mut Unstructured<'_>, old: &str) -> Result<String> {
    const WORDS: &[&str] =
        &["", "-", "true", "false", "0", "1", "nan", "1e999", "?", "..", "1..4", "[1,2]", "\u{e9}"];
    if u.ratio(1, 24)? {
        return Ok((*u.choose(WORDS)?).to_owned());
    }
    if old.contains(',') {
        let mut items: Vec<String> = old.split(',').map(str::to_owned).collect();
        vary(u, &mut items, |item, u| {
            *item = plain_word(u, item)?;
            Ok(())
        })?;
        return Ok(items.join(","));
    }
    if u.ratio(1, 12)? {
        return Ok(format!("{old},{}", plain_word(u, old)?));
    }
    plain_word(u, old)
}

fn plain_word(u: &mut Unstructured<'_>, old: &str) -> Result<String> {
    let trimmed = old.trim();
    if let Ok(value) = trimmed.parse::<i64>() {
        return Ok(number(u, value)?.to_string());
    }
    if let Ok(value) = trimmed.parse::<f64>() {
        return Ok((*u.choose(&[0.0, -value, value * 2.0, 0.5, 1.0, 1e30, f64::NAN])?).to_string());
    }
    Ok(match trimmed {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "?" => number(u, 1)?.to_string(),
        _ if u.ratio(1, 2)? => number(u, 1)?.to_string(),
        other => format!("{other}x"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_left_is_the_smallest_choice() {
        let mut none = Unstructured::new(&[]);
        assert_eq!(number(&mut none, 7).unwrap(), 8);
        assert_eq!(word(&mut none, "7").unwrap(), "");
        let mut items = vec![1, 2];
        vary(&mut none, &mut items, |_, _| Ok(())).unwrap();
        assert_eq!(items, [2]);
    }

    #[test]
    fn a_list_without_items_stays() {
        let mut items: Vec<u8> = Vec::new();
        vary(&mut Unstructured::new(&[7; 20]), &mut items, |_, _| Ok(())).unwrap();
        assert!(items.is_empty());
    }
}

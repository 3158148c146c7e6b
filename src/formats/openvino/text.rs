//! The IR's spellings of types, dims, shapes and lists.

use super::xml;
use crate::DType;
use crate::formats::limits;
use crate::graph::{Dim, PartialShape};
use smallvec::SmallVec;
use std::borrow::Cow;

/// The element type called `name`, in the form of attributes (`f32`) or of ports (`FP32`); `None` if there is none.
///
/// Source: OpenVINO 2026.4, src/core/src/type/element_type.cpp.
pub(super) fn dtype(name: &str) -> Option<DType> {
    // Ports come first: there are several to each attribute.
    match name {
        "FP32" => Some(DType::F32),
        "FP16" => Some(DType::F16),
        "I64" => Some(DType::I64),
        "I32" => Some(DType::I32),
        "FP64" => Some(DType::F64),
        "BOOL" | "bool" => Some(DType::Boolean),
        "BIN" | "bin" => Some(DType::U1),
        "undefined" | "UNSPECIFIED" | "unspecified" | "" => Some(DType::Dynamic),
        _ => DType::from_name(name).or_else(|| DType::from_name(&name.to_ascii_lowercase())),
    }
}

/// A shape such as `1,3,?,1..8`; empty is a scalar, `...` an unknown rank; `None` if it is none.
pub(super) fn shape(text: &str) -> Option<PartialShape> {
    let text = text.trim_ascii();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match text.trim_ascii() {
        "..." => return Some(PartialShape::any()),
        "" => return Some(PartialShape::known(&[])),
        _ => {}
    }
    let mut dims = SmallVec::new();
    for part in text.split(',') {
        if dims.len() == limits::MAX_RANK {
            return None;
        }
        dims.push(dim(part)?);
    }
    Some(PartialShape { dims: Some(dims) })
}

/// A dim: `3`, `?` or `-1`, `1..8`, `..8`, `1..`; `None` if it is none.
pub(super) fn dim(text: &str) -> Option<Dim> {
    let text = text.trim_ascii();
    if let Some(size) = size(text) {
        return Some(Dim::known(size));
    }
    if matches!(text, "?" | "-1") {
        return Some(Dim::ANY);
    }
    let (min, max) = text.split_once("..")?;
    let min = if min.is_empty() { 0 } else { size(min)? };
    let max = if max.is_empty() { u64::MAX } else { size(max)? };
    (min <= max).then_some(Dim { min, max })
}

/// The names that a port lists, separated by NUL as the graph wants them.
///
/// In the IR commas separate them, and `\,` is a comma within a name.
pub(super) fn tensor_names(raw: &str) -> Cow<'_, str> {
    if raw.is_empty() {
        return Cow::Borrowed("");
    }
    let text = xml::unescape(raw);
    if !text.contains([',', '\\']) {
        return text;
    }
    let mut names = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next_if_eq(&',').is_some() => names.push(','),
            ',' => names.push('\0'),
            other => names.push(other),
        }
    }
    Cow::Owned(names)
}

/// Numbers separated by commas; empty is not a number; `None` if one is not a number.
pub(super) fn list<T: std::str::FromStr, const N: usize>(text: &str) -> Option<SmallVec<[T; N]>>
where
    [T; N]: smallvec::Array<Item = T>,
{
    if text.trim_ascii().is_empty() {
        return Some(SmallVec::new());
    }
    let mut numbers = SmallVec::new();
    for part in text.split(',') {
        if numbers.len() == limits::MAX_LIST {
            return None;
        }
        numbers.push(part.trim_ascii().parse().ok()?);
    }
    Some(numbers)
}

/// A dim's size: what fits OpenVINO's i64.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_ascii();
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok().map(i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_both_spellings() {
        for &known in DType::ALL {
            assert_eq!(dtype(known.name()), Some(known));
            assert_eq!(dtype(&known.name().to_ascii_uppercase()), Some(known));
        }
        let ports =
            [("FP32", DType::F32), ("FP16", DType::F16), ("BOOL", DType::Boolean), ("I64", DType::I64)];
        assert!(ports.iter().all(|&(name, known)| dtype(name) == Some(known)));
        assert_eq!(dtype("undefined"), Some(DType::Dynamic));
        assert_eq!(dtype("f33"), None);
    }

    #[test]
    fn shape_spellings() {
        for (text, shown) in [
            ("", "[]"),
            ("1", "[1]"),
            ("1, 3", "[1,3]"),
            ("[1,3]", "[1,3]"),
            ("?,3", "[?,3]"),
            ("-1,3", "[?,3]"),
            ("1..10", "[1..10]"),
            ("..8", "[..8]"),
            ("1..", "[1..]"),
            ("0..", "[?]"),
            ("..", "[?]"),
            ("7..7", "[7]"),
            ("...", "[...]"),
            ("9223372036854775807", "[9223372036854775807]"),
        ] {
            assert_eq!(shape(text).map(|shape| shape.to_string()).as_deref(), Some(shown), "{text:?}");
        }
        for text in
            ["x", "1,", ",", "1,,2", "-2", "+1", "8..1", "1...", "...,1", "9223372036854775808", "1.5"]
        {
            assert_eq!(shape(text), None, "{text:?}");
        }
        assert_eq!(shape(&"1,".repeat(limits::MAX_RANK)), None);
    }

    #[test]
    fn names_are_split_at_plain_commas() {
        for (raw, names) in [("a", "a"), ("a,b", "a\0b"), ("a\\,b,c", "a,b\0c"), ("a\\b&amp;", "a\\b&")] {
            assert_eq!(tensor_names(raw), names, "{raw}");
        }
    }

    #[test]
    fn lists_are_numbers_between_commas() {
        assert_eq!(list::<i64, 4>(" 1, -2,3"), Some(SmallVec::from_slice(&[1, -2, 3])));
        assert_eq!(list::<i64, 4>(""), Some(SmallVec::new()));
        assert_eq!(list::<i64, 4>("1,x"), None);
        assert_eq!(list::<f64, 4>("0.5,1e3").map(|list| list.len()), Some(2));
    }
}

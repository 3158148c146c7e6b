//! Mutations of GGUF headers: settings (values, types, names), tensors (dims, types, offsets, names), counts.

use super::choice::{number, vary};
use arbitrary::{Result, Unstructured};

/// The header of a file; the data behind it is not kept, which readers accept.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    version: u32,
    settings: Vec<Setting>,
    tensors: Vec<Tensor>,
    /// What the counts are off by, in tensors and in settings.
    off: (i64, i64),
}

#[derive(Clone, Debug, PartialEq)]
struct Setting {
    name: Vec<u8>,
    kind: u32,
    value: Value,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// A number, little-endian.
    Number(Vec<u8>),
    Text(Vec<u8>),
    /// The type of the elements, and the elements.
    List(u32, Vec<Value>),
}

#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    name: Vec<u8>,
    dims: Vec<u64>,
    kind: u32,
    offset: u64,
}

const TEXT: u32 = 8;
const LIST: u32 = 9;

/// A mutant of a GGUF file.
pub(super) fn mutant(file: &[u8], changes: u8, u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    let Some(mut header) = parse(file) else { return Ok(None) };
    for _ in 0..changes {
        change(&mut header, u)?;
    }
    Ok(Some(write(&header)))
}

fn change(header: &mut Header, u: &mut Unstructured<'_>) -> Result<()> {
    let names: Vec<Vec<u8>> = header.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    match u.int_in_range(0..=15u8)? {
        0..=5 => vary(u, &mut header.settings, |setting, u| value(&mut setting.value, u)),
        6 => vary(u, &mut header.settings, |setting, u| {
            setting.name.extend(number(u, 1)?.to_string().bytes());
            Ok(())
        }),
        // A value under another type: of other bytes, so what follows may be read as something else.
        7 => vary(u, &mut header.settings, |setting, u| {
            setting.kind = u.int_in_range(0..=13)?;
            Ok(())
        }),
        8..=10 => vary(u, &mut header.tensors, |tensor, u| {
            vary(u, &mut tensor.dims, |dim, u| {
                *dim = number(u, *dim as i64)? as u64;
                Ok(())
            })
        }),
        11 => vary(u, &mut header.tensors, |tensor, u| {
            tensor.kind = u.int_in_range(0..=42)?;
            Ok(())
        }),
        12 => vary(u, &mut header.tensors, |tensor, u| {
            tensor.offset = number(u, tensor.offset as i64)? as u64;
            Ok(())
        }),
        13 | 14 => vary(u, &mut header.tensors, |tensor, u| rename(&mut tensor.name, &names, u)),
        _ => {
            header.off = (u.int_in_range(-1..=1)?, u.int_in_range(-1..=1)?);
            header.version = *u.choose(&[2, 3, 3, 3, 4])?;
            Ok(())
        }
    }
}

fn value(value: &mut Value, u: &mut Unstructured<'_>) -> Result<()> {
    match value {
        Value::Number(bytes) => {
            let mut old = [0; 8];
            old.iter_mut().zip(bytes.iter()).for_each(|(old, byte)| *old = *byte);
            let new = number(u, i64::from_le_bytes(old))?.to_le_bytes();
            bytes.iter_mut().zip(new).for_each(|(byte, new)| *byte = new);
            Ok(())
        }
        Value::Text(text) => {
            const WORDS: &[&str] =
                &["llama", "bert", "gemma3", "qwen3moe", "mamba2", "clip", "gpt2", "", "\u{e9}"];
            *text = u.choose(WORDS)?.as_bytes().to_vec();
            Ok(())
        }
        Value::List(_, items) => vary(u, items, self::value),
    }
}

/// The name of another tensor, or one with another number of a block.
fn rename(name: &mut Vec<u8>, names: &[Vec<u8>], u: &mut Unstructured<'_>) -> Result<()> {
    let text = String::from_utf8_lossy(name).into_owned();
    let numbered = text.split('.').position(|part| part.parse::<u64>().is_ok());
    *name = match numbered {
        Some(at) if u.ratio(1, 2)? => {
            let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
            parts[at] = number(u, 1)?.to_string();
            parts.join(".").into_bytes()
        }
        _ if names.is_empty() => Vec::new(),
        _ => u.choose(names)?.clone(),
    };
    Ok(())
}

/// Reads a header; `None` if it is not one, or longer than a mutator wants.
fn parse(file: &[u8]) -> Option<Header> {
    let mut rest = file.strip_prefix(b"GGUF")?;
    let version = u32(&mut rest)?;
    let (tensors, settings) = (u64(&mut rest)?, u64(&mut rest)?);
    let mut header = Header { version, settings: Vec::new(), tensors: Vec::new(), off: (0, 0) };
    for _ in 0..settings {
        let name = text(&mut rest)?;
        let kind = u32(&mut rest)?;
        header.settings.push(Setting { name, kind, value: read(&mut rest, kind, true)? });
    }
    for _ in 0..tensors {
        let name = text(&mut rest)?;
        let rank = u32(&mut rest)?;
        let mut dims = Vec::new();
        for _ in 0..rank {
            dims.push(u64(&mut rest)?);
        }
        header.tensors.push(Tensor { name, dims, kind: u32(&mut rest)?, offset: u64(&mut rest)? });
    }
    Some(header)
}

fn read(rest: &mut &[u8], kind: u32, may_be_list: bool) -> Option<Value> {
    match kind {
        TEXT => Some(Value::Text(text(rest)?)),
        LIST if may_be_list => {
            let kind = u32(rest)?;
            let len = u64(rest)?;
            let mut items = Vec::new();
            for _ in 0..len {
                items.push(read(rest, kind, false)?);
            }
            Some(Value::List(kind, items))
        }
        0 | 1 | 7 => Some(Value::Number(take(rest, 1)?.to_vec())),
        2 | 3 => Some(Value::Number(take(rest, 2)?.to_vec())),
        4..=6 => Some(Value::Number(take(rest, 4)?.to_vec())),
        10..=12 => Some(Value::Number(take(rest, 8)?.to_vec())),
        _ => None,
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let len = usize::try_from(u64(rest)?).ok()?;
    Some(take(rest, len)?.to_vec())
}

fn write(header: &Header) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(header.version.to_le_bytes());
    out.extend((header.tensors.len() as u64).wrapping_add_signed(header.off.0).to_le_bytes());
    out.extend((header.settings.len() as u64).wrapping_add_signed(header.off.1).to_le_bytes());
    for setting in &header.settings {
        put_text(&setting.name, &mut out);
        out.extend(setting.kind.to_le_bytes());
        put(&setting.value, &mut out);
    }
    for tensor in &header.tensors {
        put_text(&tensor.name, &mut out);
        out.extend((tensor.dims.len() as u32).to_le_bytes());
        out.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
        out.extend(tensor.kind.to_le_bytes());
        out.extend(tensor.offset.to_le_bytes());
    }
    out
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(bytes) => out.extend(bytes),
        Value::Text(text) => put_text(text, out),
        Value::List(kind, items) => {
            out.extend(kind.to_le_bytes());
            out.extend((items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| put(item, out));
        }
    }
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives() {
        let header = Header {
            version: 3,
            settings: vec![
                Setting { name: b"a".to_vec(), kind: 4, value: Value::Number(vec![1, 2, 3, 4]) },
                Setting {
                    name: b"b".to_vec(),
                    kind: LIST,
                    value: Value::List(TEXT, vec![Value::Text(b"x".to_vec()), Value::Text(Vec::new())]),
                },
            ],
            tensors: vec![Tensor { name: b"t".to_vec(), dims: vec![2, 3], kind: 1, offset: 64 }],
            off: (0, 0),
        };
        let bytes = write(&header);
        assert_eq!(parse(&bytes), Some(header));
        assert!((0..bytes.len()).all(|end| parse(&bytes[..end]).is_none()));
    }
}

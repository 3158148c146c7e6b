//! The header of one file: settings and descriptions of tensors. The data behind it is never read.
//!
//! Source: ggml 0.25.3, ggml/src/gguf.cpp (`gguf_init_from_reader`).

use super::cursor::Cursor;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::limits;
use crate::graph::Setting;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// The first four bytes of a file.
pub(super) const MAGIC: &[u8; 4] = b"GGUF";

/// Bytes of a tensor's name at most, the final 0 included.
const MAX_NAME: usize = 64;

/// The header of one file.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Settings by name.
    pub(super) settings: BTreeMap<String, Setting>,
    /// Tensors, in the order of the file.
    pub(super) tensors: Vec<Described>,
    /// Offset of the data.
    pub(super) data: u64,
}

/// A tensor as a header describes it.
#[derive(Debug)]
pub(super) struct Described {
    /// Its name.
    pub(super) name: String,
    /// Type of its elements.
    pub(super) dtype: GgmlType,
    /// Its dims, the fastest first.
    pub(super) dims: [u64; 4],
    /// Offset from the start of the data.
    pub(super) offset: u64,
    /// Bytes of its elements.
    pub(super) bytes: u64,
}

/// Reads a header.
///
/// Cost: linear in its length.
///
/// # Errors
///
/// If it breaks the format, ends early, or exceeds a cap.
pub(super) fn read(bytes: &[u8]) -> Result<Header> {
    let mut cursor = Cursor::new(bytes);
    let magic: [u8; 4] = cursor.array()?;
    if &magic != MAGIC {
        return Err(cursor.fault("the file does not start with GGUF"));
    }
    version(&mut cursor)?;
    let (tensors, settings) = (cursor.u64()?, cursor.u64()?);
    if tensors > limits::MAX_TENSORS as u64 {
        return Err(cursor.exceeded("tensors of one file", tensors, limits::MAX_TENSORS as u64));
    }
    if settings > limits::MAX_SETTINGS {
        return Err(cursor.exceeded("settings of one file", settings, limits::MAX_SETTINGS));
    }
    let mut header = Header::default();
    for _ in 0..settings {
        let name = cursor.text()?.into_owned();
        if name.is_empty() {
            return Err(cursor.fault("a setting has no name"));
        }
        let value = setting(&mut cursor)?;
        if header.settings.contains_key(&name) {
            return Err(cursor.fault(format!("two settings are named \"{name}\"")));
        }
        header.settings.insert(name, value);
    }
    let alignment = alignment(&header, &cursor)?;
    let mut names: FxHashSet<String> = FxHashSet::default();
    for _ in 0..tensors {
        let found = tensor(&mut cursor, alignment)?;
        if !names.insert(found.name.clone()) {
            return Err(cursor.fault(format!("two tensors are named \"{}\"", found.name)));
        }
        header.tensors.push(found);
    }
    header.data = cursor.at().next_multiple_of(alignment);
    Ok(header)
}

/// Refuses versions that llama.cpp refuses, and files in the other order of bytes.
fn version(cursor: &mut Cursor<'_>) -> Result<()> {
    let version = cursor.u32()?;
    let unsupported = |message: String| Error::new(ErrorKind::Unsupported, message);
    match version {
        2 | 3 => Ok(()),
        1 => Err(unsupported("the file is GGUF version 1, which llama.cpp no longer reads".to_owned())
            .help("convert the model again")),
        found if found & 0xffff == 0 && found > 0 => Err(unsupported(
            "the file is big-endian, and llama.cpp reads such files on such machines only".to_owned(),
        )
        .help("convert it with gguf_convert_endian.py")),
        found => {
            Err(unsupported(format!("the file is GGUF version {found}, and versions 2 and 3 are known")))
        }
    }
    .map_err(|error: Error| error.at(cursor.place()))
}

/// The alignment of data.
fn alignment(header: &Header, cursor: &Cursor<'_>) -> Result<u64> {
    match header.settings.get("general.alignment") {
        None => Ok(32),
        Some(Setting::Integer(value)) if *value > 0 && value & (value - 1) == 0 && *value <= 1 << 30 => {
            Ok(*value as u64)
        }
        Some(_) => Err(cursor.fault("general.alignment is not a power of 2")),
    }
}

fn setting(cursor: &mut Cursor<'_>) -> Result<Setting> {
    const TEXT: u32 = 8;
    const LIST: u32 = 9;
    let kind = cursor.u32()?;
    match kind {
        TEXT => {
            let len = cursor.u64()?;
            // A chat template may be long; no rule reads it.
            let kept = cursor.take(len)?;
            let kept = kept.get(..kept.len().min(limits::MAX_ATTRIBUTE_BYTES)).unwrap_or_default();
            Ok(Setting::Text(String::from_utf8_lossy(kept).into_owned()))
        }
        LIST => list(cursor),
        kind => number(cursor, kind),
    }
}

/// A value of a type with a fixed length.
fn number(cursor: &mut Cursor<'_>, kind: u32) -> Result<Setting> {
    let integer = |value: i64| Ok(Setting::Integer(value));
    match kind {
        0 => integer(i64::from(u8::from_le_bytes(cursor.array()?))),
        1 => integer(i64::from(i8::from_le_bytes(cursor.array()?))),
        2 => integer(i64::from(u16::from_le_bytes(cursor.array()?))),
        3 => integer(i64::from(i16::from_le_bytes(cursor.array()?))),
        4 => integer(i64::from(u32::from_le_bytes(cursor.array()?))),
        5 => integer(i64::from(i32::from_le_bytes(cursor.array()?))),
        6 => Ok(Setting::Float(f64::from(f32::from_le_bytes(cursor.array()?)))),
        7 => Ok(Setting::Bool(cursor.array::<1>()? != [0])),
        10 => integer(i64::try_from(cursor.u64()?).unwrap_or(i64::MAX)),
        11 => integer(i64::from_le_bytes(cursor.array()?)),
        12 => Ok(Setting::Float(f64::from_le_bytes(cursor.array()?))),
        kind => Err(cursor.fault(format!("a setting has type {kind}, and types 0 to 12 are known"))),
    }
}

/// Bytes of a number of this type.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn list(cursor: &mut Cursor<'_>) -> Result<Setting> {
    const TEXT: u32 = 8;
    let kind = cursor.u32()?;
    let len = cursor.u64()?;
    if kind == TEXT {
        let mut text_bytes = 0;
        for _ in 0..len {
            text_bytes += cursor.skip_text()?;
        }
        return Ok(Setting::List { len, text_bytes });
    }
    let Some(width) = width(kind) else {
        return Err(cursor.fault(format!("a list has elements of type {kind}, which no list has")));
    };
    if len > limits::MAX_LIST as u64 {
        let bytes = len.checked_mul(width);
        let bytes = bytes.ok_or_else(|| cursor.fault(format!("a list has {len} elements")))?;
        cursor.take(bytes)?;
        return Ok(Setting::List { len, text_bytes: 0 });
    }
    let mut values = Vec::new();
    for _ in 0..len {
        values.push(match number(cursor, kind)? {
            Setting::Integer(value) => value as f64,
            Setting::Float(value) => value,
            Setting::Bool(value) => f64::from(u8::from(value)),
            _ => 0.0,
        });
    }
    Ok(Setting::Numbers(values))
}

fn tensor(cursor: &mut Cursor<'_>, alignment: u64) -> Result<Described> {
    let name = cursor.text()?.into_owned();
    if name.len() >= MAX_NAME {
        return Err(cursor.fault(format!(
            "a tensor's name has {} bytes, and fewer than {MAX_NAME} are allowed",
            name.len()
        )));
    }
    let rank = cursor.u32()?;
    let mut dims = [1; 4];
    let Some(own) = dims.get_mut(..rank as usize) else {
        return Err(cursor.fault(format!("tensor \"{name}\" has {rank} dims, and at most 4 are allowed")));
    };
    for dim in own {
        *dim = cursor.u64()?;
    }
    let id = cursor.u32()?;
    let Some(dtype) = GgmlType::from_id(id) else {
        return Err(cursor.fault(format!("tensor \"{name}\" has type {id}, which llama.cpp does not read")));
    };
    let offset = cursor.u64()?;
    let elements = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
    let rows = dims[0].is_multiple_of(dtype.elements());
    let bytes = elements.filter(|_| rows).and_then(|elements| dtype.bytes(elements));
    let Some(bytes) = bytes.filter(|&bytes| bytes < 1 << 62) else {
        let message = format!(
            "tensor \"{name}\" of {} has dims {dims:?}, which are not whole blocks of {}, or too large",
            dtype.name(),
            dtype.elements()
        );
        return Err(cursor.fault(message));
    };
    if !offset.is_multiple_of(alignment) || offset >= 1 << 62 {
        return Err(
            cursor.fault(format!("tensor \"{name}\" is at {offset}, which is not a multiple of {alignment}"))
        );
    }
    Ok(Described { name, dtype, dims, offset, bytes })
}

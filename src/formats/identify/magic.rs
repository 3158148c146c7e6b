//! Kinds of files by their first bytes.

use super::kind::{Kind, Pointer};
use crate::units::Bytes;

/// Kinds that start with fixed bytes.
///
/// Source: the formats' own texts; for PyTorch before 1.6 torch/serialization.py (`MAGIC_NUMBER`, pickled with protocol 2),
/// and any other pickle of protocols 2 to 5.
const PREFIXES: &[(&[u8], Kind)] = &[
    (b"GGUF", Kind::Gguf),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"\x80\x02", Kind::PyTorch),
    (b"\x80\x03", Kind::PyTorch),
    (b"\x80\x04", Kind::PyTorch),
    (b"\x80\x05", Kind::PyTorch),
    (b"\x93NUMPY", Kind::NumPy),
    (b"\x89HDF\r\n\x1a\n", Kind::Keras),
    (b"\x1f\x8b", Kind::Archive("a gzip file")),
    (b"\x28\xb5\x2f\xfd", Kind::Archive("a zstd file")),
    (b"\xfd7zXZ\0", Kind::Archive("an xz file")),
    (b"BZh", Kind::Archive("a bzip2 file")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Archive("a 7z archive")),
    (b"\x89PNG\r\n", Kind::Document("a PNG image")),
    (b"\xff\xd8\xff", Kind::Document("a JPEG image")),
    (b"GIF8", Kind::Document("a GIF image")),
    (b"%PDF-", Kind::Document("a PDF document")),
    (b"\x7fELF", Kind::Document("a program")),
];

/// First line of a git-lfs pointer, up to the version. Source: the git-lfs specification, docs/spec.md.
const LFS_VERSION: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Most bytes of a pointer, by the same text.
const MAX_LFS_BYTES: usize = 1024;

/// Operators of openvino_tokenizers with which tokenizers and detokenizers begin. Source: openvino_tokenizers 2026.4,
/// src/ov_extension.cpp.
const TOKENIZER_OPERATORS: [&str; 8] = [
    "StringTensorUnpack",
    "RaggedTensorPack",
    "SpecialTokensSplit",
    "VocabDecoder",
    "SentencepieceTokenizer",
    "SentencepieceDetokenizer",
    "SentencepieceStreamDetokenizer",
    "TikTokenTokenizer",
];

/// The kind that the first bytes of a file decide.
pub(super) fn of(head: &[u8]) -> Option<Kind> {
    if let Some(pointer) = lfs_pointer(head) {
        return Some(Kind::LfsPointer(pointer));
    }
    if let Some((_, kind)) = PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)) {
        return Some(kind.clone());
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Some(Kind::TfLite);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Kind::Archive("a tar archive"));
    }
    if is_safetensors(head) {
        return Some(Kind::Safetensors);
    }
    // The first field of a SavedModel is its schema's version, 1, and the second its graphs; ONNX models of version 1 are
    // of 2017.
    if head.starts_with(&[0x08, 1, 0x12]) {
        return Some(Kind::SavedModel);
    }
    if is_graph_def(head) {
        return Some(Kind::GraphDef);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    match text.first() {
        Some(b'<') if is_html(text) => Some(Kind::Html),
        Some(b'<') => Some(Kind::OpenVino),
        Some(b'{') if is_json(text) => Some(Kind::Json),
        _ => None,
    }
}

/// What a git-lfs pointer says, if the bytes are one.
#[must_use]
pub fn lfs_pointer(bytes: &[u8]) -> Option<Pointer> {
    if !bytes.starts_with(LFS_VERSION) || bytes.len() > MAX_LFS_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    Some(Pointer {
        bytes: value("size ").and_then(|size| size.parse().ok()).map(Bytes),
        sha256: value("oid sha256:").map(str::to_owned),
    })
}

/// Whether the start of an IR has an operator of a tokenizer.
pub(super) fn is_tokenizer(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let is_one = |layer: &str| TOKENIZER_OPERATORS.iter().any(|operator| layer.starts_with(*operator));
    text.contains("version=\"extension\"") && text.split("type=\"").skip(1).any(is_one)
}

/// Whether a protobuf file starts as an ONNX model: a first field that is a small `ir_version`, and a second that a model
/// may have.
pub(super) fn is_onnx(head: &[u8]) -> bool {
    let is_next = |tag: u8| matches!(tag, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72);
    matches!(head, [0x08, 1..=0x7f, tag, ..] if is_next(*tag))
}

/// A header's length as 64 bits, then the header as JSON.
fn is_safetensors(head: &[u8]) -> bool {
    const MAX_HEADER: u64 = 100_000_000;
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    (2..=MAX_HEADER).contains(&u64::from_le_bytes(*length)) && rest.starts_with(b"{")
}

/// A list of nodes: each is a field 1 with a name as field 1 and an operator as field 2.
fn is_graph_def(head: &[u8]) -> bool {
    let is_operator = || {
        let (_, node) = field(head, 0x0a)?;
        let (name, rest) = text(node, 0x0a)?;
        let (operator, _) = text(rest, 0x12)?;
        Some(!name.is_empty() && operator.first()?.is_ascii_uppercase())
    };
    is_operator().unwrap_or(false)
}

/// The length of a field of bytes with this tag at the start, and what follows the length.
fn field(bytes: &[u8], tag: u8) -> Option<(usize, &[u8])> {
    let mut rest = bytes.strip_prefix(&[tag])?;
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        length |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte < 0x80 {
            return Some((length, rest));
        }
    }
    None
}

/// A field of printable ASCII with this tag at the start, and what follows it.
fn text(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = field(bytes, tag)?;
    let (text, rest) = rest.split_at_checked(length)?;
    text.iter().all(u8::is_ascii_graphic).then_some((text, rest))
}

/// Whether the first thing in an object is a name.
fn is_json(text: &[u8]) -> bool {
    text.get(1..).is_some_and(|rest| matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}')))
}

fn is_html(text: &[u8]) -> bool {
    let start = text.get(..text.len().min(1024)).unwrap_or_default().to_ascii_lowercase();
    let start = String::from_utf8_lossy(&start);
    start.starts_with("<!doctype html") || start.contains("<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_first_bytes() {
        let safetensors = [&20_u64.to_le_bytes()[..], b"{\"a\":{}}"].concat();
        let tflite = [&28_u32.to_le_bytes()[..], b"TFL3"].concat();
        let cases: [(&[u8], Option<Kind>); 14] = [
            (b"GGUF\x03", Some(Kind::Gguf)),
            (b"<!DOCTYPE html><title>404", Some(Kind::Html)),
            (b"<?xml version='1.0'?>\n<html xmlns=", Some(Kind::Html)),
            (b"\xef\xbb\xbf <net name", Some(Kind::OpenVino)),
            (b"\x80\x02\x8a\x0al\xfc\x9c", Some(Kind::PyTorch)),
            (&safetensors, Some(Kind::Safetensors)),
            (&tflite, Some(Kind::TfLite)),
            (b"\x08\x01\x12\x05", Some(Kind::SavedModel)),
            (b"\x0a\x0e\x0a\x01x\x12\x0bPlaceholder", Some(Kind::GraphDef)),
            (b"\x93NUMPY\x01", Some(Kind::NumPy)),
            (b"{\"model_type\":", Some(Kind::Json)),
            (b"\x08\x0a\x12\x07pytorch", None),
            (b"{x}", None),
            (b"# Title", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(of(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_pointer_says_what_it_stands_for() {
        let text = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12884901\n";
        let found = lfs_pointer(text).unwrap();
        assert_eq!((found.bytes, found.sha256.as_deref()), (Some(Bytes(12_884_901)), Some("4d7a21")));
        assert_eq!(lfs_pointer(b"version https://git-lfs.github.com/spec/v1").unwrap(), Pointer::default());
        assert_eq!(lfs_pointer(b"version 1"), None);
    }
}

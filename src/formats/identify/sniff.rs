//! The kind of one file.

use super::kind::Kind;
use super::{magic, zip};
use crate::error::{Error, Result};
use crate::formats::file;
use std::io::Read;
use std::path::Path;

/// Bytes at the start of a file that decide its kind, as far as they do.
const HEAD_BYTES: u64 = 4096;
/// Bytes of an IR among which a tokenizer has its first operator.
const TOKENIZER_BYTES: u64 = 64 << 10;

/// Finds what a file is.
///
/// # Errors
///
/// If it cannot be read.
pub fn identify(path: &Path) -> Result<Kind> {
    let mut head = Vec::new();
    let mut file = file::open(path)?;
    let mut read = |head: &mut Vec<u8>, bytes: u64| {
        file.by_ref().take(bytes).read_to_end(head).map_err(|error| Error::io(path, error))
    };
    read(&mut head, HEAD_BYTES)?;
    let is_onnx = path.extension().is_some_and(|extension| extension == "onnx");
    let kind = magic::of(&head);
    let is_stored = !matches!(kind, Some(Kind::LfsPointer(_) | Kind::Html));
    Ok(match kind {
        _ if head.is_empty() => Kind::Empty,
        _ if is_stored && is_weights(path) => Kind::Weights,
        Some(Kind::OpenVino) => {
            read(&mut head, TOKENIZER_BYTES)?;
            if magic::is_tokenizer(&head) { Kind::Tokenizer } else { Kind::OpenVino }
        }
        Some(Kind::Zip) => zip::kind(&mut file).map_err(|error| Error::io(path, error))?,
        Some(kind) => kind,
        None if is_onnx || magic::is_onnx(&head) => Kind::Onnx,
        None => Kind::Unknown,
    })
}

/// Whether a file has the name of the weights of an IR next to it.
fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bin") && path.with_extension("xml").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, content: &[u8]) -> Kind {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        identify(&path).unwrap()
    }

    #[test]
    fn a_name_decides_where_no_content_does() {
        assert_eq!(kind("m.onnx", &[8, 10, 0x72, 0]), Kind::Onnx);
        assert_eq!(kind("m.bin", &[8, 10, 0x3a, 0]), Kind::Onnx);
        assert_eq!(kind("m.onnx", b"\x00\x01"), Kind::Onnx);
        assert_eq!(kind("m.bin", b"\x00\x01"), Kind::Unknown);
        assert_eq!(kind("m.onnx", b""), Kind::Empty);
        assert_eq!(kind("m.onnx", b"PK\x03\x04"), Kind::Zip);
    }

    #[test]
    fn weights_belong_to_the_ir_next_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.bin");
        std::fs::write(&path, [1, 2, 3]).unwrap();
        assert_eq!(identify(&path).unwrap(), Kind::Unknown);
        std::fs::write(folder.path().join("m.xml"), "<net/>").unwrap();
        assert_eq!(identify(&path).unwrap(), Kind::Weights);
    }

    #[test]
    fn a_tokenizer_is_found_by_its_operators() {
        let ir = |kind: &str| {
            format!("<?xml version=\"1.0\"?>\n<net><layers><layer type=\"{kind}\" version=\"extension\"/>")
        };
        assert_eq!(kind("m.xml", ir("StringTensorUnpack").as_bytes()), Kind::Tokenizer);
        assert_eq!(kind("m.xml", ir("PagedAttentionExtension").as_bytes()), Kind::OpenVino);
    }
}

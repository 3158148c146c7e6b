//! What is in a zip archive, by the names in its central directory.
//!
//! Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3.12 and 4.3.16.

use super::kind::Kind;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

/// Bytes at the end of an archive that are searched; a directory of more is known by its last names.
const TAIL_BYTES: u64 = 256 << 10;
/// Signature of an entry of the directory.
const ENTRY: &[u8] = b"PK\x01\x02";
/// Where an entry has the length of its name, and where the name.
const LENGTH_AT: usize = 28;
const NAME_AT: usize = 46;

/// The kind of an archive: PyTorch's has a `data.pkl`, NumPy's only arrays, Keras' a `model.weights.h5`.
pub(super) fn kind(file: &mut File) -> Result<Kind> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let names = names(&tail);
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    Ok(if has("data.pkl") || has("constants.pkl") {
        Kind::PyTorch
    } else if has("model.weights.h5") {
        Kind::Keras
    } else if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        Kind::NumPy
    } else {
        Kind::Zip
    })
}

/// Names of the members whose entries are in `tail`.
fn names(tail: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = tail;
    while let Some(at) = rest.windows(ENTRY.len()).position(|window| window == ENTRY) {
        let Some(entry) = rest.get(at..) else { break };
        let length = entry.get(LENGTH_AT..LENGTH_AT + 2).and_then(|bytes| bytes.try_into().ok());
        let length = length.map_or(0, u16::from_le_bytes);
        let name = entry.get(NAME_AT..NAME_AT + usize::from(length));
        names.extend(name.map(|name| String::from_utf8_lossy(name).into_owned()));
        rest = entry.get(ENTRY.len()..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn of(members: &[&str]) -> Kind {
        let mut archive = b"PK\x03\x04".to_vec();
        for name in members {
            let mut entry = vec![0; NAME_AT];
            entry[..4].copy_from_slice(ENTRY);
            entry[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&(name.len() as u16).to_le_bytes());
            archive.extend(entry);
            archive.extend(name.bytes());
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive).unwrap();
        kind(&mut file).unwrap()
    }

    #[test]
    fn members_decide() {
        assert_eq!(of(&["archive/data.pkl", "archive/data/0"]), Kind::PyTorch);
        assert_eq!(of(&["a.npy", "b.npy"]), Kind::NumPy);
        assert_eq!(of(&["config.json", "model.weights.h5"]), Kind::Keras);
        assert_eq!(of(&["openvino_model.xml", "a.npy"]), Kind::Zip);
        assert_eq!(of(&[]), Kind::Zip);
    }

    #[test]
    fn a_cut_directory_is_no_fault() {
        assert!(names(b"PK\x01\x02PK\x01\x02\0\0").is_empty());
    }
}

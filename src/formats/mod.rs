//! Readers: file bytes in, [`Graph`] out. The only module that opens model files.

pub mod architecture;
pub mod config;
mod digest;
pub mod genai;
#[cfg(feature = "gguf")]
pub mod gguf;
pub mod limits;
#[cfg(any(feature = "onnx", feature = "openvino"))]
mod lookup;
#[cfg(any(feature = "gguf", feature = "onnx", feature = "openvino"))]
mod mapping;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "openvino")]
pub mod openvino;
pub mod preprocessor;

pub use digest::sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes at the start of a file that tell its format.
const HEAD_BYTES: u64 = 64;

/// The first bytes of a GGUF file.
const GGUF_MAGIC: &[u8] = b"GGUF";

/// Reads a model file, told by its content.
///
/// Weights are never read, apart from small constants that drive shapes.
///
/// # Errors
///
/// If the file cannot be read, is of no known format, breaks its format, or exceeds a cap of [`limits`].
pub fn open(path: &Path) -> Result<Graph> {
    if path.is_dir() {
        return Err(folder(path));
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| Error::io(path, error))?;
    if head.starts_with(GGUF_MAGIC) {
        return open_gguf(path);
    }
    if is_xml(&head) {
        return open_xml(path);
    }
    if is_onnx(path, &head) {
        return open_onnx(path);
    }
    Err(unknown(path, &head))
}

#[cfg(feature = "gguf")]
fn open_gguf(path: &Path) -> Result<Graph> {
    gguf::read(path)
}

#[cfg(not(feature = "gguf"))]
fn open_gguf(path: &Path) -> Result<Graph> {
    Err(Error::new(ErrorKind::Unsupported, "this build has no GGUF reader")
        .in_file(path)
        .help("build with `--features gguf`"))
}

#[cfg(feature = "onnx")]
fn open_onnx(path: &Path) -> Result<Graph> {
    onnx::read(path)
}

#[cfg(not(feature = "onnx"))]
fn open_onnx(path: &Path) -> Result<Graph> {
    Err(Error::new(ErrorKind::Unsupported, "this build has no ONNX reader")
        .in_file(path)
        .help("build with `--features onnx`"))
}

#[cfg(feature = "openvino")]
fn open_xml(path: &Path) -> Result<Graph> {
    openvino::read(path)
}

#[cfg(not(feature = "openvino"))]
fn open_xml(path: &Path) -> Result<Graph> {
    Err(Error::new(ErrorKind::Unsupported, "this build has no OpenVINO IR reader")
        .in_file(path)
        .help("build with `--features openvino`"))
}

/// An XML document starts with `<`, after an optional byte order mark and white space.
fn is_xml(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().starts_with(b"<")
}

/// Protobuf has no magic number: the extension tells, or a first field that is a small `ir_version` and a second that
/// a model may have.
fn is_onnx(path: &Path, head: &[u8]) -> bool {
    let has_extension = path.extension().is_some_and(|extension| extension == "onnx");
    let is_next = |tag: u8| matches!(tag, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72);
    !head.is_empty() && (has_extension || matches!(head, [0x08, 1..=0x7f, tag, ..] if is_next(*tag)))
}

#[cold]
fn folder(path: &Path) -> Error {
    let error = Error::new(ErrorKind::Usage, "this is a folder, and one model file is needed").in_file(path);
    let models = models_in(path);
    if models.is_empty() {
        error.help("give an .xml, .onnx or .gguf file; this folder holds none")
    } else {
        error.help(format!("give one of its models: {}", models.join(", ")))
    }
}

/// At most eight model files of a folder, sorted.
fn models_in(path: &Path) -> Vec<String> {
    let mut names = graph_files(path);
    names.truncate(8);
    names
}

/// The names of a folder's model files, sorted; none where it cannot be read.
#[must_use]
pub fn graph_files(path: &Path) -> Vec<String> {
    let is_model = |path: &Path| {
        path.extension()
            .is_some_and(|extension| ["xml", "onnx", "gguf"].iter().any(|known| extension == *known))
    };
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries
        .filter(|path| is_model(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

#[cold]
fn unknown(path: &Path, head: &[u8]) -> Error {
    let message = if head.is_empty() { "the file is empty" } else { "the file is of no known model format" };
    let error = Error::new(ErrorKind::Unsupported, message).in_file(path);
    let xml = path.with_extension("xml");
    if path.extension().is_some_and(|extension| extension == "bin") && xml.is_file() {
        error.help(format!("this file holds weights; give the model: {}", xml.display()))
    } else {
        error.help("known formats: OpenVINO IR (.xml), ONNX (.onnx), GGUF (.gguf)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_its_models() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.xml"), "").unwrap();
        std::fs::write(folder.path().join("a.xml"), "").unwrap();
        let text = open(folder.path()).unwrap_err().to_string();
        assert!(text.contains("a.xml, b.xml"), "{text}");
    }

    #[test]
    fn weights_file_names_its_model() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.xml"), "").unwrap();
        std::fs::write(folder.path().join("m.bin"), [1, 2, 3]).unwrap();
        let text = open(&folder.path().join("m.bin")).unwrap_err().to_string();
        assert!(text.contains("m.xml"), "{text}");
    }

    #[test]
    fn empty_file_is_told_apart() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(open(file.path()).unwrap_err().message(), "the file is empty");
    }
}

//! Readers: file bytes in, [`Graph`] out. The only module that opens model files.

pub mod architecture;
pub mod config;
mod digest;
pub mod document;
mod file;
pub mod genai;
#[cfg(feature = "gguf")]
pub mod gguf;
pub mod identify;
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
use identify::Kind;
use std::path::Path;

/// Reads a model file, whose format is known by its content.
///
/// Weights are never read, apart from small constants that drive shapes.
///
/// # Errors
///
/// If the file cannot be read, is not a model, breaks its format, or exceeds a cap of [`limits`]. What is not a model is
/// named, with the command that makes one of it: see [`identify`].
pub fn open(path: &Path) -> Result<Graph> {
    if path.is_dir() {
        // The error lists the models of the folder; a caller that takes folders asks for the only one.
        return Err(match identify::Folder::only_model(path) {
            Ok(only) => folder(path, &only),
            Err(error) => error,
        });
    }
    match identify::identify(path)? {
        Kind::OpenVino => open_xml(path),
        Kind::Onnx => open_onnx(path),
        Kind::Gguf => open_gguf(path),
        kind => Err(identify::refusal(path, &kind)),
    }
}

/// `general.architecture` of a GGUF file; `None` for other files, and for those after the first of a split model.
#[must_use]
pub fn stored_architecture(path: &Path) -> Option<String> {
    match identify::identify(path) {
        Ok(Kind::Gguf) => gguf_architecture(path),
        _ => None,
    }
}

#[cfg(feature = "gguf")]
fn gguf_architecture(path: &Path) -> Option<String> {
    gguf::architecture(path)
}

#[cfg(not(feature = "gguf"))]
fn gguf_architecture(_path: &Path) -> Option<String> {
    None
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

#[cold]
fn folder(path: &Path, only: &Path) -> Error {
    Error::new(ErrorKind::Usage, "this is a folder, and one model file is needed")
        .in_file(path)
        .help(format!("give its model: {}", only.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_its_models() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.xml"), "<net/>").unwrap();
        let text = open(folder.path()).unwrap_err().to_string();
        assert!(text.contains("give its model: /") && text.ends_with("a.xml"), "{text}");
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
    fn an_empty_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(open(file.path()).unwrap_err().message(), "the file is empty");
    }
}

//! Errors for files that are not models: what the file is, the likely reason, and the command that fixes it.

use super::kind::{Kind, Pointer};
use super::listing::graph_files;
use crate::error::{Error, ErrorKind, shell_word};
use std::path::Path;

/// The error for a file that is not a model.
#[cold]
#[must_use]
pub fn refusal(path: &Path, kind: &Kind) -> Error {
    let unsupported = |message: &str| Error::new(ErrorKind::Unsupported, message).in_file(path);
    let name = quoted(path);
    match kind {
        Kind::LfsPointer(pointer) => lfs(path, pointer, "not the model"),
        Kind::Html => unsupported("this is an HTML page, not a model: the download failed")
            .note("a page about a file is saved where the file itself needs a login, or another address")
            .help("download the file again; on Hugging Face with `hf download ORG/MODEL --local-dir DIR`"),
        Kind::PyTorch => unsupported("this is a PyTorch checkpoint, which has weights and no graph")
            .help(format!("export the model: {}", export(folder_of(path)))),
        Kind::Safetensors => unsupported("this is a safetensors file, which has weights and no graph")
            .help(not_exported(folder_of(path))),
        Kind::TfLite => unsupported("this is a TensorFlow Lite model, and no reader is known for it")
            .help(format!("convert it to OpenVINO IR: `ovc {name}`")),
        Kind::SavedModel => {
            unsupported("this is the graph of a TensorFlow SavedModel, and no reader is known for it")
                .help(format!("convert it to OpenVINO IR: `ovc {}`", quoted(folder_of(path))))
        }
        Kind::GraphDef => unsupported("this is a frozen TensorFlow graph, and no reader is known for it")
            .help(format!("convert it to OpenVINO IR: `ovc {name}`")),
        Kind::Keras => unsupported("this is an HDF5 file or a Keras model, and no reader is known for it")
            .help("save it as a SavedModel with `model.export(\"DIR\")`, then convert that: `ovc DIR`"),
        Kind::NumPy => unsupported("this is a NumPy file, which has arrays and no graph")
            .help("give the .xml, .onnx or .gguf file of the model"),
        Kind::Zip => unsupported("this is a zip archive, not a model")
            .help(format!("unpack it, and give the model in it: `unzip {name} -d DIR`")),
        Kind::Archive(what) => {
            unsupported(&format!("this is {what}, not a model")).help("unpack it, and give the model in it")
        }
        Kind::Document(what) => unsupported(&format!("this is {what}, not a model")).help(KNOWN_FORMATS),
        Kind::Tokenizer => unsupported("this is a tokenizer, and tokenizers are not modelled")
            .note("a tokenizer runs on strings, and needs a few MiB next to its model")
            .help(match graph_files(folder_of(path)).iter().find(|name| !name.contains("tokenizer")) {
                Some(model) => format!("give the model: {}", folder_of(path).join(model).display()),
                None => "give the .xml or .onnx file of the model".to_owned(),
            }),
        Kind::Json => unsupported("this is a JSON file, not a model").help(match path.file_name() {
            Some(file) if file == "config.json" => {
                format!("give the model's folder, or estimate from its config: `memgraph quick {name}`")
            }
            _ => KNOWN_FORMATS.to_owned(),
        }),
        Kind::Weights => unsupported("this file holds weights and no graph")
            .help(format!("give the model: {}", path.with_extension("xml").display())),
        Kind::Empty => unsupported("the file is empty").help("export or download it again"),
        Kind::OpenVino | Kind::Onnx | Kind::Gguf | Kind::Unknown => {
            unsupported("the file is of no known model format").help(KNOWN_FORMATS)
        }
    }
}

/// Formats that a model may have.
const KNOWN_FORMATS: &str = "known formats: OpenVINO IR (.xml), ONNX (.onnx), GGUF (.gguf)";

/// The error for a git-lfs pointer in place of a file, which is `instead`.
#[cold]
fn lfs(path: &Path, pointer: &Pointer, instead: &str) -> Error {
    let mut facts: Vec<String> = pointer.bytes.iter().map(ToString::to_string).collect();
    let short = pointer.sha256.as_deref().and_then(|sha256| sha256.get(..8));
    facts.extend(short.map(|sha256| format!("sha256 {sha256}…")));
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    Error::new(ErrorKind::Unsupported, format!("this is a git-lfs pointer{facts}, {instead}"))
        .in_file(path)
        .note("the repository was cloned without its large files")
        .help(format!("fetch them: `git -C {} lfs pull`", quoted(folder_of(path))))
}

/// How a folder of weights becomes a model, and what estimates need none.
pub(super) fn not_exported(folder: &Path) -> String {
    let name = quoted(folder);
    let estimate = match folder.join("config.json").is_file() {
        true => format!(
            "; for an estimate without a graph: `memgraph llm {name} 1024 --profile components`, or `memgraph quick {name}`"
        ),
        false => String::new(),
    };
    format!("export it: {}{estimate}", export(folder))
}

/// The commands that export a checkpoint.
pub(super) fn export(folder: &Path) -> String {
    match folder.join("config.json").is_file() {
        true => format!("`optimum-cli export openvino -m {} OUT`", quoted(folder)),
        false => "`optimum-cli export openvino -m MODEL OUT` for a model of Hugging Face, else `torch.onnx.export` or \
                  `openvino.convert_model` in Python"
            .to_owned(),
    }
}

/// The folder that a file is in; never empty, so that it can be an argument.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path as an argument of a shell.
pub(super) fn quoted(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn a_pointer_names_its_file_and_the_command() {
        let pointer = Pointer { bytes: Some(Bytes(12 << 20)), sha256: Some("4d7a2146f0".to_owned()) };
        let text = refusal(Path::new("a b/m.onnx"), &Kind::LfsPointer(pointer)).to_string();
        assert!(
            text.starts_with("this is a git-lfs pointer (12.00 MiB, sha256 4d7a2146…), not the model"),
            "{text}"
        );
        assert!(text.ends_with("help: fetch them: `git -C 'a b' lfs pull`"), "{text}");
    }

    #[test]
    fn a_checkpoint_names_the_export() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let help = |path: &Path| refusal(path, &Kind::Safetensors).to_string();
        assert!(!help(&path).contains("--profile components"));
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert!(help(&path).contains("optimum-cli export openvino -m /"), "{}", help(&path));
        assert!(help(&path).contains("1024 --profile components"));
    }
}

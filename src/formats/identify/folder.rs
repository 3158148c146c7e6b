//! What a folder holds, and the error where that is not what a command reads.

use super::kind::Kind;
use super::listing::{names, subfolders};
use super::refusal::{export, not_exported, quoted, refusal};
use super::sniff::identify;
use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Names in an error.
const MAX_NAMES: usize = 8;

/// The content of a folder and of its subfolder `onnx`, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folder {
    /// Graphs, as paths within the folder, sorted; those of the folder itself come first.
    pub models: Vec<String>,
    /// All other files whose kind is known.
    pub others: Vec<(String, Kind)>,
}

impl Folder {
    /// Identifies the files of a folder; one that cannot be read has none.
    #[must_use]
    pub fn read(path: &Path) -> Folder {
        let mut folder = Folder::default();
        for prefix in ["", "onnx/"] {
            for name in names(&path.join(prefix)) {
                let name = format!("{prefix}{name}");
                match identify(&path.join(&name)) {
                    Ok(Kind::OpenVino) if !name.ends_with(".xml") => {}
                    // A model in several files is its first.
                    Ok(Kind::Gguf) if continues_split(&name) => {}
                    Ok(kind) if kind.is_model() => folder.models.push(name),
                    Ok(Kind::Unknown) | Err(_) => {}
                    Ok(kind) => folder.others.push((name, kind)),
                }
            }
        }
        folder
    }

    /// The first file of a kind.
    fn first(&self, is_asked: impl Fn(&Kind) -> bool) -> Option<&str> {
        self.others.iter().find(|(_, kind)| is_asked(kind)).map(|(name, _)| name.as_str())
    }

    /// The one model of a file or a folder: the file itself, or the only graph that the folder holds.
    ///
    /// # Errors
    ///
    /// If a folder holds none or several.
    pub fn only_model(path: &Path) -> Result<PathBuf> {
        if !path.is_dir() {
            return Ok(path.to_owned());
        }
        match &Folder::read(path).models[..] {
            [only] => Ok(path.join(only)),
            [] => Err(without_model(path)),
            several => {
                let names: Vec<&str> = several.iter().take(MAX_NAMES).map(String::as_str).collect();
                let more = several.len().checked_sub(names.len()).filter(|&more| more > 0);
                let more = more.map_or(String::new(), |more| format!(", and {more} more"));
                Err(Error::new(ErrorKind::Usage, "this folder holds several models, and one is needed")
                    .in_file(path)
                    .help(format!("give one of them: {}{more}", names.join(", "))))
            }
        }
    }
}

/// Whether a file continues a model in several files, by its name: `NAME-00002-of-00003.gguf`.
///
/// Source: llama.cpp 0.5.0, src/llama.cpp (`llama_split_path`).
fn continues_split(name: &str) -> bool {
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let numbers = stem.rsplit_once("-of-").and_then(|(rest, count)| Some((rest.rsplit_once('-')?.1, count)));
    numbers.is_some_and(|(number, count)| {
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number(number) && is_number(count) && number != "00001"
    })
}

/// The error for a folder without a model: what it holds instead, and what to do with that.
#[cold]
#[must_use]
pub fn without_model(path: &Path) -> Error {
    let found = Folder::read(path);
    let error = |message: &str| Error::new(ErrorKind::Usage, message).in_file(path);
    let is_graph = |name: &str| name.ends_with(".xml") || name.ends_with(".onnx") || name.ends_with(".gguf");
    let in_place =
        found.others.iter().find(|(name, kind)| is_graph(name) && !matches!(kind, Kind::Tokenizer));
    if let Some((name, kind)) = in_place {
        return refusal(&path.join(name), kind);
    }
    if found.first(|kind| *kind == Kind::Safetensors).is_some() {
        return error("this folder holds safetensors: the model was not exported yet")
            .help(not_exported(path));
    }
    if let Some(name) = found.first(|kind| *kind == Kind::SavedModel) {
        return refusal(&path.join(name), &Kind::SavedModel);
    }
    if found.first(|kind| *kind == Kind::Tokenizer).is_some() {
        return error("this folder holds a tokenizer and no model, and tokenizers are not modelled")
            .help("give the folder of the model");
    }
    let parts = diffusers(path);
    if let Some(first) = parts.first() {
        return error("this is a pipeline of several models in subfolders, and one is needed")
            .note(format!("its parts: {}", parts.join(", ")))
            .help(format!("give one part: `memgraph graph {}`", quoted(&path.join(first))));
    }
    if found.first(|kind| *kind == Kind::PyTorch).is_some() {
        return error("this folder holds a PyTorch checkpoint: the model was not exported yet")
            .help(format!("export it: {}", export(path)));
    }
    if let Some(name) = found.first(|kind| matches!(kind, Kind::LfsPointer(_))) {
        let kind = found.others.iter().find(|(other, _)| other == name).map(|(_, kind)| kind);
        return refusal(&path.join(name), kind.unwrap_or(&Kind::Unknown));
    }
    let error = error("this folder holds no model");
    match nested(path) {
        Some(folder) => error.help(format!("give the folder of one model, such as {}", folder.display())),
        None => error.help("give the folder of an export, or an .xml, .onnx or .gguf file"),
    }
}

/// Subfolders with models of a pipeline as Diffusers stores it.
fn diffusers(path: &Path) -> Vec<String> {
    if path.join("model_index.json").is_file() { subfolders(path) } else { Vec::new() }
}

/// The first subfolder with a model, also of the layout of Hugging Face's cache.
fn nested(path: &Path) -> Option<PathBuf> {
    let snapshots = path.join("snapshots");
    let base = if snapshots.is_dir() { &snapshots } else { path };
    subfolders(base).first().map(|name| base.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    fn fault(files: &[(&str, &[u8])]) -> String {
        Folder::only_model(folder(files).path()).unwrap_err().to_string()
    }

    const IR: &[u8] = b"<?xml version=\"1.0\"?><net/>";

    #[test]
    fn the_only_model_is_opened() {
        let tokenizer = b"<net><layer type=\"VocabDecoder\" version=\"extension\"/>";
        let one = folder(&[("a.xml", IR), ("a.bin", b"x"), ("openvino_tokenizer.xml", tokenizer)]);
        assert_eq!(Folder::only_model(one.path()).unwrap(), one.path().join("a.xml"));
        let nested = folder(&[("config.json", b"{}"), ("onnx/model.onnx", b"\x08\x0a\x3a\x00")]);
        assert_eq!(Folder::only_model(nested.path()).unwrap(), nested.path().join("onnx/model.onnx"));
    }

    #[test]
    fn a_split_model_is_one() {
        let parts = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"].map(|name| (name, &b"GGUF\x03"[..]));
        let split = folder(&parts);
        assert_eq!(Folder::only_model(split.path()).unwrap(), split.path().join("m-00001-of-00002.gguf"));
        assert!(!continues_split("part-2-of-3.gguf") && !continues_split("m.gguf"));
    }

    #[test]
    fn several_models_are_listed() {
        assert!(fault(&[("b.xml", IR), ("a.xml", IR)]).contains("give one of them: a.xml, b.xml"));
    }

    #[test]
    fn what_a_folder_holds_instead_is_named() {
        let safetensors = [&20_u64.to_le_bytes()[..], b"{}"].concat();
        let shard = ("model-00001-of-00002.safetensors", &safetensors[..]);
        let text = fault(&[("config.json", b"{\"model_type\": 1}"), shard]);
        assert!(text.contains("not exported yet") && text.contains("--profile components"), "{text}");
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n";
        assert!(fault(&[("model.onnx", pointer)]).contains("git-lfs pointer"));
        assert!(fault(&[("pytorch_model.bin", b"\x80\x02x")]).contains("PyTorch"));
        assert!(fault(&[("saved_model.pb", b"\x08\x01\x12\x00")]).contains("`ovc /"));
        assert!(fault(&[("model_index.json", b"{}"), ("unet/a.xml", IR)]).contains("its parts: unet"));
        assert!(fault(&[("snapshots/0a/a.xml", IR)]).contains("snapshots/0a"));
        assert!(fault(&[]).contains("holds no model"));
    }
}

//! The graph files of a pipeline, by name, in the order in which they run.

use super::graph_file;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::{self, identify};
use std::path::{Path, PathBuf};

/// What a part does in a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// From pixels to hidden states.
    Vision,
    /// From hidden states of the vision tower to those of the language model.
    Projection,
    /// Loaded, and not run for an image and a text: audio.
    Other,
    /// From tokens to hidden states.
    TextEmbedding,
    /// The language model.
    Language,
}

impl Role {
    /// The word in reports, and of the phase in which it runs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Vision => "vision",
            Role::Projection => "projection",
            Role::Other => "other",
            Role::TextEmbedding => "text_embedding",
            Role::Language => "language",
        }
    }

    /// Whether it belongs to the vision tower.
    #[must_use]
    pub fn is_vision(self) -> bool {
        matches!(self, Role::Vision | Role::Projection)
    }
}

/// A graph of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// Its file's name without what all parts have in common: `vision_embeddings_merger`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its graph file.
    pub file: PathBuf,
}

/// Parts by name, in the order in which they run.
///
/// Source: optimum-intel 1.27, openvino.genai 2026.4 (src/cpp/src/visual_language); Optimum ONNX and ONNX Runtime GenAI.
const KNOWN: &[(&str, Role)] = &[
    ("vision_embeddings", Role::Vision),
    ("vision_encoder", Role::Vision),
    ("vision", Role::Vision),
    ("vision_embeddings_pos", Role::Vision),
    ("vision_embeddings_merger", Role::Projection),
    ("resampler", Role::Projection),
    ("vision_resampler", Role::Projection),
    ("vision_projection", Role::Projection),
    ("multi_modal_projector", Role::Projection),
    ("text_embeddings", Role::TextEmbedding),
    ("embed_tokens", Role::TextEmbedding),
    ("embedding", Role::TextEmbedding),
    ("text_embeddings_per_layer", Role::TextEmbedding),
    ("language", Role::Language),
    ("decoder_model_merged", Role::Language),
    ("text", Role::Language),
];

/// Files that a tower in one part may be in, first choice first.
const WHOLE: [&str; 7] = [
    "openvino_model.xml",
    "model.onnx",
    "vision_model.onnx",
    "encoder_model.onnx",
    "onnx/model.onnx",
    "onnx/vision_model.onnx",
    "onnx/encoder_model.onnx",
];

/// `general.architecture` of projectors of images.
const PROJECTOR: &str = "clip";

/// Files that a runtime runs apart from the pipeline, on strings.
const APART: [&str; 2] = ["tokenizer", "detokenizer"];

/// The parts of a pipeline's folder, in the order in which they run.
///
/// # Errors
///
/// If the folder holds no vision tower or no language model; the error lists what it holds.
pub fn of_pipeline(model: &Path) -> Result<Vec<Part>> {
    let parts = in_folder(model);
    let lacks = |wanted: fn(Role) -> bool| !parts.iter().any(|part| wanted(part.role));
    let missing = match (lacks(Role::is_vision), lacks(|role| role == Role::Language)) {
        (false, false) => return Ok(parts),
        (true, _) => "a vision tower",
        (false, true) => "a language model",
    };
    let found: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(Error::new(ErrorKind::Usage, format!("the folder lacks {missing}, and a pipeline needs one"))
        .in_file(model)
        .note(format!("parts found: {found}; names known: openvino_vision_embeddings_model.xml and the like"))
        .help("use `memgraph llm` or `memgraph vit` for one part"))
}

/// The parts of a vision tower, or its one model.
///
/// # Errors
///
/// If the folder holds none.
pub fn of_vision(model: &Path) -> Result<Vec<Part>> {
    let parts: Vec<Part> = in_folder(model).into_iter().filter(|part| part.role.is_vision()).collect();
    if !parts.is_empty() {
        return Ok(parts);
    }
    let file = graph_file(model, &WHOLE)?;
    Ok(vec![Part { name: part_name(&file), role: Role::Vision, file }])
}

fn in_folder(model: &Path) -> Vec<Part> {
    if !model.is_dir() {
        return Vec::new();
    }
    let stored = of_stored(model);
    if !stored.is_empty() {
        return stored;
    }
    let folders = [model.to_owned(), model.join("onnx")];
    let files = folders
        .iter()
        .flat_map(|folder| identify::graph_files(folder).into_iter().map(move |name| folder.join(name)));
    let mut parts: Vec<(usize, Part)> = files
        .filter_map(|file| {
            let name = part_name(&file);
            let known = KNOWN.iter().position(|(known, _)| *known == name);
            let is_part = file.file_name()?.to_string_lossy().starts_with("openvino_");
            let role = match known {
                Some(index) => KNOWN.get(index)?.1,
                None if is_part && !name.is_empty() && !APART.contains(&name.as_str()) => Role::Other,
                None => return None,
            };
            Some((known.unwrap_or(KNOWN.len()), Part { name, role, file }))
        })
        .collect();
    parts.sort_by(|(a, one), (b, other)| {
        one.role.cmp(&other.role).then(a.cmp(b)).then(one.name.cmp(&other.name))
    });
    parts.into_iter().map(|(_, part)| part).collect()
}

/// GGUF files of a folder: projectors of images, and language models. A model in several files is its first.
fn of_stored(model: &Path) -> Vec<Part> {
    let names = identify::graph_files(model).into_iter().filter(|name| name.ends_with(".gguf"));
    let part = |name: String| {
        let file = model.join(&name);
        let (name, role) = match formats::stored_architecture(&file)?.as_str() {
            "" => return None,
            PROJECTOR => ("vision", Role::Vision),
            _ => ("language", Role::Language),
        };
        Some(Part { name: name.to_owned(), role, file })
    };
    let mut parts: Vec<Part> = names.filter_map(part).collect();
    parts.sort_by_key(|part| part.role);
    // One model alone, or several of a kind, is not a pipeline.
    let count = |role: Role| parts.iter().filter(|part| part.role == role).count();
    if (count(Role::Vision), count(Role::Language)) == (1, 1) { parts } else { Vec::new() }
}

/// The language model of a folder of GGUF files with a projector.
pub(super) fn language_of_stored(model: &Path) -> Option<PathBuf> {
    let parts = if model.is_dir() { of_stored(model) } else { Vec::new() };
    parts.into_iter().find(|part| part.role == Role::Language).map(|part| part.file)
}

/// A projector and a language model in files of their own.
#[must_use]
pub fn of_files(projector: &Path, language: &Path) -> Vec<Part> {
    let part = |name: &str, role, file: &Path| Part { name: name.to_owned(), role, file: file.to_owned() };
    vec![part("vision", Role::Vision, projector), part("language", Role::Language, language)]
}

/// `openvino_vision_embeddings_model.xml` is `vision_embeddings`.
fn part_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.strip_prefix("openvino_").unwrap_or(&stem);
    name.strip_suffix("_model").unwrap_or(if name == "model" { "" } else { name }).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_the_order_in_which_they_run() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["language_model", "tokenizer", "audio_encoder_model", "resampler_model", "text_embeddings_model"]
        {
            std::fs::write(folder.path().join(format!("openvino_{name}.xml")), "").unwrap();
        }
        let error = of_pipeline(folder.path()).map(|parts| parts.len());
        assert_eq!(error.unwrap(), 4);
        std::fs::write(folder.path().join("openvino_vision_embeddings_model.xml"), "").unwrap();
        let names: Vec<_> = of_pipeline(folder.path()).unwrap().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["vision_embeddings", "resampler", "audio_encoder", "text_embeddings", "language"]);
        let names: Vec<_> = of_vision(folder.path()).unwrap().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["vision_embeddings", "resampler"]);
    }

    #[test]
    fn a_folder_of_one_model_is_no_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("openvino_model.xml"), "").unwrap();
        assert!(of_pipeline(folder.path()).unwrap_err().to_string().contains("lacks a vision tower"));
        assert_eq!(of_vision(folder.path()).unwrap().len(), 1);
    }
}

//! Which files a folder holds, what part each plays, and what a run of it looks like.

pub mod estimate;
pub mod families;
pub mod genai;
pub(crate) mod length;
pub mod llm;
pub(crate) mod misfit;
pub mod parts;
mod positions;
pub(crate) mod siblings;
mod tower;
pub mod vit;
pub mod vlm;

use crate::error::Result;
use crate::formats::identify::Folder;
use std::path::{Path, PathBuf};

/// The graph file of a model: the file itself, the first of `names` that the folder holds, or else its only graph.
///
/// # Errors
///
/// If the folder holds no graph, or several under other names; the error says what it holds.
pub(crate) fn graph_file(model: &Path, names: &[&str]) -> Result<PathBuf> {
    if !model.is_dir() {
        return Ok(model.to_owned());
    }
    let found = names.iter().map(|name| model.join(name)).find(|path| path.is_file());
    found.map_or_else(|| Folder::only_model(model), Ok)
}

/// The folder that a model's config.json is in.
#[must_use]
pub fn folder(model: &Path) -> &Path {
    if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) }
}

//! Which files a folder holds, what part each plays, and what a run of it looks like.

pub mod estimate;
pub mod families;
pub mod genai;
pub mod llm;
pub(crate) mod misfit;
pub mod parts;
mod tower;
pub mod vit;
pub mod vlm;

use crate::error::{Error, ErrorKind, Result};
use crate::formats;
use std::path::{Path, PathBuf};

/// The graph file of a model: the file itself, or the first of `names` that the folder holds.
///
/// # Errors
///
/// If the folder holds none of them; the error lists what it looked for.
pub(crate) fn graph_file(model: &Path, names: &[&str]) -> Result<PathBuf> {
    if !model.is_dir() {
        return Ok(model.to_owned());
    }
    let found = names.iter().map(|name| model.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let error = Error::new(ErrorKind::Usage, "the folder holds no model that this command reads")
            .in_file(model)
            .note(format!("looked for {}", names.join(", ")));
        match other_graph(model) {
            Some(other) => error.help(format!("name the file itself, such as {}", other.display())),
            None => error.help("name the file itself, or use `memgraph graph FILE`"),
        }
    })
}

/// Another graph file of a folder or of its `onnx` subfolder.
fn other_graph(model: &Path) -> Option<PathBuf> {
    [model.to_owned(), model.join("onnx")].into_iter().find_map(|folder| {
        let first = formats::graph_files(&folder).into_iter().next()?;
        Some(folder.join(first))
    })
}

/// The folder that a model's config.json is in.
#[must_use]
pub fn folder(model: &Path) -> &Path {
    if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) }
}

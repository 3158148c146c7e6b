//! Names of the files and subfolders of a folder.

use std::path::Path;

/// Files of a folder that are looked at.
const MAX_FILES: usize = 1024;

/// The names of a folder's model files, sorted; none where it cannot be read.
#[must_use]
pub fn graph_files(path: &Path) -> Vec<String> {
    let is_graph = |name: &String| {
        let extension = Path::new(name).extension();
        extension.is_some_and(|extension| ["xml", "onnx", "gguf"].iter().any(|known| extension == *known))
    };
    names(path).into_iter().filter(is_graph).collect()
}

/// The names of a folder's safetensors files, sorted; none where it cannot be read.
#[must_use]
pub fn safetensors(path: &Path) -> Vec<String> {
    names(path).into_iter().filter(|name| name.ends_with(".safetensors")).collect()
}

/// Names of the files of a folder, sorted.
pub(super) fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .take(MAX_FILES)
        .collect();
    names.sort();
    names
}

/// Names of the subfolders that hold a model file.
pub(super) fn subfolders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries
        .take(MAX_FILES)
        .filter(|path| path.is_dir() && !graph_files(path).is_empty())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

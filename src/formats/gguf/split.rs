//! Models in several files, named `NAME-00001-of-00003.gguf`.
//!
//! Source: llama.cpp 0.5.0, src/llama-model-loader.cpp (`llama_model_loader`), src/llama.cpp (`llama_split_path`).

use super::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::limits;
use crate::graph::Setting;
use std::path::{Path, PathBuf};

/// The files after the first of a split model; none where it is whole.
pub(super) fn others(path: &Path, first: &Header) -> Result<Vec<PathBuf>> {
    let setting = |name: &str| match first.settings.get(name) {
        Some(Setting::Integer(value)) => u64::try_from(*value).ok(),
        _ => None,
    };
    let count = setting("split.count").unwrap_or(0);
    if count <= 1 {
        return Ok(Vec::new());
    }
    if count > limits::MAX_SPLITS {
        return Err(limits::exceeded("files of one model", count, limits::MAX_SPLITS).in_file(path));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = setting("split.no").unwrap_or(0);
    let Some(prefix) = name.strip_suffix(&format!("-{:05}-of-{count:05}.gguf", number + 1)) else {
        let message = format!("the file is number {} of {count}, and its name does not say so", number + 1);
        return Err(Error::new(ErrorKind::Malformed, message)
            .in_file(path)
            .help(format!("name it NAME-{:05}-of-{count:05}.gguf", number + 1)));
    };
    let file = |number: u64| path.with_file_name(format!("{prefix}-{number:05}-of-{count:05}.gguf"));
    if number != 0 {
        let message =
            format!("the file is number {} of {count}, and a model is read from its first", number + 1);
        return Err(Error::new(ErrorKind::Usage, message)
            .in_file(path)
            .help(format!("give {}", file(1).display())));
    }
    Ok((2..=count).map(file).collect())
}

//! The published component estimate of a model folder: config.json and the lengths of the weight files, no graph.

use super::folder;
use crate::closed_form::components::{self, Part};
use crate::error::{Result, countable};
use crate::formats::architecture::{self, Architecture};
use crate::scenario::Task;
use crate::units::Bytes;
use std::path::{Path, PathBuf};

/// Weight files of a vision tower, those that exist.
const VISION_FILES: [&str; 4] = [
    "openvino_vision_embeddings_model.bin",
    "openvino_vision_embeddings_merger_model.bin",
    "openvino_resampler_model.bin",
    "openvino_vision_projection_model.bin",
];
/// Weight files of a language model, the first that exists.
const LANGUAGE_FILES: [&str; 2] = ["openvino_language_model.bin", "openvino_model.bin"];
const EMBEDDINGS_FILE: &str = "openvino_text_embeddings_model.bin";

/// What the formulas say of one part of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The model, as the user named it.
    pub model: PathBuf,
    /// The config.json that was read.
    pub config: PathBuf,
    /// Language model or vision tower; [`Task::General`] for text embeddings.
    pub task: Task,
    /// Tokens or patches.
    pub length: f64,
    /// Lengths of the weight files; `None` where there is none.
    pub weights: Option<Bytes>,
    /// The temporary bytes, part by part.
    pub parts: Vec<Part>,
}

impl Estimate {
    /// The same, if its total fits into 64 bits.
    fn checked(self) -> Result<Estimate> {
        countable(self.total().0, "the total of the component formulas")?;
        Ok(self)
    }

    /// Weights and parts.
    #[must_use]
    pub fn total(&self) -> Bytes {
        self.weights.unwrap_or_default() + components::sum(&self.parts)
    }
}

/// The estimate of a language model that reads `tokens` tokens; `config` replaces the folder's config.json.
///
/// # Errors
///
/// If the config cannot be read or describes no language model.
pub fn language(model: &Path, config: Option<&Path>, tokens: f64) -> Result<Estimate> {
    let (path, architecture) = read(model, config)?;
    let Some(text) = &architecture.text else {
        let message = "the config describes no language model: a size of it is missing";
        return Err(crate::Error::new(crate::error::ErrorKind::Unsupported, message).in_file(&path).note(
            "needed are hidden_size, num_attention_heads, num_hidden_layers and vocab_size, at the top level, in \
             text_config or in llm_config",
        ));
    };
    let files = LANGUAGE_FILES.iter().map(|name| architecture::weights_bytes(&folder(model).join(name)));
    let weights = files.collect::<Result<Vec<_>>>()?.into_iter().flatten().next();
    let parts = components::language(text, tokens);
    Estimate { model: model.to_owned(), config: path, task: Task::Llm, length: tokens, weights, parts }
        .checked()
}

/// The estimate of a vision tower over `patches` patches; a model of one file counts that.
///
/// # Errors
///
/// If the config cannot be read or describes no vision tower.
pub fn vision(model: &Path, config: Option<&Path>, patches: u64) -> Result<Estimate> {
    let (path, architecture) = read(model, config)?;
    let files = VISION_FILES.iter().map(|name| architecture::weights_bytes(&folder(model).join(name)));
    let found: Vec<Bytes> = files.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let weights = (!found.is_empty()).then(|| found.into_iter().sum());
    let parts = components::vision(&architecture, patches).map_err(|error| error.in_file(&path))?;
    let length = patches as f64;
    Estimate { model: model.to_owned(), config: path, task: Task::Vision, length, weights, parts }.checked()
}

/// The estimates of a pipeline over `patches` patches: vision tower, language model, and the text embeddings' weights.
///
/// # Errors
///
/// Those of the parts, and if the formulas have no text length for the architecture.
pub fn pipeline(model: &Path, config: Option<&Path>, patches: u64) -> Result<[Estimate; 3]> {
    let vision = vision(model, config, patches)?;
    let (path, architecture) = read(model, config)?;
    let tokens = components::language_tokens(&architecture, patches).map_err(|error| error.in_file(&path))?;
    let language = language(model, config, tokens)?;
    let embeddings = Estimate {
        task: Task::General,
        weights: architecture::weights_bytes(&folder(model).join(EMBEDDINGS_FILE))?,
        parts: Vec::new(),
        ..language.clone()
    };
    let all: Bytes = [&vision, &language, &embeddings].map(Estimate::total).into_iter().sum();
    countable(all.0, "the total of the component formulas")?;
    Ok([vision, language, embeddings])
}

fn read(model: &Path, config: Option<&Path>) -> Result<(PathBuf, Architecture)> {
    let path = config.map_or_else(|| folder(model).join("config.json"), Path::to_owned);
    let architecture = architecture::read(&path)?;
    Ok((path, architecture))
}

//! One language model: prefill, decode, or a whole generation.

use crate::error::Result;
use crate::formats::config;
use crate::phases::PhaseName;
use crate::scenario::{Scenario, Task};
use std::path::{Path, PathBuf};

/// Which part of a generation is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The prompt in one pass.
    #[default]
    Prefill,
    /// One token after the prompt.
    Decode,
    /// The prompt, then tokens up to the last.
    Generate {
        /// How many tokens are generated.
        new_tokens: u64,
    },
}

/// Files that a language model may be in, first choice first: OpenVINO's exports; ONNX as optimum writes it, where a
/// decoder of both parts comes before one with or without a past; and the same in the subfolder of Hugging Face.
const FILES: [&str; 12] = [
    "openvino_language_model.xml",
    "openvino_model.xml",
    "model.onnx",
    "decoder_model_merged.onnx",
    "decoder_with_past_model.onnx",
    "decoder_model.onnx",
    "text_model.onnx",
    "onnx/model.onnx",
    "onnx/decoder_model_merged.onnx",
    "onnx/decoder_with_past_model.onnx",
    "onnx/decoder_model.onnx",
    "onnx/text_model.onnx",
];

/// The graph file of a language model: what `genai_config.json` names, else the first of the usual ones.
///
/// # Errors
///
/// If the folder holds none, or its `genai_config.json` cannot be read.
pub fn file(model: &Path) -> Result<PathBuf> {
    if model.is_dir()
        && let Some(name) = config::genai_decoder(model)?
    {
        return super::graph_file(model, &[&name]);
    }
    super::graph_file(model, &FILES)
}

/// The phases of a run over `prompt` tokens; `base` gives everything else, its `past` included.
#[must_use]
pub fn phases(base: &Scenario, prompt: u64, part: Part) -> Vec<(PhaseName, Scenario)> {
    let prefill = Scenario { task: Task::Llm, prompt: Some(prompt), ..base.clone() };
    let decode_after = |generated: u64| {
        let past = base.past.saturating_add(prompt).saturating_add(generated);
        Scenario { prompt: Some(1), past, ..prefill.clone() }
    };
    match part {
        Part::Prefill => vec![(PhaseName::Prefill, prefill)],
        Part::Decode => vec![(PhaseName::Decode, decode_after(0))],
        // The prefill gives the first token, so the last pass has all but one of the new tokens behind it.
        Part::Generate { new_tokens } => {
            let mut phases = vec![(PhaseName::Prefill, prefill.clone())];
            if new_tokens > 1 {
                phases.push((PhaseName::Decode, decode_after(new_tokens - 2)));
            }
            phases
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_their_decoder_or_have_a_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(file(folder.path()).is_err());
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for name in ["onnx/model.onnx", "decoder_model.onnx", "decoder_model_merged.onnx", "text.onnx"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(file(folder.path()).unwrap(), folder.path().join("decoder_model_merged.onnx"));
        let config = r#"{"model": {"decoder": {"filename": "text.onnx"}}}"#;
        std::fs::write(folder.path().join("genai_config.json"), config).unwrap();
        assert_eq!(file(folder.path()).unwrap(), folder.path().join("text.onnx"));
        assert_eq!(file(Path::new("other.onnx")).unwrap(), Path::new("other.onnx"));
    }

    #[test]
    fn the_last_of_n_new_tokens_has_n_minus_two_before_its_pass() {
        let phases = phases(&Scenario::default(), 10, Part::Generate { new_tokens: 5 });
        // Prefill yields token 1; four decode passes follow, the last over 10 + 3 cached tokens.
        assert_eq!((phases[1].1.prompt, phases[1].1.past), (Some(1), 13));
    }
}

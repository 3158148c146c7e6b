//! The sizes of a model folder that the published formulas ask for: its config.json, and the lengths of its weight files.

use super::config::json;
use super::{file, identify};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What a stripped model says at its end, before the number of bytes that its weights had.
const STRIPPED: &str = "<!-- weights stripped; full .bin size: ";

/// The architecture that a config.json describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Architecture {
    /// `model_type`.
    pub model_type: String,
    /// The first of `architectures`.
    pub class: String,
    /// `hidden_size` at the top level.
    pub hidden_size: Option<u64>,
    /// `query_num`: queries of a resampler.
    pub query_num: Option<u64>,
    /// The language model.
    pub text: Option<Text>,
    /// The vision tower.
    pub vision: Option<Vision>,
}

/// Sizes of a language model; `None` where the config states none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// `hidden_size`.
    pub hidden_size: u64,
    /// `num_attention_heads`.
    pub heads: u64,
    /// `num_key_value_heads`, else the attention heads.
    pub kv_heads: u64,
    /// `head_dim`, else hidden size by heads.
    pub head_size: u64,
    /// `num_hidden_layers`.
    pub layers: u64,
    /// `vocab_size`.
    pub vocab: u64,
    /// `intermediate_size`.
    pub intermediate_size: Option<u64>,
    /// The config has `rms_norm_eps`.
    pub has_rms_norm: bool,
    /// `tie_word_embeddings`.
    pub ties_embeddings: bool,
}

/// Sizes of a vision tower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vision {
    /// `model_type`.
    pub model_type: String,
    /// `hidden_size`.
    pub hidden_size: u64,
    /// `intermediate_size`.
    pub intermediate_size: Option<u64>,
    /// `out_hidden_size`, else the hidden size.
    pub out_hidden_size: u64,
    /// `spatial_merge_size`.
    pub spatial_merge_size: Option<u64>,
}

/// Reads the architecture from a config.json.
///
/// # Errors
///
/// If the file cannot be read, is over the cap, is not JSON, or states a size of 0.
pub fn read(path: &Path) -> Result<Architecture> {
    let json = json(path)?;
    let found = architecture(&json);
    let heads = found.text.iter().flat_map(|text| [text.heads, text.kv_heads, text.hidden_size]);
    if heads.chain(found.vision.iter().map(|vision| vision.hidden_size)).any(|size| size == 0) {
        let message = "a number of heads or a hidden size is 0";
        return Err(Error::new(ErrorKind::Malformed, message).in_file(path));
    }
    Ok(found)
}

fn architecture(json: &Value) -> Architecture {
    let word = |part: &Value, key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let class = json.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str);
    let text = ["llm_config", "text_config"].iter().find_map(|key| json.get(key)).unwrap_or(json);
    Architecture {
        model_type: word(json, "model_type"),
        class: class.unwrap_or_default().to_owned(),
        hidden_size: size(json, "hidden_size"),
        query_num: size(json, "query_num"),
        text: self::text(text, json),
        vision: json.get("vision_config").and_then(|vision| {
            let hidden_size = size(vision, "hidden_size").or_else(|| size(vision, "embed_dim"))?;
            Some(Vision {
                model_type: word(vision, "model_type"),
                hidden_size,
                intermediate_size: size(vision, "intermediate_size"),
                out_hidden_size: size(vision, "out_hidden_size").unwrap_or(hidden_size),
                spatial_merge_size: size(vision, "spatial_merge_size"),
            })
        }),
    }
}

fn text(part: &Value, whole: &Value) -> Option<Text> {
    let (hidden_size, heads) = (size(part, "hidden_size")?, size(part, "num_attention_heads")?);
    Some(Text {
        hidden_size,
        heads,
        kv_heads: size(part, "num_key_value_heads").unwrap_or(heads),
        head_size: size(part, "head_dim").or_else(|| hidden_size.checked_div(heads)).unwrap_or(0),
        layers: size(part, "num_hidden_layers")?,
        vocab: size(part, "vocab_size")?,
        intermediate_size: size(part, "intermediate_size"),
        has_rms_norm: part.get("rms_norm_eps").is_some(),
        ties_embeddings: [part, whole]
            .iter()
            .any(|json| json.get("tie_word_embeddings").and_then(Value::as_bool) == Some(true)),
    })
}

fn size(part: &Value, key: &str) -> Option<u64> {
    part.get(key).and_then(Value::as_u64)
}

/// Bytes of a weights file; of a stripped model, those that its graph file says the weights had.
///
/// `None` if there is no such file.
///
/// # Errors
///
/// If a file that is there cannot be read.
pub fn weights_bytes(path: &Path) -> Result<Option<Bytes>> {
    let length = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, error)),
    };
    let graph = path.with_extension("xml");
    let stated = match file::open(&graph) {
        Ok(file) => stripped(file).map_err(|error| Error::io(&graph, error))?,
        Err(_) => None,
    };
    Ok(Some(Bytes(stated.unwrap_or(length).max(length))))
}

/// The weights that a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderWeights {
    /// Their files, sorted.
    pub files: Vec<String>,
    /// Their bytes together.
    pub total: Bytes,
    /// Those of the language model alone, where a file has its name.
    pub language: Option<Bytes>,
}

/// The weights of a folder: those of its IRs, or else its safetensors; `None` if it holds neither.
///
/// # Errors
///
/// If a file that is there cannot be read.
pub fn folder_weights(folder: &Path) -> Result<Option<FolderWeights>> {
    let mut found = FolderWeights::default();
    let graphs = identify::graph_files(folder).into_iter().filter(|name| name.ends_with(".xml"));
    for name in graphs.filter(|name| !name.contains("tokenizer")) {
        let file = Path::new(&name).with_extension("bin");
        if let Some(bytes) = weights_bytes(&folder.join(&file))? {
            if name.contains("language_model") || name == "openvino_model.xml" {
                found.language = Some(bytes);
            }
            found.total += bytes;
            found.files.push(file.display().to_string());
        }
    }
    if found.files.is_empty() {
        for name in identify::safetensors(folder) {
            found.total += weights_bytes(&folder.join(&name))?.unwrap_or_default();
            found.files.push(name);
        }
    }
    Ok(Some(found).filter(|found| found.total > Bytes::ZERO))
}

/// The bytes that a stripped model's last line states.
fn stripped(mut file: File) -> std::io::Result<Option<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(128)))?;
    let mut tail = Vec::new();
    file.take(128).read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    let number = tail.rsplit_once(STRIPPED).and_then(|(_, rest)| rest.split_once(" bytes -->"));
    Ok(number.and_then(|(number, _)| number.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_where_they_are() {
        let json = serde_json::json!({
            "model_type": "internvl_chat",
            "architectures": ["InternVLChatModel"],
            "llm_config": {"hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2,
                "num_hidden_layers": 36, "vocab_size": 151_674, "intermediate_size": 11_008, "rms_norm_eps": 1e-6},
            "vision_config": {"hidden_size": 1024, "intermediate_size": 4096},
        });
        let found = architecture(&json);
        let text = found.text.unwrap();
        assert_eq!((text.kv_heads, text.head_size, text.has_rms_norm), (2, 128, true));
        let vision = found.vision.unwrap();
        assert_eq!((vision.out_hidden_size, vision.spatial_merge_size), (1024, None));
        assert_eq!(found.class, "InternVLChatModel");
    }

    #[test]
    fn a_stripped_model_tells_the_length_of_its_weights() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("m.bin");
        assert_eq!(weights_bytes(&bin).unwrap(), None);
        std::fs::write(&bin, [0; 3]).unwrap();
        assert_eq!(weights_bytes(&bin).unwrap(), Some(Bytes(3)));
        let text = "<net/>\n<!-- weights stripped; full .bin size: 6171877821 bytes -->\n";
        std::fs::write(folder.path().join("m.xml"), text).unwrap();
        assert_eq!(weights_bytes(&bin).unwrap(), Some(Bytes(6_171_877_821)));
    }

    #[test]
    fn a_folder_has_the_weights_of_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: usize| std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
        assert_eq!(folder_weights(folder.path()).unwrap(), None);
        write("model-00001.safetensors", 7);
        assert_eq!(folder_weights(folder.path()).unwrap().unwrap().total, Bytes(7));
        for (name, bytes) in
            [("openvino_language_model", 5), ("openvino_vision_model", 3), ("openvino_tokenizer", 9)]
        {
            write(&format!("{name}.xml"), 1);
            write(&format!("{name}.bin"), bytes);
        }
        let found = folder_weights(folder.path()).unwrap().unwrap();
        assert_eq!((found.total, found.language, found.files.len()), (Bytes(8), Some(Bytes(5)), 2));
    }

    #[test]
    fn heads_of_zero_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"hidden_size": 8, "num_attention_heads": 0, "num_hidden_layers": 1, "vocab_size": 5}"#;
        std::fs::write(file.path(), text).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("is 0"));
    }
}

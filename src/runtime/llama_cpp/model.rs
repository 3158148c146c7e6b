//! What llama.cpp reads of a file: sizes by name, with its defaults, and tensors by name.
//!
//! Source: llama.cpp 0.5.0, src/llama-model.cpp (`llama_model_base::load_hparams`), src/llama-hparams.cpp.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Setting, Stored, StoredTensor};
use rustc_hash::FxHashMap;
use std::path::Path;

/// Layers at most.
///
/// Source: src/llama-hparams.h (`LLAMA_MAX_LAYERS`).
const MAX_LAYERS: u64 = 512;

/// Experts at most.
///
/// Source: src/llama-hparams.h (`LLAMA_MAX_EXPERTS`).
const MAX_EXPERTS: u64 = 512;

/// The largest dim that is believed: sums of products of four such numbers and bytes stay below 2^63.
const MAX_SIZE: u64 = 1 << 32;

/// How many past tokens a layer's attention reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Tokens; 0 where every layer reads all.
    pub(super) tokens: u64,
    /// By layer, whether it reads the window only.
    pub(super) layers: Vec<bool>,
}

/// The name of a weight in its parts, so that names of layers need not be put together to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WeightName<'a> {
    /// Of names that begin with `blk.` and a number.
    layer: Option<u64>,
    name: &'a str,
    /// What is behind the last point.
    ending: &'a str,
}

impl<'a> WeightName<'a> {
    fn of(whole: &'a str) -> WeightName<'a> {
        let in_layer = whole.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        // A number with leading zeros is not that of a layer.
        let in_layer = in_layer.filter(|(number, _)| *number == "0" || !number.starts_with('0'));
        let in_layer = in_layer.and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        let (layer, rest) = in_layer.map_or((None, whole), |(layer, rest)| (Some(layer), rest));
        let (name, ending) = rest.rsplit_once('.').unwrap_or((rest, ""));
        WeightName { layer, name, ending }
    }
}

/// A model as its file describes it.
#[derive(Debug)]
pub(super) struct Model<'a> {
    /// The file's content.
    pub(super) stored: &'a Stored,
    /// `general.architecture`.
    pub(super) architecture: &'a str,
    by_name: FxHashMap<WeightName<'a>, u32>,
    /// Layers that the main context runs.
    pub(super) layers: u64,
    /// Layers with tensors: those, and the ones that draft tokens.
    pub(super) all_layers: u64,
    /// Width of the hidden state.
    pub(super) width: u64,
    /// Tokens of the context that the model was trained with.
    pub(super) trained_context: u64,
    /// Rows of the token embedding.
    pub(super) vocabulary: u64,
    /// Heads of queries by layer.
    heads: Vec<u64>,
    /// Heads of keys and values by layer.
    kv_heads: Vec<u64>,
    /// Width of a head: keys of all layers, values, and of layers with a window.
    head: [u64; 4],
    /// Experts.
    pub(super) experts: u64,
    /// Experts that a token uses, by layer.
    experts_used: Vec<u64>,
    /// Groups of experts.
    pub(super) expert_groups: u64,
    /// Groups of which experts are used.
    pub(super) expert_groups_used: u64,
    /// Tokens see earlier tokens only.
    pub(super) is_causal: bool,
    /// The layers' windows.
    pub(super) window: Window,
}

impl<'a> Model<'a> {
    /// Reads the sizes that every architecture has.
    ///
    /// # Errors
    ///
    /// If one is missing or beyond what llama.cpp accepts.
    pub(super) fn read(stored: &'a Stored, file: &Path) -> Result<Model<'a>> {
        let fault = |message: String| Error::new(ErrorKind::Malformed, message).in_file(file);
        let architecture = stored
            .text("general.architecture")
            .ok_or_else(|| fault("the file does not name its architecture".to_owned()))?;
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| stored.integer(&key(name)).filter(|&value| value < MAX_SIZE);
        let needed = |name: &str| {
            number(name)
                .ok_or_else(|| fault(format!("the file lacks {}, or its value is not a size", key(name))))
        };
        let all_layers = needed("block_count")?;
        if !(1..=MAX_LAYERS).contains(&all_layers) {
            return Err(fault(format!(
                "the model has {all_layers} layers, and 1 to {MAX_LAYERS} are allowed"
            )));
        }
        let per_layer = |name: &str| by_layer(stored, &key(name), all_layers);
        let width = needed("embedding_length")?;
        let heads = per_layer("attention.head_count").unwrap_or_else(|| vec![0; all_layers as usize]);
        let kv_heads = per_layer("attention.head_count_kv").unwrap_or_else(|| heads.clone());
        let default = width.checked_div(heads[0]).unwrap_or(0);
        let [k, v] =
            ["attention.key_length", "attention.value_length"].map(|name| number(name).unwrap_or(default));
        let [k_window, v_window] = [("attention.key_length_swa", k), ("attention.value_length_swa", v)]
            .map(|(name, default)| number(name).unwrap_or(default));
        let head = if heads[0] > 0 { [k, v, k_window, v_window] } else { [0; 4] };
        if heads[0] > 0 && (k == 0 || v == 0) {
            return Err(fault(format!(
                "heads have no elements: {} of them share {width} elements of the embedding",
                heads[0]
            )));
        }
        let drafting = number("nextn_predict_layers").unwrap_or(0).min(all_layers - 1);
        let by_name: FxHashMap<WeightName<'_>, u32> = stored
            .tensors
            .iter()
            .zip(0..)
            .map(|(tensor, index)| (WeightName::of(&tensor.name), index))
            .collect();
        let embedding = by_name.get(&WeightName::of("token_embd.weight"));
        let embedding = embedding.map(|&index| &stored.tensors[index as usize]);
        let experts = number("expert_count").unwrap_or(0);
        if experts > MAX_EXPERTS {
            return Err(fault(format!("the model has {experts} experts, and {MAX_EXPERTS} are allowed")));
        }
        let experts_used = per_layer("expert_used_count").unwrap_or_else(|| vec![0; all_layers as usize]);
        if experts_used.iter().any(|&used| used > experts) {
            return Err(fault(format!("a token uses more experts than the {experts} that there are")));
        }
        Ok(Model {
            stored,
            architecture,
            layers: all_layers - drafting,
            all_layers,
            width,
            trained_context: needed("context_length")?,
            vocabulary: embedding.map_or(0, |tensor| tensor.dims[1]),
            heads,
            kv_heads,
            head,
            experts,
            experts_used,
            expert_groups: number("expert_group_count").unwrap_or(0),
            expert_groups_used: number("expert_group_used_count").unwrap_or(0),
            is_causal: stored.bool(&key("attention.causal")).unwrap_or(true),
            window: Window { tokens: 0, layers: vec![false; all_layers as usize] },
            by_name,
        })
    }

    /// A size of the architecture.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let found = self.stored.integer(&format!("{}.{name}", self.architecture));
        found.filter(|&value| value < MAX_SIZE)
    }

    /// A size of the architecture by layer, where it is a number or a list.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        by_layer(self.stored, &format!("{}.{name}", self.architecture), self.all_layers)
    }

    /// A number of the architecture.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.stored.float(&format!("{}.{name}", self.architecture))
    }

    /// A truth value of the architecture.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.stored.bool(&format!("{}.{name}", self.architecture))
    }

    /// A text of the architecture.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.stored.text(&format!("{}.{name}", self.architecture))
    }

    /// A stored tensor by its whole name.
    pub(super) fn tensor(&self, name: &str) -> Option<(u32, &'a StoredTensor)> {
        let &index = self.by_name.get(&WeightName::of(name))?;
        Some((index, &self.stored.tensors[index as usize]))
    }

    /// The number of a layer's stored tensor by its name and its ending: `attn_q`, `weight`.
    pub(super) fn layer_tensor(&self, layer: u64, name: &str, ending: &str) -> Option<u32> {
        self.by_name.get(&WeightName { layer: Some(layer), name, ending }).copied()
    }

    /// Sets which layers have a window: as a list in the file says, else all but the last of every `period`.
    pub(super) fn set_window(&mut self, default_tokens: u64, period: u64) {
        self.set_windows(default_tokens, period, |layer, period| layer % period < period - 1);
    }

    /// The same, where all but the first of every `period` layers have a window.
    pub(super) fn set_window_after_first(&mut self, period: u64) {
        self.set_windows(0, period, |layer, period| layer % period != 0);
    }

    /// Source: src/llama-hparams.cpp (`set_swa_pattern`), src/llama-model.cpp (`load_swa_pattern`).
    fn set_windows(&mut self, default_tokens: u64, period: u64, has_window: fn(u64, u64) -> bool) {
        let tokens = self.number("attention.sliding_window").unwrap_or(default_tokens);
        let own = self.number("attention.sliding_window_pattern");
        let list = self.numbers("attention.sliding_window_pattern").filter(|_| own.is_none());
        let period = own.unwrap_or(period);
        let mut layers: Vec<bool> = match list {
            Some(list) => list.iter().map(|&value| value != 0).collect(),
            None => (0..self.all_layers).map(|layer| period == 0 || has_window(layer, period)).collect(),
        };
        layers.iter_mut().skip(self.layers as usize).for_each(|has| *has = false);
        self.window = Window { tokens, layers };
    }

    /// Whether the cache is in two parts: of all tokens, and of a window.
    pub(super) fn has_window(&self) -> bool {
        self.window.tokens > 0
    }

    /// Whether a layer reads a window only.
    pub(super) fn is_window(&self, layer: u64) -> bool {
        self.window.layers.get(layer as usize).copied().unwrap_or(false)
    }

    /// Heads of queries of a layer.
    pub(super) fn heads(&self, layer: u64) -> u64 {
        self.heads.get(layer as usize).copied().unwrap_or(0)
    }

    /// Heads of keys and values of a layer.
    pub(super) fn kv_heads(&self, layer: u64) -> u64 {
        self.kv_heads.get(layer as usize).copied().unwrap_or(0)
    }

    /// Width of a head of keys in layers that read all tokens.
    pub(super) fn full_head(&self) -> u64 {
        self.head[0]
    }

    /// Width of a head of keys.
    pub(super) fn head_k(&self, layer: u64) -> u64 {
        if self.is_window(layer) { self.head[2] } else { self.head[0] }
    }

    /// Width of a head of values.
    pub(super) fn head_v(&self, layer: u64) -> u64 {
        if self.is_window(layer) { self.head[3] } else { self.head[1] }
    }

    /// Experts that a token uses in a layer.
    pub(super) fn experts_used(&self, layer: u64) -> u64 {
        self.experts_used.get(layer as usize).copied().unwrap_or(0)
    }

    /// The file has one head of keys for all, from which each head's are computed.
    ///
    /// Source: src/llama-hparams.cpp (`is_mla`).
    pub(super) fn is_latent(&self) -> bool {
        [("attention.key_length_mla"), ("attention.value_length_mla")]
            .iter()
            .all(|name| self.number(name).is_some_and(|value| value > 0))
    }
}

/// A setting by layer: a list of so many, or one number for all.
fn by_layer(stored: &Stored, key: &str, layers: u64) -> Option<Vec<u64>> {
    match stored.settings.get(key)? {
        Setting::Numbers(values) if values.len() as u64 >= layers => {
            let integer = |&value: &f64| (0.0..MAX_SIZE as f64).contains(&value).then_some(value as u64);
            values.iter().take(layers as usize).map(integer).collect()
        }
        Setting::Integer(value) => {
            let value = u64::try_from(*value).ok().filter(|&value| value < MAX_SIZE)?;
            Some(vec![value; layers as usize])
        }
        _ => None,
    }
}

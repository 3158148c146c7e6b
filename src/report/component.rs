//! The component and layer of a node, found in the exporter's names.
//!
//! PyTorch exports name a node by its module path and operation, `__module.model.layers.3.self_attn.q_proj/ov_ext::linear/MatMul`;
//! ONNX exports by `/model/layers.3/self_attn/q_proj/MatMul`. The words of the path decide. A node without a path
//! (`Multiply_1234`, made by a pass) belongs to the node that reads it first, else to the one that it reads.
//!
//! The components are those of the published per-part estimates, so that a breakdown can be compared with them.

use super::ggml_names;
use crate::graph::op::OpKind;
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// The part of a model that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Component {
    /// The part's name, such as `q_proj`.
    pub part: &'static str,
    /// The block, counted from 0, if it is in one.
    pub layer: Option<u32>,
}

impl Component {
    /// Where no name says it.
    pub const OTHER: Component = Component { part: "other", layer: None };
}

/// The name of what a language model's head computes, next to its parts.
pub const LOGITS: &str = "logits";

/// The part whose results are [`LOGITS`].
pub const HEAD: &str = "lm_head";

/// Words of a module path and the part that they represent, sorted; the last word of a path that is here decides.
const WORDS: &[(&str, &str)] = &[
    ("LayerNorm", "post_attention_layernorm"),
    ("c_attn", "qkv_proj"),
    ("classifier", "classifier"),
    ("connector", "projection"),
    ("down_proj", "mlp"),
    ("embed_positions", "position_embed"),
    ("embed_tokens", "embed_tokens"),
    ("embedding", "embed_tokens"),
    ("embeddings", "embeddings"),
    ("fc1", "mlp"),
    ("fc2", "mlp"),
    ("feed_forward", "mlp"),
    ("final_layer_norm", "post_attention_layernorm"),
    ("gate_proj", "mlp"),
    ("gate_up_proj", "mlp"),
    ("input_layernorm", "input_layernorm"),
    ("intermediate", "mlp"),
    ("k_norm", "qk_norm"),
    ("k_proj", "k_proj"),
    ("key", "k_proj"),
    ("layer_norm1", "input_layernorm"),
    ("layer_norm2", "post_attention_layernorm"),
    ("layernorm_after", "post_attention_layernorm"),
    ("layernorm_before", "input_layernorm"),
    ("lm_head", "lm_head"),
    ("ln_1", "input_layernorm"),
    ("ln_2", "post_attention_layernorm"),
    ("merger", "merger"),
    ("mlp", "mlp"),
    ("mm_projector", "projection"),
    ("multi_modal_projector", "projection"),
    ("norm1", "input_layernorm"),
    ("norm2", "post_attention_layernorm"),
    ("o_proj", "o_proj"),
    ("out_proj", "o_proj"),
    ("pooler", "pooler"),
    ("position_embedding", "position_embed"),
    ("position_embeddings", "position_embed"),
    ("post_attention_layernorm", "post_attention_layernorm"),
    ("post_feedforward_layernorm", "post_attention_layernorm"),
    ("pre_feedforward_layernorm", "post_attention_layernorm"),
    ("projection", "projection"),
    ("q_norm", "qk_norm"),
    ("q_proj", "q_proj"),
    ("qkv", "qkv_proj"),
    ("qkv_proj", "qkv_proj"),
    ("query", "q_proj"),
    ("resampler", "resampler"),
    ("rotary_emb", "rotary_emb"),
    ("rotary_pos_emb", "rotary_emb"),
    ("self_attn_layer_norm", "input_layernorm"),
    ("token_embedding", "embed_tokens"),
    ("up_proj", "mlp"),
    ("v_proj", "v_proj"),
    ("value", "v_proj"),
    ("word_embeddings", "embed_tokens"),
    ("wpe", "position_embed"),
    ("wte", "embed_tokens"),
];

/// Words of modules that hold an attention block's own operations.
const ATTENTION: &[&str] = &["self_attn", "attn", "attention", "self", "self_attention"];

/// Words that come before a block's number.
const BLOCKS: &[&str] = &["layers", "layer", "blocks", "block", "h"];

/// The component of every node of a graph.
///
/// Blocks of several stages (`stages.0.blocks.2`, `stages.1.blocks.0`) are counted through, in the order in which they run.
///
/// Cost: linear in nodes and edges.
#[must_use]
pub fn of(graph: &Graph) -> Vec<Component> {
    let origins = origins(graph);
    let blocks = Blocks::new(graph, &origins);
    let component = |origin: Option<(Component, NodeId)>| {
        let (component, node) = origin?;
        Some(Component { layer: blocks.number(graph.node_name(node), component.layer), ..component })
    };
    origins.into_iter().map(|origin| component(origin).unwrap_or(Component::OTHER)).collect()
}

/// Numbers of the blocks of a graph that has several lists of them.
struct Blocks<'a> {
    numbers: FxHashMap<(&'a str, u32), u32>,
}

impl<'a> Blocks<'a> {
    fn new(graph: &'a Graph, origins: &[Option<(Component, NodeId)>]) -> Blocks<'a> {
        // A block ends with its last node; constants of it may be converted long before it runs.
        let mut last: FxHashMap<(&str, u32), usize> = FxHashMap::default();
        let mut lists = FxHashSet::default();
        for (step, &node) in graph.execution_order().iter().enumerate() {
            let Some((Component { layer: Some(layer), .. }, origin)) = origins[node.index()] else {
                continue;
            };
            if let Some(list) = list(graph.node_name(origin)) {
                last.insert((list, layer), step);
                lists.insert(list);
            }
        }
        let mut blocks: Vec<_> = last.into_iter().filter(|_| lists.len() > 1).collect();
        blocks.sort_unstable_by_key(|&(_, step)| step);
        Blocks { numbers: blocks.into_iter().map(|(block, _)| block).zip(0..).collect() }
    }

    /// The number of the block that a node is in, where its own list counts `layer`.
    fn number(&self, name: &str, layer: Option<u32>) -> Option<u32> {
        let counted = || self.numbers.get(&(list(name)?, layer?)).copied();
        counted().or(layer)
    }
}

/// The part of a module path before a block's number: `encoder.stages.1.layers`.
fn list(name: &str) -> Option<&str> {
    let (path, _) = split(name)?;
    let path = root(path);
    let mut start = 0;
    for word in path.split(['.', '/']) {
        let end = start + word.len();
        let next = path.get(end + 1..).and_then(|rest| rest.split(['.', '/']).next());
        if BLOCKS.contains(&word) && next.is_some_and(|next| next.parse::<u32>().is_ok()) {
            return path.get(..end);
        }
        start = end + 1;
    }
    None
}

/// What the parts of a graph are called in a breakdown: the part where it is known, else the module that the exporter's
/// names give, else the operator type.
///
/// The parts are those of a transformer, so a graph of convolutions without attention is divided by modules alone.
///
/// Modules are cut at the first word of their path at which none has more than half of the nodes: `layer1`, `layer2` …
/// of a ResNet.
///
/// Cost: linear in nodes and edges.
#[must_use]
pub fn labels(graph: &Graph) -> Vec<Cow<'_, str>> {
    let origins = origins(graph);
    let has_attention =
        origins.iter().flatten().any(|(component, _)| ATTENTION_PARTS.contains(&component.part));
    let has_parts = has_attention || graph.nodes().iter().all(|node| node.op.kind() != OpKind::Convolution);
    let is_other = |origin: &Option<(Component, NodeId)>| {
        origin.is_none_or(|(component, _)| !has_parts || component.part == Component::OTHER.part)
    };
    let path =
        |origin: &Option<(Component, NodeId)>| origin.and_then(|(_, node)| module(graph.node_name(node)));
    let paths: Vec<&str> = origins.iter().filter(|origin| is_other(origin)).filter_map(path).collect();
    let common = common(&paths);
    let depth = (1..MODULE_WORDS).find(|&depth| is_even(&paths, common, depth)).unwrap_or(MODULE_WORDS);
    let label = |(index, origin): (usize, &Option<(Component, NodeId)>)| match origin {
        Some((component, _)) if !is_other(origin) => Cow::Borrowed(component.part),
        origin => match path(origin) {
            Some(path) => Cow::Borrowed(words(path, common, depth)),
            None => Cow::Borrowed(graph.node_type(NodeId::new(index))),
        },
    };
    origins.iter().enumerate().map(label).collect()
}

/// Parts that only a graph with attention has.
const ATTENTION_PARTS: [&str; 4] = ["q_proj", "qkv_proj", "scaled_dot_product_attention", "o_proj"];

/// Words of a module's path in a breakdown at most.
const MODULE_WORDS: usize = 5;

/// Bytes of the words that all paths begin with.
fn common(paths: &[&str]) -> usize {
    let Some((first, rest)) = paths.split_first() else { return 0 };
    let shared_with = |path: &&str| first.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
    let shared = rest.iter().map(shared_with).min().unwrap_or(first.len());
    let ends = first.match_indices(['.', '/']).map(|(end, _)| end + 1);
    ends.take_while(|&end| end <= shared).last().unwrap_or(0)
}

/// Whether none of the paths' first words after the common ones has more than half of them.
fn is_even(paths: &[&str], common: usize, depth: usize) -> bool {
    let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
    for path in paths {
        *counts.entry(words(path, common, depth)).or_default() += 1;
    }
    counts.values().all(|&count| count * 2 <= paths.len())
}

/// The first words of a path after the common ones.
fn words(path: &str, common: usize, count: usize) -> &str {
    let path = path.get(common..).unwrap_or(path);
    let end = path.match_indices(['.', '/']).nth(count - 1).map_or(path.len(), |(end, _)| end);
    path.get(..end).unwrap_or(path)
}

/// The component of every node, and the node whose name gave it.
fn origins(graph: &Graph) -> Vec<Option<(Component, NodeId)>> {
    let ids = (0..graph.nodes().len()).map(NodeId::new);
    let mut places = Places::default();
    let mut found: Vec<Option<(Component, NodeId)>> =
        ids.map(|id| Some((named(graph, id, &mut places)?, id))).collect();
    let order = graph.execution_order();
    for &node in order.iter().rev() {
        if let Some(component) = found[node.index()] {
            for &tensor in graph.inputs(node).iter().flatten() {
                let producer = graph.tensor(tensor).node.index();
                found[producer] = found[producer].or(Some(component));
            }
        }
    }
    for &node in order {
        if found[node.index()].is_none() {
            let mut producers = graph.inputs(node).iter().flatten().map(|&tensor| graph.tensor(tensor).node);
            found[node.index()] = producers.find_map(|producer| found[producer.index()]);
        }
    }
    found
}

/// What a node's own name or variable says.
fn named<'a>(graph: &'a Graph, id: NodeId, places: &mut Places<'a>) -> Option<Component> {
    if graph.stored().is_some() {
        return ggml_names::component(graph.node_name(id)).map(|(part, layer)| Component { part, layer });
    }
    match graph.node(id).op {
        Op::ReadValue(variable) | Op::Assign(variable) => {
            let layer = numbers(&graph.variable(variable).name).next();
            Some(Component { part: "kv_cache", layer })
        }
        Op::Parameter | Op::Result | Op::Constant(_) => None,
        _ => component(graph.node_name(id), |path| *places.entry(path).or_insert_with(|| place(path))),
    }
}

/// The part and the layer that a module's path names.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// `None`: a node's operation decides, for the module holds an attention block's own operations.
    part: Option<&'static str>,
    layer: Option<u32>,
}

/// By module path, for many nodes have the same.
type Places<'a> = FxHashMap<&'a str, Place>;

/// The component that a node name's module path gives.
///
/// # Example
///
/// ```
/// use memgraph::report::component::from_path;
///
/// let found = from_path("__module.model.layers.3.self_attn.q_proj/ov_ext::linear/MatMul").unwrap();
/// assert_eq!((found.part, found.layer), ("q_proj", Some(3)));
/// assert_eq!(from_path("Multiply_1234"), None);
/// ```
#[must_use]
pub fn from_path(name: &str) -> Option<Component> {
    component(name, place)
}

/// The component of a node, from what its module's path says.
fn component<'a>(name: &'a str, place: impl FnOnce(&'a str) -> Place) -> Option<Component> {
    if name.starts_with("ov_ext::embedding/") {
        return Some(Component { part: "embed_tokens", layer: None });
    }
    let (path, operation) = split(name)?;
    let Place { part, layer } = place(path);
    Some(Component { part: part.unwrap_or_else(|| attention(operation)), layer })
}

fn place(path: &str) -> Place {
    let words: Vec<&str> = path.split(['.', '/']).collect();
    let layer = words.windows(2).find_map(|pair| match pair {
        [word, number] if BLOCKS.contains(word) => number.parse().ok(),
        _ => None,
    });
    let is_attention = words.last().is_some_and(|last| ATTENTION.contains(last));
    Place { part: (!is_attention).then(|| part(&words, layer.is_some())), layer }
}

/// The module that a node name's path gives, without the operation: `model.layers.3.mlp`.
///
/// # Example
///
/// ```
/// use memgraph::report::component::module;
///
/// assert_eq!(module("__module.layer1.0.conv1/aten::_convolution/Convolution"), Some("layer1.0.conv1"));
/// assert_eq!(module("/model/layers.3/mlp/Mul"), Some("model/layers.3/mlp"));
/// assert_eq!((module("/Add_2"), module("Multiply_1234")), (None, None));
/// ```
#[must_use]
pub fn module(name: &str) -> Option<&str> {
    let (path, operation) = split(name)?;
    if operation.is_empty() && name.starts_with('/') {
        return None;
    }
    Some(root(path)).filter(|path| !path.is_empty() && *path != "__module")
}

/// A module path without the exporter's word for the whole model.
fn root(path: &str) -> &str {
    ["__module.", "self."].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path)
}

/// A name's module path and its operation.
fn split(name: &str) -> Option<(&str, &str)> {
    let is_path = name.starts_with("__module.") || name.starts_with("self.");
    match name.strip_prefix('/') {
        Some(path) => Some(path.rsplit_once('/').unwrap_or((path, ""))),
        None => is_path.then(|| name.split_once('/').unwrap_or((name, ""))),
    }
}

fn part(words: &[&str], is_in_block: bool) -> &'static str {
    let is_attention_output =
        words.ends_with(&["attention", "output", "dense"]) || words.ends_with(&["attn", "proj"]);
    if is_attention_output {
        return "o_proj";
    }
    if is_in_block && words.ends_with(&["output", "dense"]) {
        return "mlp";
    }
    if words.iter().any(|word| word.starts_with("patch_embed")) {
        return "patch_embed";
    }
    let known =
        words.iter().rev().find_map(|word| WORDS.binary_search_by_key(word, |&(known, _)| known).ok());
    if let Some((_, part)) = known.and_then(|index| WORDS.get(index)) {
        return part;
    }
    if is_in_block {
        return "residual";
    }
    match words.last().copied().unwrap_or_default() {
        "norm" | "layernorm" | "ln_f" | "post_layernorm" | "pre_layrnorm" | "final_layernorm" => "final_norm",
        "model" | "language_model" => "attention_mask",
        _ => "other",
    }
}

/// The part of an operation directly in an attention module.
fn attention(operation: &str) -> &'static str {
    let name = operation.split('/').next().unwrap_or_default().trim_start_matches("aten::");
    match name {
        "mul" | "add" | "neg" | "cat" | "slice" | "cos" | "sin" | "unsqueeze" => "rotary_emb",
        _ => "scaled_dot_product_attention",
    }
}

fn numbers(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_unique() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn modules_are_cut_after_their_common_words() {
        let paths = ["m.net.stages.0.conv", "m.net.stages.1.conv", "m.net.head"];
        let common = common(&paths);
        assert_eq!(words(paths[0], common, 2), "stages.0");
        assert!(!is_even(&paths, common, 1) && is_even(&paths, common, 2));
    }

    #[test]
    fn a_list_of_blocks_is_the_path_before_a_number() {
        let cases = [
            ("__module.stages.1.blocks.0.conv/aten::_convolution/Convolution", Some("stages.1.blocks")),
            ("self.stages.1.blocks.0.gamma/Convert", Some("stages.1.blocks")),
            ("/model/layers.3/self_attn/q_proj/MatMul", Some("model/layers")),
            ("__module.layers.norm/aten::mul/Multiply", None),
        ];
        for (name, expected) in cases {
            assert_eq!(list(name), expected, "{name}");
        }
    }

    #[test]
    fn paths_give_part_and_layer() {
        let cases = [
            ("__module.model.embed_tokens/ov_ext::embedding/Gather", "embed_tokens", None),
            ("__module.model.layers.0.input_layernorm/aten::pow/Power", "input_layernorm", Some(0)),
            ("__module.model.layers.7.self_attn/aten::mul/Multiply_1", "rotary_emb", Some(7)),
            ("__module.model.layers.7.self_attn/aten::view/Reshape", "scaled_dot_product_attention", Some(7)),
            ("__module.model.layers.23.mlp.act_fn/aten::silu/Swish", "mlp", Some(23)),
            ("__module.model.layers.23/aten::add/Add_1", "residual", Some(23)),
            ("__module.model.norm/aten::mul/Multiply_1", "final_norm", None),
            ("__module.model/aten::where/Select", "attention_mask", None),
            ("__module.vit.encoder.layer.3.attention.output.dense/aten::linear/Add", "o_proj", Some(3)),
            ("__module.vit.encoder.layer.3.output.dense/aten::linear/Add", "mlp", Some(3)),
            ("__module.vit.encoder.layer.3.attention.attention.query/aten::linear/MatMul", "q_proj", Some(3)),
            (
                "__module.vit.embeddings.patch_embeddings.projection/aten::_convolution/Add",
                "patch_embed",
                None,
            ),
            ("__module.blocks.5.attn.proj/ov_ext::linear/MatMul", "o_proj", Some(5)),
            ("__module.blocks.5.attn.qkv/ov_ext::linear/MatMul", "qkv_proj", Some(5)),
            ("/model/layers.3/self_attn/q_proj/MatMul", "q_proj", Some(3)),
        ];
        for (name, part, layer) in cases {
            assert_eq!(from_path(name), Some(Component { part, layer }), "{name}");
        }
    }
}

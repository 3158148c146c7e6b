//! The component and layer of a node, told from the exporter's names.
//!
//! PyTorch exports name a node by its module path and operation, `__module.model.layers.3.self_attn.q_proj/ov_ext::linear/MatMul`;
//! ONNX exports by `/model/layers.3/self_attn/q_proj/MatMul`. The words of the path decide. A node without a path
//! (`Multiply_1234`, made by a pass) belongs to the node that reads it first, else to the one that it reads.
//!
//! The components are those of the published per-part estimates, so that a breakdown can be compared with them.

use crate::graph::{Graph, Op};
use crate::ids::NodeId;

/// The part of a model that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Component {
    /// The part's name, such as `q_proj`.
    pub part: &'static str,
    /// The attention block, counted from 0, if it is in one.
    pub layer: Option<u32>,
}

impl Component {
    /// Where no name tells.
    pub const OTHER: Component = Component { part: "other", layer: None };
}

/// Words of a module path and the part that they stand for, sorted; the last word of a path that is here decides.
const WORDS: &[(&str, &str)] = &[
    ("LayerNorm", "post_attention_layernorm"),
    ("c_attn", "qkv_proj"),
    ("classifier", "classifier"),
    ("connector", "projection"),
    ("down_proj", "mlp"),
    ("embed_positions", "position_embed"),
    ("embed_tokens", "embed_tokens"),
    ("embedding", "embed_tokens"),
    ("embeddings", "embed_tokens"),
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
/// Cost: linear in nodes and edges.
#[must_use]
pub fn of(graph: &Graph) -> Vec<Component> {
    let mut found: Vec<Option<Component>> =
        (0..graph.nodes().len()).map(|index| named(graph, NodeId::new(index))).collect();
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
    found.into_iter().map(|component| component.unwrap_or(Component::OTHER)).collect()
}

/// What a node's own name or variable tells.
fn named(graph: &Graph, id: NodeId) -> Option<Component> {
    match graph.node(id).op {
        Op::ReadValue(variable) | Op::Assign(variable) => {
            let layer = numbers(&graph.variable(variable).name).next();
            Some(Component { part: "kv_cache", layer })
        }
        Op::Parameter | Op::Result | Op::Constant(_) => None,
        _ => from_path(graph.node_name(id)),
    }
}

/// The component that a node name's module path tells.
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
    let is_path = name.starts_with("__module.") || name.starts_with("self.") || name.starts_with('/');
    if !is_path {
        return None;
    }
    let (path, operation) = match name.strip_prefix('/') {
        Some(path) => path.rsplit_once('/').unwrap_or((path, "")),
        None => name.split_once('/').unwrap_or((name, "")),
    };
    let words: Vec<&str> = path.split(['.', '/']).collect();
    let layer = words.windows(2).find_map(|pair| match pair {
        [word, number] if BLOCKS.contains(word) => number.parse().ok(),
        _ => None,
    });
    Some(Component { part: part(&words, operation, layer.is_some()), layer })
}

fn part(words: &[&str], operation: &str, is_in_block: bool) -> &'static str {
    let last = words.last().copied().unwrap_or_default();
    if ATTENTION.contains(&last) {
        return attention(operation);
    }
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
    match last {
        "norm" | "layernorm" | "ln_f" | "post_layernorm" | "pre_layrnorm" | "final_layernorm" => "final_norm",
        "model" | "language_model" => "attention_mask",
        _ => "other",
    }
}

/// The part of an operation that stands directly in an attention module.
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
    fn words_are_sorted_and_stand_once() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn paths_tell_part_and_layer() {
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

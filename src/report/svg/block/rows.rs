//! The operators of one block in execution order, with what each writes and where.

use super::super::super::component;
use super::super::super::view::View;
use super::super::plot;
use crate::dtype::DType;
use crate::graph::Dims;
use crate::ids::{StorageId, ValueId};
use crate::runtime::Executed;
use crate::schedule::{Origin, Step, StorageClass};
use crate::units::Bytes;
use std::ops::Range;

/// Steps of a block where names do not distinguish the blocks.
const WINDOW: usize = 24;

/// A block: its name, its number, and its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its name: `layer 3`, `down_blocks.0`, `steps 48 to 71`.
    pub(super) name: String,
    /// Its number, which `--layer` takes.
    pub(super) number: u32,
    /// Its steps.
    pub(super) steps: Range<usize>,
}

/// An operator.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its step.
    pub(super) step: usize,
    /// The runtime's word for what it does.
    pub(super) kind: String,
    /// Its module within the block.
    pub(super) name: String,
    /// All of its name, and of the nodes that it represents.
    pub(super) full_name: String,
    /// It belongs to the rotary embedding or to attention.
    pub(super) is_attention: bool,
    /// It only renames bytes.
    pub(super) is_view: bool,
    /// What it writes.
    pub(super) outputs: Vec<Output>,
    /// The buffers that it reads.
    pub(super) reads: Vec<usize>,
}

/// What an operator writes.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Dims and element type, where they are known.
    pub(super) shape: String,
    /// Its length.
    pub(super) bytes: Bytes,
    /// Where it is.
    pub(super) place: Place,
    /// It replaces bytes that the operator reads.
    pub(super) is_in_place: bool,
}

/// Where an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a buffer of the arena, by its position in the problem.
    Buffer(usize),
    /// In memory of its own, of this class.
    Own(&'static str),
}

/// The blocks of a phase: its attention blocks; otherwise the modules with a number; otherwise pieces of equal length.
pub(super) fn groups(view: &View<'_>) -> Vec<Group> {
    let layers = plot::layers(view);
    if !layers.is_empty() {
        let named = layers.into_iter();
        return named
            .map(|(number, steps)| Group { name: format!("layer {number}"), number, steps })
            .collect();
    }
    let modules = modules(view);
    if modules.len() > 1 {
        return modules;
    }
    let steps = view.phase.lowered.schedule().steps.len();
    let pieces = (0..steps).step_by(WINDOW).zip(0_u32..).map(|(start, number)| {
        let end = (start + WINDOW).min(steps);
        Group { name: format!("steps {start} to {}", end - 1), number, steps: start..end }
    });
    pieces.collect()
}

/// Runs of steps whose nodes have the same module path up to its first number; nodes without a path belong to what is before.
fn modules(view: &View<'_>) -> Vec<Group> {
    let steps = &view.phase.lowered.schedule().steps;
    let mut found: Vec<Group> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let name = module(view.node_name(step.node));
        match (found.last_mut(), name) {
            (Some(last), name) if name.as_ref().is_none_or(|name| last.name == *name) => {
                last.steps.end = index + 1
            }
            (_, Some(name)) => found.push(Group { name, number: 0, steps: index..index + 1 }),
            (_, None) => {}
        }
    }
    // A residual path may return to a block that has ended.
    found.retain(|group| group.steps.len() > 2);
    for (group, number) in found.iter_mut().zip(0_u32..) {
        group.number = number;
    }
    found
}

/// A module path up to its first number that is a word: `down_blocks.0`.
fn module(name: &str) -> Option<String> {
    let path = name.strip_prefix("__module.").map(|path| path.split('/').next().unwrap_or(path));
    let path =
        path.or_else(|| name.strip_prefix('/').and_then(|path| path.rsplit_once('/')).map(|(path, _)| path))?;
    let words: Vec<&str> = path.split(['.', '/']).collect();
    let number = words.iter().position(|word| word.parse::<u32>().is_ok())?;
    Some(words.get(..=number)?.join("."))
}

/// The operators of a block.
///
/// Cost: linear in the phase's storages, and in the block's reads and writes.
pub(super) fn rows(view: &View<'_>, executed: Option<&Executed>, group: &Group) -> Vec<Row> {
    let schedule = view.phase.lowered.schedule();
    let mut buffers = vec![None; schedule.storages.len()];
    for (buffer, (storage, _)) in schedule.planned().enumerate() {
        buffers[storage.index()] = Some(buffer);
    }
    let components: Vec<_> = view.bodies.iter().map(|body| component::of(body)).collect();
    let steps = schedule.steps.iter().enumerate().skip(group.steps.start).take(group.steps.len());
    let rows = steps.filter_map(|(index, step)| {
        let outputs = outputs(view, executed, &buffers, (index, step));
        if outputs.is_empty() {
            return None;
        }
        let part = components[step.node.graph as usize][step.node.node.index()].part;
        let node = executed.and_then(|executed| executed.nodes.get(index));
        let kind = node.map_or_else(|| view.node_type(step.node).to_owned(), |node| node.kind.clone());
        let full_name = node.map_or_else(|| view.node_name(step.node).to_owned(), |node| node.name.clone());
        let fused = node.map_or(&[][..], |node| &node.originals[..]);
        let mut reads: Vec<usize> =
            step.reads.iter().filter_map(|&value| buffers[schedule.value(value).storage.index()]).collect();
        reads.sort_unstable();
        reads.dedup();
        Some(Row {
            step: index,
            kind,
            name: within(&full_name, group) + &also(&full_name, fused),
            full_name: if fused.len() > 1 { fused.join("\n") } else { full_name },
            is_attention: ["rotary_emb", "scaled_dot_product_attention"].contains(&part),
            is_view: step.writes.iter().all(|&value| is_view(view, value)),
            outputs,
            reads,
        })
    });
    rows.collect()
}

fn is_view(view: &View<'_>, value: ValueId) -> bool {
    matches!(view.phase.lowered.schedule().value(value).origin, Origin::View(_) | Origin::Joined(_))
}

/// What a step writes, weights apart.
fn outputs(
    view: &View<'_>,
    executed: Option<&Executed>,
    buffers: &[Option<usize>],
    (index, step): (usize, &Step),
) -> Vec<Output> {
    let schedule = view.phase.lowered.schedule();
    let storage = |value: ValueId| -> StorageId { schedule.value(value).storage };
    let written = step.writes.iter().enumerate();
    let written = written.filter(|(_, value)| !schedule.storage(storage(**value)).class.is_weights());
    let outputs = written.map(|(port, &id)| {
        let value = schedule.value(id);
        let class = schedule.storage(value.storage).class;
        let port = executed.and_then(|executed| executed.nodes.get(index)?.outputs.get(port));
        let shape = port.map(|port| (port.dims.clone(), port.dtype));
        let shape = shape.or_else(|| {
            let tensor = value.tensor.filter(|tensor| tensor.graph == 0)?;
            let info = view.phase.shapes.tensor(tensor.tensor);
            Some((info.dims.clone()?, info.dtype))
        });
        Output {
            shape: match class {
                StorageClass::Scratch => "scratch".to_owned(),
                _ => shape.map(|(dims, dtype)| shape_words(&dims, dtype, value.bytes)).unwrap_or_default(),
            },
            bytes: value.bytes,
            place: buffers[value.storage.index()].map_or(Place::Own(own_words(class.name())), Place::Buffer),
            is_in_place: !is_view(view, id) && step.reads.iter().any(|&read| storage(read) == value.storage),
        }
    });
    outputs.filter(|output| output.bytes > Bytes::ZERO).collect()
}

/// A class of memory in words.
fn own_words(class: &'static str) -> &'static str {
    match class {
        "kv_cache" => "KV cache",
        "io" => "input or output",
        other => other,
    }
}

/// Dims, and the element type where it agrees with the length: a runtime may keep a state in another type than the file's.
fn shape_words(dims: &Dims, dtype: DType, bytes: Bytes) -> String {
    let words: Vec<String> = dims.iter().map(u64::to_string).collect();
    let words = words.join("x");
    let elements = dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    let agrees = dtype.bits().is_some_and(|bits| elements.saturating_mul(bits).div_ceil(8) == bytes.0);
    if agrees { format!("{words} {dtype}") } else { words }
}

/// A node's module within its block, or its operation where the module is the block itself.
fn within(name: &str, group: &Group) -> String {
    let (path, operation) = match name.strip_prefix('/') {
        Some(path) => path.rsplit_once('/').unwrap_or(("", path)),
        None => name.split_once('/').unwrap_or((name, "")),
    };
    let words: Vec<&str> = path.split(['.', '/']).collect();
    let number = group.number.to_string();
    let block = words.iter().position(|word| *word == number);
    let from = block.map_or(words.len().saturating_sub(2), |block| block + 1);
    let rest = words.get(from..).unwrap_or_default().join(".");
    let operation = operation.split('/').next().unwrap_or_default();
    if rest.is_empty() { operation.to_owned() } else { rest }
}

/// Operations that were fused into a node, by the ends of their names.
fn also(name: &str, originals: &[String]) -> String {
    let end = |name: &str| {
        let end = name.rsplit('/').next().unwrap_or(name);
        end.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_').to_owned()
    };
    let others = originals.iter().filter(|original| *original != name && original.contains('/'));
    let mut ends: Vec<String> = others.map(|original| end(original)).collect();
    ends.dedup();
    ends.retain(|other| !other.is_empty() && *other != end(name));
    ends.truncate(3);
    ends.iter().map(|end| format!(" + {end}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u32) -> Group {
        Group { name: String::new(), number, steps: 0..1 }
    }

    #[test]
    fn names_begin_within_the_block() {
        let cases = [
            ("__module.model.layers.1.self_attn.q_proj/ov_ext::linear/Add", 1, "self_attn.q_proj"),
            ("__module.model.layers.1/aten::add/Add", 1, "aten::add"),
            ("/model/layers.3/self_attn/q_proj/MatMul", 3, "self_attn.q_proj"),
            ("Multiply_1498", 0, "Multiply_1498"),
        ];
        for (name, number, wanted) in cases {
            assert_eq!(within(name, &group(number)), wanted, "{name}");
        }
    }

    #[test]
    fn fused_operations_are_named_by_their_ends() {
        let originals = ["m.gate_proj/linear/MatMul", "m.act_fn/aten::silu/Swish_2"].map(str::to_owned);
        assert_eq!(also(&originals[0], &originals), " + Swish");
        assert_eq!(also("a/Add", &[]), "");
    }

    #[test]
    fn a_type_that_disagrees_with_the_length_is_not_stated() {
        let dims: Dims = [2, 8].into_iter().collect();
        assert_eq!(shape_words(&dims, DType::F32, Bytes(64)), "2x8 f32");
        assert_eq!(shape_words(&dims, DType::F32, Bytes(16)), "2x8");
    }

    #[test]
    fn modules_end_at_their_first_number() {
        assert_eq!(
            module("__module.down_blocks.0.resnets.1.conv1/aten::conv/Add").as_deref(),
            Some("down_blocks.0")
        );
        assert_eq!(module("/features/features.3/conv/Conv"), Some("features.features.3".to_owned()));
        assert_eq!(module("Multiply_12"), None);
    }
}

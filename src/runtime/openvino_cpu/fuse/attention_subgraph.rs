//! Attention without state is one Subgraph.
//!
//! * A constant scale other than 1 is a Multiply on the keys, moved up through Transpose and Reshape to what computes
//!   them; the keys' transpositions and that of the product are one Transpose outside. A computed scale is inside.
//! * `[0,2,1,3]` transpositions of queries and values that nothing else reads are inside; in f32 that of the output too.
//! * A mask is inside unless it is one constant number. A Select of scores and one constant number is inside too.
//! * A constant that is added to scores of bytes is divided by their scale, and added in front of it (`AddTransformation`,
//!   src/common/low_precision_transformations/src/add.cpp).
//! * Keys and values straight from variables (cross-attention): the same operators, written out.
//!
//! Source: `ScaledDotProductAttentionDecomposition` and the MHA tokenization of Snippets, OpenVINO 2026.4,
//! src/common/snippets/src/pass/mha_tokenization.cpp.

use super::attention_dims::AttentionDims;
use super::kind;
use super::pattern::{is_binary, swaps_heads};
use super::work::{Build, Dim, Edge, Node, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{AxisSpan, Binary, Broadcast};
use crate::rewrite::{composed, swaps_last_two};
use crate::runtime::openvino_cpu::execution::{Kind, Precision};
use crate::runtime::openvino_cpu::release::Change;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::sync::Arc;

/// Masks and biases that are looked for behind scores: models have one of each.
const MOST_MASKS: usize = 2;

/// Fuses every attention that is left after those with state.
pub(super) fn fuse(work: &mut Work<'_>) {
    let precision = work.options.precision;
    for &node in work.model_order().iter() {
        let is_attention = work.is_alive(node)
            && work.nodes[node].kind == Kind::ScaledDotProductAttention
            && work.nodes[node].attention.is_none();
        if is_attention {
            fuse_one(work, node, precision);
        } else if work.is_alive(node) && is_softmax(work, node) {
            fuse_written(work, node, precision);
        }
    }
}

fn is_softmax(work: &Work<'_>, node: usize) -> bool {
    matches!(work.nodes[node].op, Op::Softmax(_))
}

/// Attention that was written out: `MatMul → [Divide or Multiply by one number] → [Add mask or bias, or Select]… → Softmax → MatMul`,
/// each step the only reader of the one before, keys and values no constants. The scale moves to the keys.
fn fuse_written(work: &mut Work<'_>, softmax: usize, precision: Precision) -> Option<()> {
    let (product, 0) = work.only_user(softmax)? else { return None };
    let is_product = |node: usize| matches!(work.nodes[node].op, Op::MatMul { transpose_a: false, .. });
    if !is_product(product) || !matches!(work.nodes[product].op, Op::MatMul { transpose_b: false, .. }) {
        return None;
    }
    if let Some(mut scores) = scores_of_bytes(work, softmax) {
        scores.names.push(work.nodes[softmax].name.clone());
        return fuse_bytes(work, product, scores, precision);
    }
    let mut below = work.producer(softmax, 0)?;
    let mut masks: SmallVec<[(usize, Edge); 2]> = SmallVec::new();
    while let Some((scores, added)) = masked(work, below).filter(|_| masks.len() < MOST_MASKS) {
        work.only_user(below)?;
        masks.push((below, added));
        below = scores.node();
    }
    masks.reverse();
    let mut scale = None;
    if let Some((scores, number)) = scale_of(work, below) {
        work.only_user(below)?;
        scale = Some((below, number));
        below = scores.node();
    }
    work.only_user(below)?;
    let Op::MatMul { transpose_a: false, transpose_b } = work.nodes[below].op else { return None };
    let (query, key) = (work.nodes[below].input(0)?, work.nodes[below].input(1)?);
    let value = work.nodes[product].input(1)?;
    let rank = work.tensor(query).dims.len();
    let is_whole = |edge: Edge| work.tensor(edge).dims.len() == rank && !work.nodes[edge.node()].is_const();
    if !(3..=4).contains(&rank) || !is_whole(key) || !is_whole(value) {
        return None;
    }
    let sizes = sizes(work, query, key, value);
    let sizes = match transpose_b {
        true => sizes,
        false => AttentionDims { keys: sizes.key_size, key_size: sizes.keys, ..sizes },
    };
    let mut key = if transpose_b { transposed_key(work, key, below, false) } else { untransposed(work, key) };
    if let Some((node, number)) = scale {
        // Dividing by a constant is a product with its inverse before anything moves.
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let number = match work.number(node, 1) {
            Some(number) if is_binary(work, node, Binary::Divide) => {
                work.add_number(1.0 / number, work.nodes[node].source)
            }
            Some(number) => work.add_number(number, work.nodes[node].source),
            None => number,
        };
        key = scaled(work, key, (multiply, number), below);
    }
    let name = |node: usize| work.nodes[node].name.clone();
    let mut originals = vec![scale.map_or_else(|| name(below), |(node, _)| name(node))];
    originals.extend(masks.iter().map(|&(add, _)| name(add)));
    originals.push(name(softmax));
    let mut names: SmallVec<[Arc<str>; 1]> = SmallVec::new();
    let (mut query, mut value) = (Some(query), Some(value));
    take_swap(work, &mut query, rank, &mut names);
    names.extend(originals);
    take_swap(work, &mut value, rank, &mut names);
    names.push(work.nodes[product].name.clone());
    let sizes = AttentionDims { has_mask: !masks.is_empty(), ..sizes };
    let added = masks.into_iter().map(|(_, added)| added);
    let inputs: Vec<Edge> = query.into_iter().chain([key]).chain(added).chain(value).collect();
    finish(work, product, inputs, names, sizes, precision);
    Some(())
}

/// The scores of a sum or of a choice, and the mask.
fn masked(work: &Work<'_>, node: usize) -> Option<(Edge, Edge)> {
    if let Some((mask, scores)) = chosen(work, node) {
        return Some((scores, mask));
    }
    if !is_binary(work, node, Binary::Add) {
        return None;
    }
    let (first, second) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    Some(if is_scores(work, first, MOST_MASKS) { (first, second) } else { (second, first) })
}

/// Of a choice between something and one constant number: the condition and that something.
fn chosen(work: &Work<'_>, node: usize) -> Option<(Edge, Edge)> {
    let of = &work.nodes[node];
    let (condition, then, other) = (of.input(0)?, of.input(1)?, of.input(2)?);
    let is_number = |edge: Edge| work.nodes[edge.node()].is_const() && work.tensor(edge).is_number();
    let scores = match (is_number(then), is_number(other)) {
        (false, true) => then,
        (true, false) => other,
        _ => return None,
    };
    matches!(of.op, Op::Select(_)).then_some((condition, scores))
}

/// Whether something is scores: a product, with a scale or not, and sums of it.
fn is_scores(work: &Work<'_>, edge: Edge, n_masks: usize) -> bool {
    let is_product = matches!(work.nodes[edge.node()].op, Op::MatMul { transpose_a: false, .. });
    let is_sum = |node: usize| {
        let is_masked = is_binary(work, node, Binary::Add) || chosen(work, node).is_some();
        is_masked && work.only_user(node).is_some()
    };
    is_product
        || scale_of(work, edge.node()).is_some()
        || n_masks > 0
            && is_sum(edge.node())
            && work.nodes[edge.node()]
                .inputs()
                .iter()
                .flatten()
                .any(|&edge| is_scores(work, edge, n_masks - 1))
}

/// Scores of queries and keys in 8 bits.
struct Scores {
    product: usize,
    mask: Option<Edge>,
    /// The product and what follows it, the Softmax included.
    names: SmallVec<[Arc<str>; 1]>,
}

/// The scores that a Softmax reads if a product of bytes made them: behind it come products with constants and a mask.
fn scores_of_bytes(work: &Work<'_>, softmax: usize) -> Option<Scores> {
    let is_low = |edge: Edge| matches!(work.tensor(edge).dtype, DType::U8 | DType::I8);
    let (mut below, mut mask) = (work.producer(softmax, 0)?, None);
    let mut names: SmallVec<[Arc<str>; 1]> = SmallVec::new();
    for _ in 0..4 {
        work.only_user(below)?;
        let of = &work.nodes[below];
        names.push(of.name.clone());
        if matches!(of.op, Op::MatMul { transpose_a: false, .. }) {
            names.reverse();
            let is_low = is_low(of.input(0)?) && is_low(of.input(1)?);
            return is_low.then_some(Scores { product: below, mask, names });
        }
        if let Some((condition, scores)) = chosen(work, below).filter(|_| mask.is_none()) {
            mask = Some(condition);
            below = scores.node();
            continue;
        }
        let (first, second) = (of.input(0)?, of.input(1)?);
        let is_scale = is_binary(work, below, Binary::Multiply) && work.nodes[second.node()].is_const();
        if !is_scale {
            let is_mask = is_binary(work, below, Binary::Add) && mask.is_none();
            mask = is_mask.then_some(second);
            let scale = work.nodes[first.node()].input(1)?;
            let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
            let is_scaled = is_binary(work, first.node(), Binary::Multiply) && is_const(scale);
            // Constants are divided by the scale, and added in front of it.
            if is_const(mask?) && is_scaled {
                work.only_user(first.node())?;
                let sum = names.pop()?;
                names.extend([work.nodes[first.node()].name.clone(), sum]);
                below = work.nodes[first.node()].input(0)?.node();
                continue;
            }
        }
        below = first.node();
    }
    None
}

/// Fuses an attention of bytes: the keys stay as they are.
fn fuse_bytes(work: &mut Work<'_>, product: usize, scores: Scores, precision: Precision) -> Option<()> {
    // The kernel of bytes needs AVX-512, whose models are in bf16 but by request.
    if precision == Precision::F32 {
        return None;
    }
    let Scores { product: first, mask, names: originals } = scores;
    let Op::MatMul { transpose_b, .. } = work.nodes[first].op else { return None };
    let (query, key) = (work.nodes[first].input(0)?, work.nodes[first].input(1)?);
    let value = work.nodes[product].input(1)?;
    let rank = work.tensor(query).dims.len();
    let sizes = sizes(work, query, key, value);
    let sizes = match transpose_b {
        true => sizes,
        false => AttentionDims { keys: sizes.key_size, key_size: sizes.keys, ..sizes },
    };
    let mut names: SmallVec<[Arc<str>; 1]> = SmallVec::new();
    let (mut query, mut value) = (Some(query), Some(value));
    take_swap(work, &mut query, rank, &mut names);
    names.extend(originals);
    take_swap(work, &mut value, rank, &mut names);
    names.push(work.nodes[product].name.clone());
    let inputs: Vec<Edge> = [query, Some(key), mask, value].into_iter().flatten().collect();
    let sizes = AttentionDims { has_mask: mask.is_some(), ..sizes };
    finish(work, product, inputs, names, sizes, precision);
    Some(())
}

/// The scores and the constant of a division or product by one number.
fn scale_of(work: &Work<'_>, node: usize) -> Option<(Edge, Edge)> {
    let is_scale = is_binary(work, node, Binary::Divide) || is_binary(work, node, Binary::Multiply);
    let (scores, number) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    let is_number = work.nodes[number.node()].is_const() && work.tensor(number).is_number();
    (is_scale && is_number).then_some((scores, number))
}

fn fuse_one(work: &mut Work<'_>, node: usize, precision: Precision) -> Option<()> {
    let [mut query, key, mut value] = [0, 1, 2].map(|index| work.nodes[node].input(index));
    let rank = work.tensor(query?).dims.len();
    if rank < 3 || work.tensor(key?).dims.len() != rank {
        return None;
    }
    let sizes = sizes(work, query?, key?, value?);
    let mask = work.nodes[node]
        .input(3)
        .filter(|&mask| !(work.nodes[mask.node()].is_const() && work.tensor(mask).is_number()));
    let scale = scale(work, node);
    let (moved, inside): (Option<Edge>, Option<Edge>) =
        scale.map_or((None, None), |scale| match work.nodes[scale.node()].is_const() {
            true => (Some(scale), None),
            false => (None, Some(scale)),
        });
    let is_on_query = work.options.release.has(Change::ScalesQueries);
    let is_scaled = moved.is_some() && !is_on_query;
    let mut key = transposed_key(work, key?, node, is_scaled);
    if let Some(scale) = moved {
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        match is_on_query {
            true => query = Some(scaled(work, query?, (multiply, scale), node)),
            false => key = scaled(work, key, (multiply, scale), node),
        }
    }
    let is_state =
        |edge: Option<Edge>| edge.is_some_and(|edge| work.nodes[edge.node()].kind == Kind::MemoryInput);
    if inside.is_none() && is_state(work.nodes[node].input(1)) && is_state(value) {
        write_out(work, node, [query?, key, value?], mask, is_scaled);
        return Some(());
    }
    let mut originals: SmallVec<[Arc<str>; 1]> = SmallVec::new();
    take_swap(work, &mut query, rank, &mut originals);
    originals.push(work.fresh_name(if is_scaled { "Multiply" } else { "MatMul" }));
    if inside.is_some() {
        originals.push(work.fresh_name("Multiply"));
    }
    if mask.is_some() {
        originals.push(work.fresh_name("Add"));
    }
    originals.push(work.fresh_name("Softmax"));
    take_swap(work, &mut value, rank, &mut originals);
    originals.push(work.nodes[node].name.clone());
    let inputs: Vec<Edge> = [query, Some(key), inside, mask, value].into_iter().flatten().collect();
    let sizes = AttentionDims { has_mask: mask.is_some(), ..sizes };
    finish(work, node, inputs, originals, sizes, precision);
    Some(())
}

/// Makes a node the last product of `MatMul → [Add mask] → Softmax → MatMul`.
fn write_out(
    work: &mut Work<'_>,
    node: usize,
    [query, key, value]: [Edge; 3],
    mask: Option<Edge>,
    is_scaled: bool,
) {
    let mut scores = work.tensor(query).clone();
    let keys = work.tensor(value).dims.iter().rev().nth(1);
    if let (Some(last), Some(keys)) = (scores.dims.last_mut(), keys) {
        *last = *keys;
    }
    let product = Op::MatMul { transpose_a: false, transpose_b: false };
    let mut steps: Vec<(&str, Op, Edge)> =
        vec![(if is_scaled { "Multiply" } else { "MatMul" }, product.clone(), key)];
    steps.extend(mask.map(|mask| ("Add", Op::Binary(Binary::Add, Broadcast::Numpy), mask)));
    steps.push(("Softmax", Op::Softmax(AxisSpan::LAST), key));
    let mut data = query;
    for (word, op, other) in steps {
        let name = work.fresh_name(word);
        let kind = kind::of(&op, word);
        let other = (kind != Kind::Softmax).then_some(other);
        let step = Node::named(name, op, kind, work.nodes[node].source).writing(scores.clone());
        data = Edge::of(work.add(step, std::iter::once(data).chain(other)));
    }
    work.read(node, [data, value]);
    let last = &mut work.nodes[node];
    (last.op, last.kind) = (product, Kind::MatMul);
}

/// Makes a node the Subgraph of a whole attention.
fn finish(
    work: &mut Work<'_>,
    node: usize,
    inputs: Vec<Edge>,
    originals: SmallVec<[Arc<str>; 1]>,
    sizes: AttentionDims,
    precision: Precision,
) {
    let rank = work.nodes[node].outputs.first().map_or(0, |tensor| tensor.dims.len());
    work.read(node, inputs);
    let fused = &mut work.nodes[node];
    fused.kind = Kind::Subgraph;
    fused.op = Op::Opaque;
    fused.originals = originals;
    fused.attention = Some(Box::new(sizes));
    if precision == Precision::F32
        && let Some((user, 0)) = work.only_user(node)
        && rank == 4
        && swaps_heads(work, user)
    {
        let name = work.nodes[user].name.clone();
        work.nodes[node].originals.push(name);
        work.nodes[node].outputs = work.nodes[user].outputs.clone();
        work.replace(Edge::of(user), Edge::of(node));
    }
}

fn sizes(work: &Work<'_>, query: Edge, key: Edge, value: Edge) -> AttentionDims {
    let dim = |edge: Edge, back: usize| {
        let dims = &work.tensor(edge).dims;
        dims.len().checked_sub(back).map_or(Dim::fixed(1), |axis| dims[axis])
    };
    let leading = |edge: Edge| {
        let dims = &work.tensor(edge).dims;
        dims.iter().take(dims.len().saturating_sub(3)).copied().collect()
    };
    AttentionDims {
        batch: leading(query),
        heads: dim(query, 3),
        kv_heads: dim(key, 3),
        queries: dim(query, 2),
        keys: dim(key, 2),
        key_size: dim(query, 1),
        value_size: dim(value, 1),
        has_mask: false,
    }
}

/// The constant that keys are multiplied with; `None` if it is 1.
fn scale(work: &mut Work<'_>, node: usize) -> Option<Edge> {
    match work.nodes[node].input(4) {
        Some(_) if work.number(node, 4) == Some(1.0) => None,
        Some(scale) => Some(scale),
        None => {
            let size = work.nodes[node].input(0).and_then(|query| work.tensor(query).last()).unwrap_or(1);
            Some(work.add_number(1.0 / (size as f64).sqrt(), work.nodes[node].source))
        }
    }
}

/// The keys without a Transpose that swaps their last two dims for this product alone.
fn untransposed(work: &Work<'_>, key: Edge) -> Edge {
    let swaps = work.nodes[key.node()].kind == Kind::Transpose
        && work.only_user(key.node()).is_some()
        && work.ints(key.node(), 1).is_some_and(swaps_last_two);
    work.nodes[key.node()].input(0).filter(|_| swaps).unwrap_or(key)
}

/// The keys with their last two dims swapped: one Transpose, together with their own. If that is all, the product does
/// it, unless a scale was put between them.
fn transposed_key(work: &mut Work<'_>, key: Edge, attention: usize, is_scaled: bool) -> Edge {
    let rank = work.tensor(key).dims.len();
    let mut order: Vec<i64> = (0..rank as i64).collect();
    let mut source = key;
    while work.nodes[source.node()].kind == Kind::Transpose
        && work.only_user(source.node()).is_some()
        && let (Some(own), Some(input)) = (work.ints(source.node(), 1), work.nodes[source.node()].input(0))
        && let Some(both) = composed(own, &order)
    {
        order = both;
        source = input;
    }
    order.swap(rank - 2, rank - 1);
    if swaps_last_two(&order) && !is_scaled {
        return source;
    }
    let mut output = work.tensor(key).clone();
    output.dims.swap(rank - 2, rank - 1);
    let id = work.nodes[attention].source;
    let order = work.add_ints(&order, id);
    let transpose = Node::nameless(Op::Transpose, Kind::Transpose, id).writing(output);
    let transpose = work.add(transpose, [source, order]);
    // Its reader takes the old Transpose's place only when the attention is rewritten.
    Edge::of(transpose)
}

/// Puts the scale on the keys, or on the queries, above the Reshapes and Transposes that nothing else reads; returns them.
fn scaled(work: &mut Work<'_>, key: Edge, (op, scale): (Op, Edge), attention: usize) -> Edge {
    let old = old_transposes(work, attention);
    let mut below = None;
    let mut data = key;
    while matches!(work.nodes[data.node()].kind, Kind::Reshape | Kind::Transpose) {
        // The attention still reads the old keys, so one more reader may be on its way out.
        let is_other =
            |&(user, _): &(usize, usize)| Some(user) != below && user != attention && !old.contains(&user);
        let Some(above) = work.nodes[data.node()].input(0) else { break };
        if work.users(data.node()).iter().any(is_other) {
            break;
        }
        below = Some(data.node());
        data = above;
    }
    let output = work.tensor(data).clone();
    let name = work.fresh_name(&kind::word(&op));
    let multiply = Node::named(name, op, Kind::Eltwise, work.nodes[attention].source).writing(output);
    let multiply = work.add(multiply, [data, scale]);
    match below {
        Some(below) => {
            work.set_input(below, 0, Edge::of(multiply));
            key
        }
        None => Edge::of(multiply),
    }
}

/// The old Transposes, of keys and of others, that only the attention reads, one through the other.
///
/// Cost: each Transpose is looked at for one attention.
fn old_transposes(work: &Work<'_>, attention: usize) -> FxHashSet<usize> {
    let (mut old, mut pending) = (FxHashSet::default(), vec![attention]);
    while let Some(node) = pending.pop() {
        for above in work.nodes[node].inputs().iter().flatten().map(|edge| edge.node()) {
            let is_transpose = work.nodes[above].kind == Kind::Transpose;
            if is_transpose && work.only_user(above).is_some() && old.insert(above) {
                pending.push(above);
            }
        }
    }
    old
}

/// Replaces a tensor by what its transposition reads, if that can be inside.
fn take_swap(
    work: &mut Work<'_>,
    edge: &mut Option<Edge>,
    rank: usize,
    originals: &mut SmallVec<[Arc<str>; 1]>,
) {
    let Some(producer) = edge.map(|edge| edge.node()) else { return };
    if rank == 4 && swaps_heads(work, producer) && work.only_user(producer).is_some() {
        originals.push(work.nodes[producer].name.clone());
        *edge = work.nodes[producer].input(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Unary;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// Attention of heads that Transposes make from tokens; two layers share a scale, if there is one.
    fn attention(scale: Option<f64>) -> Net {
        let (mut net, f32) = (Net::new(), DType::F32);
        let (tokens, heads) = ([1, FREE, 2, 8], [1, 2, FREE, 8]);
        let order = net.ints("order", &[0, 2, 1, 3]);
        let mut turned = |name: &str| {
            let x = net.input(name, f32, &tokens);
            let x = net.op("abs", Op::Unary(Unary::Swish), &[x], f32, &tokens);
            net.op(&format!("{name}_t"), Op::Transpose, &[x, order], f32, &heads)
        };
        let [q, k, v] = ["q", "k", "v"].map(&mut turned);
        let mut inputs = vec![q, k, v];
        if let Some(scale) = scale {
            inputs.extend([net.number("mask", 0.0), net.number("scale", scale)]);
        }
        let sdpa = Op::ScaledDotProductAttention { causal: false };
        let out = net.op("sdpa", sdpa, &inputs, f32, &heads);
        let out = net.op("out_t", Op::Transpose, &[out, order], f32, &tokens);
        net.result("out", out);
        net
    }

    #[test]
    fn transpositions_are_inside_and_the_scale_is_on_the_keys() {
        let lines = attention(None).lines(DYNAMIC);
        let expected = [
            "Eltwise abs f32",
            "Eltwise abs,Multiply f32",
            "Transpose Transpose f32",
            "Eltwise abs f32",
            "Subgraph q_t,Multiply,Softmax,v_t,sdpa,out_t f32",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_scale_of_one_and_a_constant_mask_are_nothing() {
        let lines = attention(Some(1.0)).lines(DYNAMIC);
        assert_eq!(lines.last().unwrap(), "Subgraph q_t,MatMul,Softmax,v_t,sdpa,out_t f32");
    }

    #[test]
    fn in_bf16_the_output_is_transposed_outside() {
        let lines = attention(Some(0.5)).lines(Options { precision: Precision::Bf16, ..DYNAMIC });
        let subgraph = lines.iter().position(|line| line.starts_with("Subgraph")).unwrap();
        // On the way to a Result without a product in between, it stays f32.
        assert_eq!(lines[subgraph], "Subgraph q_t,Multiply,Softmax,v_t,sdpa f32");
        assert!(lines[subgraph + 1].starts_with("Transpose out_t"), "{lines:?}");
    }

    /// Scores, a division, so many masks, Softmax and a product; keys are transposed by `order`.
    fn written_out(order: &[i64], key_dims: &[i64], n_masks: usize) -> Vec<String> {
        let (mut net, f32, scores) = (Net::new(), DType::F32, [1, 2, FREE, FREE]);
        let [q, v] = ["q", "v"].map(|name| net.input(name, f32, &[1, 2, FREE, 8]));
        let k = net.input("k", f32, key_dims);
        let mask = net.input("mask", f32, &[1, 1, FREE, FREE]);
        let order = net.ints("order", order);
        let k = net.op("k_t", Op::Transpose, &[k, order], f32, &[1, 2, 8, FREE]);
        let product = || Op::MatMul { transpose_a: false, transpose_b: false };
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let made = net.op("scores", product(), &[q, k], f32, &scores);
        let root = net.number("root", 2.0);
        let made = net.op("div", binary(Binary::Divide), &[made, root], f32, &scores);
        let mut made = made;
        for mask_name in ["add", "bias"].into_iter().take(n_masks) {
            made = net.op(mask_name, binary(Binary::Add), &[made, mask], f32, &scores);
        }
        let made = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[made], f32, &scores);
        let out = net.op("out", product(), &[made, v], f32, &[1, 2, FREE, 8]);
        net.result("result", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn what_was_written_out_is_the_same_subgraph() {
        let scaled = "Eltwise Multiply f32";
        let subgraph = "Subgraph div,add,softmax,out f32";
        assert_eq!(written_out(&[0, 2, 3, 1], &[1, FREE, 2, 8], 1), [scaled, "Transpose k_t f32", subgraph]);
        // A product swaps the last two dims of its keys itself.
        assert_eq!(written_out(&[0, 1, 3, 2], &[1, 2, FREE, 8], 1), [scaled, subgraph]);
        // A bias of positions is one more sum.
        let subgraph = "Subgraph div,add,bias,softmax,out f32";
        assert_eq!(written_out(&[0, 1, 3, 2], &[1, 2, FREE, 8], 2), [scaled, subgraph]);
    }

    #[test]
    fn a_choice_of_scores_is_inside() {
        let mut net = Net::new();
        let (f32, heads) = (DType::F32, [FREE, 4, FREE, 16]);
        let [query, key, value] = ["query", "key", "value"].map(|name| net.input(name, f32, &heads));
        let condition = net.input("condition", DType::Boolean, &[FREE, 1, FREE, FREE]);
        let scores: [i64; 4] = [FREE, 4, FREE, FREE];
        let product = |transpose_b| Op::MatMul { transpose_a: false, transpose_b };
        let made = net.op("scores", product(true), &[query, key], f32, &scores);
        let least = net.number("least", -1e9);
        let made = net.op("choice", Op::Select(Broadcast::Numpy), &[condition, made, least], f32, &scores);
        let made = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[made], f32, &scores);
        let out = net.op("out", product(false), &[made, value], f32, &heads);
        net.result("result", out);
        let lines = net.lines(Options { precision: Precision::Bf16, ..DYNAMIC });
        assert!(lines.iter().any(|line| line.contains("scores,choice,softmax,out")), "{lines:?}");
    }
}

//! Workspace of attention kernels.
//!
//! * Query, key and value are written again with their heads apart, and once more where they are rotated within.
//! * Where nothing asks for the scores as a whole, each thread has a block of them ("flash attention"): as many columns
//!   as fit the second-level cache, at most all; as many rows as query and value of a head are wide, at most all. For
//!   one new token it is one row, of all columns.
//! * Else the scores of all heads are there, and outside of `GroupQueryAttention` the mask as added numbers, arguments
//!   of the products, and the result with its heads apart.
//! * Half precision: scores, and query, key and value of the heads at work, in single.
//!
//! Source: onnxruntime/contrib_ops/cpu/bert/gqa_attention_base.h, attention_cpu_base.h, multihead_attention.cc,
//! onnxruntime/core/providers/cpu/llm/attention.cc; sizes
//! are those of the requests that the arena of 1.31.1 logs for one node of each form.

use super::kernel::Kernel;
use super::work::Work;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{AttentionOfWeights, CacheLength, MultiHeadAttention};
use crate::machine::Machine;

/// Arguments of the product of one head.
///
/// Source: `MLAS_SGEMM_DATA_PARAMS`, onnxruntime/core/mlas/inc/mlas.h.
const PRODUCT: u64 = 64;
const F32: u64 = 4;

/// The requests of a node, in their order; empty if it is not an attention, or its sizes are unknown.
pub(super) fn workspace(work: &Work<'_>, node: usize, machine: &Machine) -> Vec<u64> {
    let own = &work.nodes[node];
    let requests = match (own.kind, &work.graph.node(own.source).op) {
        (Kernel::GroupQueryAttention | Kernel::SparseAttention, Op::MultiHeadAttention(spec)) => {
            grouped(work, node, spec, machine)
        }
        (Kernel::MultiHeadAttention, Op::MultiHeadAttention(spec)) => multi_head(work, node, spec, machine),
        (Kernel::Attention, Op::MultiHeadAttention(spec)) => standard(work, node, spec),
        (Kernel::AttentionOfWeights | Kernel::QAttention, Op::AttentionOfWeights(spec)) => {
            of_weights(work, node, spec)
        }
        _ => None,
    };
    requests.unwrap_or_default()
}

/// The past that a kernel may write a present over, where nothing else reads it.
///
/// Source: `GQAAttentionBase::ApplyAttention`, onnxruntime/contrib_ops/cpu/bert/gqa_attention_base.h, which compares the two
/// pointers.
pub(super) fn shared_past(work: &Work<'_>, node: usize, present: usize) -> Option<usize> {
    let own = &work.nodes[node];
    let Op::MultiHeadAttention(spec) = &work.graph.node(own.source).op else { return None };
    if spec.cache == CacheLength::Appended {
        return None;
    }
    let port =
        own.outputs.iter().position(|&output| output == present).filter(|port| matches!(port, 1 | 2))?;
    let past = work.input(node, port + 2)?;
    work.is_only_reader(past, node).then_some(past)
}

fn product<const N: usize>(factors: [u64; N]) -> Option<u64> {
    factors.iter().try_fold(1_u64, |product, &factor| product.checked_mul(factor))
}

/// Blocks of scores, one for each thread.
///
/// Source: `MultiHeadAttention<T>::Compute`, onnxruntime/contrib_ops/cpu/bert/multihead_attention.cc; `GetL2CacheSize`,
/// onnxruntime/core/platform/posix/env.cc, asks the system for the cache of the processor (`_SC_LEVEL2_CACHE_SIZE`).
fn blocks(rows: u64, columns: u64, query_size: u64, value_size: u64, machine: &Machine) -> Option<u64> {
    let threads = u64::from(machine.cores);
    if rows == 1 {
        return product([columns.checked_add(value_size)?, F32, threads]);
    }
    let width = query_size.checked_add(value_size)?;
    let columns = (machine.l2.0 / (4 * F32) / width.max(1)).clamp(1, columns.max(1));
    let rows = columns.min(width).min(rows);
    product([rows, columns.checked_add(value_size)?.checked_add(2)?, F32, threads])
}

fn grouped(work: &Work<'_>, node: usize, spec: &MultiHeadAttention, machine: &Machine) -> Option<Vec<u64>> {
    let dims = |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
    let &[batch, length, width] = dims(0)? else { return None };
    let heads = u64::try_from(spec.query_heads).ok()?;
    let kv_heads = u64::try_from(spec.kv_heads).ok().filter(|&heads| heads > 0).unwrap_or(heads);
    let is_packed = work.input(node, 1).is_none();
    let all_heads = if is_packed { kv_heads.checked_mul(2)?.checked_add(heads)? } else { heads };
    let size = width.checked_div(all_heads)?;
    let present = work.nodes[node].outputs.get(1).and_then(|&value| work.values[value].dims.as_deref());
    let past = dims(3).and_then(|dims| dims.get(2)).copied().unwrap_or(0);
    let buffer = match present {
        Some(&[_, _, buffer, _]) => buffer,
        _ => past.checked_add(length)?,
    };
    let total = number(work, node, 5).map_or(buffer, |total| total.min(buffer));
    let is_half = work.values[work.input(node, 0)?].dtype == DType::F16;
    let element = if is_half { 2 } else { F32 };

    let query = product([batch, length, all_heads, size, element])?;
    let key = product([batch, length, kv_heads, size, element])?;
    let mut requests = if is_packed { vec![query] } else { vec![query, key, key] };
    if spec.traits.is_rotated {
        requests.extend(if is_packed { vec![query] } else { vec![query, key] });
    }
    let has_sink = work.input(node, 11).is_some();
    // Scores that are capped, joined by a sink or returned are written out whole.
    let is_written = spec.traits.is_capped || spec.traits.has_sink || spec.traits.returns_scores;
    // Of the cache's room, a sparse kernel has scores of what is there alone.
    let is_sparse = work.is(node, Kernel::SparseAttention);
    let scores = product([batch, heads, length, if is_sparse { total } else { buffer }, F32])?;
    if is_half {
        let of_head = product([length.checked_add(total)?, size, F32, u64::from(machine.cores)])?;
        requests.extend([scores, of_head, product([batch, length, heads, size, F32])?]);
    } else if is_written || has_sink || is_sparse {
        requests.push(scores);
    } else {
        requests.push(blocks(length, total, size, size, machine)?);
    }
    Some(requests)
}

fn multi_head(
    work: &Work<'_>,
    node: usize,
    spec: &MultiHeadAttention,
    machine: &Machine,
) -> Option<Vec<u64>> {
    let dims = |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
    let &[batch, length, width] = dims(0)? else { return None };
    let heads = u64::try_from(spec.query_heads).ok().filter(|&heads| heads > 0)?;
    // New columns of the scores, width over all heads, and whether the heads are contiguous.
    let operand = |index: usize| match *dims(index)? {
        [_, new, width] => Some((new, width, true)),
        [_, heads, new, size] => Some((new, heads.checked_mul(size)?, false)),
        _ => None,
    };
    let ((new, key_width, splits_key), (_, value_width, splits_value)) = (operand(1)?, operand(2)?);
    let past = dims(3).and_then(|dims| dims.get(2)).copied().unwrap_or(0);
    let total = past.checked_add(new)?;
    let query = product([batch, length, width, F32])?;
    let key = product([batch, new, key_width, F32])?;
    let value = product([batch, new, value_width, F32])?;
    let has_bias = work.input(node, 6).is_some();
    let mut requests = if has_bias {
        // With the bias first, then with the heads apart.
        vec![query, query, product([width, F32])?, key, key, value]
    } else {
        let copies = [(true, query), (splits_key, key), (splits_value, value)];
        copies.into_iter().filter_map(|(copies, bytes)| copies.then_some(bytes)).collect()
    };
    let mask = dims(7);
    let is_causal = spec.traits.is_causal;
    let has_presents = work.nodes[node].outputs.len() > 1;
    if mask.is_none() && !is_causal && !has_presents && work.input(node, 8).is_none() {
        let (size, value_size) = (width / heads, value_width / heads);
        requests.push(blocks(length, total, size, value_size, machine)?);
        return Some(requests);
    }
    requests.extend(added_mask(mask, is_causal, batch, length, total));
    requests.extend(scores(batch, heads, length, total, value_width)?);
    Some(requests)
}

/// The standard's operator: all scores in the data's own type; a mask to add in that type where the one given is none, or where
/// no token sees a later one; in half precision the scores of one head in single.
fn standard(work: &Work<'_>, node: usize, spec: &MultiHeadAttention) -> Option<Vec<u64>> {
    let dims = |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
    let (batch, heads, rows) = match *dims(0)? {
        [batch, heads, rows, _] => (batch, heads, rows),
        [batch, rows, _] => (batch, u64::try_from(spec.query_heads).ok()?, rows),
        _ => return None,
    };
    let new = *dims(1)?.iter().rev().nth(1)?;
    let past = dims(3).and_then(|dims| dims.get(2)).copied().unwrap_or(0);
    let columns = past.checked_add(new)?;
    let is_half = work.values[work.input(node, 0)?].dtype == DType::F16;
    let element = if is_half { 2 } else { F32 };
    let mut requests = vec![product([batch, heads, rows, columns, element])?];
    let is_flags = work.input(node, 6).is_some_and(|mask| work.values[mask].dtype == DType::Boolean);
    let is_causal = spec.traits.is_causal;
    requests.extend(match dims(6) {
        Some(mask) if is_flags || is_causal => {
            mask.iter().try_fold(element, |bytes, &dim| bytes.checked_mul(dim))
        }
        None if is_causal => product([rows, columns, element]),
        _ => None,
    });
    if is_half {
        requests.push(product([rows, columns, F32])?);
    }
    Some(requests)
}

fn of_weights(work: &Work<'_>, node: usize, spec: &AttentionOfWeights) -> Option<Vec<u64>> {
    let dims = |index: usize| work.input(node, index).and_then(|value| work.values[value].dims.as_deref());
    let (&[batch, length, _], &[_, width]) = (dims(0)?, dims(1)?) else { return None };
    let value_width = *work.values[work.output(node)?].dims.as_ref()?.last()?;
    let heads = u64::try_from(spec.heads).ok()?;
    let past = dims(2).and_then(|dims| dims.get(3)).copied().unwrap_or(0);
    let total = past.checked_add(length)?;
    // QAttention has its mask behind two scales.
    let mask = if work.nodes[node].kind == Kernel::QAttention { dims(6) } else { dims(4) };
    let mut requests = vec![product([batch, length, width, F32])?];
    requests.extend(added_mask(mask, spec.is_causal, batch, length, total));
    requests.extend(scores(batch, heads, length, total, value_width)?);
    Some(requests)
}

/// A mask as numbers that are added to the scores.
fn added_mask(mask: Option<&[u64]>, is_causal: bool, batch: u64, rows: u64, columns: u64) -> Option<u64> {
    let is_per_row = is_causal || mask.is_some_and(|mask| mask.len() > 2);
    match (mask.is_some(), is_per_row) {
        (true, true) => product([batch, rows, columns, F32]),
        (true, false) => product([batch, columns, F32]),
        (false, true) => product([rows, columns, F32]),
        (false, false) => None,
    }
}

/// Scores of all heads, arguments of their products, the result with its heads apart.
fn scores(batch: u64, heads: u64, rows: u64, columns: u64, value_width: u64) -> Option<[u64; 3]> {
    Some([
        product([batch, heads, rows, columns, F32])?,
        product([batch, heads, PRODUCT])?,
        product([batch, rows, value_width, F32])?,
    ])
}

/// The number of an input of one element, where inference knows it.
fn number(work: &Work<'_>, node: usize, index: usize) -> Option<u64> {
    let known = work.shapes.tensor(work.values[work.input(node, index)?].tensor).value.as_ref()?;
    match known.as_ints()? {
        &[number] => u64::try_from(number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    /// Requests are multiples of 256.
    fn requested(bytes: Option<u64>) -> u64 {
        bytes.unwrap().next_multiple_of(256)
    }

    #[test]
    fn blocks_are_those_that_the_arena_logs() {
        // Rows, columns, width of a head, threads: of one node on a core with 2 MiB of L2.
        for (rows, columns, size, cores, logged) in [
            (16, 16, 64, 1, 5_376),
            (16, 48, 64, 1, 7_424),
            (512, 512, 64, 2, 591_872),
            (1024, 1024, 64, 1, 558_080),
            (1024, 2048, 64, 2, 1_116_160),
            (2048, 2048, 32, 1, 532_992),
            (2048, 2048, 128, 1, 657_408),
            (2048, 2048, 256, 1, 526_336),
            (1, 1024, 128, 2, 9_216),
            (1, 4096, 64, 4, 66_560),
        ] {
            let machine = Machine { l2: Bytes(2 << 20), cores, ..Machine::default() };
            let found = requested(blocks(rows, columns, size, size, &machine));
            assert_eq!(found, logged, "{rows} x {columns}, heads of {size}, {cores} threads");
        }
        let one = Machine { cores: 1, ..Machine::default() };
        assert_eq!(requested(blocks(100, 150, 64, 32, &one)), 70_656);
        // On a core with 1 MiB.
        assert_eq!(requested(blocks(1024, 1024, 64, 64, &Machine::default())), 591_872);
        assert_eq!(requested(blocks(2048, 2048, 32, 32, &one)), 270_848);
    }

    #[test]
    fn masks_and_scores_are_those_that_the_arena_logs() {
        assert_eq!(added_mask(Some(&[1, 150]), false, 1, 100, 150), Some(600));
        assert_eq!(added_mask(Some(&[3]), false, 3, 100, 150), Some(1_800));
        assert_eq!(added_mask(Some(&[1, 100, 150]), false, 1, 100, 150), Some(60_000));
        assert_eq!(added_mask(None, true, 2, 150, 150), Some(90_000));
        assert_eq!(added_mask(None, false, 1, 100, 150), None);
        assert_eq!(scores(2, 8, 100, 100, 512), Some([640_000, 1_024, 409_600]));
    }
}

//! What the runtime knows of shapes when it plans: numbers, names of free dims, or nothing.
//!
//! A buffer is taken over only where every dim of the two tensors is known to be the same, so that it matters what
//! ONNX Runtime's own inference finds, not what a run has. Its inference follows the names of free dims through each
//! operator and gives up where a shape is computed by other nodes.
//!
//! Source: the shape functions of ONNX 1.23; that computed shapes stay unknown is seen on 1.31.1 from the memory
//! patterns of exports whose Reshape takes a computed shape.

use super::kernel::Kernel;
use super::work::Work;
use crate::graph::op::{ReshapeZero, ShapeClass};
use crate::graph::{Dim as Declared, Op};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// A dim as the runtime knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dim {
    /// A number.
    Known(u64),
    /// A free dim with a name.
    Named(u32),
    /// Nothing but that there is one.
    Unknown,
}

/// Dims; `None`: not even the rank is known.
pub(super) type Shape = Option<SmallVec<[Dim; 4]>>;

/// Whether two tensors are known to have the same dims; scalars are the same.
pub(super) fn are_same(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b && !a.contains(&Dim::Unknown),
        _ => false,
    }
}

/// Fills the shape of every value, in the graph's execution order.
pub(super) fn infer(work: &mut Work<'_>) {
    let mut names = std::mem::take(&mut work.names);
    for value in 0..work.values.len() {
        if work.values[value].shape.is_none() {
            work.values[value].shape = declared(work, value, &mut names);
        }
    }
    work.names = names;
    let mut writers: FxHashMap<usize, usize> = FxHashMap::default();
    for node in work.alive() {
        writers.insert(work.nodes[node].source.index(), node);
    }
    for &source in work.graph.execution_order() {
        let Some(&node) = writers.get(&source.index()) else { continue };
        for port in 0..work.nodes[node].outputs.len() {
            let value = work.nodes[node].outputs[port];
            let found = output(work, node, port).or_else(|| all_known(work, node, value));
            let merged = merge(work.values[value].shape.take(), found);
            work.values[value].shape = merged;
        }
    }
}

/// The shape that the file states.
fn declared(work: &Work<'_>, value: usize, names: &mut FxHashMap<String, u32>) -> Shape {
    let tensor = work.graph.tensor(work.values[value].tensor);
    if work.values[value].is_constant {
        let dims = work.values[value].dims.as_ref()?;
        return Some(dims.iter().map(|&dim| Dim::Known(dim)).collect());
    }
    let symbols: Vec<&str> = work.graph.symbols(work.values[value].tensor).collect();
    let dims = tensor.shape.dims.as_ref()?;
    let dims = dims.iter().enumerate().map(|(axis, dim): (usize, &Declared)| match dim.as_known() {
        Some(size) => Dim::Known(size),
        None => match symbols.get(axis).filter(|name| !name.is_empty()) {
            Some(name) => {
                let next = names.len() as u32;
                Dim::Named(*names.entry((*name).to_owned()).or_insert(next))
            }
            None => Dim::Unknown,
        },
    });
    Some(dims.collect())
}

/// What a file states of a shape and what is inferred: a number wins over a name, and the stated name over another.
fn merge(stated: Shape, inferred: Shape) -> Shape {
    let merged = |(stated, inferred): (Dim, Dim)| match (stated, inferred) {
        (Dim::Known(_), _) | (Dim::Named(_), Dim::Named(_) | Dim::Unknown) => stated,
        (Dim::Unknown, _) | (Dim::Named(_), Dim::Known(_)) => inferred,
    };
    match (stated, inferred) {
        (Some(stated), Some(inferred)) if stated.len() == inferred.len() => {
            Some(stated.into_iter().zip(inferred).map(merged).collect())
        }
        (stated, inferred) => stated.or(inferred),
    }
}

/// The dims of this run, where no input leaves anything open and no number depends on data.
fn all_known(work: &Work<'_>, node: usize, value: usize) -> Shape {
    let is_known = |value: usize| {
        let shape = &work.values[value].shape;
        shape.as_ref().is_some_and(|dims| dims.iter().all(|dim| matches!(dim, Dim::Known(_))))
    };
    let drives_shape = matches!(
        work.nodes[node].kind,
        Kernel::Reshape
            | Kernel::Expand
            | Kernel::Range
            | Kernel::Tile
            | Kernel::Resize
            | Kernel::ConstantOfShape
            | Kernel::Slice
            | Kernel::Pad
            | Kernel::OneHot
            | Kernel::TopK
            | Kernel::Loop
            | Kernel::If
            | Kernel::Scan
            | Kernel::NonZero
            | Kernel::NonMaxSuppression
            | Kernel::Unique
            | Kernel::Compress
    );
    let inputs = || work.nodes[node].inputs().iter().flatten().copied();
    let is_settled = inputs().all(is_known)
        && (!drives_shape || inputs().skip(1).all(|value| work.values[value].is_constant))
        && !(drives_shape && inputs().count() == 1 && !inputs().all(|value| work.values[value].is_constant));
    if !is_settled || work.values[value].is_bound {
        return None;
    }
    work.values[value].dims.as_ref().map(|dims| dims.iter().map(|&dim| Dim::Known(dim)).collect())
}

/// The shape that an operator's own rule finds.
fn output(work: &Work<'_>, node: usize, port: usize) -> Shape {
    let of = |index: usize| work.input(node, index).and_then(|value| work.values[value].shape.clone());
    let op = match &work.graph.node(work.nodes[node].source).op {
        Op::Quantized(spec) if matches!(spec.op, Op::Binary(..) | Op::Select(_) | Op::Concat { .. }) => {
            &spec.op
        }
        op => op,
    };
    let ints = |index: usize| work.input(node, index).and_then(|value| work.ints(value));
    match (work.nodes[node].kind, op) {
        (_, Op::Unary(_) | Op::Convert { .. }) => of(0),
        (
            Kernel::Identity
            | Kernel::Dropout
            | Kernel::Clip
            | Kernel::Cast
            | Kernel::QuantizeLinear
            | Kernel::DequantizeLinear,
            _,
        ) if port == 0 => of(0),
        (
            Kernel::LayerNormalization
            | Kernel::SkipLayerNormalization
            | Kernel::SimplifiedLayerNormalization,
            _,
        ) if port == 0 => of(0),
        (
            Kernel::BiasGelu
            | Kernel::FastGelu
            | Kernel::Gelu
            | Kernel::QuickGelu
            | Kernel::SkipSimplifiedLayerNormalization,
            _,
        ) if port == 0 => of(0),
        // The sum that goes on as residual.
        (Kernel::SkipLayerNormalization | Kernel::SkipSimplifiedLayerNormalization, _) if port == 3 => of(0),
        (_, op) if port == 0 && op.shape_class() == ShapeClass::SameAsInput => of(0),
        (_, Op::BatchNormalization { .. }) if work.nodes[node].outputs.len() == 1 => of(0),
        (_, Op::Linear { outputs, .. }) => with_last(of(0)?, u64::try_from(*outputs).ok()?),
        (_, Op::MultiHeadAttention(_) | Op::AttentionOfWeights(_)) if port == 0 => {
            // As many columns as this run has: numbers of the file decide them.
            let columns = work.values[work.output(node)?].dims.as_ref()?.last().copied()?;
            with_last(of(0).filter(|dims| dims.len() == 3)?, columns)
        }
        (_, Op::Binary(..) | Op::Select(_) | Op::Variadic(_)) => {
            (0..work.nodes[node].inputs().len()).map(of).reduce(broadcast).flatten()
        }
        (Kernel::MatMul, Op::MatMul { transpose_a: false, transpose_b: false }) => matmul(of(0)?, of(1)?),
        (Kernel::Gemm | Kernel::FusedGemm, _) => None,
        (_, Op::Transpose) => {
            let from = of(0)?;
            let order: SmallVec<[i64; 4]> = match ints(1) {
                Some(order) => order.into(),
                None => (0..from.len() as i64).rev().collect(),
            };
            order.iter().map(|&axis| from.get(usize::try_from(axis).ok()?).copied()).collect()
        }
        (_, Op::Reshape(zero)) => reshape(&of(0), ints(1)?, *zero),
        (_, Op::Unsqueeze | Op::ExpandDims) => {
            let (from, axes) = (of(0)?, ints(1)?);
            let rank = from.len() + axes.len();
            let axes: SmallVec<[usize; 4]> = axes.iter().filter_map(|&axis| settle(axis, rank)).collect();
            let mut rest = from.into_iter();
            (0..rank)
                .map(|axis| if axes.contains(&axis) { Some(Dim::Known(1)) } else { rest.next() })
                .collect()
        }
        (_, Op::Squeeze { .. }) => {
            let (from, axes) = (of(0)?, ints(1)?);
            let axes: SmallVec<[usize; 4]> =
                axes.iter().filter_map(|&axis| settle(axis, from.len())).collect();
            let kept = from.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
            Some(kept.map(|(_, &dim)| dim).collect())
        }
        (_, Op::Concat { axis }) => {
            let mut shapes = (0..work.nodes[node].inputs().len()).map(of);
            let mut joined = shapes.next()??;
            let axis = settle(*axis, joined.len())?;
            for shape in shapes {
                let shape = shape.filter(|shape| shape.len() == joined.len())?;
                for (at, (own, other)) in joined.iter_mut().zip(shape).enumerate() {
                    *own = match (*own, other) {
                        (Dim::Known(a), Dim::Known(b)) if at == axis => Dim::Known(a.saturating_add(b)),
                        _ if at == axis => Dim::Unknown,
                        (Dim::Unknown, other) => other,
                        (own, _) => own,
                    };
                }
            }
            Some(joined)
        }
        (_, Op::Gather { .. }) => {
            let (data, indices) = (of(0)?, of(1)?);
            let axis = settle(*ints(2)?.first()?, data.len())?;
            let before = data.iter().take(axis);
            Some(before.chain(&indices).chain(data.iter().skip(axis + 1)).copied().collect())
        }
        (_, Op::Reduce { keep_dims, .. }) => {
            let (from, axes) = (of(0)?, ints(1)?);
            let axes: SmallVec<[usize; 4]> =
                axes.iter().filter_map(|&axis| settle(axis, from.len())).collect();
            let dims = from.iter().enumerate().filter_map(|(axis, &dim)| match axes.contains(&axis) {
                true => keep_dims.then_some(Dim::Known(1)),
                false => Some(dim),
            });
            Some(dims.collect())
        }
        (
            Kernel::Conv
            | Kernel::MaxPool
            | Kernel::AveragePool
            | Kernel::GlobalAveragePool
            | Kernel::GlobalMaxPool
            | Kernel::ConvTranspose,
            _,
        ) if port == 0 => window(work, node, &of(0)?),
        (_, Op::ShapeOf { start: 0, end: None, .. }) => {
            Some(SmallVec::from_slice(&[Dim::Known(of(0)?.len() as u64)]))
        }
        _ => None,
    }
}

/// Images: batch as in the input, channels as in this run, sides where those of the input are numbers.
fn window(work: &Work<'_>, node: usize, from: &[Dim]) -> Shape {
    let dims = work.values[work.output(node)?].dims.as_ref()?;
    let is_global = matches!(work.nodes[node].kind, Kernel::GlobalAveragePool | Kernel::GlobalMaxPool);
    let is_fixed =
        |axis: usize| is_global || from.iter().skip(2).all(|dim| matches!(dim, Dim::Known(_))) || axis == 1;
    let dims = dims.iter().enumerate().map(|(axis, &dim)| match axis {
        0 => from.first().copied().unwrap_or(Dim::Unknown),
        _ if is_fixed(axis) => Dim::Known(dim),
        _ => Dim::Unknown,
    });
    Some(dims.collect())
}

fn settle(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

fn broadcast(a: Shape, b: Shape) -> Shape {
    let (a, b) = (a?, b?);
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], axis: usize| match (axis + dims.len()).checked_sub(rank) {
        Some(at) => dims[at],
        None => Dim::Known(1),
    };
    let dims = (0..rank).map(|axis| match (at(&a, axis), at(&b, axis)) {
        (Dim::Known(1), other) | (other, Dim::Known(1)) => other,
        (Dim::Known(size), _) | (_, Dim::Known(size)) => Dim::Known(size),
        (a, b) if a == b => a,
        _ => Dim::Unknown,
    });
    Some(dims.collect())
}

fn with_last(mut dims: SmallVec<[Dim; 4]>, size: u64) -> Shape {
    *dims.last_mut()? = Dim::Known(size);
    Some(dims)
}

fn matmul(a: SmallVec<[Dim; 4]>, b: SmallVec<[Dim; 4]>) -> Shape {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (rows, columns) = (a[a.len() - 2], b[b.len() - 1]);
    let batch = broadcast(Some(a[..a.len() - 2].into()), Some(b[..b.len() - 2].into()))?;
    Some(batch.into_iter().chain([rows, columns]).collect())
}

/// A constant pattern: 0 copies a dim, and -1 is a number where all that it stands for are numbers.
pub(super) fn reshape(from: &Shape, pattern: &[i64], zero: ReshapeZero) -> Shape {
    let copies = zero == ReshapeZero::CopiesDim;
    let mut dims: SmallVec<[Dim; 4]> = SmallVec::new();
    for (axis, &size) in pattern.iter().enumerate() {
        dims.push(match size {
            0 if copies => from.as_ref().and_then(|from| from.get(axis)).copied().unwrap_or(Dim::Unknown),
            -1 => Dim::Unknown,
            size => Dim::Known(u64::try_from(size).ok()?),
        });
    }
    let rest = pattern.iter().position(|&size| size == -1);
    if let (Some(rest), Some(from)) = (rest, from) {
        // Dims copied by name stand on both sides.
        let mut left: SmallVec<[Dim; 4]> = from.clone();
        let mut product = 1_u64;
        for (axis, dim) in dims.iter().enumerate().filter(|&(axis, _)| axis != rest) {
            match dim {
                Dim::Known(size) => product = product.saturating_mul(*size),
                _ => match left.get_mut(axis).filter(|other| *other == dim) {
                    Some(other) => *other = Dim::Known(1),
                    None => return Some(dims),
                },
            }
        }
        let sizes: Option<SmallVec<[u64; 4]>> = left
            .iter()
            .map(|dim| match dim {
                Dim::Known(size) => Some(*size),
                _ => None,
            })
            .collect();
        let total = sizes.map(|sizes| sizes.iter().fold(1_u64, |total, &size| total.saturating_mul(size)));
        if let (Some(total), true) = (total, product > 0) {
            dims[rest] = Dim::Known(total / product);
        }
    }
    Some(dims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    const B: Dim = Dim::Named(0);

    #[test]
    fn names_pass_through_a_constant_reshape() {
        let from = Some(smallvec![B, Dim::Named(1), Dim::Known(768)]);
        let heads = reshape(&from, &[0, 0, 12, 64], ReshapeZero::CopiesDim);
        assert_eq!(heads, Some(smallvec![B, Dim::Named(1), Dim::Known(12), Dim::Known(64)]));
        let image = Some(smallvec![B, Dim::Known(768), Dim::Known(14), Dim::Known(14)]);
        let flat = reshape(&image, &[0, 768, -1], ReshapeZero::CopiesDim);
        assert_eq!(flat, Some(smallvec![B, Dim::Known(768), Dim::Known(196)]));
    }

    #[test]
    fn products_of_names_are_unknown() {
        let from = Some(smallvec![B, Dim::Named(1), Dim::Known(8)]);
        assert_eq!(
            reshape(&from, &[-1, 8], ReshapeZero::CopiesDim),
            Some(smallvec![Dim::Unknown, Dim::Known(8)])
        );
        assert!(!are_same(&Some(smallvec![Dim::Unknown]), &Some(smallvec![Dim::Unknown])));
        assert!(are_same(&Some(smallvec![B]), &Some(smallvec![B])));
    }

    #[test]
    fn the_name_that_a_file_states_stays_where_inference_finds_no_number() {
        // A cache that the file states as [batch, 8, total, 64], of past and new tokens side by side.
        let stated = Some(smallvec![B, Dim::Named(1), Dim::Named(2), Dim::Unknown]);
        let inferred = Some(smallvec![Dim::Named(3), Dim::Known(8), Dim::Unknown, Dim::Known(64)]);
        let merged = Some(smallvec![B, Dim::Known(8), Dim::Named(2), Dim::Known(64)]);
        assert_eq!(merge(stated, inferred), merged);
    }

    #[test]
    fn a_number_wins_over_a_name() {
        let a = Some(smallvec![B, Dim::Known(1), Dim::Known(8)]);
        let b = Some(smallvec![Dim::Known(1), Dim::Named(1), Dim::Known(8)]);
        assert_eq!(broadcast(a, b), Some(smallvec![B, Dim::Named(1), Dim::Known(8)]));
    }
}

//! Matrix products.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/matrix/matmul-1.html>,
//! `matrix/einsum-7`, `matrix/inverse-14`; ONNX <https://onnx.ai/onnx/operators/onnx__MatMul.html>, `Einsum` (12).
//!
//! * `MatMul`: [.., m, k] × [.., k, n] → [broadcast of the leading dims, m, n]. A vector is a row on the left, a column
//!   on the right, never transposed, and its dim of 1 is dropped from the output.
//! * `FusedMatMul`: the same, and with `moves_a` of `[m, .., k]`, with a transpose `[k, .., m]`.
//! * `Gemm`: [m, k] × [k, n] → [m, n], each operand transposed if it says so.
//! * `Linear`, `WordConvEmbedding`: [.., k] → [.., n]. `CDist`: [m, k] × [n, k] → [m, n]. `Determinant`: [.., n, n] → [..].
//! * `Einsum`: each label has one size; out = the sizes of the output's labels.
//! * `Inverse`: out = data.
//! * `GroupedMatMul`: [rows, k] × [groups, n, k] → [rows, n]; [groups, m, k] × [groups, n, k] → [groups, m, n].

use crate::graph::Op;
use crate::shape::context::{Context, RuleResult, broadcast, dim, mismatch, text};
use crate::shape::dim::{Dim, DimList};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    match op {
        Op::MatMul { transpose_a, transpose_b } => {
            matmul([&context.shape(0)?, &context.shape(1)?], [*transpose_a, *transpose_b], context)
        }
        Op::FusedMatMul(spec) => {
            let (a, b) = (moved(context.shape(0)?, spec.moves_a), moved(context.shape(1)?, spec.moves_b));
            matmul([&a, &b], [spec.transpose_a, spec.transpose_b], context)
        }
        Op::Einsum(equation) => einsum(equation, context),
        Op::GroupedMatMul => grouped(context),
        Op::Linear { outputs, .. } => {
            let data = context.shape(0)?;
            let (batch, _) = last_dim(&data)?;
            context.emit_shape(context.dtype(0), batch.iter().copied().chain([Dim::Known(dim(*outputs)?)]));
            Ok(())
        }
        Op::WordConvEmbedding { outputs } => {
            let data = context.shape(0)?;
            let (batch, _) = last_dim(&data)?;
            context.emit_shape(context.dtype(1), batch.iter().copied().chain([Dim::Known(dim(*outputs)?)]));
            Ok(())
        }
        Op::Determinant => {
            let data = context.shape(0)?;
            let (rows, _) = last_dim(&data)?;
            context.emit_shape(context.dtype(0), last_dim(rows)?.0.iter().copied());
            Ok(())
        }
        Op::CDist => matmul([&context.shape(0)?, &context.shape(1)?], [false, true], context),
        Op::Gemm { transpose_a, transpose_b, .. } => gemm(*transpose_a, *transpose_b, context),
        // Inverse.
        _ => {
            context.emit_like(0)?;
            Ok(())
        }
    }
}

/// Dims with the first before the last.
fn moved(mut dims: DimList, moves: bool) -> DimList {
    if let (true, [leading @ .., _]) = (moves && dims.len() > 1, &mut dims[..]) {
        leading.rotate_left(1);
    }
    dims
}

fn matmul(
    [a, b]: [&[Dim]; 2],
    [transpose_a, transpose_b]: [bool; 2],
    context: &mut Context<'_>,
) -> RuleResult {
    let (a_batch, m, k) = match *a {
        [] => return Err(mismatch!("the first matrix is a scalar")),
        [k] => (&[][..], None, k),
        [ref batch @ .., k, m] if transpose_a => (batch, Some(m), k),
        [ref batch @ .., m, k] => (batch, Some(m), k),
    };
    let (b_batch, b_k, n) = match *b {
        [] => return Err(mismatch!("the second matrix is a scalar")),
        [k] => (&[][..], k, None),
        [ref batch @ .., n, k] if transpose_b => (batch, k, Some(n)),
        [ref batch @ .., k, n] => (batch, k, Some(n)),
    };
    if k.differs(b_k) && context.is_exact() {
        return Err(mismatch!(
            "rows of {k} and columns of {b_k} cannot be multiplied: {}{} by {}{}",
            text(a),
            if transpose_a { " transposed" } else { "" },
            text(b),
            if transpose_b { " transposed" } else { "" }
        ));
    }
    let batch: DimList = if a_batch == b_batch || b_batch.is_empty() {
        a_batch.into()
    } else if context.is_exact() {
        broadcast(a_batch, b_batch)?
    } else {
        larger(a_batch, b_batch)
    };
    context.emit_shape(context.dtype(0), batch.into_iter().chain(m).chain(n));
    Ok(())
}

fn last_dim(dims: &[Dim]) -> RuleResult<(&[Dim], Dim)> {
    let split = dims.split_last().map(|(&last, leading)| (leading, last));
    split.ok_or_else(|| mismatch!("an operand of the product is a scalar, or has too few dims"))
}

/// Leading dims of bounds: the larger of each two.
fn larger(a: &[Dim], b: &[Dim]) -> DimList {
    let rank = a.len().max(b.len());
    let padded = |dims: &[Dim]| std::iter::repeat_n(Dim::Known(1), rank - dims.len()).chain(dims.to_vec());
    padded(a)
        .zip(padded(b))
        .map(|(a, b)| match (a, b) {
            (Dim::Known(1), other) | (other, Dim::Known(1)) => other,
            (Dim::Known(a), Dim::Known(b)) => Dim::Known(a.max(b)),
            (a, b) if a == b => a,
            _ => Dim::Unknown,
        })
        .collect()
}

fn gemm(transpose_a: bool, transpose_b: bool, context: &mut Context<'_>) -> RuleResult {
    let (a, b) = (context.shape(0)?, context.shape(1)?);
    let (&[a_rows, a_columns], &[b_rows, b_columns]) = (&a[..], &b[..]) else {
        return Err(mismatch!("no general product of {} and {}, which are not matrices", text(&a), text(&b)));
    };
    let (m, k) = if transpose_a { (a_columns, a_rows) } else { (a_rows, a_columns) };
    let (b_k, n) = if transpose_b { (b_columns, b_rows) } else { (b_rows, b_columns) };
    if k.differs(b_k) && context.is_exact() {
        return Err(mismatch!(
            "rows of {k} and columns of {b_k} cannot be multiplied: {} by {}",
            text(&a),
            text(&b)
        ));
    }
    context.emit_shape(context.dtype(0), [m, n]);
    Ok(())
}

fn grouped(context: &mut Context<'_>) -> RuleResult {
    let (a, b) = (context.shape(0)?, context.shape(1)?);
    let dims = match (&a[..], &b[..]) {
        (&[rows, _], &[_, n, _]) => DimList::from_slice(&[rows, n]),
        (&[groups, m, _], &[_, n, _]) => DimList::from_slice(&[groups, m, n]),
        _ => return Err(mismatch!("no grouped product of {} and {}", text(&a), text(&b))),
    };
    context.emit_shape(context.dtype(0), dims);
    Ok(())
}

/// Labels of one operand: letters before an ellipsis, and letters after it.
struct Labels {
    before: Vec<char>,
    after: Option<Vec<char>>,
}

impl Labels {
    fn parse(subscript: &str) -> RuleResult<Labels> {
        let letters = |text: &str| -> RuleResult<Vec<char>> {
            match text.chars().find(|letter| !letter.is_ascii_alphabetic()) {
                Some(letter) => Err(mismatch!("the subscript \"{subscript}\" has a {letter:?}")),
                None => Ok(text.chars().collect()),
            }
        };
        Ok(match subscript.split_once("...") {
            None => Labels { before: letters(subscript)?, after: None },
            Some((before, after)) => Labels { before: letters(before)?, after: Some(letters(after)?) },
        })
    }
}

/// Sizes of the 52 labels, and of the dims under ellipses.
#[derive(Default)]
struct Sizes {
    labels: std::collections::BTreeMap<char, Dim>,
    ellipsis: DimList,
}

impl Sizes {
    fn add(&mut self, labels: &Labels, dims: &[Dim], is_exact: bool) -> RuleResult {
        let tail = labels.after.as_ref().map_or(0, Vec::len);
        let spelt = labels.before.len() + tail;
        if dims.len() < spelt || (labels.after.is_none() && dims.len() != spelt) {
            return Err(mismatch!("an operand of {spelt} labels has the shape {}", text(dims)));
        }
        let (before, rest) = dims.split_at(labels.before.len());
        let (ellipsis, after) = rest.split_at(rest.len() - tail);
        let letters = labels.before.iter().chain(labels.after.iter().flatten());
        for (&letter, &dim) in letters.zip(before.iter().chain(after)) {
            let size = self.labels.entry(letter).or_insert(dim);
            let is_larger = matches!((dim, *size), (Dim::Known(dim), Dim::Known(size)) if dim > size);
            if *size == Dim::Known(1) || (!is_exact && is_larger) {
                *size = dim;
            } else if size.differs(dim) && dim != Dim::Known(1) && is_exact {
                return Err(mismatch!("label {letter} represents both {size} and {dim}"));
            } else if *size != dim && dim != Dim::Known(1) && size.known().is_none() {
                *size = if dim.known().is_some() { dim } else { Dim::Unknown };
            }
        }
        if labels.after.is_some() {
            self.ellipsis = if is_exact {
                broadcast(&self.ellipsis, ellipsis)?
            } else {
                larger(&self.ellipsis, ellipsis)
            };
        }
        Ok(())
    }
}

fn einsum(equation: &str, context: &mut Context<'_>) -> RuleResult {
    let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (operands, output) = match equation.split_once("->") {
        Some((operands, output)) => (operands, Some(output)),
        None => (equation.as_str(), None),
    };
    let operands: Vec<Labels> = operands.split(',').map(Labels::parse).collect::<RuleResult<_>>()?;
    if operands.len() != context.n_inputs() {
        return Err(mismatch!(
            "the equation \"{equation}\" has {} operands, and the node {} inputs",
            operands.len(),
            context.n_inputs()
        ));
    }
    let mut sizes = Sizes::default();
    for (index, labels) in operands.iter().enumerate() {
        let dims = context.shape(index)?;
        sizes.add(labels, &dims, context.is_exact())?;
    }
    let output = match output {
        Some(output) => Labels::parse(output)?,
        // Without an output: the ellipsis, then every label that occurs only once, in alphabetical order.
        None => {
            let all =
                operands.iter().flat_map(|labels| labels.before.iter().chain(labels.after.iter().flatten()));
            let all: Vec<char> = all.copied().collect();
            let once = |letter: &&char| all.iter().filter(|other| other == letter).count() == 1;
            Labels { before: Vec::new(), after: Some(sizes.labels.keys().filter(once).copied().collect()) }
        }
    };
    let size = |letter: &char| {
        let size = sizes.labels.get(letter).copied();
        size.ok_or_else(|| mismatch!("label {letter} of the output is in no operand of \"{equation}\""))
    };
    let mut dims: DimList = output.before.iter().map(size).collect::<RuleResult<_>>()?;
    if let Some(after) = &output.after {
        dims.extend(sizes.ellipsis.iter().copied());
        for letter in after {
            dims.push(size(letter)?);
        }
    }
    context.emit_shape(context.dtype(0), dims);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::op::{FusedMatMul, Packing};
    use crate::shape::testing::{infer, *};

    /// Transposes, operands, product.
    type Case = (bool, bool, &'static [u64], &'static [u64], &'static [u64]);
    /// Equation, operands, result.
    type Equation = (&'static str, &'static [&'static [u64]], &'static [u64]);

    fn product(transpose_a: bool, transpose_b: bool, a: &[u64], b: &[u64]) -> Vec<u64> {
        dims(Op::MatMul { transpose_a, transpose_b }, &[f32(a), f32(b)])
    }

    #[test]
    fn matrices_multiply_and_leading_dims_broadcast() {
        let table: [Case; 9] = [
            (false, false, &[2, 3], &[3, 4], &[2, 4]),
            (true, false, &[3, 2], &[3, 4], &[2, 4]),
            (false, true, &[2, 3], &[4, 3], &[2, 4]),
            (false, false, &[5, 1, 2, 3], &[7, 3, 4], &[5, 7, 2, 4]),
            (false, true, &[1, 1813, 896], &[4864, 896], &[1, 1813, 4864]),
            (true, true, &[3], &[3], &[]),
            (true, false, &[3], &[7, 3, 4], &[7, 4]),
            (false, true, &[7, 4, 3], &[3], &[7, 4]),
            (false, false, &[2, 0], &[0, 4], &[2, 4]),
        ];
        for (transpose_a, transpose_b, a, b, expected) in table {
            assert_eq!(product(transpose_a, transpose_b, a, b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_mismatch_names_both_sizes() {
        let op = Op::MatMul { transpose_a: false, transpose_b: true };
        assert_eq!(
            message(op, &[f32(&[2, 3]), f32(&[3, 4])]),
            "rows of 3 and columns of 4 cannot be multiplied: [2,3] by [3,4] transposed"
        );
        let op = Op::MatMul { transpose_a: false, transpose_b: false };
        assert!(infer(op, &[f32(&[]), f32(&[3, 4])], 1).is_err());
    }

    #[test]
    fn einsum_reads_sizes_off_labels() {
        let table: [Equation; 8] = [
            ("bij,bjk->bik", &[&[2, 3, 4], &[2, 4, 5]], &[2, 3, 5]),
            ("ij->ji", &[&[2, 3]], &[3, 2]),
            ("ii", &[&[3, 3]], &[]),
            ("ij,jk", &[&[2, 3], &[3, 4]], &[2, 4]),
            ("b...j,...jk->...bk", &[&[2, 7, 4], &[7, 4, 5]], &[7, 2, 5]),
            ("a...,...->a...", &[&[2, 3, 1], &[4]], &[2, 3, 4]),
            ("i , j -> i j", &[&[2], &[3]], &[2, 3]),
            ("...i->...", &[&[2, 3]], &[2]),
        ];
        for (equation, inputs, expected) in table {
            let inputs: Vec<_> = inputs.iter().map(|dims| f32(dims)).collect();
            assert_eq!(dims(Op::Einsum(equation.into()), &inputs), expected, "{equation}");
        }
    }

    #[test]
    fn einsum_refuses_contradictions() {
        for (equation, a) in
            [("ij->k", &[2, 3][..]), ("ii->i", &[2, 3]), ("i->i", &[2, 3]), ("i1->i", &[2, 3])]
        {
            assert!(infer(Op::Einsum(equation.into()), &[f32(a)], 1).is_err(), "{equation}");
        }
        assert!(infer(Op::Einsum("i,j->ij".into()), &[f32(&[2])], 1).is_err());
    }

    #[test]
    fn grouped_products_follow_their_ranks() {
        let op = || Op::GroupedMatMul;
        let offsets = tensor(DType::I32, &[8]);
        assert_eq!(dims(op(), &[f32(&[10, 64]), f32(&[8, 32, 64]), offsets]), [10, 32]);
        assert_eq!(dims(op(), &[f32(&[8, 10, 64]), f32(&[8, 32, 64])]), [8, 10, 32]);
        assert!(infer(op(), &[f32(&[64, 10]), f32(&[32, 10])], 1).is_err());
    }

    #[test]
    fn general_products_are_of_matrices() {
        let gemm = |transpose_a, transpose_b| Op::Gemm { transpose_a, transpose_b, has_activation: false };
        assert_eq!(dims(gemm(false, false), &[f32(&[2, 3]), f32(&[3, 5]), f32(&[5])]), [2, 5]);
        assert_eq!(dims(gemm(true, true), &[f32(&[3, 2]), f32(&[5, 3])]), [2, 5]);
        let error = message(gemm(false, true), &[f32(&[2, 3]), f32(&[3, 5])]);
        assert_eq!(error, "rows of 3 and columns of 5 cannot be multiplied: [2,3] by [3,5]");
        assert!(message(gemm(false, false), &[f32(&[2, 3, 4]), f32(&[3, 5])]).contains("not matrices"));
    }

    #[test]
    fn packed_weights_and_determinants() {
        assert_eq!(
            dims(Op::Linear { outputs: 7, packing: Packing::Float }, &[f32(&[2, 3, 4]), f32(&[1])]),
            [2, 3, 7]
        );
        assert!(
            message(Op::Linear { outputs: -7, packing: Packing::Float }, &[f32(&[2])]).contains("negative")
        );
        assert_eq!(dims(Op::Determinant, &[f32(&[2, 3, 3])]), [2]);
        assert_eq!(dims(Op::Determinant, &[f32(&[3, 3])]), [0_u64; 0]);
        assert!(message(Op::Determinant, &[f32(&[3])]).contains("too few dims"));
    }

    #[test]
    fn the_first_dim_moves_before_the_last() {
        // As ONNX Runtime 1.31.1 gives them.
        let op = |transpose, moves_b| {
            let (transpose_a, transpose_b) = (transpose, false);
            Op::FusedMatMul(FusedMatMul { transpose_a, transpose_b, moves_a: true, moves_b, alpha: 1.0 })
        };
        assert_eq!(dims(op(false, false), &[f32(&[2, 3, 4, 5]), f32(&[3, 4, 5, 7])]), [3, 4, 2, 7]);
        assert_eq!(dims(op(true, false), &[f32(&[5, 2, 3]), f32(&[2, 5, 7])]), [2, 3, 7]);
        assert_eq!(dims(op(false, true), &[f32(&[3, 2, 5]), f32(&[5, 2, 7])]), [2, 3, 7]);
    }
}

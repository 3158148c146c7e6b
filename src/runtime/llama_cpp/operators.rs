//! The operators of ggml as functions: the dims, the type and the place of each result.
//!
//! Source: ggml 0.25.3, ggml/src/ggml.c (`ggml_mul_mat`, `ggml_get_rows`, …).

use super::tensor::{Graph, Id, Op, row, strides};
use crate::dtype::GgmlType;

const F32: GgmlType = GgmlType::F32;

impl Graph {
    /// A result of the dims and type of `x`, without its strides.
    fn like(&mut self, op: Op, x: Id, sources: &[Id]) -> Id {
        let (dtype, ne) = (self.get(x).dtype, self.ne(x));
        self.make(op, dtype, ne, sources)
    }

    /// Matrix product: [k, n] and [k, m] give [n, m], in single precision.
    pub(super) fn mul_mat(&mut self, a: Id, b: Id) -> Id {
        let (a_ne, b_ne) = (self.ne(a), self.ne(b));
        self.make(Op::MulMat, F32, [a_ne[1], b_ne[1], b_ne[2], b_ne[3]], &[a, b])
    }

    /// Matrix product with matrices by number.
    pub(super) fn mul_mat_id(&mut self, matrices: Id, b: Id, ids: Id) -> Id {
        let ne = [self.ne(matrices)[1], self.ne(ids)[0], self.ne(b)[2], 1];
        self.make(Op::MulMatId, F32, ne, &[matrices, b, ids])
    }

    /// A result by element of two operands, which has the dims of the first.
    pub(super) fn binary(&mut self, op: Op, a: Id, b: Id) -> Id {
        self.like(op, a, &[a, b])
    }

    /// Sum.
    pub(super) fn add(&mut self, a: Id, b: Id) -> Id {
        self.binary(Op::Add, a, b)
    }

    /// Product by element.
    pub(super) fn mul(&mut self, a: Id, b: Id) -> Id {
        self.binary(Op::Mul, a, b)
    }

    /// Sum with rows by number.
    pub(super) fn add_id(&mut self, a: Id, b: Id, ids: Id) -> Id {
        self.like(Op::AddId, a, &[a, b, ids])
    }

    /// A result by element of one operand.
    pub(super) fn apply(&mut self, op: Op, x: Id) -> Id {
        self.like(op, x, &[x])
    }

    /// An activation.
    pub(super) fn unary(&mut self, x: Id) -> Id {
        self.apply(Op::Unary, x)
    }

    /// Product with a number.
    pub(super) fn scale(&mut self, x: Id) -> Id {
        self.apply(Op::Scale, x)
    }

    /// Product with a number, in the bytes of `x`.
    pub(super) fn scale_in_place(&mut self, x: Id) -> Id {
        let layout = (self.ne(x), self.get(x).nb);
        self.view_of(Op::Scale, x, layout, 0, &[x])
    }

    /// Gated activation of two operands.
    pub(super) fn glu(&mut self, gate: Id, up: Id) -> Id {
        self.like(Op::Glu, gate, &[gate, up])
    }

    /// Gated activation of two halves of one operand.
    pub(super) fn glu_halves(&mut self, x: Id) -> Id {
        let (dtype, ne) = (self.get(x).dtype, self.ne(x));
        self.make(Op::Glu, dtype, [ne[0] / 2, ne[1], ne[2], ne[3]], &[x])
    }

    /// Rotary positions.
    pub(super) fn rope(&mut self, x: Id, positions: Id, factors: Option<Id>) -> Id {
        let sources: Vec<Id> = [x, positions].into_iter().chain(factors).collect();
        self.like(Op::Rope, x, &sources)
    }

    /// Softmax, with a mask and sinks if there are any.
    pub(super) fn soft_max(&mut self, x: Id, mask: Option<Id>, sinks: Option<Id>) -> Id {
        let sources: Vec<Id> = [Some(x), mask, sinks].into_iter().flatten().collect();
        self.like(Op::SoftMax, x, &sources)
    }

    /// Rows by number.
    pub(super) fn get_rows(&mut self, table: Id, ids: Id) -> Id {
        let (ne, rows) = (self.ne(table), self.ne(ids));
        let dtype = if self.get(table).dtype == GgmlType::I32 { GgmlType::I32 } else { F32 };
        self.make(Op::GetRows, dtype, [ne[0], rows[0], rows[1], rows[2]], &[table, ids])
    }

    /// Writes rows by number; the result is a view of the table.
    pub(super) fn set_rows(&mut self, table: Id, rows: Id, ids: Id) -> Id {
        let layout = (self.ne(table), self.get(table).nb);
        self.view_of(Op::SetRows, table, layout, 0, &[rows, ids, table])
    }

    /// A copy into another tensor.
    pub(super) fn copy_to(&mut self, x: Id, target: Id) -> Id {
        let layout = (self.ne(target), self.get(target).nb);
        self.view_of(Op::Cpy, target, layout, 0, &[x, target])
    }

    /// A copy of another type. It is its own second source.
    pub(super) fn cast(&mut self, x: Id, dtype: GgmlType) -> Id {
        let ne = self.ne(x);
        self.make(Op::Cpy, dtype, ne, &[x])
    }

    /// A copy in order.
    pub(super) fn cont(&mut self, x: Id) -> Id {
        self.apply(Op::Cont, x)
    }

    /// A copy in order, of two dims.
    pub(super) fn cont_2d(&mut self, x: Id, ne0: u64, ne1: u64) -> Id {
        let dtype = self.get(x).dtype;
        self.make(Op::Cont, dtype, [ne0, ne1, 1, 1], &[x])
    }

    /// The same elements under other dims.
    pub(super) fn reshape(&mut self, x: Id, ne: [u64; 4]) -> Id {
        let nb = strides(self.get(x).dtype, ne);
        self.view_of(Op::Reshape, x, (ne, nb), 0, &[x])
    }

    /// As [`reshape`](Graph::reshape), of two dims.
    pub(super) fn reshape_2d(&mut self, x: Id, ne0: u64, ne1: u64) -> Id {
        self.reshape(x, [ne0, ne1, 1, 1])
    }

    /// As [`reshape`](Graph::reshape), of three dims.
    pub(super) fn reshape_3d(&mut self, x: Id, ne0: u64, ne1: u64, ne2: u64) -> Id {
        self.reshape(x, [ne0, ne1, ne2, 1])
    }

    /// A part of a tensor, by dims and by strides of all dims but the first.
    pub(super) fn view(&mut self, x: Id, ne: [u64; 4], strides: [u64; 3], offset: u64) -> Id {
        let nb0 = self.get(x).dtype.block_bytes();
        let nb = [nb0, strides[0], strides[1], strides[2]];
        self.view_of(Op::View, x, (ne, nb), offset, &[x])
    }

    /// A part of one dim.
    pub(super) fn view_1d(&mut self, x: Id, ne0: u64, offset: u64) -> Id {
        let len = row(self.get(x).dtype, ne0);
        self.view(x, [ne0, 1, 1, 1], [len; 3], offset)
    }

    /// A part of two dims.
    pub(super) fn view_2d(&mut self, x: Id, ne: [u64; 2], nb1: u64, offset: u64) -> Id {
        let plane = nb1.saturating_mul(ne[1]);
        self.view(x, [ne[0], ne[1], 1, 1], [nb1, plane, plane], offset)
    }

    /// A part of three dims.
    pub(super) fn view_3d(&mut self, x: Id, ne: [u64; 3], nb: [u64; 2], offset: u64) -> Id {
        self.view(x, [ne[0], ne[1], ne[2], 1], [nb[0], nb[1], nb[1].saturating_mul(ne[2])], offset)
    }

    /// Dims in another order: dim `i` becomes dim `axes[i]`.
    pub(super) fn permute(&mut self, x: Id, axes: [usize; 4]) -> Id {
        let (from_ne, from_nb) = (self.ne(x), self.get(x).nb);
        let (mut ne, mut nb) = ([1; 4], [0; 4]);
        for (from, to) in axes.into_iter().enumerate() {
            ne[to] = from_ne[from];
            nb[to] = from_nb[from];
        }
        self.view_of(Op::Permute, x, (ne, nb), 0, &[x])
    }

    /// The first two dims exchanged.
    pub(super) fn transpose(&mut self, x: Id) -> Id {
        let (mut ne, mut nb) = (self.ne(x), self.get(x).nb);
        ne.swap(0, 1);
        nb.swap(0, 1);
        self.view_of(Op::Transpose, x, (ne, nb), 0, &[x])
    }

    /// Zeros behind the elements of the first dim.
    pub(super) fn pad(&mut self, x: Id, more: u64) -> Id {
        let (dtype, mut ne) = (self.get(x).dtype, self.ne(x));
        ne[0] = ne[0].saturating_add(more);
        self.make(Op::Pad, dtype, ne, &[x])
    }

    /// Two tensors side by side in one dim.
    pub(super) fn concat(&mut self, a: Id, b: Id, dim: usize) -> Id {
        let (dtype, mut ne) = (self.get(a).dtype, self.ne(a));
        ne[dim] = ne[dim].saturating_add(self.ne(b)[dim]);
        self.make(Op::Concat, dtype, ne, &[a, b])
    }

    /// A tensor repeated up to these dims.
    pub(super) fn repeat(&mut self, x: Id, ne: [u64; 4]) -> Id {
        let dtype = self.get(x).dtype;
        self.make(Op::Repeat, dtype, ne, &[x])
    }

    /// The order of the elements of each row.
    pub(super) fn argsort(&mut self, x: Id) -> Id {
        let ne = self.ne(x);
        self.make(Op::Argsort, GgmlType::I32, ne, &[x])
    }

    /// The numbers of the `count` largest elements of each row.
    pub(super) fn top_k(&mut self, x: Id, count: u64) -> Id {
        let order = self.argsort(x);
        let (ne, nb) = (self.ne(order), self.get(order).nb);
        self.view(order, [count, ne[1], ne[2], ne[3]], [nb[1], nb[2], nb[3]], 0)
    }

    /// One number for each row: its sum or its mean.
    pub(super) fn of_rows(&mut self, op: Op, x: Id) -> Id {
        let (dtype, ne) = (self.get(x).dtype, self.ne(x));
        self.make(op, dtype, [1, ne[1], ne[2], ne[3]], &[x])
    }

    /// Attention in one step.
    pub(super) fn flash_attention(&mut self, [q, k, v]: [Id; 3], mask: Id, sinks: Option<Id>) -> Id {
        let (q_ne, v_ne) = (self.ne(q), self.ne(v));
        let sources: Vec<Id> = [q, k, v, mask].into_iter().chain(sinks).collect();
        self.make(Op::FlashAttention, F32, [v_ne[0], q_ne[2], q_ne[1], q_ne[3]], &sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_contract_the_first_dim() {
        let mut graph = Graph::default();
        let weight = graph.make(Op::None, GgmlType::Q4K, [256, 64, 1, 1], &[]);
        let x = graph.make(Op::None, F32, [256, 7, 1, 1], &[]);
        let y = graph.mul_mat(weight, x);
        assert_eq!((graph.ne(y), graph.get(y).dtype), ([64, 7, 1, 1], F32));
        let swapped = graph.permute(y, [0, 2, 1, 3]);
        assert_eq!(graph.ne(swapped), [64, 1, 7, 1]);
        let flat = graph.transpose(y);
        assert_eq!((graph.ne(flat), graph.get(flat).nb[0]), ([7, 64, 1, 1], 256));
    }

    #[test]
    fn the_largest_elements_are_a_part_of_the_order() {
        let mut graph = Graph::default();
        let x = graph.make(Op::None, F32, [8, 3, 1, 1], &[]);
        let top = graph.top_k(x, 2);
        assert_eq!((graph.ne(top), graph.get(top).nb), ([2, 3, 1, 1], [4, 32, 96, 96]));
    }
}

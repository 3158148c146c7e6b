//! What the rules make of symbols, family by family. Letters are symbols, `?` is a dim that equals no other.

use crate::DType;
use crate::graph::Op;
use crate::graph::op::{
    AttentionTraits, AxisSpan, Binary, Broadcast, BroadcastMode, CacheLength, Convolution, ConvolutionForm,
    Fill, FilterLayout, MultiHeadAttention, MultiHeadForm, PadInputs, PadMode, Pool, PoolKind, Reduce,
    ReshapeZero, Scatter, StridedSlice, TileInputs, Unary, Variadic, Window,
};
use crate::shape::testing::*;
use smallvec::smallvec;

fn first(op: Op, inputs: &[Input]) -> String {
    symbolic(op, inputs, 1).remove(0)
}

fn reshape(data: &str, pattern: &str) -> String {
    first(Op::Reshape(ReshapeZero::CopiesDim), &[shaped(data), list(pattern)])
}

#[test]
fn a_reshape_follows_its_pattern() {
    assert_eq!(reshape("a,b,768", "0,0,12,64"), "a,b,12,64");
    assert_eq!(reshape("a,b,768", "a,b,12,64"), "a,b,12,64");
    assert_eq!(reshape("a,b,768", "c,0,?,64"), "c,b,?,64");
    let literal = Op::Reshape(ReshapeZero::IsZero);
    assert_eq!(first(literal, &[shaped("a,b"), list("0,b")]), "0,b");
}

#[test]
fn a_minus_one_is_what_nothing_else_accounts_for() {
    assert_eq!(reshape("a,b,12,64", "a,-1,768"), "a,b,768");
    assert_eq!(reshape("a,b,12,64", "0,-1,768"), "a,b,768");
    assert_eq!(reshape("a,b,12,64", "a,b,-1"), "a,b,768");
    assert_eq!(reshape("a,b,12,64", "-1,768"), "?,768");
    assert_eq!(reshape("a,b,12,64", "a,-1,384"), "a,?,384");
    assert_eq!(reshape("a,b,12,64", "c,-1,768"), "c,?,768");
    assert_eq!(reshape("a,?,12", "0,-1"), "a,?");
    assert_eq!(first(Op::Reshape(ReshapeZero::CopiesDim), &[list("a"), list("-1")]), "1 = a");
}

#[test]
fn dims_of_one_come_and_go() {
    let squeeze = || Op::Squeeze { allow_axis_skip: false };
    assert_eq!(first(squeeze(), &[shaped("a,1,b"), vector(&[1])]), "a,b");
    assert_eq!(first(squeeze(), &[shaped("a,b,c"), vector(&[1])]), "a,c");
    assert_eq!(first(squeeze(), &[list("a"), vector(&[0])]), " = a");
    // Without axes, or where an axis may be skipped, even the rank depends on a symbol.
    assert_eq!(first(squeeze(), &[shaped("a,1")]), "...");
    assert_eq!(first(Op::Squeeze { allow_axis_skip: true }, &[shaped("a,b"), vector(&[1])]), "...");
    assert_eq!(first(Op::Unsqueeze, &[shaped("a,b"), vector(&[1])]), "a,1,b");
    assert_eq!(first(Op::Unsqueeze, &[number("a"), vector(&[0])]), "1 = a");
    assert_eq!(first(Op::Flatten { axis: 1 }, &[shaped("a,1,b")]), "a,b");
    assert_eq!(first(Op::Flatten { axis: 1 }, &[shaped("a,3,b")]), "a,?");
}

#[test]
fn a_transpose_permutes() {
    assert_eq!(first(Op::Transpose, &[shaped("a,b,4"), vector(&[0, 2, 1])]), "a,4,b");
    assert_eq!(first(Op::Transpose, &[shaped("a,b,4")]), "4,b,a");
    assert_eq!(first(Op::Transpose, &[shaped("a,b"), tensor(DType::I64, &[2])]), "...");
}

#[test]
fn equal_symbols_and_ones_broadcast() {
    let add = |a, b| first(Op::Binary(Binary::Add, Broadcast::Numpy), &[shaped(a), shaped(b)]);
    assert_eq!(add("a,b", "a,b"), "a,b");
    assert_eq!(add("a,1", "1,b"), "a,b");
    assert_eq!(add("a,b", "b"), "a,b");
    assert_eq!(add("a,8", "8"), "a,8");
    // Of a symbol and a number, the symbol is that number or 1; of two symbols, either may be 1.
    assert_eq!(add("a", "8"), "8");
    assert_eq!(add("a", "b"), "?");
    assert_eq!(add("?", "1"), "?");
    let select = Op::Select(Broadcast::Numpy);
    assert_eq!(first(select, &[shaped("a,1"), shaped("b"), shaped("")]), "a,b");
    assert_eq!(first(Op::Variadic(Variadic::Max), &[shaped("a"), shaped("1"), shaped("a")]), "a");
    let pdpd = Op::Binary(Binary::Add, Broadcast::Pdpd(0));
    assert_eq!(first(pdpd, &[shaped("a,b"), shaped("a")]), "a,b");
    let equal = Op::Binary(Binary::Add, Broadcast::None);
    assert_eq!(first(equal, &[shaped("a,b"), shaped("3,b")]), "3,b");
}

#[test]
fn element_wise_operators_keep_dims() {
    assert_eq!(first(Op::Unary(Unary::Relu), &[shaped("a,b,4")]), "a,b,4");
    assert_eq!(first(Op::Softmax(AxisSpan::LAST), &[shaped("a,b")]), "a,b");
    assert_eq!(first(Op::Convert { to: DType::I32 }, &[list("a,7")]), "2 = a,7");
    assert_eq!(first(Op::Convert { to: DType::F32 }, &[list("a")]), "1");
    assert_eq!(first(Op::Identity, &[list("a,?")]), "2 = a,?");
}

#[test]
fn numbers_follow_sizes_without_algebra() {
    let binary = |op, a, b| first(Op::Binary(op, Broadcast::Numpy), &[list(a), list(b)]);
    assert_eq!(binary(Binary::Multiply, "a,b", "1"), "2 = a,b");
    assert_eq!(binary(Binary::Multiply, "a,3", "2"), "2 = ?,6");
    assert_eq!(binary(Binary::Equal, "a,b,?", "a,-1,0"), "3 = 1,0,?");
    let select = |condition, a, b| first(Op::Select(Broadcast::Numpy), &[list(condition), list(a), list(b)]);
    assert_eq!(select("0,1,?", "a,b,c", "d,e,f"), "3 = d,b,?");
    let product = Op::Reduce { kind: Reduce::Prod, keep_dims: true, noop_with_empty_axes: false };
    assert_eq!(first(product, &[list("a,1"), vector(&[0])]), "1 = a");
}

#[test]
fn products_join_rows_and_columns() {
    let matmul = |a, b| first(Op::MatMul { transpose_a: false, transpose_b: true }, &[shaped(a), shaped(b)]);
    assert_eq!(matmul("a,b,64", "512,64"), "a,b,512");
    assert_eq!(matmul("a,12,b,64", "a,12,c,64"), "a,12,b,c");
    assert_eq!(matmul("1,b,64", "a,c,64"), "a,b,c");
    assert_eq!(matmul("a,b,64", "c,d,64"), "?,b,d");
    assert_eq!(matmul("a,b,c", "d,e"), "a,b,d");
    let gemm = Op::Gemm { transpose_a: false, transpose_b: false, has_activation: false };
    assert_eq!(first(gemm, &[shaped("a,8"), shaped("8,4")]), "a,4");
    assert_eq!(first(Op::Einsum("bij,bkj->bik".into()), &[shaped("a,b,8"), shaped("a,c,8")]), "a,b,c");
}

#[test]
fn concats_add_and_agree() {
    let concat = |axis, inputs: &[Input]| first(Op::Concat { axis }, inputs);
    assert_eq!(concat(1, &[shaped("a,b"), shaped("a,c")]), "a,?");
    assert_eq!(concat(1, &[shaped("a,b"), shaped("a,0")]), "a,b");
    assert_eq!(concat(-1, &[shaped("a,2"), shaped("b,3")]), "a,5");
    assert_eq!(concat(-1, &[shaped("a,2"), shaped("4,3")]), "4,5");
    assert_eq!(concat(0, &[list("a"), vector(&[-1]), list("b,?")]), "4 = a,-1,b,?");
    assert_eq!(concat(0, &[list("a"), tensor(DType::I64, &[1])]), "2 = a,?");
}

#[test]
fn a_shape_is_read_and_picked_from() {
    let shape_of = |start, end| Op::ShapeOf { to: DType::I64, start, end };
    assert_eq!(first(shape_of(0, None), &[shaped("a,b,64")]), "3 = a,b,64");
    assert_eq!(first(shape_of(-2, None), &[shaped("a,b,64")]), "2 = b,64");
    assert_eq!(first(Op::SizeOf, &[shaped("a,1")]), " = a");
    assert_eq!(first(Op::SizeOf, &[shaped("a,b")]), "");
    let gather = |data, indices| first(Op::Gather { batch_dims: 0 }, &[data, indices, scalar(0)]);
    assert_eq!(gather(list("a,b,64"), scalar(1)), " = b");
    assert_eq!(gather(list("a,b,64"), vector(&[2, 0])), "2 = 64,a");
    assert_eq!(gather(shaped("512,64"), shaped("a,b")), "a,b,64");
    assert_eq!(first(Op::GatherElements, &[shaped("a,b"), shaped("a,c"), scalar(1)]), "a,c");
    assert_eq!(first(Op::Scatter(Scatter::ReducedNd), &[shaped("a,b")]), "a,b");
}

#[test]
fn slices_of_a_whole_dim_keep_it() {
    let slice = |data: Input, start: &str, stop: &str| {
        first(Op::Slice, &[data, list(start), list(stop), vector(&[1]), vector(&[0])])
    };
    let largest = i64::MAX.to_string();
    assert_eq!(slice(shaped("a,4"), "0", &largest), "a,4");
    assert_eq!(slice(shaped("a,4"), "0", "a"), "a,4");
    assert_eq!(slice(shaped("a,4"), "0", "b"), "?,4");
    assert_eq!(slice(shaped("a,4"), "0", "8"), "?,4");
    assert_eq!(slice(shaped("a,4"), "-1", &largest), "?,4");
    assert_eq!(slice(shaped("16,4"), "0", "a"), "?,4");
    assert_eq!(slice(list("a,b,64"), "1", &largest), "2 = b,64");
    let masks = StridedSlice { shrink_axis_mask: smallvec![1], ..StridedSlice::default() };
    let picked = |start| {
        first(Op::StridedSlice(Box::new(masks.clone())), &[list("a,b"), start, vector(&[0]), vector(&[1])])
    };
    assert_eq!(picked(vector(&[1])), " = b");
    assert_eq!(picked(list("c")), "");
}

#[test]
fn splits_resize_one_axis() {
    let split = |data, parts| {
        symbolic(Op::Split { parts, allow_uneven: false }, &[shaped(data), scalar(1)], parts as usize)
    };
    assert_eq!(split("a,6", 2), ["a,3", "a,3"]);
    assert_eq!(split("a,b", 2), ["a,?", "a,?"]);
    assert_eq!(split("a,b", 1), ["a,b"]);
    let parts = symbolic(Op::VariadicSplit, &[shaped("a,b"), scalar(1), list("c,-1")], 2);
    assert_eq!(parts, ["a,c", "a,?"]);
}

#[test]
fn targets_and_repeats_may_be_symbols() {
    let expand = |mode, data, target| first(Op::Broadcast(mode), &[shaped(data), list(target)]);
    assert_eq!(expand(BroadcastMode::Numpy, "1,64", "a,64"), "a,64");
    assert_eq!(expand(BroadcastMode::Bidirectional, "a,64", "1,1,64"), "1,a,64");
    assert_eq!(expand(BroadcastMode::Bidirectional, "a,1", "b,c"), "?,c");
    let filled = Op::FromShape { to: Some(DType::F32), fill: Fill::Uniform };
    assert_eq!(first(filled, &[list("a,?,4")]), "a,?,4");
    assert_eq!(first(Op::Tile(TileInputs::Repeats), &[shaped("a,b"), list("1,2")]), "a,?");
    assert_eq!(first(Op::Tile(TileInputs::Repeats), &[shaped("1,b"), list("a,1")]), "a,b");
    let pad = |begin: &[i64], end: &[i64]| {
        first(Op::Pad(PadMode::Constant, PadInputs::Separate), &[shaped("a,b"), vector(begin), vector(end)])
    };
    assert_eq!(pad(&[0, 1], &[0, 1]), "a,?");
    assert_eq!(pad(&[0, 1], &[0, -1]), "a,b");
}

#[test]
fn ranges_from_zero_by_one_are_as_long_as_their_end() {
    let range = |start, stop, step| {
        first(Op::Range { to: Some(DType::I64) }, &[number(start), number(stop), number(step)])
    };
    assert_eq!(range("0", "a", "1"), "a");
    assert_eq!(range("b", "a", "1"), "?");
    assert_eq!(range("0", "a", "2"), "?");
}

#[test]
fn reductions_keep_other_axes() {
    let reduce = |keep_dims, axes: Input| {
        let op = Op::Reduce { kind: Reduce::Mean, keep_dims, noop_with_empty_axes: false };
        first(op, &[shaped("a,b,64"), axes])
    };
    assert_eq!(reduce(true, vector(&[-1])), "a,b,1");
    assert_eq!(reduce(false, vector(&[1])), "a,64");
    let top = Op::TopK { axis: 1, index_type: DType::I64, largest_first: None };
    assert_eq!(symbolic(top.clone(), &[shaped("a,b"), scalar(3)], 2), ["a,3", "a,3"]);
    assert_eq!(symbolic(top, &[shaped("a,b"), number("c")], 2), ["a,?", "a,?"]);
    assert_eq!(first(Op::NonZero { to: DType::I64 }, &[shaped("a,b")]), "2,?");
}

#[test]
fn images_keep_their_batch() {
    let filters = FilterLayout::Plain;
    let convolution = Op::Convolution(Box::new(Convolution {
        form: ConvolutionForm::Plain,
        window: Window::default(),
        filters,
    }));
    assert_eq!(first(convolution, &[shaped("a,3,b,8"), f32(&[16, 3, 3, 3])]), "a,16,?,6");
    let pool = Op::Pool(Box::new(Pool { kernel: smallvec![2, 2], ..Pool::default() }));
    assert_eq!(first(pool, &[shaped("a,16,b,8")]), "a,16,?,7");
    assert_eq!(first(Op::GlobalPool(PoolKind::default()), &[shaped("a,16,b,c")]), "a,16,1,1");
}

#[test]
fn attention_joins_past_and_new_tokens() {
    let attend = Op::ScaledDotProductAttention { causal: true };
    let inputs = ["a,12,b,64", "a,12,c,64", "a,12,c,64"].map(shaped);
    assert_eq!(first(attend, &inputs), "a,12,b,64");
    let op = Op::MultiHeadAttention(Box::new(MultiHeadAttention {
        form: MultiHeadForm::Standard,
        query_heads: 8,
        kv_heads: 2,
        cache: CacheLength::Appended,
        traits: AttentionTraits::default(),
    }));
    let inputs = ["a,b,512", "a,b,128", "a,b,128", "a,2,c,64", "a,2,c,64"].map(shaped);
    assert_eq!(symbolic(op, &inputs, 3), ["a,b,512", "a,2,?,64", "a,2,?,64"]);
}

#[test]
fn what_needs_numbers_is_as_exported() {
    assert_eq!(first(Op::DepthToSpace { block_size: 2 }, &[shaped("a,8,b,4")]), "...");
    assert_eq!(first(Op::Opaque, &[shaped("a")]), "...");
}

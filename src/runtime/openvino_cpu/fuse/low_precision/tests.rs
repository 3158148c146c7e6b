//! Small quantized models: what the plugin executes of them.

use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{
    Binary, Broadcast, Convolution, FilterLayout, Pool, PoolKind, Recurrent, RecurrentForm, RecurrentKind,
    Unary, Window,
};
use crate::ids::TensorId;
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind, Precision, ZeroPoints};
use crate::runtime::openvino_cpu::fuse::Options;

const F32: DType = DType::F32;
const IMAGE: [i64; 4] = [FREE, 4, 6, 6];

fn quantized(net: &mut Net, name: &str, x: TensorId, limits: [f64; 2], dims: &[i64]) -> TensorId {
    let [low, high] = limits.map(|limit| net.number("limit", limit));
    let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
    net.op(name, op, &[x, low, high, low, high], F32, dims)
}

/// Weights as NNCF writes them.
fn weights(net: &mut Net, dims: &[i64]) -> TensorId {
    let stored = net.weight("stored", DType::I8, dims);
    let wide = net.op("wide", Op::Convert { to: F32 }, &[stored], F32, dims);
    let mut scales = vec![1; dims.len()];
    scales[0] = dims[0];
    let scale = net.weight("scale", F32, &scales);
    net.op("scaled", Op::Binary(Binary::Multiply, Broadcast::Numpy), &[wide, scale], F32, dims)
}

fn convolved(net: &mut Net, name: &str, x: TensorId) -> TensorId {
    let filters = weights(net, &[4, 4, 1, 1]);
    let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
    let made = net.op(name, Op::Convolution(Box::new(op)), &[x, filters], F32, &IMAGE);
    let bias = net.weight("bias", F32, &[1, 4, 1, 1]);
    net.op(&format!("{name}/bias"), add(), &[made, bias], F32, &IMAGE)
}

fn add() -> Op {
    Op::Binary(Binary::Add, Broadcast::Numpy)
}

fn unary(net: &mut Net, name: &str, unary: Unary, x: TensorId) -> TensorId {
    net.op(name, Op::Unary(unary), &[x], F32, &IMAGE)
}

/// What is executed, without Reorders and Reshapes of biases.
fn executed(net: Net) -> Vec<String> {
    let lines = net.lines(DYNAMIC).into_iter();
    lines.filter(|line| !line.starts_with("Reorder") && !line.contains("flatten")).collect()
}

#[test]
fn a_convolution_takes_bytes_and_writes_those_that_are_wanted() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [-1.0, 1.2], &IMAGE);
    let x = convolved(&mut net, "first", x);
    let x = unary(&mut net, "relu", Unary::Relu, x);
    let x = quantized(&mut net, "middle", x, [0.0, 3.0], &IMAGE);
    let x = convolved(&mut net, "second", x);
    net.result("out", x);
    let expected = [
        "FakeQuantize fq u8",
        "Convolution first,Multiply,first/bias,middle u8",
        "Convolution second,Multiply,second/bias f32",
    ];
    assert_eq!(executed(net), expected);
}

#[test]
fn weights_may_be_quantized_in_the_file() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.2], &IMAGE);
    let stored = net.weight("filters", F32, &[4, 4, 1, 1]);
    let filters = quantized(&mut net, "fq_filters", stored, [-1.0, 1.0], &[4, 4, 1, 1]);
    let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
    let x = net.op("conv", Op::Convolution(Box::new(op)), &[x, filters], F32, &IMAGE);
    net.result("out", x);
    let graph = net.execute(DYNAMIC);
    let conv = graph.nodes.iter().find(|node| &*node.name == "conv_original").unwrap();
    assert_eq!(graph.input(conv, 1).unwrap().dtype, DType::I8);
}

/// A product of bytes with limits, and its bias.
fn product(limits: [f64; 2]) -> Vec<String> {
    let mut net = Net::new();
    let x = net.input("x", F32, &[FREE, 8]);
    let x = quantized(&mut net, "fq", x, limits, &[FREE, 8]);
    let weights = weights(&mut net, &[16, 8]);
    let op = Op::MatMul { transpose_a: false, transpose_b: true };
    let x = net.op("mm", op, &[x, weights], F32, &[FREE, 16]);
    let bias = net.weight("bias", F32, &[1, 16]);
    let x = net.op("add", add(), &[x, bias], F32, &[FREE, 16]);
    net.result("out", x);
    executed(net)
}

#[test]
fn a_product_is_named_after_its_scale_but_for_a_zero_point() {
    let symmetric = [-1.0, 127.0 / 128.0];
    let expected = ["FakeQuantize fq i8", "FullyConnected mm/DequantizationMultiply,add f32"];
    assert_eq!(product(symmetric), expected);
    let expected = [
        "FakeQuantize fq u8",
        "FullyConnected mm,mm/DequantizationSubtract,mm/DequantizationMultiply,add f32",
    ];
    assert_eq!(product([-1.0, 2.0]), expected);
}

#[test]
fn a_residual_sum_reads_bytes_of_the_skipped_branch() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let made = convolved(&mut net, "first", x);
    let made = quantized(&mut net, "middle", made, [0.0, 2.0], &IMAGE);
    let made = convolved(&mut net, "conv", made);
    let made = quantized(&mut net, "own", made, [-1.0, 1.5], &IMAGE);
    let sum = net.op("sum", add(), &[made, x], F32, &IMAGE);
    let sum = quantized(&mut net, "summed", sum, [-1.0, 2.5], &IMAGE);
    let out = convolved(&mut net, "last", sum);
    net.result("out", out);
    let expected = [
        "FakeQuantize fq u8",
        "Convolution first,Multiply,first/bias,middle u8",
        "Convolution conv,Multiply,conv/bias,own,sum,summed u8",
        "Convolution last,Multiply,last/bias f32",
    ];
    let lines = executed(net);
    assert_eq!(lines, expected);
}

#[test]
fn pools_and_joins_are_of_bytes() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let x = convolved(&mut net, "conv", x);
    let x = quantized(&mut net, "own", x, [0.0, 1.5], &IMAGE);
    let pool = |kind| {
        let window =
            Window { pads_begin: [1, 1][..].into(), pads_end: [1, 1][..].into(), ..Window::default() };
        Op::Pool(Box::new(Pool { kind, kernel: [3, 3][..].into(), window, ..Pool::default() }))
    };
    let most = net.op("most", pool(PoolKind::Max), &[x], F32, &IMAGE);
    let mean = net.op("mean", pool(PoolKind::Average), &[x], F32, &IMAGE);
    let mean = quantized(&mut net, "meant", mean, [0.0, 1.1], &IMAGE);
    let both = net.op("both", Op::Concat { axis: 1 }, &[most, mean], F32, &[FREE, 8, 6, 6]);
    let filters = weights(&mut net, &[4, 8, 1, 1]);
    let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
    let out = net.op("last", Op::Convolution(Box::new(op)), &[both, filters], F32, &IMAGE);
    net.result("out", out);
    let lines = executed(net);
    for line in ["Pooling most u8", "Pooling mean,meant u8", "Concatenation both u8"] {
        assert!(lines.iter().any(|own| own == line), "{line} in {lines:?}");
    }
}

#[test]
fn what_only_its_dequantization_reads_writes_floats() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let x = unary(&mut net, "sigmoid", Unary::Sigmoid, x);
    net.result("out", x);
    assert_eq!(executed(net), ["FakeQuantize fq f32", "Eltwise sigmoid f32"]);
}

#[test]
fn bytes_that_floats_are_read_from_too_are_dequantized_for_them() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [-1.0, 2.0], &IMAGE);
    let made = convolved(&mut net, "conv", x);
    let bent = unary(&mut net, "sigmoid", Unary::Sigmoid, x);
    net.result("a", made);
    net.result("b", bent);
    let lines = executed(net);
    let expected = "Eltwise fq/DequantizationSubtract,fq/DequantizationMultiply,sigmoid f32";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
}

#[test]
fn known_dims_quantize_in_a_subgraph() {
    let mut net = Net::new();
    let dims = [1, 4, 6, 6];
    let x = net.input("x", F32, &dims);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &dims);
    net.result("out", x);
    assert_eq!(net.lines(STATIC), ["Subgraph fq f32"]);
}

#[test]
fn what_quantizes_a_join_quantizes_its_parts() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let parts = ["first", "second"].map(|name| convolved(&mut net, name, x));
    let both = net.op("both", Op::Concat { axis: 1 }, &parts, F32, &[FREE, 8, 6, 6]);
    let both = quantized(&mut net, "own", both, [-1.0, 2.0], &[FREE, 8, 6, 6]);
    let filters = weights(&mut net, &[4, 8, 1, 1]);
    let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
    let out = net.op("last", Op::Convolution(Box::new(op)), &[both, filters], F32, &IMAGE);
    net.result("out", out);
    let lines = executed(net);
    let parts = ["first,Multiply,first/bias,own_1 u8", "second,Multiply,second/bias,own_2 u8"];
    for line in parts.map(|names| format!("Convolution {names}")) {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
}

#[test]
fn bytes_of_one_convolution_have_one_scale() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let first = convolved(&mut net, "first", x);
    let first = quantized(&mut net, "one", first, [0.0, 1.0], &IMAGE);
    let second = convolved(&mut net, "second", x);
    let second = quantized(&mut net, "two", second, [-1.0, 2.0], &IMAGE);
    let bent = unary(&mut net, "sigmoid", Unary::Sigmoid, first);
    let both = net.op("both", Op::Concat { axis: 1 }, &[first, second], F32, &[FREE, 8, 6, 6]);
    let filters = weights(&mut net, &[4, 8, 1, 1]);
    let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
    let out = net.op("last", Op::Convolution(Box::new(op)), &[both, filters], F32, &IMAGE);
    net.result("out", out);
    net.result("bent", bent);
    let lines = executed(net);
    // The zero point is that of the whole interval, and the dequantization has the name of what quantizes.
    for line in ["Eltwise one,one,sigmoid f32", "Concatenation both u8"] {
        assert!(lines.iter().any(|own| own == line), "{line} in {lines:?}");
    }
}

#[test]
fn averages_that_a_convolution_reads_become_bytes_again() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let pool = Pool { kind: PoolKind::Average, kernel: [1, 1][..].into(), ..Pool::default() };
    let mean = net.op("mean", Op::Pool(Box::new(pool)), &[x], F32, &IMAGE);
    let out = convolved(&mut net, "conv", mean);
    net.result("out", out);
    let graph = net.execute(DYNAMIC);
    let of = |name: &str| graph.nodes.iter().find(|node| &*node.name == name).unwrap();
    assert_eq!(of("mean").outputs[0].dtype, F32);
    assert_eq!(graph.input(of("conv"), 0).unwrap().dtype, DType::U8);
}

#[test]
fn weights_of_what_reads_floats_are_scaled_when_the_model_is_compiled() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let x = unary(&mut net, "sigmoid", Unary::Sigmoid, x);
    let x = convolved(&mut net, "conv", x);
    net.result("out", x);
    let lines = executed(net);
    for line in ["Convert wide f32", "Subgraph scaled f32", "Convolution conv,conv/bias f32"] {
        assert!(lines.iter().any(|own| own == line), "{line} in {lines:?}");
    }
}

#[test]
fn one_step_of_arithmetic_is_part_of_limits() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = unary(&mut net, "sigmoid", Unary::Sigmoid, x);
    let shift = net.weight("shift", F32, &[1, 4, 1, 1]);
    let x = net.op("shifted", add(), &[x, shift], F32, &IMAGE);
    let axes = net.ints("axes", &[2, 3]);
    let x = net.op("norm", Op::Mvn(Box::default()), &[x, axes], F32, &IMAGE);
    let scale = net.weight("scale", F32, &[1, 4, 1, 1]);
    let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
    let x = net.op("scaled", multiply, &[x, scale], F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [-1.0, 2.0], &IMAGE);
    let x = convolved(&mut net, "conv", x);
    net.result("out", x);
    let lines = executed(net);
    assert!(lines.contains(&"MVN norm,fq u8".to_owned()), "{lines:?}");
}

/// Whether the first of two convolutions of bytes has a kernel that others of its sizes share.
fn shares_kernel(limits: [f64; 2]) -> bool {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let x = convolved(&mut net, "first", x);
    let x = quantized(&mut net, "middle", x, limits, &IMAGE);
    let x = convolved(&mut net, "second", x);
    net.result("out", x);
    let graph = net.execute(DYNAMIC);
    graph.nodes.iter().find(|node| &*node.name == "first").unwrap().shares_kernel
}

#[test]
fn a_zero_point_of_what_is_written_is_part_of_the_kernel() {
    assert!(shares_kernel([0.0, 2.0]));
    assert!(!shares_kernel([-1.0, 2.0]));
}

#[test]
fn channels_may_have_zero_points_of_their_own() {
    for (lows, expected) in [([-1.0, -0.5, -0.1, -2.0], ZeroPoints::PerChannel), ([-1.0; 4], ZeroPoints::One)]
    {
        let mut net = Net::new();
        let x = net.input("x", F32, &IMAGE);
        let low = net.floats("low", &lows, &[1, 4, 1, 1]);
        let high = net.floats("high", &[2.0; 4], &[1, 4, 1, 1]);
        let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        let x = net.op("fq", op, &[x, low, high, low, high], F32, &IMAGE);
        let filters = weights(&mut net, &[4, 1, 1, 3, 3]);
        let op = Convolution { filters: FilterLayout::Grouped, ..Convolution::default() };
        let x = net.op("conv", Op::Convolution(Box::new(op)), &[x, filters], F32, &[FREE, 4, 4, 4]);
        let shift = net.weight("shift", F32, &[1, 4, 1, 1]);
        let x = net.op("shifted", add(), &[x, shift], F32, &[FREE, 4, 4, 4]);
        net.result("out", x);
        let graph = net.execute(DYNAMIC);
        let conv = graph.nodes.iter().find(|node| &*node.name == "conv").unwrap();
        assert_eq!(conv.zero_points, expected);
    }
}

/// An LSTM of bytes, its hidden state too if it has `limits`.
fn recurrence(limits: Option<[f64; 2]>) -> ExecutionGraph {
    let mut net = Net::new();
    let x = net.input("x", F32, &[FREE, FREE, 8]);
    let x = quantized(&mut net, "fq", x, [-1.0, 2.0], &[FREE, FREE, 8]);
    let hidden = net.input("hidden", F32, &[FREE, 1, 4]);
    let hidden = limits.map_or(hidden, |limits| quantized(&mut net, "state", hidden, limits, &[FREE, 1, 4]));
    let cells = net.input("cells", F32, &[FREE, 1, 4]);
    let lengths = net.input("lengths", DType::I32, &[FREE]);
    let [w, r] = [8, 4].map(|columns| weights(&mut net, &[1, 16, columns]));
    let bias = net.weight("bias", F32, &[1, 16]);
    let (kind, form) = (RecurrentKind::Lstm, RecurrentForm::OpenVino);
    let spec = Recurrent { kind, is_sequence: true, hidden_size: 4, directions: 1, form };
    let outputs: [&[i64]; 3] = [&[FREE, 1, FREE, 4], &[FREE, 1, 4], &[FREE, 1, 4]];
    let inputs = [x, hidden, cells, lengths, w, r, bias];
    let made = net.split("lstm", Op::Recurrent(Box::new(spec)), &inputs, F32, &outputs);
    net.result("steps", made[0]);
    net.execute(DYNAMIC)
}

#[test]
fn an_lstm_of_bytes_reads_bytes_and_writes_floats() {
    for (limits, expected) in
        [(Some([0.0, 2.0]), DType::U8), (Some([-1.0, 127.0 / 128.0]), DType::U8), (None, F32)]
    {
        let graph = recurrence(limits);
        let lstm = graph.nodes.iter().find(|node| node.kind == Kind::RnnSequence).unwrap();
        let read = [0, 1].map(|input| graph.input(lstm, input).unwrap().dtype);
        assert_eq!(read, [expected; 2]);
        assert_eq!(lstm.outputs[0].dtype, F32);
        let weight = graph.input(lstm, lstm.inputs.len() - 3).unwrap().dtype;
        assert_eq!(weight == DType::I8, expected == DType::U8);
    }
}

#[test]
fn a_shape_is_asked_of_bytes() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let made = convolved(&mut net, "conv", x);
    let shape = Op::ShapeOf { to: DType::I64, start: 0, end: None };
    let shape = net.op("shape", shape, &[x], DType::I64, &[4]);
    net.result("made", made);
    net.result("shape", shape);
    let graph = net.execute(DYNAMIC);
    let shape = graph.nodes.iter().find(|node| node.kind == Kind::ShapeOf).unwrap();
    assert_eq!(graph.input(shape, 0).unwrap().dtype, DType::U8);
}

#[test]
fn floats_that_are_added_to_bytes_are_f32() {
    let mut net = Net::new();
    let x = net.input("x", F32, &IMAGE);
    let x = quantized(&mut net, "fq", x, [0.0, 1.0], &IMAGE);
    let made = convolved(&mut net, "first", x);
    let skipped = quantized(&mut net, "skipped", made, [0.0, 2.0], &IMAGE);
    let made = convolved(&mut net, "conv", skipped);
    let made = quantized(&mut net, "own", made, [-1.0, 1.5], &IMAGE);
    let sum = net.op("sum", add(), &[made, x], F32, &IMAGE);
    let out = unary(&mut net, "sigmoid", Unary::Sigmoid, sum);
    net.result("out", out);
    let graph = net.execute(Options { precision: Precision::Bf16, ..DYNAMIC });
    let conv = graph.nodes.iter().find(|node| &*node.name == "conv").unwrap();
    let addend = graph.input(conv, conv.addend.unwrap() as usize).unwrap().dtype;
    assert_eq!((conv.outputs[0].dtype, addend), (F32, F32));
}

//! Reshapes that share bytes, copies of what is overwritten, and the last reads behind them.

use super::super::testing::{DYNAMIC, FREE, Net};
use super::*;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{AxisSpan, ReshapeZero, Scatter};
use crate::ids::TensorId;

const F32: DType = DType::F32;

fn softmax(net: &mut Net, name: &str, x: TensorId, dims: &[i64]) -> TensorId {
    net.op(name, Op::Softmax(AxisSpan::LAST), &[x], F32, dims)
}

/// A Reshape of rows of eight into rows of `width`.
fn reshaped(net: &mut Net, name: &str, x: TensorId, width: i64) -> TensorId {
    let pattern = net.ints(&format!("{name}_pattern"), &[2, -1, width]);
    net.op(name, Op::Reshape(ReshapeZero::CopiesDim), &[x, pattern], F32, &[2, FREE, width])
}

/// The output of a Softmax, `[2, free, 8]`.
fn computed(net: &mut Net) -> TensorId {
    let x = net.input("x", F32, &[2, FREE, 8]);
    softmax(net, "computed", x, &[2, FREE, 8])
}

fn scattered(net: &mut Net, name: &str, x: TensorId) -> TensorId {
    let index = net.weight(&format!("{name}_index"), DType::I32, &[2, 1, 1]);
    let updates = net.weight(&format!("{name}_updates"), F32, &[2, 1, 1]);
    let axis = net.int(&format!("{name}_axis"), 2);
    net.op(name, Op::Scatter(Scatter::Elements), &[x, index, updates, axis], F32, &[2, FREE, 8])
}

/// The line behind each Reorder.
fn copied(net: Net) -> Vec<String> {
    let lines = net.lines(DYNAMIC);
    let behind = |pair: &[String]| pair[0].starts_with("Reorder").then(|| pair[1].clone());
    lines.windows(2).filter_map(behind).collect()
}

#[test]
fn of_two_reshapes_of_a_value_the_last_gets_a_copy() {
    let mut net = Net::new();
    let x = computed(&mut net);
    for width in [4, 2] {
        let of = reshaped(&mut net, &format!("reshape{width}"), x, width);
        let of = softmax(&mut net, &format!("softmax{width}"), of, &[2, FREE, width]);
        net.result(&format!("result{width}"), of);
    }
    assert_eq!(copied(net), ["Reshape reshape2 f32"]);
}

#[test]
fn a_single_reshape_is_a_view() {
    let mut net = Net::new();
    let x = computed(&mut net);
    let of = reshaped(&mut net, "reshape", x, 4);
    let of = softmax(&mut net, "behind", of, &[2, FREE, 4]);
    net.result("result", of);
    let of = softmax(&mut net, "other", x, &[2, FREE, 8]);
    net.result("other_result", of);
    assert!(copied(net).is_empty());
}

#[test]
fn a_state_is_copied_where_a_reshape_shares_its_memory() {
    let mut net = Net::new();
    let x = net.input("x", F32, &[2, FREE, 8]);
    let variable = net.variable("past", &[2, FREE, 8]);
    let past = net.op("read", Op::ReadValue(variable), &[x], F32, &[2, FREE, 8]);
    let all = net.op("join", Op::Concat { axis: 1 }, &[past, x], F32, &[2, FREE, 8]);
    let of = reshaped(&mut net, "reshape", all, 4);
    let of = softmax(&mut net, "softmax", of, &[2, FREE, 4]);
    net.result("result", of);
    net.op("assign", Op::Assign(variable), &[all], F32, &[2, FREE, 8]);
    assert_eq!(copied(net), ["MemoryOutput assign "]);
}

#[test]
fn what_is_overwritten_before_its_last_read_is_copied() {
    let of = |reads_later: bool| {
        let mut net = Net::new();
        let x = computed(&mut net);
        let other = |net: &mut Net| {
            let of = softmax(net, "other", x, &[2, FREE, 8]);
            net.result("other_result", of);
        };
        if !reads_later {
            other(&mut net);
        }
        let of = scattered(&mut net, "scatter", x);
        let of = softmax(&mut net, "softmax", of, &[2, FREE, 8]);
        net.result("result", of);
        if reads_later {
            other(&mut net);
        }
        copied(net)
    };
    assert_eq!(of(true), ["ScatterElementsUpdate scatter f32"]);
    assert!(of(false).is_empty());
}

/// As [`LastReads::is_contested`], by a look at all readers.
fn is_contested(work: &Work<'_>, steps: &[usize], edge: Edge, reader: usize, writer: usize) -> bool {
    let mut pending = vec![edge];
    let mut is_contested = false;
    while let Some(below) = pending.pop() {
        for &(user, input) in work.users(below.node()) {
            let is_own = below == edge && (user, input) == (reader, 0);
            if is_own || work.nodes[user].input(input) != Some(below) {
                continue;
            }
            is_contested |= match work.nodes[user].kind {
                Kind::ShapeOf => false,
                Kind::Output | Kind::MemoryOutput => true,
                _ => steps[user] >= steps[writer],
            };
            if is_behind(work, user, input) {
                pending.push(Edge::of(user));
            }
        }
    }
    is_contested
}

/// A tree of Reshapes and Scatters, each of which another node reads.
#[test]
fn last_reads_stay_right_when_copies_are_made() {
    let mut net = Net::new();
    let mut values = vec![computed(&mut net)];
    for number in 0..40_usize {
        let x = values[(number * 7 + 3) % values.len()];
        values.push(match number % 3 {
            0 => reshaped(&mut net, &format!("reshape{number}"), x, 8),
            _ => scattered(&mut net, &format!("scatter{number}"), x),
        });
    }
    for number in 0..values.len() {
        let x = values[number * 11 % values.len()];
        let out = softmax(&mut net, &format!("softmax{number}"), x, &[2, FREE, 8]);
        net.result(&format!("result{number}"), out);
    }
    let (graph, shapes) = net.shapes();
    let mut work = Work::new(&graph, &shapes, DYNAMIC);
    let mut steps = vec![usize::MAX; work.nodes.len()];
    for (step, &node) in work.order().iter().enumerate() {
        steps[node] = step;
    }
    let is_writer = |&node: &usize| work.is_alive(node) && overwrites(&work.nodes[node].kind);
    let writers: Vec<usize> = (0..work.nodes.len()).filter(is_writer).collect();
    let mut last = LastReads { steps, readers: FxHashMap::default() };
    let mut n_copies = 0;
    for place in 0..writers.len() {
        let writer = writers[place * 5 % writers.len()];
        let mut reader = writer;
        while let Some(edge) = work.nodes[reader].input(0) {
            let is_copied = is_contested(&work, &last.steps, edge, reader, writer);
            assert_eq!(last.is_contested(&work, edge, reader, writer), is_copied);
            if is_copied {
                let copied = copy(&mut work, reader, 0, edge);
                last.settle_copy(&work, edge, reader, copied.node());
                n_copies += 1;
            }
            if is_copied || work.nodes[edge.node()].kind != Kind::Reshape {
                break;
            }
            reader = edge.node();
        }
    }
    assert!(n_copies > 1, "{n_copies}");
}

/// The Reorders of a part of a Split that a Concat reads twice and two nodes read as well, before or after it.
fn joined(is_last: bool) -> usize {
    let mut net = Net::new();
    let x = net.input("x", F32, &[2, FREE]);
    let x = softmax(&mut net, "softmax", x, &[2, FREE]);
    let axis = net.int("axis", 0);
    let part: &[i64] = &[1, FREE];
    let op = Op::Split { parts: 2, allow_uneven: false };
    let parts = net.split("parts", op, &[x, axis], F32, &[part; 2]);
    let join = |net: &mut Net| {
        let joined = net.op("joined", Op::Concat { axis: 0 }, &[parts[0], parts[0]], F32, &[2, FREE]);
        let out = softmax(net, "behind", joined, &[2, FREE]);
        net.result("out", out);
    };
    if !is_last {
        join(&mut net);
    }
    for name in ["first", "second"] {
        let out = softmax(&mut net, name, parts[0], part);
        net.result(name, out);
    }
    if is_last {
        join(&mut net);
    }
    net.lines(DYNAMIC).iter().filter(|line| line.starts_with("Reorder")).count()
}

#[test]
fn each_input_of_a_concat_is_copied_and_other_readers_before_it_share_a_copy() {
    assert_eq!((joined(true), joined(false)), (2, 3));
}

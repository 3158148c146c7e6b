//! Control flow as ONNX Runtime runs it.

use crate::encode::{body, graph, model, named, node, opened, value};
use memgraph::graph::{Op, Value};
use memgraph::lower::{self, Lowered, StorageClass};
use memgraph::profile::{OnnxRuntimeCpu, Profile};
use memgraph::scenario::Scenario;
use memgraph::shape;
use onnx_protobuf::GraphProto;

/// `y = flag ? Exp(Neg(Neg(x))) : Abs(x)`, then `z = Log(y)`.
fn branches(flag: Option<i64>) -> (Vec<String>, Lowered) {
    let branch = |operators: &[&str]| {
        let mut from = "x".to_owned();
        let nodes = operators.iter().enumerate().map(|(index, operator)| {
            let to = format!("{operator}{index}");
            let made = node(operator, &[&from], &[&to], vec![]);
            from = to;
            made
        });
        let node = nodes.collect();
        GraphProto { node, output: vec![named(&from)], ..GraphProto::new() }
    };
    let sides =
        vec![body("then_branch", branch(&["Neg", "Neg", "Exp"])), body("else_branch", branch(&["Abs"]))];
    let nodes = vec![node("If", &["flag"], &["y"], sides), node("Log", &["y"], &["z"], vec![])];
    let inputs = vec![value("flag", 9, &[]), crate::encode::floats("x", &[1024])];
    let graph = opened(&model(graph(inputs, nodes, &["z"])));
    let values = flag.into_iter().map(|flag| ("flag".to_owned(), Value::ints([flag]))).collect();
    let scenario = Scenario { values, ..Scenario::default() };
    let shapes = shape::infer(&graph, &scenario).unwrap();
    let lowered =
        lower::apply(&graph, &shapes, &Profile::onnxruntime_cpu(OnnxRuntimeCpu::default())).unwrap();
    let bodies = graph.with_bodies();
    let kinds = lowered.steps.iter().map(|step| {
        let graph = bodies[step.node.graph as usize];
        assert!(!matches!(graph.node(step.node.node).op, Op::Constant(_)));
        graph.node_type(step.node.node).to_owned()
    });
    (kinds.collect(), lowered)
}

fn planned(lowered: &Lowered) -> Vec<u64> {
    let planned = lowered.storages.iter().filter(|storage| storage.class == StorageClass::Activation);
    planned.map(|storage| storage.bytes.0).collect()
}

#[test]
fn the_branch_that_is_taken_is_spelt_out() {
    let (kinds, lowered) = branches(Some(1));
    assert_eq!(kinds, ["Neg", "Neg", "Exp", "If", "Log"]);
    // The result lies where the node's output does, and is read after the branch.
    assert_eq!(planned(&lowered), [4096, 4096, 4096]);
    let (result, log) = (lowered.steps[2].writes[0], &lowered.steps[4]);
    assert_eq!(log.reads[..], [result]);
    assert_eq!(branches(Some(0)).0, ["Abs", "If", "Log"]);
}

#[test]
fn of_two_possible_branches_the_larger_is_held() {
    assert_eq!(branches(None).0, ["Neg", "Neg", "Exp", "If", "Log"]);
}

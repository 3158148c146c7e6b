//! What the reader makes of whole models.

use super::encode::*;
use memgraph::DType;
use memgraph::error::Position;
use memgraph::formats;
use memgraph::graph::op::{LoopInputKind, WeightRange};
use memgraph::graph::{Op, Value};
use memgraph::scenario::{Scenario, Task};
use onnx_protobuf::{
    FunctionProto, GraphProto, ModelProto, OperatorSetIdProto, SparseTensorProto, TensorProto,
};
use protobuf::MessageField;

fn constant(graph: &memgraph::graph::Graph, name: &str) -> memgraph::graph::op::Constant {
    let found = graph.nodes().iter().find(|node| graph.text(node.name) == name).unwrap();
    let Op::Constant(constant) = &found.op else { panic!("{name} is not a constant") };
    constant.clone()
}

#[test]
fn tensors_are_read_in_every_form() {
    let tensor = |name: &str, data_type, dims: &[i64]| TensorProto {
        name: name.to_owned(),
        data_type,
        dims: dims.to_vec(),
        ..TensorProto::new()
    };
    let initializer = vec![
        ints("raw", &[3, -4]),
        TensorProto { int64_data: vec![1, -2, 300], ..tensor("long", INT64, &[3]) },
        TensorProto { int32_data: vec![-1, 70_000], ..tensor("int", 6, &[2]) },
        TensorProto { int32_data: vec![1, 0], ..tensor("bool", 9, &[2]) },
        TensorProto { int32_data: vec![0x3c00], ..tensor("half", 10, &[]) },
        TensorProto { uint64_data: vec![7], ..tensor("unsigned", 12, &[1]) },
        TensorProto { float_data: vec![0.5, 2.0], ..tensor("float", FLOAT, &[2]) },
        TensorProto { double_data: vec![0.25], ..tensor("double", 11, &[]) },
        TensorProto { string_data: vec![b"ab".to_vec()], ..tensor("text", 8, &[1]) },
        tensor("nothing", FLOAT, &[0, 4]),
        TensorProto { raw_data: vec![0; 400], ..tensor("large", FLOAT, &[100]) },
    ];
    let read = opened(&model(GraphProto { initializer, ..GraphProto::new() }));
    let value = |name| constant(&read, name).value.map(|value| *value);
    assert_eq!(value("raw"), Some(Value::ints([3, -4])));
    assert_eq!(value("long"), Some(Value::ints([1, -2, 300])));
    assert_eq!(value("int"), Some(Value::ints([-1, 70_000])));
    assert_eq!(value("bool"), Some(Value::ints([1, 0])));
    assert_eq!(value("half"), Some(Value::floats([1.0])));
    assert_eq!(value("unsigned"), Some(Value::ints([7])));
    assert_eq!(value("float"), Some(Value::floats([0.5, 2.0])));
    assert_eq!(value("double"), Some(Value::floats([0.25])));
    assert_eq!((value("text"), value("large")), (None, None));
    assert_eq!(value("nothing"), Some(Value::floats([])));
    assert_eq!(constant(&read, "large").range.map(|range| (range.file, range.size)), Some((0, 400)));
    assert_eq!(constant(&read, "int").range.map(|range| range.size), Some(8));
}

#[test]
fn ranges_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let initializer = vec![
        ints("inside", &[0x0102_0304_0506_0708]),
        external("outside", &[2], &[("location", "m.data"), ("offset", "4"), ("length", "8")]),
        external("missing", &[5], &[("location", "other.data")]),
    ];
    std::fs::write(&path, bytes(&model(GraphProto { initializer, ..GraphProto::new() }))).unwrap();
    std::fs::write(
        folder.path().join("m.data"),
        [[0; 4], 1.5_f32.to_le_bytes(), 2.0_f32.to_le_bytes()].concat(),
    )
    .unwrap();
    let read = formats::open(&path).unwrap();
    let range = constant(&read, "inside").range.unwrap();
    let file = std::fs::read(&path).unwrap();
    let at = range.offset as usize;
    assert_eq!(file[at..at + range.size as usize], 0x0102_0304_0506_0708_i64.to_le_bytes());
    let outside = constant(&read, "outside");
    assert_eq!(outside.range, Some(WeightRange { file: 1, offset: 4, size: 8 }));
    assert_eq!(outside.value.as_deref(), Some(&Value::floats([1.5, 2.0])));
    let missing = constant(&read, "missing");
    assert_eq!((missing.range, missing.value), (Some(WeightRange { file: 2, offset: 0, size: 20 }), None));
    let lengths: Vec<_> = read.weight_files().iter().map(|file| file.len).collect();
    assert_eq!(lengths, [Some(file.len() as u64), Some(12), None]);
}

#[test]
fn symbols_bind_dims_of_that_name() {
    let inputs = vec![
        value("x", FLOAT, &[Dim::Named("batch"), Dim::Named("width")]),
        value("y", FLOAT, &[Dim::Named("batch"), Dim::Is(1)]),
    ];
    let graph = opened(&model(graph(inputs, vec![node("Add", &["x", "y"], &["z"], vec![])], &["z"])));
    let binds = vec![("batch".to_owned(), 3), ("width".to_owned(), 5)];
    let shapes = infer(&graph, &Scenario::default().with(|run| run.binds = binds));
    let result = graph.input(graph.results()[0], 0).unwrap();
    assert_eq!(shapes.tensor(result).dims.as_deref(), Some(&[3, 5][..]));
    let error = memgraph::shape::infer(&graph, &Scenario::default()).unwrap_err().to_string();
    assert!(error.contains("`batch` (x.0, y.0), `width` (x.1)"), "{error}");
}

#[test]
fn an_input_with_an_initializer_is_a_constant() {
    let mut graph = graph(vec![floats("x", &[2, 6]), value("shape", INT64, &[Dim::Is(2)])], vec![], &["y"]);
    graph.initializer = vec![ints("shape", &[3, 4])];
    graph.node = vec![node("Reshape", &["x", "shape"], &["y"], vec![])];
    let model = model(graph);
    assert_eq!(opened(&model).parameters().len(), 1);
    assert_eq!(output_dims(&model), [[3, 4]]);
}

#[test]
fn older_sets_have_attributes_where_later_ones_have_inputs() {
    let of = |version, nodes| {
        let mut made = model(graph(vec![floats("x", &[1, 2, 3])], nodes, &["y"]));
        made.opset_import[0].version = version;
        output_dims(&made)
    };
    let squeeze = |version| of(version, vec![node("Squeeze", &["x"], &["y"], vec![int_list("axes", &[0])])]);
    assert_eq!(squeeze(11), [[2, 3]]);
    // Set 13 has no such attribute, and drops all dims of 1.
    assert_eq!(squeeze(13), [[2, 3]]);
    let reshape = vec![node("Reshape", &["x"], &["y"], vec![int_list("shape", &[3, -1])])];
    assert_eq!(of(1, reshape), [[3, 2]]);
    let pad = |name| vec![node("Pad", &["x"], &["y"], vec![int_list(name, &[0, 0, 1, 0, 0, 2])])];
    assert_eq!(of(1, pad("paddings")), [[1, 2, 6]]);
    assert_eq!(of(2, pad("pads")), [[1, 2, 6]]);
    let top = vec![node("TopK", &["x"], &["y", "i"], vec![int("k", 2), int("axis", 2)])];
    assert_eq!(of(9, top), [[1, 2, 2]]);
    let slice = vec![node(
        "Slice",
        &["x"],
        &["y"],
        vec![int_list("starts", &[1]), int_list("ends", &[9]), int_list("axes", &[2])],
    )];
    assert_eq!(of(9, slice), [[1, 2, 2]]);
}

fn identity(domain: &str, name: &str, nodes: Vec<onnx_protobuf::NodeProto>) -> FunctionProto {
    FunctionProto {
        name: name.to_owned(),
        domain: domain.to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: nodes,
        opset_import: vec![OperatorSetIdProto { version: 21, ..OperatorSetIdProto::new() }],
        ..FunctionProto::new()
    }
}

fn call(name: &str, input: &str, output: &str) -> onnx_protobuf::NodeProto {
    let mut made = node(name, &[input], &[output], vec![]);
    made.domain = "mine".to_owned();
    made.name = format!("call_{output}");
    made
}

#[test]
fn functions_are_spelt_out() {
    let mut flatten = identity(
        "mine",
        "Flat",
        vec![
            node("Relu", &["a"], &["t"], vec![]),
            node("Flatten", &["t"], &["b"], vec![reference("axis", "at")]),
        ],
    );
    flatten.attribute = vec!["at".to_owned()];
    let twice = identity(
        "mine",
        "Twice",
        vec![call("Flat", "a", "t"), {
            let mut second = call("Flat", "t", "b");
            second.attribute = vec![int("at", 0)];
            second
        }],
    );
    let mut first = call("Flat", "x", "y");
    first.attribute = vec![int("at", 2)];
    let mut made =
        model(graph(vec![floats("x", &[2, 3, 4])], vec![first, call("Twice", "x", "z")], &["y", "z"]));
    made.functions = vec![flatten, twice];
    // Without an attribute of its own a call has the operator's default, 1.
    assert_eq!(output_dims(&made), [[6, 4], [1, 24]]);
    let graph = opened(&made);
    let names: Vec<&str> = computing(&graph).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..2], ["y/Flat/t", "y"]);
    assert_eq!(names.len(), 6);
}

#[test]
fn a_function_that_calls_itself_is_a_fault() {
    let mut made = model(graph(vec![floats("x", &[1])], vec![call("F", "x", "y")], &["y"]));
    made.functions = vec![identity("mine", "F", vec![call("F", "a", "b")])];
    let error = read(&made).unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("functions within functions"), "{error}");
    // No node at all, and 2^40 calls.
    let mut doubling: Vec<FunctionProto> = (1..20)
        .map(|level| {
            let below = format!("F{}", level - 1);
            identity("mine", &format!("F{level}"), vec![call(&below, "a", "t"), call(&below, "t", "b")])
        })
        .collect();
    doubling.push(identity("mine", "F0", vec![call("F19", "a", "t"), call("F19", "t", "b")]));
    made.functions = doubling;
    made.graph.mut_or_insert_default().node = vec![call("F19", "x", "y")];
    assert!(read(&made).unwrap_err().is_limit());
}

#[test]
fn branches_read_what_lies_outside() {
    let branch = |axis| {
        let nodes = vec![node("Unsqueeze", &["x", axis], &["u"], vec![])];
        GraphProto { node: nodes, output: vec![named("u")], ..GraphProto::new() }
    };
    let condition = node(
        "If",
        &["flag"],
        &["y"],
        vec![body("then_branch", branch("first")), body("else_branch", branch("last"))],
    );
    let mut graph = graph(vec![value("flag", 9, &[]), floats("x", &[2, 3])], vec![condition], &["y"]);
    graph.initializer = vec![ints("first", &[0]), ints("last", &[2])];
    let graph = opened(&model(graph));
    let with = |flag| {
        let values = vec![("flag".to_owned(), Value::ints([flag]))];
        let shapes = infer(&graph, &Scenario::default().with(|run| run.values = values));
        shapes.tensor(graph.input(graph.results()[0], 0).unwrap()).dims.clone().unwrap().to_vec()
    };
    assert_eq!(with(1), [1, 2, 3]);
    assert_eq!(with(0), [2, 3, 1]);
    let Op::If(branches) = &graph.nodes().iter().find(|node| matches!(node.op, Op::If(_))).unwrap().op else {
        unreachable!()
    };
    // flag, then x and first, then last: x is there once.
    assert_eq!(branches.then_inputs, [(1, 0), (2, 1)]);
    assert_eq!(branches.else_inputs, [(1, 0), (3, 1)]);
}

#[test]
fn bodies_read_through_bodies() {
    let inner = GraphProto {
        node: vec![node("Concat", &["x", "x"], &["i"], vec![int("axis", 0)])],
        output: vec![named("i")],
        ..GraphProto::new()
    };
    let branches = |of: GraphProto| vec![body("then_branch", of.clone()), body("else_branch", of)];
    let outer = GraphProto {
        node: vec![node("If", &["flag"], &["o"], branches(inner))],
        output: vec![named("o")],
        ..GraphProto::new()
    };
    let nodes = vec![node("If", &["flag"], &["y"], branches(outer))];
    let made = model(graph(vec![value("flag", 9, &[]), floats("x", &[2])], nodes, &["y"]));
    assert_eq!(output_dims(&made), [[4]]);
    let lost = model(graph(vec![value("flag", 9, &[])], made.graph.node.clone(), &["y"]));
    assert!(read(&lost).unwrap_err().to_string().contains("gives \"x\""));
}

fn scan_body() -> GraphProto {
    GraphProto {
        input: vec![named("state"), named("slice")],
        node: vec![
            node("Add", &["state", "slice"], &["next"], vec![]),
            node("Identity", &["next"], &["out"], vec![]),
        ],
        output: vec![named("next"), named("out")],
        ..GraphProto::new()
    }
}

#[test]
fn loops_carry_and_stack() {
    let mut loop_body = scan_body();
    loop_body.input = vec![value("i", INT64, &[]), value("go", 9, &[]), named("state")];
    loop_body.node = vec![
        node("Identity", &["go"], &["on"], vec![]),
        node("Add", &["state", "x"], &["next"], vec![]),
        node("Identity", &["next"], &["out"], vec![]),
    ];
    loop_body.output = vec![named("on"), named("next"), named("out")];
    let nodes = vec![node("Loop", &["trips", "", "start"], &["last", "all"], vec![body("body", loop_body)])];
    let mut graph = graph(vec![floats("x", &[2, 3]), floats("start", &[2, 3])], nodes, &["last", "all"]);
    let mut trips = ints("trips", &[5]);
    trips.dims.clear();
    graph.initializer = vec![trips];
    let model = model(graph);
    assert_eq!(output_dims(&model), [&[2, 3][..], &[5, 2, 3]]);
    let graph = opened(&model);
    let Op::Loop(spec) = &graph.nodes().iter().find(|node| matches!(node.op, Op::Loop(_))).unwrap().op else {
        unreachable!()
    };
    assert_eq!((spec.trip_count, spec.condition, spec.inputs.len()), (Some(0), None, 2));
    assert_eq!(spec.inputs[1].kind, LoopInputKind::Invariant);
}

/// Loops within each other, the innermost of which makes what all carry one longer.
fn growing(depth: usize) -> ModelProto {
    let mut inner = node("Concat", &["s0", "one"], &["t0"], vec![int("axis", 0)]);
    for level in 0..depth {
        let [state, next] = ["s", "t"].map(|name| format!("{name}{level}"));
        let [count, go, on] = ["i", "c", "d"].map(|name| format!("{name}{level}"));
        let loop_body = GraphProto {
            input: vec![value(&count, INT64, &[]), value(&go, 9, &[]), named(&state)],
            node: vec![inner, node("Identity", &[&go], &[&on], vec![])],
            output: vec![named(&on), named(&next)],
            ..GraphProto::new()
        };
        let (from, to) = (format!("s{}", level + 1), format!("t{}", level + 1));
        inner = node("Loop", &["trips", "", &from], &[&to], vec![body("body", loop_body)]);
    }
    let state = format!("s{depth}");
    let mut made = graph(vec![floats(&state, &[4])], vec![inner], &[&format!("t{depth}")]);
    let mut trips = ints("trips", &[2]);
    trips.dims.clear();
    made.initializer = vec![trips, ints("one", &[1])];
    model(made)
}

#[test]
fn growth_is_followed_in_few_loops_within_each_other() {
    assert_eq!(output_dims(&growing(2)), [[4 + 4]]);
    let started = std::time::Instant::now();
    let error = memgraph::shape::infer(&opened(&growing(15)), &Scenario::default()).unwrap_err();
    assert!(error.to_string().contains("up to 4 loops within each other"), "{error}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn scans_of_operator_set_8_run_for_each_of_a_batch() {
    let mut inner = scan_body();
    inner.node[1] = node("Concat", &["next", "own"], &["out"], vec![int("axis", 0)]);
    let attributes = vec![body("body", inner), int("num_scan_inputs", 1)];
    let nodes = vec![node("Scan", &["", "start", "x"], &["last", "all"], attributes)];
    let inputs = vec![floats("start", &[4, 3]), floats("x", &[4, 5, 3]), floats("own", &[2])];
    let mut made = model(graph(inputs, nodes, &["last", "all"]));
    made.opset_import[0].version = 8;
    assert_eq!(output_dims(&made), [&[4, 3][..], &[4, 5, 5]]);
}

#[test]
fn scans_slice_and_stack_along_any_axis() {
    let attributes = vec![
        body("body", scan_body()),
        int("num_scan_inputs", 1),
        int_list("scan_input_axes", &[1]),
        int_list("scan_output_axes", &[-1]),
    ];
    let nodes = vec![node("Scan", &["start", "x"], &["last", "all"], attributes)];
    let model = model(graph(vec![floats("start", &[2]), floats("x", &[2, 7])], nodes, &["last", "all"]));
    assert_eq!(output_dims(&model), [&[2][..], &[2, 7]]);
}

#[test]
fn constants_come_as_nodes_too() {
    let value_ints = int_list("value_ints", &[4, 6]);
    let nodes = vec![
        node("Constant", &[], &["shape"], vec![value_ints]),
        node("Expand", &["x", "shape"], &["y"], vec![]),
    ];
    assert_eq!(output_dims(&model(graph(vec![floats("x", &[1])], nodes, &["y"]))), [[4, 6]]);
    let empty = vec![node("Constant", &[], &["y"], vec![])];
    assert!(read(&model(graph(vec![], empty, &["y"]))).unwrap_err().message().contains("without a value"));
}

#[test]
fn sparse_initializers_are_as_large_as_what_they_stand_for() {
    let mut values = ints("sparse", &[1, 2]);
    values.data_type = INT64;
    let sparse = SparseTensorProto {
        values: MessageField::some(values),
        indices: MessageField::some(ints("", &[0, 5])),
        dims: vec![10, 4],
        ..SparseTensorProto::new()
    };
    let read = opened(&model(GraphProto { sparse_initializer: vec![sparse], ..GraphProto::new() }));
    let node = read.nodes().first().unwrap();
    assert_eq!(read.text(node.name), "sparse");
    assert_eq!(constant(&read, "sparse").range.map(|range| range.size), Some(320));
    assert_eq!(read.tensors()[0].shape.to_string(), "[10,4]");
}

#[test]
fn nodes_know_their_place_and_what_is_declared() {
    let mut relu = node("Relu", &["x"], &["y"], vec![]);
    relu.name = "activation".to_owned();
    let mut made = graph(vec![floats("x", &[2])], vec![relu], &["y"]);
    made.output = vec![value("y", FLOAT, &[Dim::Is(2)])];
    let model = model(made);
    let graph = opened(&model);
    let (number, node) =
        graph.nodes().iter().enumerate().find(|(_, node)| matches!(node.op, Op::Unary(_))).unwrap();
    assert_eq!((graph.text(node.name), graph.text(node.opset)), ("activation", "opset21"));
    let Some(Position::Byte(at)) = node.position else { panic!("{:?}", node.position) };
    assert!(bytes(&model)[at as usize..].starts_with(b"Relu"));
    let tensor = graph.output(memgraph::ids::NodeId::new(number), 0).unwrap();
    assert_eq!(
        (graph.tensor(tensor).dtype, graph.tensor(tensor).shape.to_string()),
        (DType::F32, "[2]".to_owned())
    );
}

#[test]
fn unknown_operators_take_what_is_declared() {
    let made = |output| {
        let mut unknown = node("Frobnicate", &["x"], &["y"], vec![]);
        unknown.domain = "com.example".to_owned();
        let mut graph = graph(vec![floats("x", &[2])], vec![unknown], &["y"]);
        graph.output = vec![output];
        model(graph)
    };
    assert_eq!(output_dims(&made(floats("y", &[7, 8]))), [[7, 8]]);
    let error = memgraph::shape::infer(&opened(&made(named("y"))), &Scenario::default()).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("com.example 1"), "{error}");
}

#[test]
fn decoders_are_bound_by_role() {
    let inputs = vec![
        value("input_ids", INT64, &[Dim::Named("batch_size"), Dim::Named("sequence_length")]),
        value(
            "past_key_values.0.key",
            FLOAT,
            &[Dim::Named("batch_size"), Dim::Is(2), Dim::Named("past_sequence_length"), Dim::Is(8)],
        ),
    ];
    let graph = opened(&model(graph(inputs, vec![], &[])));
    let scenario = Scenario::default().with(|run| {
        run.task = Task::Llm;
        run.prompt = Some(5);
        run.past = 9;
    });
    let binding = scenario.bind(&graph).unwrap();
    assert_eq!(binding.parameters[0].dims.as_deref(), Some(&[1, 5][..]));
    assert_eq!(binding.parameters[1].dims.as_deref(), Some(&[1, 2, 9, 8][..]));
}

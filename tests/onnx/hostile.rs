//! Damaged and hostile files: an error that says where, or a graph; never a panic, never unbounded.

use super::encode::*;
use memgraph::formats::onnx::parse;
use onnx_protobuf::{FunctionProto, GraphProto, ModelProto, TensorProto};
use std::path::Path;
use std::time::{Duration, Instant};

/// A model with a bit of everything.
fn specimen() -> ModelProto {
    let inner = GraphProto {
        node: vec![node("Add", &["x", "offset"], &["i"], vec![])],
        output: vec![named("i")],
        ..GraphProto::new()
    };
    let branches = vec![body("then_branch", inner.clone()), body("else_branch", inner)];
    let mut graph = graph(
        vec![value("flag", 9, &[]), value("x", FLOAT, &[Dim::Named("n"), Dim::Is(3)])],
        vec![
            node("If", &["flag"], &["y"], branches),
            node("Slice", &["y", "from", "to"], &["z"], vec![]),
            node("Conv", &["z", "w"], &["c"], vec![int_list("pads", &[1, 1]), int("group", 1)]),
        ],
        &["z", "c"],
    );
    graph.initializer = vec![
        ints("from", &[0]),
        ints("to", &[2]),
        external("offset", &[3], &[("location", "data"), ("offset", "8"), ("length", "12")]),
        TensorProto { float_data: vec![1.0; 3], ..external("w", &[1, 3, 1], &[]) },
    ];
    model(graph)
}

fn check(bytes: Vec<u8>) {
    if let Err(error) = parse(bytes, Path::new("hostile.onnx")) {
        assert!(error.location().file.is_some(), "{error}");
        assert!(error.to_string().len() < 4096, "{error}");
    }
}

fn fault(model: &ModelProto) -> String {
    read(model).unwrap_err().to_string()
}

#[test]
fn truncated_anywhere() {
    let whole = bytes(&specimen());
    check(whole.clone());
    for end in 0..whole.len() {
        check(whole[..end].to_vec());
    }
    // The graph is one field, so a cut within it is always found, with its place.
    let error = parse(whole[..whole.len() - 20].to_vec(), Path::new("cut.onnx")).unwrap_err();
    assert!(error.location().position.is_some() && error.message().contains("are left"), "{error}");
}

#[test]
fn any_byte_flipped() {
    let mut model = bytes(&specimen());
    for index in 0..model.len() {
        let original = model[index];
        for flipped in [0xff, 0, original ^ 1, original ^ 0x80, original.wrapping_add(8)] {
            model[index] = flipped;
            check(model.clone());
        }
        model[index] = original;
    }
}

#[test]
fn random_damage() {
    let whole = bytes(&specimen());
    arbtest::arbtest(|source| {
        let mut model = whole.clone();
        for _ in 0..source.int_in_range(1..=4)? {
            let start = source.choose_index(model.len())?;
            let end = source.int_in_range(start..=model.len().min(start + 200))?;
            if source.arbitrary()? {
                let copy = model[start..end].to_vec();
                let at = source.choose_index(model.len())?;
                model.splice(at..at, copy);
            } else {
                model.drain(start..end);
            }
            if model.is_empty() {
                return Ok(());
            }
        }
        check(model);
        Ok(())
    })
    .budget_ms(1_000);
}

#[test]
fn random_bytes() {
    arbtest::arbtest(|source| {
        check(source.arbitrary::<Vec<u8>>()?);
        Ok(())
    })
    .budget_ms(500);
}

#[test]
fn lengths_that_lie() {
    // 2 GiB of graph in nine bytes.
    let error =
        parse(vec![0x08, 10, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0], Path::new("m.onnx")).unwrap_err();
    assert!(error.message().contains("claims 2147483647 bytes, and 1 are left"), "{error}");
    for bytes in [
        &[0x3a, 0xff][..],
        &[0x3a; 1],
        &[0xff; 11],
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ] {
        assert!(parse(bytes.to_vec(), Path::new("m.onnx")).is_err(), "{bytes:?}");
    }
}

#[test]
fn many_small_fields_are_refused_before_memory_is_taken() {
    // Ten million empty nodes would be two gigabytes of messages.
    let n_nodes = 10_000_000_u32;
    let mut file = vec![0x3a];
    let mut length = 2 * n_nodes;
    while length >= 0x80 {
        file.push(length as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.resize(file.len() + 2 * n_nodes as usize, 0);
    file.iter_mut().skip(5).step_by(2).for_each(|byte| *byte = 0x0a);
    let started = Instant::now();
    let result = parse(file, Path::new("m.onnx"));
    assert!(result.unwrap_err().is_limit());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn bodies_within_bodies() {
    let mut graph = GraphProto { output: vec![named("x")], ..GraphProto::new() };
    for _ in 0..40 {
        let branches = vec![body("then_branch", graph.clone()), body("else_branch", GraphProto::new())];
        graph = GraphProto { node: vec![node("If", &["c"], &["x"], branches)], ..GraphProto::new() };
    }
    let error = read(&model(graph)).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

#[test]
fn names_that_calls_make_are_bounded() {
    let function = |inputs: &[&str], nodes| FunctionProto {
        name: "F".to_owned(),
        domain: "mine".to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec!["b".to_owned()],
        node: nodes,
        ..FunctionProto::new()
    };
    let called = |function, calls: usize, output: &str| {
        let call = |number| {
            let mut call = node("F", &["x"], &[&format!("{output}{number}")], vec![]);
            call.domain = "mine".to_owned();
            call
        };
        let nodes = (0..calls).map(call).collect();
        let mut made = model(graph(vec![floats("x", &[1])], nodes, &[]));
        made.functions = vec![function];
        read(&made).unwrap_err()
    };
    // Each of 10,000 uses of a name of two bytes becomes a name of a megabyte at the call.
    let many = vec![node("Relu", &["a"], &["t"], vec![]), node("Sum", &["t"; 10_000], &["b"], vec![])];
    let started = Instant::now();
    let error = called(function(&["a"], many), 1, &"n".repeat(1 << 20));
    assert!(error.is_limit() && error.to_string().contains("bytes of all names"), "{error:.200}");
    // 10,000 formal inputs, of which a call gives one.
    let formals: Vec<String> = (0..10_000).map(|index| format!("a{index}")).collect();
    let formals: Vec<&str> = formals.iter().map(String::as_str).collect();
    let error = called(function(&formals, vec![node("Relu", &["a0"], &["b"], vec![])]), 1_000, "y");
    assert!(error.is_limit() && error.to_string().contains("number of edges"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn data_outside_of_the_folder() {
    for location in ["../secret", "/etc/passwd", "a/../../b", "..\\secret"] {
        let mut graph = GraphProto::new();
        graph.initializer = vec![external("w", &[4], &[("location", location)])];
        let text = fault(&model(graph));
        assert!(text.contains("outside of the model's folder") && text.contains("\"w\""), "{text}");
    }
}

#[test]
fn tensors_that_contradict_themselves() {
    let with =
        |tensor: TensorProto| fault(&model(GraphProto { initializer: vec![tensor], ..GraphProto::new() }));
    let short = TensorProto { dims: vec![3], ..ints("t", &[1, 2]) };
    assert!(with(short).contains("the tensor has 16 bytes, and i64 [3] needs 24 bytes"));
    assert!(with(TensorProto { dims: vec![-1], ..ints("t", &[1]) }).contains("dims [-1]"));
    let huge = TensorProto { dims: vec![i64::MAX, i64::MAX, 3], ..ints("t", &[1]) };
    assert!(with(huge).contains("too many elements"));
    assert!(with(TensorProto { data_type: 99, ..ints("t", &[1]) }).contains("data type 99"));
    assert!(with(TensorProto { dims: vec![1; 65], ..ints("t", &[1]) }).contains("rank of a tensor"));
    let few = TensorProto { raw_data: Vec::new(), int64_data: vec![1], ..ints("t", &[1, 2]) };
    assert!(with(few).contains("1 bytes of packed numbers"));
    let short = external("t", &[4], &[("location", "d"), ("length", "3")]);
    assert!(with(short).contains("3 bytes of external data"));
}

#[test]
fn names_that_lead_nowhere() {
    let text = fault(&model(graph(vec![], vec![node("Relu", &["lost"], &["y"], vec![])], &["y"])));
    assert!(text.contains("gives \"lost\"") && text.contains("Relu"), "{text}");
    let text = fault(&model(graph(vec![floats("x", &[1])], vec![], &["lost"])));
    assert!(text.contains("gives \"lost\""), "{text}");
    let twice = vec![node("Relu", &["x"], &["y"], vec![]), node("Abs", &["x"], &["y"], vec![])];
    let text = fault(&model(graph(vec![floats("x", &[1])], twice, &["y"])));
    assert!(text.contains("two nodes give \"y\""), "{text}");
    let cycle = vec![node("Relu", &["b"], &["a"], vec![]), node("Abs", &["a"], &["b"], vec![])];
    assert!(fault(&model(graph(vec![], cycle, &["a"]))).contains("cycle"));
    let fewer = vec![node("Add", &["x"], &["y"], vec![])];
    assert!(
        fault(&model(graph(vec![floats("x", &[1])], fewer, &["y"])))
            .contains("needs at least 2 inputs, and has 1")
    );
}

#[test]
fn attributes_of_the_wrong_kind() {
    let with = |attribute| {
        fault(&model(graph(
            vec![floats("x", &[1])],
            vec![node("Flatten", &["x"], &["y"], vec![attribute])],
            &["y"],
        )))
    };
    let text = with(int_list("axis", &[1]));
    assert!(text.contains("attribute `axis` must be an integer, and is INTS"), "{text}");
    assert!(text.contains("layer \"y\" (Flatten)") && text.contains("at byte"), "{text}");
    let missing = model(graph(vec![floats("x", &[1])], vec![node("Concat", &["x"], &["y"], vec![])], &["y"]));
    assert!(fault(&missing).contains("attribute `axis` is missing"));
    let loop_without = model(graph(vec![], vec![node("Loop", &["", ""], &["y"], vec![])], &["y"]));
    assert!(fault(&loop_without).contains("attribute `body` is missing"));
}

#[test]
fn files_that_are_no_model() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("empty.onnx", &b""[..]), ("text.onnx", b"hello"), ("nothing.onnx", &[0x08, 10])]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(memgraph::formats::open(&path).is_err(), "{name}");
    }
}

#[test]
fn branches_without_inputs() {
    let with = GraphProto {
        node: vec![node("Identity", &["a"], &["i"], vec![])],
        input: vec![floats("a", &[2])],
        output: vec![named("i")],
        ..GraphProto::new()
    };
    let branches = vec![body("then_branch", with.clone()), body("else_branch", with)];
    let inputs = vec![value("flag", 9, &[]), floats("x", &[2])];
    let message = fault(&model(graph(inputs, vec![node("If", &["flag"], &["y"], branches)], &["y"])));
    assert!(message.contains("the then branch has 1 inputs, and the node needs 0"), "{message}");
}

#[test]
fn bounds_that_disagree_are_not_a_view() {
    // At most 16 places of 2 numbers, and 10,000 numbers by the pattern: it cannot run, and is analysed as bounds.
    let mut found = graph(
        vec![floats("x", &[4, 4])],
        vec![
            node("NonZero", &["x"], &["n"], vec![]),
            node("Reshape", &["n", "pattern"], &["r"], vec![]),
            node("Neg", &["r"], &["y"], vec![]),
        ],
        &["y"],
    );
    found.initializer = vec![ints("pattern", &[100, 100])];
    let request = memgraph::Request::new(memgraph::Task::Graph);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bounds-that-disagree.onnx");
    std::fs::write(&path, bytes(&model(found))).unwrap();
    let report = memgraph::analyze(&path, &request).unwrap();
    assert!(report.totals.total_bytes >= 80_000);
}

#[test]
fn values_of_small_tensors_are_capped_in_all() {
    let sums: Vec<_> = (0..4100)
        .map(|at| {
            let (from, to) = (format!("v{at}"), format!("v{}", at + 1));
            node("Add", &[&from, "one"], &[&to], vec![])
        })
        .collect();
    let mut found = graph(vec![], sums, &["v4100"]);
    found.initializer = vec![ints("v0", &vec![1; 4096]), ints("one", &[1])];
    let graph = opened(&model(found));
    let error = memgraph::shape::infer(&graph, &memgraph::scenario::Scenario::default()).unwrap_err();
    assert!(error.to_string().contains("over 16777216 elements in all"), "{error}");
}

//! What symbolic inference states holds in every run: its results for five lengths and two batches against the
//! concrete pass, on every output of every fixture.

#![cfg(all(feature = "onnx", feature = "openvino"))]

use memgraph::formats;
use memgraph::graph::Graph;
use memgraph::scenario::{ModelConfig, Scenario, Task};
use memgraph::shape::{self, Dim, Element, Everything, Shapes, SymbolicScenario, SymbolicShapes};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

const LENGTHS: [u64; 5] = [1, 7, 32, 96, 130];
const BATCHES: [u64; 2] = [1, 3];

#[derive(Debug, Default)]
struct Tally {
    /// Runs that the concrete pass accepts.
    runs: usize,
    /// Dims that are numbers, in all runs.
    known: usize,
    /// Dims that are symbols of inputs or variables.
    of_inputs: usize,
    /// Dims that are any other symbol.
    others: usize,
    /// Elements that are numbers or symbols and that the concrete pass knows.
    elements: usize,
    wrong: Vec<String>,
}

fn fixtures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fixtures(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml" || extension == "onnx") {
            found.push(path);
        }
    }
}

/// The concrete pass, as the first task that gives every dim a size.
fn concrete(graph: &Graph, length: u64, batch: u64) -> Option<Shapes> {
    let past = if length == 1 { 40 } else { 0 };
    let scenario = Scenario::default().with(|run| {
        run.batch = Some(batch);
        run.prompt = Some(length);
        run.past = past;
    });
    let side = 28 * length.clamp(4, 32);
    let bind = |name: &str, size| (name.to_owned(), size);
    let binds =
        vec![bind("batch", batch), bind("seq", length), bind("past", past), bind("total", length + past)];
    let patches = vec![bind("hidden_states.0", 4 * length * batch), bind("hidden_states.1", 1176)];
    let mut config = ModelConfig::default();
    config.patch_size = Some(16);
    config.image_size = Some(512);
    let source = vec![bind("source", 2 * length + 1)];
    let tasks = [
        scenario.clone().with(|run| run.task = Task::Llm),
        scenario.clone().with(|run| {
            run.task = Task::Llm;
            run.binds = source;
        }),
        scenario.clone().with(|run| {
            run.task = Task::Vision;
            run.image = Some((side, side));
        }),
        // Towers whose positions are of one size.
        scenario.clone().with(|run| {
            run.task = Task::Vision;
            run.image = Some((224, 224));
        }),
        scenario.clone().with(|run| {
            run.task = Task::Vision;
            run.image = Some((336, 336));
        }),
        scenario.clone().with(|run| {
            run.task = Task::Vision;
            run.image = Some((512, 512));
            run.config = config;
        }),
        scenario.clone().with(|run| run.task = Task::Vision),
        scenario.clone().with(|run| run.binds = binds),
        // Patches of 3 · 2 · 14 · 14 numbers.
        scenario.clone().with(|run| run.binds = patches),
        Scenario::default().with(|run| run.binds = by_name(graph, length, batch)),
        Scenario::default(),
    ];
    tasks.iter().find_map(|scenario| shape::infer(graph, scenario).ok())
}

/// A size for every free dim of an input: sides of images are divided by 32, dims of one name are equal.
fn by_name(graph: &Graph, length: u64, batch: u64) -> Vec<(String, u64)> {
    let mut binds = Vec::new();
    for tensor in graph.parameters().iter().filter_map(|&node| graph.output(node, 0)) {
        let names: Vec<&str> = graph.symbols(tensor).collect();
        for (axis, dim) in graph.tensor(tensor).shape.dims.iter().flatten().enumerate() {
            let name = names.get(axis).copied().unwrap_or_default();
            let size = match name {
                "height" | "width" => 32 * (length / 8 + 2),
                _ if axis == 0 => batch,
                _ => 4 * length + 4,
            };
            let input = graph.tensor_names(tensor).next().unwrap_or_default();
            let name = if name.is_empty() { format!("{input}.{axis}") } else { name.to_owned() };
            if dim.as_known().is_none() {
                binds.push((name, size));
            }
        }
    }
    binds
}

fn compare(graph: &Graph, symbolic: &SymbolicShapes, run: &Shapes, label: &str, tally: &mut Tally) {
    let mut sizes = HashMap::new();
    let mut inputs = HashSet::new();
    for &node in graph.execution_order() {
        let is_input =
            matches!(graph.node(node).op, memgraph::graph::Op::Parameter | memgraph::graph::Op::ReadValue(_));
        for (port, tensor) in graph.outputs(node).enumerate() {
            let (stated, found) = (symbolic.tensor(tensor), run.tensor(tensor));
            let place = || format!("{label}: {} output {port}", graph.node_name(node));
            let Some(dims) = &found.dims else { continue };
            let Some(shape) = stated.shape() else {
                tally.others += dims.len();
                continue;
            };
            let text = || format!("{} {} is {}", place(), shape::text(&shape), shape::text(dims));
            if shape.len() != dims.len() {
                tally.wrong.push(text());
                continue;
            }
            for (&dim, &size) in shape.iter().zip(dims) {
                let expected = match dim {
                    Dim::Known(known) => {
                        tally.known += 1;
                        known
                    }
                    Dim::Symbol(symbol) => {
                        if is_input {
                            inputs.insert(symbol);
                        }
                        *(if inputs.contains(&symbol) { &mut tally.of_inputs } else { &mut tally.others }) +=
                            1;
                        *sizes.entry(symbol).or_insert(size)
                    }
                    Dim::Unknown => {
                        tally.others += 1;
                        size
                    }
                };
                if expected != size {
                    tally.wrong.push(text());
                }
            }
            let values = found.value.as_ref().filter(|value| !value.is_upper_bound);
            let values = values.and_then(|value| value.as_ints());
            if let (Some(elements), Some(values)) = (stated.integers(), values) {
                for (&element, &value) in elements.iter().zip(values) {
                    let expected = match element {
                        Element::Known(known) => known,
                        Element::Symbol(symbol) => sizes.get(&symbol).map_or(value, |&size| size as i64),
                        Element::Unknown => continue,
                    };
                    tally.elements += 1;
                    if expected != value {
                        tally.wrong.push(format!("{} {elements:?} is {values:?}", place()));
                    }
                }
            }
        }
    }
}

#[test]
fn symbolic_shapes_hold_in_every_run() {
    let mut found = Vec::new();
    fixtures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut found);
    found.sort();
    assert!(found.len() >= 36, "{} fixtures", found.len());
    let mut total = Tally::default();
    for path in &found {
        let graph = formats::open(path).unwrap();
        let symbolic = shape::infer_symbolic(&graph, SymbolicScenario::default(), &mut Everything);
        let mut tally = Tally::default();
        for length in LENGTHS {
            for batch in BATCHES {
                let Some(run) = concrete(&graph, length, batch) else { continue };
                tally.runs += 1;
                let label = format!("{} length {length} batch {batch}", path.display());
                compare(&graph, &symbolic, &run, &label, &mut tally);
            }
        }
        if tally.runs == 0 {
            total.wrong.push(format!("no run of {}", path.display()));
        }
        total.wrong.extend(tally.wrong.drain(..).take(4));
        let all = tally.known + tally.of_inputs + tally.others;
        println!(
            "{}: {} runs, {} dims, {:.1}% numbers, {:.1}% symbols of inputs, {} elements",
            path.display(),
            tally.runs,
            all,
            100.0 * tally.known as f64 / all as f64,
            100.0 * tally.of_inputs as f64 / all as f64,
            tally.elements
        );
        total.runs += tally.runs;
        total.known += tally.known;
        total.of_inputs += tally.of_inputs;
        total.others += tally.others;
        total.elements += tally.elements;
    }
    assert!(total.runs >= 300, "{total:?}");
    // Floors, so that the test cannot pass by stating nothing.
    let all = total.known + total.of_inputs + total.others;
    println!("{total:#?}");
    assert!(total.wrong.is_empty(), "{:#?}", total.wrong);
    assert!(100 * (total.known + total.of_inputs) >= 80 * all, "{total:?}");
    assert!(100 * total.of_inputs >= 10 * all && total.elements > 100_000, "{total:?}");
}

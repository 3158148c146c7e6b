//! The written graph next to the executed one: nothing is counted twice, and nothing is lost.

use memgraph::formats;
use memgraph::phases;
use memgraph::pipeline::llm::{self, Part};
use memgraph::report::{compare, model::Comparison};
use memgraph::runtime::Runtime;
use memgraph::runtime::graph::Exported;
use memgraph::runtime::openvino_cpu::OpenvinoCpu;
use memgraph::scenario::Scenario;
use std::path::Path;

fn comparison(top: usize) -> Comparison {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/qwen2.5-1.5b-L8-int4asym-g128");
    let graph = formats::open(&llm::file(&folder).unwrap()).unwrap();
    let base = Scenario::default().with(|run| run.batch = Some(1));
    let options = OpenvinoCpu::default();
    let [written, executed] = [&Exported as &dyn Runtime, &options].map(|profile| {
        let runs = llm::phases(&base, 64, Part::Prefill, profile);
        phases::run(&graph, &runs, profile, profile.planner()).unwrap().pop().unwrap()
    });
    let execution = options.executed(&graph, &executed.shapes).unwrap().unwrap();
    compare::build(&graph, &written, &executed, &execution, top)
}

#[test]
fn differences_add_up() {
    let whole = comparison(usize::MAX);
    let saved = |saved: &mut dyn Iterator<Item = i64>| saved.sum::<i64>();
    let difference = whole.written_bytes as i64 - whole.executed_bytes as i64;
    assert_eq!(saved(&mut whole.pairs.iter().map(|pair| pair.saved_bytes)), difference);
    assert_eq!(saved(&mut whole.groups.iter().map(|group| group.saved_bytes)), difference);
    let steps = |wants: fn(&Option<String>) -> bool| {
        let groups = whole.groups.iter().filter(|group| wants(&group.executed_type));
        groups.map(|group| group.count).sum::<u64>()
    };
    assert_eq!(steps(Option::is_some), whole.executed_steps);
    assert_eq!(steps(Option::is_none), whole.removed_steps);
    let of_groups = whole.groups.iter().map(|group| group.count * group.written_types.len() as u64);
    assert_eq!(of_groups.sum::<u64>(), whole.written_steps);
}

#[test]
fn tables_are_as_long_as_asked() {
    let (whole, short) = (comparison(usize::MAX), comparison(3));
    assert_eq!((short.groups.len(), short.pairs.len()), (3, 3));
    assert_eq!(short.pairs_left_out, whole.pairs.len() as u64 - 3);
    assert_eq!(short.pairs[..], whole.pairs[..3]);
    assert_eq!(short.executed_bytes, whole.executed_bytes);
}

//! A runtime of three operators, each kind of patch on it, and faults that are planted in its graph.

use super::*;
use smallvec::{SmallVec, smallvec};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    op: &'static str,
    names: Vec<&'static str>,
}

/// The first output of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Of(usize);

impl Source for Of {
    fn origin(self) -> usize {
        self.0
    }
}

impl Body for Layer {
    type Source = Of;
    const SWEEPS: bool = true;

    fn origins(&self, own: usize) -> SmallVec<[usize; 1]> {
        smallvec![own]
    }

    fn absorb(&mut self, other: &Layer) {
        self.names.extend(&other.names);
    }

    fn rename(&mut self, other: &Layer) {
        self.names.clone_from(&other.names);
    }
}

fn layer(op: &'static str) -> Layer {
    Layer { op, names: vec![op] }
}

struct Net(WorkGraph<Layer>);

impl Deref for Net {
    type Target = WorkGraph<Layer>;

    fn deref(&self) -> &WorkGraph<Layer> {
        &self.0
    }
}

impl DerefMut for Net {
    fn deref_mut(&mut self) -> &mut WorkGraph<Layer> {
        &mut self.0
    }
}

enum Toy {}

impl Dialect for Toy {
    type Body = Layer;
    type Work<'a> = Net;
    type Order = ();

    fn order(work: &Net, (): ()) -> Rc<Vec<usize>> {
        Rc::new(work.walk((0..work.nodes.len()).filter(|&node| work.nodes[node].op == "result")))
    }
}

/// `input → relu → exp → result`, and a `side` that reads the relu too.
fn chain() -> Net {
    let reads = |node: usize| smallvec![Some(Of(node))];
    let nodes = [
        (layer("input"), smallvec![]),
        (layer("relu"), reads(0)),
        (layer("exp"), reads(1)),
        (layer("side"), reads(1)),
        (layer("result"), reads(2)),
        (layer("result"), reads(3)),
    ];
    Net(WorkGraph::new(nodes, 6, [4, 5]))
}

fn applied(change: impl FnOnce(&mut Patch<Layer>)) -> Net {
    let mut net = chain();
    let mut patch = Patch::new(&net);
    change(&mut patch);
    net.apply(patch);
    assert!(net.faults().is_empty(), "{:?}", net.faults());
    net
}

#[test]
fn a_node_that_nothing_needs_is_gone_from_the_start() {
    let nodes = [(layer("input"), smallvec![]), (layer("relu"), smallvec![Some(Of(0))])];
    let graph = WorkGraph::new(nodes, 2, []);
    assert!(!graph.is_alive(0) && !graph.is_alive(1));
}

#[test]
fn an_inserted_node_reads_and_has_its_position_at_once() {
    let net = applied(|patch| {
        let new = patch.insert(layer("new"), smallvec![Some(Of(0))]);
        patch.set_input(4, 0, Of(new));
    });
    assert_eq!((net.uses(6).to_vec(), net.uses(0).to_vec()), (vec![(4, 0)], vec![(1, 0), (6, 0)]));
    assert!(!net.is_alive(2) && net.is_alive(1), "exp lost its reader, relu is read by the side");
}

#[test]
fn a_replaced_node_is_gone_with_all_that_only_it_needed() {
    let net = applied(|patch| patch.replace(Of(2), Of(0)));
    assert_eq!(net.nodes[4].input(0), Some(Of(0)));
    assert_eq!((net.is_alive(2), net.is_alive(1), net.uses(1).to_vec()), (false, true, vec![(3, 0)]));
}

#[test]
fn readers_that_are_excepted_keep_what_they_read() {
    let net = applied(|patch| patch.replace_except(Of(1), Of(0), &[3]));
    assert_eq!((net.nodes[2].input(0), net.nodes[3].input(0)), (Some(Of(0)), Some(Of(1))));
}

#[test]
fn what_a_removed_node_wrote_has_no_writer_until_another_has_it() {
    let mut net = chain();
    net.replace_for(Of(2), Of(1), |_| true);
    assert_eq!((net.writer(2), net.writer(1)), (None, Some(1)));
    net.drop_input(3, 0);
    assert_eq!((net.nodes[3].input(0), net.uses(1).to_vec()), (None, vec![(4, 0)]));
    net.remove(5);
    assert!(!net.is_alive(3) && net.is_kept(5) && net.faults().is_empty(), "{:?}", net.faults());
}

#[test]
fn all_inputs_change_together() {
    let net = applied(|patch| patch.set_inputs(2, [Of(0), Of(1)]));
    assert_eq!(net.nodes[2].inputs(), [Some(Of(0)), Some(Of(1))]);
    assert_eq!(net.uses(1).to_vec(), [(3, 0), (2, 1)]);
}

#[test]
fn provenance_is_added_or_taken() {
    let net = applied(|patch| {
        patch.absorb(1, 2);
        patch.rename(3, 0);
        patch.change(1, |node| node.op = "fused");
    });
    assert_eq!((net.nodes[1].op, &net.nodes[1].names[..]), ("fused", &["relu", "exp"][..]));
    assert_eq!(net.nodes[3].names, ["input"]);
}

#[test]
fn made_up_names_are_numbered_through() {
    let mut net = chain();
    for expected in [1, 2] {
        let mut patch = Patch::new(&net);
        assert_eq!(patch.name_number(), expected);
        net.apply(patch);
    }
    let patch = format!("{:?}", Patch::new(&net));
    assert_eq!(patch, "[]");
}

#[test]
fn planted_faults_are_found() {
    let plant = |plant: fn(&mut Net)| {
        let mut net = chain();
        plant(&mut net);
        net.faults().len()
    };
    assert_eq!(plant(|_| {}), 0);
    assert_eq!(plant(|net| net.plant_use(0, (4, 0))), 1, "a use that its reader does not have");
    assert_eq!(plant(|net| net.plant_gone(1)), 3, "two readers of what is gone, which itself still reads");
}

const FUSE: Rule<Toy> = Rule {
    name: "fuse",
    source: "made up",
    on: |node| node.op == "relu",
    apply: |work, node| {
        let (reader, _) = work.uses(node).iter().copied().find(|&(user, _)| work.nodes[user].op == "exp")?;
        let mut patch = Patch::new(work);
        patch.absorb(node, reader);
        patch.replace(Of(reader), Of(node));
        patch.revisit(node);
        Some(patch)
    },
    repeats: false,
};
const MARK: Rule<Toy> = Rule {
    name: "mark",
    source: "made up",
    on: |node| node.names.len() > 1 && node.op != "fused",
    apply: |work, node| {
        let mut patch = Patch::new(work);
        patch.change(node, |node| node.op = "fused");
        Some(patch)
    },
    repeats: false,
};
const FIRST: Pass<Toy> = Pass::rules("first", "made up", &[MARK, FUSE], (), &[]);
const PASSES: &[Pass<Toy>] = &[
    FIRST,
    Pass::whole("never", "made up", |work: &mut Net| work.nodes[0].op = "never", &["first"]).when(|_| false),
    Pass::rule(&FUSE, (), &["first"]).named("second"),
];

const PASSES_OF_TWO: &[Pass<Toy>] = &[Pass::rule(&FUSE, (), &[]), Pass::rule(&MARK, (), &["fuse"])];

#[test]
fn rules_are_tried_in_order_and_again_where_a_patch_asks() {
    let mut net = chain();
    run(&mut net, PASSES, None);
    assert_eq!((net.nodes[1].op, net.nodes[0].op), ("fused", "input"));
    assert_eq!(net.nodes[1].names, ["relu", "exp"]);
}

#[test]
fn passes_behind_the_last_do_not_run() {
    let after = |last: &str| {
        let mut net = chain();
        run(&mut net, PASSES_OF_TWO, Some(last));
        net.nodes[1].op
    };
    assert_eq!((after("fuse"), after("mark"), after("no such pass")), ("relu", "fused", "fused"));
    assert_eq!(names(PASSES_OF_TWO), ["fuse", "mark"]);
}

const fn on_exp(name: &'static str, apply: pass::Apply<Toy>) -> Rule<Toy> {
    Rule { name, source: "made up", on: |node| node.op == "exp", apply, repeats: false }
}

const BEHIND: &[Pass<Toy>] = &[
    // Nothing: what the next passes are for is found together from here on.
    Pass::rule(&NOTHING, (), &[]),
    Pass::rule(&NOTHING, (), &["nothing"]).named("nothing again"),
    Pass::whole("for none", "made up", |work: &mut Net| work.nodes[3].op = "for none", &[])
        .on(|node: &Layer| node.op == "sqrt"),
    // It changes what a node is, and nothing that the order depends on.
    Pass::whole("relu to exp", "made up", |work: &mut Net| work.nodes[1].op = "exp", &[])
        .on(|node: &Layer| node.op == "relu"),
    Pass::rule(&TO_SQRT, (), &["relu to exp"]),
    Pass::whole("for sqrt", "made up", |work: &mut Net| work.nodes[0].op = "for sqrt", &["to sqrt"])
        .on(|node: &Layer| node.op == "sqrt"),
];
const NOTHING: Rule<Toy> = on_exp("nothing", |_, _| None);
const TO_SQRT: Rule<Toy> = on_exp("to sqrt", |work, node| {
    let mut patch = Patch::new(work);
    patch.change(node, |node| node.op = "sqrt");
    Some(patch)
});

#[test]
fn what_was_found_ahead_is_found_again_behind_a_change() {
    let mut net = chain();
    run(&mut net, BEHIND, None);
    let ops: Vec<&str> = (0..5).map(|node| net.nodes[node].op).collect();
    assert_eq!(ops, ["for sqrt", "sqrt", "sqrt", "side", "result"]);
}

#[test]
fn a_table_in_the_wrong_order_is_refused() {
    assert!(faults(PASSES).is_empty());
    const WRONG: &[Pass<Toy>] =
        &[Pass::rule(&FUSE, (), &["later"]), FIRST.named("later"), FIRST.named("later")];
    let found = faults(WRONG);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("fuse needs later") && found[1].contains("two passes"), "{found:?}");
}

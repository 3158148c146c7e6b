//! Each row of the module's table: a graph that it joins, and graphs that miss one of its conditions.

use super::*;
use crate::dtype::DType;
use crate::runtime::openvino_cpu::execution::Layout;

/// A graph under construction, compiled with fixed dims.
#[derive(Default)]
struct Net {
    graph: ExecutionGraph,
    constants: Vec<bool>,
}

impl Net {
    fn dynamic() -> Net {
        Net { graph: ExecutionGraph { is_dynamic: true, ..ExecutionGraph::default() }, ..Net::default() }
    }

    /// Adds a node whose outputs are f32 of these dims, and returns its first port.
    fn add(&mut self, kind: Kind, inputs: &[Port], outputs: &[&[u64]]) -> Port {
        let output = |dims: &&[u64]| Output {
            dtype: DType::F32,
            dims: dims.iter().copied().collect(),
            is_dynamic: self.graph.is_dynamic,
            layout: Layout::Plain,
        };
        let node = ExecutedNode {
            kind,
            inputs: inputs.iter().copied().collect(),
            outputs: outputs.iter().map(output).collect(),
            ..ExecutedNode::default()
        };
        self.graph.nodes.push(node);
        self.constants.push(false);
        Port { step: self.graph.nodes.len() as u32 - 1, port: 0 }
    }

    /// As `add`, of a node that the plugin made a view.
    fn add_view(&mut self, kind: Kind, inputs: &[Port], outputs: &[&[u64]]) -> Port {
        let port = self.add(kind, inputs, outputs);
        self.last().is_view = true;
        port
    }

    /// A product of the model's input: something written that may be overwritten.
    fn product(&mut self, dims: &[u64]) -> Port {
        let input = self.add(Kind::Input, &[], &[dims]);
        self.add(Kind::MatMul, &[input], &[dims])
    }

    fn constant(&mut self, dims: &[u64]) -> Port {
        let port = self.add(Kind::Const, &[], &[dims]);
        self.constants[port.step as usize] = true;
        port
    }

    /// Reads `port`, so that its region lasts.
    fn read(&mut self, port: Port) {
        self.add(Kind::MatMul, &[port], &[&[1]]);
    }

    fn last(&mut self) -> &mut ExecutedNode {
        self.graph.nodes.last_mut().unwrap()
    }

    fn regions(&self) -> Regions {
        find(&self.graph, &self.constants)
    }

    fn shares(&self, a: Port, b: Port) -> bool {
        let regions = self.regions();
        regions.place(a).unwrap().0 == regions.place(b).unwrap().0
    }

    /// Place of a port in its region in bytes, and what it is there.
    fn place(&self, port: Port) -> (u64, Role) {
        let (_, offset, role) = self.regions().place(port).unwrap();
        (offset.0, role)
    }

    fn holder(&self, port: Port) -> Holder {
        let regions = self.regions();
        regions.list[regions.place(port).unwrap().0 as usize].holder
    }
}

fn output(of: Port, port: u32) -> Port {
    Port { port, ..of }
}

#[test]
fn a_reshape_is_a_view() {
    for mut net in [Net::default(), Net::dynamic()] {
        let data = net.product(&[2, 3]);
        let reshaped = net.add(Kind::Reshape, &[data], &[&[6]]);
        net.read(reshaped);
        assert!(net.shares(data, reshaped));
        assert_eq!(net.place(reshaped), (0, Role::View));
    }
}

#[test]
fn a_reshape_of_a_constant_by_dims_of_the_run_is_a_copy() {
    let mut net = Net::default();
    let data = net.constant(&[2, 3]);
    let pattern = net.product(&[1]);
    let reshaped = net.add(Kind::Reshape, &[data, pattern], &[&[6]]);
    net.read(reshaped);
    assert!(!net.shares(data, reshaped));
    // Folded as a whole, both are the same constant.
    net.constants[reshaped.step as usize] = true;
    assert!(net.shares(data, reshaped));
    assert_eq!(net.holder(reshaped), Holder::Constant);
}

#[test]
fn a_view_is_no_longer_than_its_input() {
    let mut net = Net::default();
    let data = net.product(&[2, 3]);
    let reshaped = net.add(Kind::Reshape, &[data], &[&[7]]);
    net.read(reshaped);
    assert!(!net.shares(data, reshaped));
}

#[test]
fn a_gather_is_a_view_where_the_plugin_made_it_one() {
    for is_view in [true, false] {
        let mut net = Net::default();
        let data = net.product(&[4, 3]);
        let row = net.add(Kind::Gather, &[data], &[&[3]]);
        net.last().is_view = is_view;
        net.read(row);
        assert_eq!(net.shares(data, row), is_view);
    }
}

/// ```text
/// data   |----------------|
/// first  |-----|
/// second       |----------|
/// ```
#[test]
fn parts_of_a_split_are_in_its_input_one_after_the_other() {
    for is_view in [true, false] {
        let mut net = Net::default();
        let data = net.product(&[6]);
        let parts = net.add(Kind::Split, &[data], &[&[2], &[4]]);
        net.last().is_view = is_view;
        net.read(parts);
        net.read(output(parts, 1));
        assert_eq!([0, 1].map(|port| net.shares(data, output(parts, port))), [is_view; 2]);
        assert_eq!(net.place(output(parts, 1)), if is_view { (8, Role::View) } else { (0, Role::Written) });
    }
}

#[test]
fn a_part_beyond_the_input_of_a_split_has_its_own_bytes() {
    let mut net = Net::default();
    let data = net.product(&[5]);
    let parts = net.add_view(Kind::Split, &[data], &[&[2], &[4]]);
    net.read(parts);
    net.read(output(parts, 1));
    assert!(net.shares(data, parts));
    assert!(!net.shares(data, output(parts, 1)));
}

#[test]
fn inputs_of_a_concat_are_in_its_output_one_after_the_other() {
    for is_view in [true, false] {
        let mut net = Net::default();
        let (first, second) = (net.product(&[2]), net.product(&[4]));
        let joined = net.add(Kind::Concat, &[first, second], &[&[6]]);
        net.last().is_view = is_view;
        net.read(joined);
        assert_eq!([first, second].map(|input| net.shares(input, joined)), [is_view; 2]);
        assert_eq!(net.place(second).0, if is_view { 8 } else { 0 });
        assert_eq!(net.place(joined).1, if is_view { Role::Joined } else { Role::Written });
    }
}

#[test]
fn a_concat_that_its_inputs_do_not_fill_copies_them() {
    let mut net = Net::default();
    let (first, second) = (net.product(&[2]), net.product(&[4]));
    let joined = net.add_view(Kind::Concat, &[first, second], &[&[7]]);
    net.read(joined);
    assert!(!net.shares(first, joined) && !net.shares(second, joined));
}

#[test]
fn a_concat_copies_constants_and_an_input_that_it_reads_twice() {
    let mut net = Net::default();
    let (data, constant) = (net.product(&[2]), net.constant(&[4]));
    let joined = net.add_view(Kind::Concat, &[data, constant], &[&[6]]);
    let twice = net.add_view(Kind::Concat, &[data, data], &[&[4]]);
    net.read(joined);
    net.read(twice);
    assert!(!net.shares(data, joined) && !net.shares(constant, joined) && !net.shares(data, twice));
}

#[test]
fn a_concat_of_two_parts_of_one_region_copies_them() {
    let mut net = Net::default();
    let data = net.product(&[6]);
    let parts = net.add_view(Kind::Split, &[data], &[&[2], &[4]]);
    let swapped = net.add_view(Kind::Concat, &[output(parts, 1), parts], &[&[6]]);
    net.read(swapped);
    assert!(!net.shares(data, swapped));
}

#[test]
fn a_rotation_is_in_place_where_the_plugin_made_it_so() {
    for is_view in [true, false] {
        let mut net = Net::default();
        let data = net.product(&[2, 8]);
        let rotated = net.add(Kind::Rope, &[data], &[&[2, 8]]);
        net.last().is_view = is_view;
        net.read(rotated);
        assert_eq!(net.shares(data, rotated), is_view);
        assert_eq!(net.place(rotated).1, Role::Written);
    }
}

#[test]
fn an_attention_writes_the_states_that_it_reads() {
    let state: &[u64] = &[1, 2, 5, 8];
    for kind in [Kind::MemoryInput, Kind::MatMul] {
        let is_state = kind == Kind::MemoryInput;
        let mut net = Net::dynamic();
        let query = net.product(&[1, 2, 1, 8]);
        let (key, value) = (net.add(kind.clone(), &[], &[state]), net.add(kind, &[], &[state]));
        let attention = net.add(
            Kind::ScaledDotProductAttention,
            &[query, query, query, key, value],
            &[&[1, 2, 1, 8], state, state],
        );
        for port in 0..3 {
            net.read(output(attention, port));
        }
        assert_eq!(net.shares(key, output(attention, 1)), is_state);
        assert_eq!(net.shares(value, output(attention, 2)), is_state);
        assert!(!net.shares(key, value) && !net.shares(query, attention));
    }
}

#[test]
fn a_convolution_overwrites_the_addend_of_its_sum() {
    for addend in [Some(1), None] {
        let mut net = Net::default();
        let (data, sum) = (net.product(&[1, 4, 8, 8]), net.product(&[1, 4, 8, 8]));
        let convolved = net.add(Kind::Convolution, &[data, sum], &[&[1, 4, 8, 8]]);
        net.last().addend = addend;
        net.read(convolved);
        assert_eq!(net.shares(sum, convolved), addend.is_some());
        assert!(!net.shares(data, convolved));
    }
}

#[test]
fn nothing_is_overwritten_where_nodes_are_apart() {
    for is_apart in [false, true] {
        let mut net = Net::default();
        net.graph.is_apart = is_apart;
        let (data, sum) = (net.product(&[1, 4, 8, 8]), net.product(&[1, 4, 8, 8]));
        let convolved = net.add(Kind::Convolution, &[data, sum], &[&[1, 4, 8, 8]]);
        net.last().addend = Some(1);
        let view = net.add(Kind::Reshape, &[convolved], &[&[4, 64]]);
        net.read(view);
        assert_eq!(net.shares(sum, convolved), !is_apart);
        assert!(net.shares(convolved, view));
    }
}

#[test]
fn a_convolution_leaves_an_addend_that_is_read_later() {
    let mut net = Net::default();
    let (data, sum) = (net.product(&[1, 4, 8, 8]), net.product(&[1, 4, 8, 8]));
    let add_sum = |net: &mut Net| {
        let port = net.add(Kind::Convolution, &[data, sum], &[&[1, 4, 8, 8]]);
        net.last().addend = Some(1);
        port
    };
    let (first, second) = (add_sum(&mut net), add_sum(&mut net));
    net.read(first);
    net.read(second);
    assert!(!net.shares(sum, first));
    assert!(net.shares(sum, second));
}

#[test]
fn a_scatter_overwrites_data_that_it_reads_last() {
    for kind in [Kind::ScatterUpdate, Kind::ScatterElementsUpdate, Kind::ScatterNdUpdate] {
        let scatter = |is_constant: bool, reads: [usize; 2]| {
            let mut net = Net::dynamic();
            let data = net.product(&[4, 3]);
            net.constants[data.step as usize] = is_constant;
            (0..reads[0]).for_each(|_| net.read(data));
            let updated = net.add(kind.clone(), &[data], &[&[4, 3]]);
            net.read(updated);
            (0..reads[1]).for_each(|_| net.read(data));
            net.shares(data, updated)
        };
        assert!(scatter(false, [0, 0]));
        assert!(scatter(false, [1, 0]), "{kind:?} of data that is read earlier");
        assert!(!scatter(true, [0, 0]), "{kind:?} of a constant");
        assert!(!scatter(false, [0, 1]), "{kind:?} of data that is read later");
    }
}

#[test]
fn a_reorder_that_moves_nothing_is_a_view() {
    let reorder = |mut net: Net, name: &str| {
        let data = net.product(&[4, 3]);
        let reordered = net.add(Kind::Reorder, &[data], &[&[4, 3]]);
        net.last().name = name.into();
        net.read(reordered);
        net.shares(data, reordered)
    };
    assert!(reorder(Net::default(), "add_0_fake"));
    assert!(!reorder(Net::default(), "add_0"));
    assert!(reorder(Net::dynamic(), "add_0_fake"));
}

/// An element-wise node between two products; `change` takes one condition away.
fn elementwise(kind: Kind, mut net: Net, change: impl FnOnce(&mut Net, Port, Port)) -> bool {
    let data = net.product(&[4, 3]);
    let other = net.product(&[4, 3]);
    let done = net.add(kind, &[data, other], &[&[4, 3]]);
    net.read(done);
    change(&mut net, data, done);
    net.shares(data, done)
}

#[test]
fn element_wise_nodes_overwrite_input_0() {
    let nothing = |_: &mut Net, _: Port, _: Port| {};
    for kind in [Kind::Subgraph, Kind::Eltwise] {
        let run = |change: fn(&mut Net, Port, Port)| elementwise(kind.clone(), Net::default(), change);
        assert!(run(nothing), "{kind:?}");
        assert!(!elementwise(kind.clone(), Net::dynamic(), nothing), "{kind:?} with free dims");
        assert!(!run(|net, data, _| net.read(data)), "{kind:?}: input 0 is read elsewhere");
        assert!(
            !run(|net, data, _| net.read(Port { step: data.step + 2, ..data })),
            "{kind:?}: so is input 1"
        );
        assert!(!run(|net, data, _| net.constants[data.step as usize] = true), "{kind:?} of a constant");
        assert!(!run(|net, data, _| net.graph.nodes[data.step as usize].kind = Kind::Input), "{kind:?}");
        let halve = |net: &mut Net, _: Port, done: Port| {
            net.graph.nodes[done.step as usize].outputs[0].dtype = DType::F16;
        };
        assert!(!run(halve), "{kind:?} to a smaller type");
        let widen = |net: &mut Net, _: Port, done: Port| {
            net.graph.nodes[done.step as usize].outputs[0].dims = [2, 4, 3].into_iter().collect();
        };
        assert!(!run(widen), "{kind:?} that broadcasts input 0");
    }
}

#[test]
fn a_subgraph_in_place_has_one_reader_and_an_eltwise_any_number() {
    let read_twice = |net: &mut Net, _: Port, done: Port| net.read(done);
    assert!(!elementwise(Kind::Subgraph, Net::default(), read_twice));
    assert!(elementwise(Kind::Eltwise, Net::default(), read_twice));
}

#[test]
fn element_wise_nodes_look_through_a_concat() {
    for has_reader in [false, true] {
        let mut net = Net::default();
        let (first, second) = (net.product(&[2]), net.product(&[4]));
        let joined = net.add(Kind::Concat, &[first, second], &[&[6]]);
        let done = net.add(Kind::Eltwise, &[joined], &[&[6]]);
        net.read(done);
        if has_reader {
            net.read(first);
        }
        assert_eq!(net.shares(joined, done), !has_reader);
    }
}

#[test]
fn norms_and_pools_overwrite_data_that_only_they_read() {
    for kind in [Kind::Mvn, Kind::Softmax, Kind::Pooling] {
        let run = |mut net: Net, dims: &[u64], has_reader: bool| {
            let data = net.product(&[4, 3]);
            let done = net.add(kind.clone(), &[data], &[dims]);
            net.read(done);
            if has_reader {
                net.read(data);
            }
            net.shares(data, done)
        };
        assert!(run(Net::default(), &[4, 3], false), "{kind:?}");
        assert!(!run(Net::dynamic(), &[4, 3], false), "{kind:?} with free dims");
        assert!(!run(Net::default(), &[2, 3], false), "{kind:?} to another size");
        assert!(!run(Net::default(), &[4, 3], true), "{kind:?} of data that is read elsewhere");
    }
}

#[test]
fn everything_else_writes_a_new_tensor() {
    for kind in [Kind::MatMul, Kind::FullyConnected, Kind::Transpose, Kind::Convert, Kind::Reorder] {
        let mut net = Net::default();
        let data = net.product(&[4, 3]);
        let done = net.add(kind, &[data], &[&[4, 3]]);
        net.read(done);
        assert!(!net.shares(data, done));
    }
}

#[test]
fn of_several_outputs_those_that_nobody_reads_have_no_bytes() {
    let mut net = Net::default();
    let data = net.product(&[4]);
    let pooled = net.add(Kind::TopK, &[data], &[&[2], &[2]]);
    net.read(pooled);
    let single = net.add(Kind::MatMul, &[data], &[&[2]]);
    let regions = net.regions();
    assert!(regions.place(output(pooled, 1)).is_none());
    assert!(regions.place(single).is_some());
}

#[test]
fn a_region_lasts_from_its_first_producer_to_its_last_reader() {
    let mut net = Net::default();
    let data = net.product(&[2, 3]); // step 1
    let reshaped = net.add(Kind::Reshape, &[data], &[&[6]]); // step 2
    net.read(data); // step 3
    net.read(reshaped); // step 4
    let regions = net.regions();
    let region = &regions.list[regions.place(data).unwrap().0 as usize];
    assert_eq!((region.start, region.finish, region.bytes), (1, 4, Bytes(24)));
    assert_eq!(region.members, [data, reshaped]);
}

#[test]
fn inputs_states_and_outputs_own_what_is_joined_with_them() {
    let mut net = Net::default();
    let input = net.add(Kind::Input, &[], &[&[2, 3]]);
    let view = net.add(Kind::Reshape, &[input], &[&[6]]);
    let state = net.add(Kind::MemoryInput, &[], &[&[4]]);
    let product = net.add(Kind::MatMul, &[view, state], &[&[4]]);
    let result = net.add(Kind::Reshape, &[product], &[&[2, 2]]);
    net.add(Kind::Output, &[result], &[]);
    let written = net.add(Kind::MatMul, &[view], &[&[4]]);
    net.add(Kind::MemoryOutput, &[written], &[]);
    let constant = net.constant(&[4]);
    net.read(constant);
    let inner = net.add(Kind::MatMul, &[view], &[&[4]]);
    net.read(inner);
    let holders = [view, state, product, written, constant, inner].map(|port| net.holder(port));
    use Holder::*;
    assert_eq!(holders, [Input, State, Output, State, Constant, Pool]);
}

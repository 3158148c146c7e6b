//! The order of what the walk starts from, and outputs that nobody reads.
//!
//! * Writers of variables come in the order in which the file reads the variables.
//! * An output that nobody reads of a node with several outputs, and a parameter that nobody reads, end in an Output
//!   of their own.
//!
//! Source: `Graph::Replicate` and `Graph::SortTopologically`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.

use super::work::{Build, Edge, Node, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Settles the roots.
pub(super) fn settle(work: &mut Work<'_>) {
    let variable = |work: &Work<'_>, node: usize| match work.nodes[node].op {
        Op::ReadValue(variable) | Op::Assign(variable) => Some(variable),
        _ => None,
    };
    let reads: Vec<_> = work.reads.iter().map(|&node| variable(work, node)).collect();
    let mut assigns = work.assigns.clone();
    assigns.sort_by_key(|&node| reads.iter().position(|&read| read == variable(work, node)));
    work.assigns = assigns;
    for node in work.parameters.clone().into_iter().chain(work.order()) {
        let n_outputs = work.nodes[node].outputs.len();
        let may_stub = match work.nodes[node].kind {
            Kind::Input => true,
            Kind::ScaledDotProductAttention | Kind::MemoryOutput | Kind::Output | Kind::Pooling => false,
            _ => n_outputs > 1,
        };
        for port in 0..if may_stub { n_outputs } else { 0 } {
            let is_read = work
                .users(node)
                .iter()
                .any(|&(user, input)| work.nodes[user].input(input) == Some(Edge { node, port }));
            if !is_read {
                let name = format!("stub_{port}_{}", work.nodes[node].name).into();
                let output = Node::nameless(Op::Result, Kind::Output, work.nodes[node].source);
                work.add(Node { name, ..output }, [Edge { node, port }]);
            }
        }
    }
}

//! Checks of a finished graph that no reader should have to repeat.

use super::Graph;
use super::order::Reads;
use crate::error::{Error, ErrorKind, Port, Result};
use crate::ids::NodeId;
use petgraph::visit::IntoNeighbors;

/// Every node has at least the inputs and outputs that its operator cannot do without.
pub(super) fn ports(graph: &Graph) -> Result<()> {
    for index in 0..graph.nodes.len() {
        let id = NodeId::new(index);
        let (inputs, outputs) = graph.node(id).op.kind().fewest_ports();
        for port in 0..inputs {
            if graph.input(id, port).is_none() {
                let found = graph.inputs(id).iter().flatten().count();
                return Err(Error::new(
                    ErrorKind::Malformed,
                    format!("the operator needs at least {inputs} inputs, and has {found}"),
                )
                .at(graph.location(id, Some(Port::Input(port))))
                .help("an edge is missing; re-export the model"));
            }
        }
        if graph.outputs(id).len() < outputs {
            let message = format!(
                "the operator has {outputs} outputs, and the file declares {}",
                graph.outputs(id).len()
            );
            return Err(Error::new(ErrorKind::Malformed, message).at(graph.location(id, None)));
        }
    }
    Ok(())
}

/// The cycle that contains `node` or that it reads from, in words.
pub(super) fn cycle_through(graph: &Graph, node: NodeId) -> String {
    let mut path = vec![node];
    let mut seen = vec![usize::MAX; graph.nodes.len()];
    let mut current = node;
    let readers = readers(graph, node);
    seen[node.index()] = 0;
    // Every node of a cycle reads one that comes no earlier; following such reads must return.
    while let Some(next) = Reads(graph).neighbors(current).find(|next| readers[next.index()]) {
        if next == node || seen[next.index()] != usize::MAX {
            break;
        }
        seen[next.index()] = path.len();
        path.push(next);
        current = next;
        if path.len() == 8 {
            break;
        }
    }
    let names: Vec<_> = path.iter().map(|&id| format!("\"{}\"", graph.node_name(id))).collect();
    format!("it reads, directly or not, its own output: {}", names.join(" <- "))
}

/// Whether each node reads `node`, directly or not, or is it.
fn readers(graph: &Graph, node: NodeId) -> Vec<bool> {
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes.len()];
    for user in (0..graph.nodes.len()).map(NodeId::new) {
        for producer in Reads(graph).neighbors(user) {
            users[producer.index()].push(user);
        }
    }
    let mut found = vec![false; graph.nodes.len()];
    found[node.index()] = true;
    let mut pending = vec![node];
    while let Some(producer) = pending.pop() {
        for &user in &users[producer.index()] {
            if !std::mem::replace(&mut found[user.index()], true) {
                pending.push(user);
            }
        }
    }
    found
}

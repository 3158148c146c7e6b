//! In which order the runtime executes nodes.
//!
//! A walk from the nodes that nothing reads, the newest first, down the inputs, the newest writer first; a node runs
//! when all it reads has run. Not the file's order.
//!
//! Source: `GraphViewer`, `Graph::ReverseDFSFrom`, ONNX Runtime, onnxruntime/core/graph/graph.cc and
//! graph_viewer.cc; checked against the profiles of runs of 1.31.1.

use super::work::Work;
use smallvec::SmallVec;

/// The nodes that are left, as they are executed.
pub(super) fn of(work: &Work<'_>) -> Vec<usize> {
    let is_leaf = |node: &usize| work.nodes[*node].outputs.iter().all(|&value| work.is_unread(value));
    let mut stack: Vec<(usize, bool)> = work.alive().filter(is_leaf).map(|node| (node, false)).collect();
    let mut is_visited = vec![false; work.nodes.len()];
    let mut order = Vec::with_capacity(work.nodes.len());
    while let Some((node, is_done)) = stack.pop() {
        if is_done {
            order.push(node);
            continue;
        }
        if std::mem::replace(&mut is_visited[node], true) {
            continue;
        }
        stack.push((node, true));
        let inputs = work.nodes[node].inputs().iter().flatten();
        let mut writers: SmallVec<[usize; 4]> = inputs.filter_map(|&value| work.writer(value)).collect();
        writers.sort_unstable();
        stack.extend(writers.into_iter().filter(|&writer| !is_visited[writer]).map(|writer| (writer, false)));
    }
    order
}

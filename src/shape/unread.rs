//! Constants that were not read because their file is missing, too short, or a git-lfs pointer.
//!
//! Sizes need no weights, but a few shapes follow from the values of small constants. An error that such a value is not
//! known names the file, which is what the user can change.

use crate::error::{Diagnostic, Error, ErrorKind, Location, Severity};
use crate::graph::{Graph, Op, WeightFile, WeightRange};
use crate::ids::{NodeId, TensorId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Nodes that are searched upstream of a value: what computes a shape is short.
const MAX_NODES: usize = 256;

/// The error for a value that input `port` of `node` needs, if it follows from a constant that was not read.
pub(super) fn error(graph: &Graph, node: NodeId, port: usize) -> Option<Error> {
    let tensor = (*graph.inputs(node).get(port)?)?;
    let (constant, range) = unread(graph, tensor)?;
    let file = graph.weight_files().get(range.file as usize)?;
    let name = file_name(&file.path);
    let folder = file.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (fault, help) = match file.len {
        _ if file.is_pointer => (
            format!("{name} is a git-lfs pointer, not the weights"),
            format!("fetch the file: `git -C {} lfs pull`", folder.display()),
        ),
        None => (
            format!("{name} is missing"),
            format!("put {name} into {}; a file with the small constants alone is enough", folder.display()),
        ),
        Some(len) => (
            format!("{name} is truncated: it has {len} bytes, and a constant ends at {}", end(range)),
            "copy or download the file again".to_owned(),
        ),
    };
    let note = format!(
        "the value of layer \"{}\" decides a shape, and is stored in that file at byte {}",
        graph.text(graph.node(constant).name),
        range.offset
    );
    Some(Error::new(ErrorKind::Malformed, fault).at(graph.location(node, None)).note(note).help(help))
}

/// A warning per git-lfs pointer in the place of weights, and a note per file without the bytes of some constants.
///
/// Cost: linear in nodes, bodies included.
pub(super) fn diagnostics(graph: &Graph) -> Vec<Diagnostic> {
    let nodes = graph.with_bodies().into_iter().flat_map(Graph::nodes);
    let ranges = nodes.filter_map(|node| match &node.op {
        Op::Constant(constant) => constant.range,
        _ => None,
    });
    let mut absent: BTreeMap<u32, Absent> = BTreeMap::new();
    for range in ranges {
        let Some(file) = graph.weight_files().get(range.file as usize) else { continue };
        if file.is_pointer || file.len.is_none_or(|len| len < end(range)) {
            let absent = absent.entry(range.file).or_default();
            absent.constants += 1;
            absent.end = absent.end.max(end(range));
        }
    }
    let files = absent.into_iter().filter_map(|(file, absent)| {
        graph.weight_files().get(file as usize).map(|file| absent.diagnostic(file))
    });
    files.collect()
}

/// What a file of weights lacks.
#[derive(Default)]
struct Absent {
    constants: u64,
    /// The end of the last constant, in bytes from the file's start.
    end: u64,
}

impl Absent {
    fn diagnostic(&self, file: &WeightFile) -> Diagnostic {
        let name = file_name(&file.path);
        let constants = match self.constants {
            1 => "1 constant has a size and no value".to_owned(),
            count => format!("{count} constants have a size and no value"),
        };
        let (code, severity, text) = match file.len {
            _ if file.is_pointer => (
                "MG0005",
                Severity::Warning,
                format!(
                    "{name} is a git-lfs pointer, not the weights (`git lfs pull` fetches them): sizes come from the \
                     graph, and no value is read"
                ),
            ),
            None => ("MG0008", Severity::Note, format!("{name} is missing: {constants}")),
            Some(len) => (
                "MG0008",
                Severity::Note,
                format!("{name} has {len} bytes, and its constants end at {}: {constants}", self.end),
            ),
        };
        let location = Location { file: Some(file.path.display().to_string()), ..Location::default() };
        Diagnostic { code, severity, location, text }
    }
}

/// The first constant upstream of a tensor that is in no part of its file.
fn unread(graph: &Graph, tensor: TensorId) -> Option<(NodeId, WeightRange)> {
    let mut open = vec![tensor];
    let mut seen = BTreeSet::new();
    while let Some(tensor) = open.pop() {
        let node = graph.tensor(tensor).node;
        if seen.len() >= MAX_NODES || !seen.insert(node) {
            continue;
        }
        if let Op::Constant(constant) = &graph.node(node).op
            && let (None, Some(range)) = (&constant.value, constant.range)
            && let Some(file) = graph.weight_files().get(range.file as usize)
            && file.len.is_none_or(|len| len < end(range))
        {
            return Some((node, range));
        }
        open.extend(graph.inputs(node).iter().flatten());
    }
    None
}

fn end(range: WeightRange) -> u64 {
    range.offset.saturating_add(range.size)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::op::{Constant, Unary};
    use crate::graph::{Builder, Format, NodeSpec, PartialShape, TensorSpec};

    /// A node that reads a constant of 8 bytes at byte 4 of a file.
    fn graph(len: Option<u64>, is_pointer: bool) -> Graph {
        let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
        let file = builder.weight_file(WeightFile { path: "d/m.bin".into(), len, is_pointer });
        let range = Some(WeightRange { file, offset: 4, size: 8 });
        let spec = |op, name| NodeSpec { op, name, type_name: name, ..NodeSpec::default() };
        let out =
            || TensorSpec { dtype: DType::I64, shape: PartialShape::known(&[1]), ..TensorSpec::default() };
        let constant = builder.node(spec(Op::Constant(Constant { range, value: None }), "c"));
        let value = builder.output(constant, out());
        let reader = builder.node(spec(Op::Unary(Unary::Relu), "y"));
        builder.output(reader, out());
        builder.connect(reader, &[Some(value)]);
        builder.finish().unwrap()
    }

    fn fault(len: Option<u64>, is_pointer: bool) -> Option<String> {
        let graph = graph(len, is_pointer);
        let node = *graph.execution_order().last()?;
        error(&graph, node, 0).map(|error| error.to_string())
    }

    #[test]
    fn the_file_of_an_unread_constant_is_named() {
        assert!(fault(None, false).unwrap().starts_with("m.bin is missing"));
        assert!(
            fault(Some(11), false).unwrap().contains("truncated: it has 11 bytes, and a constant ends at 12")
        );
        assert!(fault(None, true).unwrap().contains("`git -C d lfs pull`"));
        assert_eq!(fault(Some(12), false), None);
    }

    #[test]
    fn a_pointer_is_a_warning() {
        assert_eq!(diagnostics(&graph(None, true)).len(), 1);
    }

    #[test]
    fn a_file_without_the_bytes_of_a_constant_is_a_note() {
        let text = |len| diagnostics(&graph(len, false)).pop().map(|found| (found.code, found.text));
        let (code, missing) = text(None).unwrap();
        assert_eq!((code, &*missing), ("MG0008", "m.bin is missing: 1 constant has a size and no value"));
        assert!(text(Some(11)).unwrap().1.starts_with("m.bin has 11 bytes, and its constants end at 12"));
        assert_eq!(text(Some(12)), None);
    }
}

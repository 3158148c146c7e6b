//! What a serialized execution graph says of a node apart from its type and its ports: the attributes of its layer.
//!
//! Source: OpenVINO 2026.4, src/inference/dev_api/openvino/runtime/exec_model_info.hpp.

use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use smallvec::SmallVec;
use std::sync::Arc;

/// The attributes of an executed node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Executed {
    /// Its place in the execution order, from 0.
    pub order: u32,
    /// Names of the layers that were fused into it.
    pub originals: Vec<Arc<str>>,
    /// Memory layout of each output (`abcd` is plain, `acdb` channels-last).
    pub layouts: SmallVec<[Arc<str>; 1]>,
    /// The chosen implementation, such as `brgemm_avx512_bf16`; it begins with `unknown` where nothing is computed.
    pub primitive: Box<str>,
    /// Type that attention state is stored in, on nodes that hold some.
    pub kv_cache_precision: Option<DType>,
}

/// The attributes of every node of an execution graph, by [`NodeId::index`].
pub(super) fn read(graph: &Graph) -> Result<Vec<Executed>> {
    (0..graph.nodes().len()).map(|index| of(graph, NodeId::new(index))).collect()
}

fn of(graph: &Graph, node: NodeId) -> Result<Executed> {
    if !matches!(graph.node(node).op, Op::Executed) {
        return Err(Error::new(ErrorKind::Malformed, "the node has no `execOrder`, and others have one")
            .at(graph.location(node, None))
            .help("serialize the whole of `compiled_model.get_runtime_model()`"));
    }
    let value = |name| graph.node_info(node, name);
    let invalid = |name: &str, value: &str, expected: &str| {
        let message = format!("attribute `{name}` must be {expected}, and is \"{value}\"");
        Error::new(ErrorKind::Malformed, message).at(graph.location(node, None))
    };
    let items = |name| -> Vec<Arc<str>> {
        let text = value(name).unwrap_or_default();
        text.split(',').filter(|item| !item.is_empty()).map(Into::into).collect()
    };
    let order = value("execOrder").unwrap_or_default();
    let kv_cache_precision = value("kv_cache_precision")
        .map(|value| dtype(value).ok_or_else(|| invalid("kv_cache_precision", value, "an element type")));
    Ok(Executed {
        order: order
            .trim_ascii()
            .parse()
            .map_err(|_| invalid("execOrder", order, "a step from 0 to 4294967295"))?,
        originals: items("originalLayersNames"),
        layouts: items("outputLayouts").into(),
        primitive: value("primitiveType").unwrap_or_default().into(),
        kv_cache_precision: kv_cache_precision.transpose()?,
    })
}

/// The element type that the runtime calls `name`.
pub(crate) fn dtype(name: &str) -> Option<DType> {
    DType::from_name(&name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Format, NodeSpec};

    fn node(op: Op, attributes: &[(&str, &str)]) -> Result<Vec<Executed>> {
        let mut builder = Builder::new("test.xml".as_ref(), Format::OpenVino);
        let node = builder.node(NodeSpec { op, name: "n", ..NodeSpec::default() });
        attributes.iter().for_each(|(name, value)| builder.node_info(node, name, value));
        read(&builder.finish()?)
    }

    #[test]
    fn lists_are_split() {
        let read = node(
            Op::Executed,
            &[
                ("execOrder", "7"),
                ("originalLayersNames", "a<b,c"),
                ("outputLayouts", "abc,acb"),
                ("primitiveType", "brgemm_avx512_bf16"),
                ("kv_cache_precision", "u8"),
            ],
        );
        let [read] = &read.unwrap()[..] else { panic!("one node") };
        assert_eq!(read.originals, ["a<b".into(), "c".into()]);
        assert_eq!(read.layouts.to_vec(), ["abc".into(), "acb".into()]);
        assert_eq!((read.order, read.kv_cache_precision), (7, Some(DType::U8)));
    }

    #[test]
    fn attributes_that_are_no_order_or_type_are_refused() {
        let message = |attributes: &[(&str, &str)]| node(Op::Executed, attributes).unwrap_err().to_string();
        let order = message(&[("execOrder", "-1")]);
        assert!(order.contains("`execOrder` must be a step from 0 to 4294967295, and is \"-1\""), "{order}");
        let dtype = message(&[("execOrder", "1"), ("kv_cache_precision", "u7")]);
        assert!(dtype.contains("`kv_cache_precision` must be an element type"), "{dtype}");
        assert!(node(Op::Opaque, &[]).unwrap_err().to_string().contains("others have one"));
    }
}

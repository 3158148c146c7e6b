//! The layers of an execution graph: what `CompiledModel.get_runtime_model()` holds, serialized.
//!
//! Such a file has the form of an IR, but its layers name no operator set: their types are those of the plugin, and
//! their attributes say what was executed. They become notes of the node, which the runtime's own module reads.
//! Constants have neither place nor value.
//!
//! Source: OpenVINO 2026.4, src/inference/dev_api/openvino/runtime/exec_model_info.hpp.

use super::attributes::Attributes;
use super::xml;
use crate::graph::Builder;
use crate::ids::NodeId;

/// Whether a layer without an operator set is one that was executed.
pub(super) fn is_executed(attributes: &Attributes<'_, '_>, version: &str) -> bool {
    version.is_empty() && attributes.raw("execOrder").is_some()
}

/// Adds the attributes of an executed layer to its node.
pub(super) fn note(builder: &mut Builder, node: NodeId, attributes: &Attributes<'_, '_>) {
    for (name, value) in attributes.pairs {
        builder.node_info(node, name, &xml::unescape(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_of_an_operator_set_is_none() {
        let attributes = |pairs| Attributes { pairs, inputs: 0 };
        assert!(!is_executed(&attributes(&[("execOrder", "1")]), "opset1"));
        assert!(!is_executed(&attributes(&[("shape", "1")]), ""));
        assert!(is_executed(&attributes(&[("execOrder", "1")]), ""));
    }
}

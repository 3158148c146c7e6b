//! The layers of an execution graph: what `CompiledModel.get_runtime_model()` holds, serialized.
//!
//! Such a file has the form of an IR, but its layers name no operator set: their types are those of the plugin, and
//! their attributes tell what was executed. Constants have neither place nor value.
//!
//! Source: OpenVINO 2026.4, src/inference/dev_api/openvino/runtime/exec_model_info.hpp.

use super::attributes::{Attributes, Result, invalid};
use super::{text, xml};
use crate::graph::op::Executed;

/// Whether a layer without an operator set is one that was executed.
pub(super) fn is_executed(attributes: &Attributes<'_, '_>, version: &str) -> bool {
    version.is_empty() && attributes.raw("execOrder").is_some()
}

/// What the attributes of an executed layer tell.
pub(super) fn read(attributes: &Attributes<'_, '_>) -> Result<Executed> {
    let order = attributes.int("execOrder")?;
    let order = u32::try_from(order)
        .map_err(|_| invalid("execOrder", &order.to_string(), "a step from 0 to 4294967295"))?;
    let list = |name| attributes.raw(name).map(xml::unescape).unwrap_or_default();
    let items = |text: &str| -> Vec<Box<str>> {
        text.split(',').filter(|item| !item.is_empty()).map(Into::into).collect()
    };
    let kv_cache_precision = attributes.raw("kv_cache_precision").map(|value| {
        text::dtype(value).ok_or_else(|| invalid("kv_cache_precision", value, "an element type"))
    });
    Ok(Executed {
        order,
        originals: items(&list("originalLayersNames")),
        layouts: items(&list("outputLayouts")).into(),
        primitive: list("primitiveType").into(),
        kv_cache_precision: kv_cache_precision.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn attributes<'a>(pairs: &'a [(&'a str, &'a str)]) -> Attributes<'a, 'a> {
        Attributes { pairs, inputs: 0 }
    }

    #[test]
    fn lists_are_split() {
        let pairs = [
            ("execOrder", "7"),
            ("originalLayersNames", "a&lt;b,c"),
            ("outputLayouts", "abc,acb"),
            ("primitiveType", "brgemm_avx512_bf16"),
            ("kv_cache_precision", "u8"),
        ];
        let read = read(&attributes(&pairs)).unwrap();
        assert_eq!(read.originals, ["a<b".into(), "c".into()]);
        assert_eq!(read.layouts.to_vec(), ["abc".into(), "acb".into()]);
        assert_eq!((read.order, read.kv_cache_precision), (7, Some(DType::U8)));
    }

    #[test]
    fn an_order_that_is_no_step_is_refused() {
        let error = read(&attributes(&[("execOrder", "-1")])).unwrap_err().to_string();
        assert_eq!(error, "attribute `execOrder` must be a step from 0 to 4294967295, and is \"-1\"");
    }

    #[test]
    fn a_layer_of_an_operator_set_is_none() {
        assert!(!is_executed(&attributes(&[("execOrder", "1")]), "opset1"));
        assert!(!is_executed(&attributes(&[("shape", "1")]), ""));
    }
}

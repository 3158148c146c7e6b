//! Options of the plugin and of OpenVINO GenAI that may lower what a run takes.

use super::host::{Host, Scheduler};
use super::options::{Cache, OpenvinoCpu, Reshape};
use crate::dtype::DType;
use crate::graph::Graph;
use crate::runtime::Alternative;

/// What differs from the present options and applies to the model: a decoder has logits, a cache and OpenVINO GenAI; only
/// a model without state can have the shapes of one run.
pub(super) fn of(runtime: &OpenvinoCpu, graph: &Graph) -> Vec<Alternative> {
    let is_decoder = !graph.variables().is_empty();
    let has_one_run = !is_decoder && has_free_dims(graph) && runtime.reshape != Some(Reshape::Static);
    let is_plain = runtime.host == Host::Plain;
    let is_u8 = runtime.kv_precision == Some(DType::U8);
    let is_unchunked = matches!(runtime.host, Host::GenAi(Scheduler { batched_tokens: None, .. }));
    let computes_f32 = runtime.precision == Some(DType::F32) && runtime.machine.isa.has_bf16();
    Alternative::of_table([
        (
            is_decoder && is_plain && runtime.cache == Cache::Stateful,
            &[("runner", "genai")],
            "use OpenVINO GenAI",
        ),
        (is_decoder && !runtime.last_logits, &[("logits", "last")], "compute logits of the last token only"),
        (is_decoder && !is_u8, &[("kv-precision", "u8")], "set KV_CACHE_PRECISION=u8"),
        (
            is_decoder && is_unchunked,
            &[("max-num-batched-tokens", "256")],
            "set SchedulerConfig.max_num_batched_tokens",
        ),
        (has_one_run, &[("reshape", "static")], "reshape the model before it is compiled"),
        (runtime.mmap, &[("mmap", "off")], "set ENABLE_MMAP=False"),
        (!runtime.mmap, &[("mmap", "on")], "set ENABLE_MMAP=True"),
        (runtime.streams > 1, &[("streams", "1")], "set NUM_STREAMS=1"),
        (computes_f32, &[("precision", "bf16")], "set INFERENCE_PRECISION_HINT=bf16"),
    ])
}

fn has_free_dims(graph: &Graph) -> bool {
    let mut outputs = graph.parameters().iter().filter_map(|&input| graph.output(input, 0));
    outputs.any(|tensor| {
        let dims = graph.tensor(tensor).shape.dims.as_deref();
        dims.is_none_or(|dims| dims.iter().any(|dim| dim.as_known().is_none()))
    })
}

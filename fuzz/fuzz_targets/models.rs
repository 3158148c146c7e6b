//! Whatever an OpenVINO or ONNX model says, every profile answers with a report or an error, and both checkers hold.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| match data {
    [b'<', ..] => memgraph_fuzz::analyse("model.xml", data),
    _ => memgraph_fuzz::analyse("model.onnx", data),
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    memgraph_fuzz::structured(data, size, max_size, seed)
});

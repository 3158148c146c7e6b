//! The readers answer any bytes with a graph or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use memgraph::formats::{gguf, onnx, openvino};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let path = Path::new("fuzz");
    let _ = match data {
        [b'<', ..] => openvino::parse(data, path),
        [b'G', b'G', ..] => gguf::parse(data, path),
        _ => onnx::parse(data.to_vec(), path),
    };
});

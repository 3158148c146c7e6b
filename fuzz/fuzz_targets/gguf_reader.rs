//! The GGUF reader answers any bytes with a graph or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use memgraph::formats;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let _ = formats::gguf::parse(data, Path::new("fuzz.gguf"));
});

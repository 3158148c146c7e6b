//! Whatever a GGUF file says, llama.cpp's graph is built and placed, or there is an error.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| memgraph_fuzz::analyse("model.gguf", data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    memgraph_fuzz::structured(data, size, max_size, seed)
});

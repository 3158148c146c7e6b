//! What was measured of llama.cpp (llama-cpp-python 0.3.36, ggml 0.25.3) on x86-64, and not derived from its source.
//!
//! docs/calibration.md has the table.

use crate::runtime::calibration::{Spread, Unit, fitted};

fitted! {
    /// Heap of the vocabulary: a token's text, score, and entry of the map from texts.
    TOKEN = 177, Unit::BytesPer("token"), Some(24),
        Spread::OfSum { sum: "anonymous pages after loading", least: -0.1, most: 0.2, unit: "MiB" },
        "models of 151,936 and of 128,256 tokens";
    /// File-backed pages of libraries that loading touches.
    LIBRARY = 1_450_000, Unit::Bytes, Some(10), Spread::Range(1_380_000, 1_540_000),
        "file-backed pages before and after loading without a map";
    /// Heap of a context without its buffers: scheduler, allocator, objects.
    CONTEXT = 360_000, Unit::Bytes, Some(20),
        Spread::OfSum { sum: "anonymous pages of the context", least: -0.2, most: 0.2, unit: "MiB" },
        "models of 4 and of 24 layers";
    /// Heap of a context: a node that its graphs may have.
    NODE = 810, Unit::BytesPer("node"), Some(20),
        Spread::OfSum { sum: "anonymous pages of the context", least: -0.2, most: 0.2, unit: "MiB" },
        "models of 4 and of 24 layers";
    /// File-backed pages that the first pass touches.
    FIRST_PASS = 650_000, Unit::Bytes, Some(14), Spread::Range(450_000, 800_000),
        "file-backed pages before and after the first pass";
}

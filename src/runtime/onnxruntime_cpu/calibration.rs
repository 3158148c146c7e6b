//! What was measured of ONNX Runtime's CPU provider, version 1.31.1, on x86-64 with AVX-512.
//!
//! docs/calibration.md has the table. What these numbers miss together is in docs/accuracy-onnxruntime.md.

use crate::process::{Remainders, Start};
use crate::runtime::calibration::{Spread, Unit, fitted};

/// How a creation mostly goes, and how it goes where the heap keeps the most.
///
/// Seen in repeated creations of the measured models: equal processes differ by where small objects are.
pub(super) const MODES: [Remainders; 2] = [Remainders::Joined, Remainders::Taken];

/// How the heap may be when a run starts: at one of four places, and with free small blocks, or without. `malloc_info` of
/// four sessions counts 3, 51, 55 and 132 blocks of 48 bytes; the place changes from process to process.
pub(super) const STARTS: [Start; 8] = {
    let mut starts = [Start { place: 0, has_small_holes: true }; 8];
    let mut index = 0;
    while index < starts.len() {
        starts[index] = Start { place: 16 * (index as u64 % 4), has_small_holes: index < 4 };
        index += 1;
    }
    starts
};

const CHAINS: &str = "sessions of chains of 1 to 1,600 nodes";

fitted! {
    /// Pages of the runtime's library that the creation of a session touches.
    LIBRARY = 7_598_080, Unit::Bytes, None, Spread::NotRecorded, CHAINS;
    /// Of these, pages that reading a file touches.
    LIBRARY_READING = 204_800, Unit::Bytes, None, Spread::NotRecorded,
        "resident set when the buffer is freed that the file was read through";
    /// Pages that a first run adds.
    LIBRARY_RUN = 671_744, Unit::Bytes, Some(1), Spread::NotRecorded,
        "one model of products, a norm and a softmax, of 64 columns";
    /// A session's own objects: any.
    SESSION = 1_436_000, Unit::Bytes, None, Spread::NotRecorded, CHAINS;
    /// A session's own objects: a node.
    SESSION_NODE = 3_460, Unit::BytesPer("node of the file"), None, Spread::NotRecorded, CHAINS;
    /// What is allocated with an initializer's tensor: its object, its name, its place in tables.
    TENSOR = 448, Unit::BytesPer("initializer"), Some(1), Spread::NotRecorded,
        "distance of neighbours in one trace of a creation";
    /// The owner of a tensor's data, an object that comes after the data.
    TENSOR_OWNER = 32, Unit::BytesPer("tensor"), None, Spread::Equal, "traces of runs";
    /// The count of references to a tensor's data, an object that comes after the owner.
    TENSOR_COUNT = 24, Unit::BytesPer("tensor"), None, Spread::Equal, "traces of runs";

    /// What the host application has of its own: tokenizer, sampler, objects. Not counted.
    GENAI = 256 << 10, Unit::Bytes, Some(1), Spread::NotRecorded, "onnxruntime-genai 0.18.0";
}

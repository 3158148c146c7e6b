//! What was measured of ONNX Runtime's CPU provider, version 1.31.1, on x86-64 with AVX-512.
//!
//! docs/calibration.md has the table. What these numbers miss together is in docs/accuracy-onnxruntime.md.

use crate::process::{SplitRemainder, Start};
use crate::runtime::calibration::{Spread, Unit, fitted};

/// How a creation mostly goes, and how it goes where the heap keeps the most.
///
/// Seen in repeated creations of the measured models: equal processes differ by where small objects are.
pub(super) const MODES: [SplitRemainder; 2] = [SplitRemainder::Joined, SplitRemainder::Taken];

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

const CHAINS: &str = "heap of sessions of chains of 1 to 800 nodes, two threads";
const CHAINS_RESIDENT: &str = "resident set of sessions of chains of 1 to 1,600 nodes";
const OTHER_CHAINS: &str = "heap of sessions of chains of 200 or 400 nodes with and without it";

fitted! {
    /// Pages of the runtime's library that the creation of a session touches.
    LIBRARY = 7_598_080, Unit::Bytes, None, Spread::NotRecorded, CHAINS_RESIDENT;
    /// Of these, pages that reading a file touches.
    LIBRARY_READING = 204_800, Unit::Bytes, None, Spread::NotRecorded,
        "resident set when the buffer is freed that the file was read through";
    /// Pages that a first run adds.
    LIBRARY_RUN = 671_744, Unit::Bytes, Some(1), Spread::NotRecorded,
        "one model of products, a norm and a softmax, of 64 columns";
    /// A session's own objects: any.
    SESSION = 1_328_600, Unit::Bytes, Some(3), Spread::NotRecorded, CHAINS;
    /// A session's own objects: a node of one input, and its result.
    SESSION_NODE = 2_767, Unit::BytesPer("node"), Some(3), Spread::Range(2_767, 2_776), CHAINS;
    /// A session's own objects: an input of a node beyond the first.
    SESSION_INPUT = 150, Unit::BytesPer("input"), Some(3), Spread::Range(137, 175), OTHER_CHAINS;
    /// A session's own objects: an attribute.
    SESSION_ATTRIBUTE = 670, Unit::BytesPer("attribute"), Some(3), Spread::Range(656, 684), OTHER_CHAINS;
    /// A session's own objects: a stated type of an intermediate result.
    SESSION_VALUE_INFO = 453, Unit::BytesPer("stated type"), Some(1), Spread::Equal, OTHER_CHAINS;
    /// A session's own objects: a note on a node, its texts apart, of which there is one copy.
    SESSION_PROPERTY = 134, Unit::BytesPer("note"), Some(3), Spread::Range(134, 140), OTHER_CHAINS;
    /// Copies of the name of an initializer or a result.
    NAME_OF_RESULT = 7, Unit::BytesPer("byte of a name"), Some(3), Spread::Range(6, 10), OTHER_CHAINS;
    /// Copies of the name of a node.
    NAME_OF_NODE = 3, Unit::BytesPer("byte of a name"), Some(1), Spread::Equal, OTHER_CHAINS;
    /// Copies of the name under which a node reads.
    NAME_OF_INPUT = 1, Unit::BytesPer("byte of a name"), Some(1), Spread::Equal, OTHER_CHAINS;
    /// A session's own objects: an initializer, its bytes apart.
    SESSION_INITIALIZER = 1_236, Unit::BytesPer("initializer"), Some(2), Spread::Range(1_236, 1_240), OTHER_CHAINS;
    /// A session's own objects: what a blocked convolution has more than the plain one.
    SESSION_BLOCKED = 3_540, Unit::BytesPer("blocked convolution"), Some(2), Spread::NotRecorded,
        "heap of sessions of chains of 200 convolutions";
    /// A session's own objects: a body.
    SESSION_BODY = 9_700, Unit::BytesPer("body"), Some(4), Spread::NotRecorded, "heap of sessions of 1 and 20 Ifs";
    /// A session's own objects: what a node of a body has more than others.
    SESSION_BODY_NODE = 330, Unit::BytesPer("node of a body"), Some(4), Spread::NotRecorded,
        "heap of sessions of 1 and 20 Ifs";
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

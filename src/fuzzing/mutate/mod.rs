//! Mutations of files that keep their structure: a file is parsed, its own parts are changed, and it is written again.
//!
//! A changed byte rarely gets past a reader. A changed dim, edge or attribute does, and shape inference, lowering and
//! planning then meet a model that no exporter writes. Nothing here knows an operator or a rule: what is changed is what
//! the format has (layers, ports, edges, nodes, tensors, settings), and new values come from the file itself or from a
//! list of numbers at which sizes stop to be valid.

mod choice;
#[cfg(feature = "gguf")]
mod gguf;
mod json;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "openvino")]
mod openvino;
mod table;
#[cfg(feature = "openvino")]
mod xml;

use arbitrary::{Result, Unstructured};

/// Changes of one mutant at most.
const MOST_CHANGES: u8 = 6;

/// A mutant of a file: [`mutate`] with choices of which each seed has its own.
///
/// # Example
///
/// ```
/// use memgraph::fuzzing;
///
/// let file = b"id,lower,upper,size\n0,0,3,4\n";
/// assert!(fuzzing::mutant(file, 7).is_some());
/// assert_eq!(fuzzing::mutant(file, 7), fuzzing::mutant(file, 7));
/// ```
#[must_use]
pub fn mutant(file: &[u8], seed: u64) -> Option<Vec<u8>> {
    let choices = choices(seed);
    mutate(file, &mut Unstructured::new(&choices)).ok().flatten()
}

/// Changes up to six parts of a file, whose format is known by its content: OpenVINO IR, ONNX, GGUF, JSON, or lines of text
/// such as CSV and TOML. `None` where the file cannot be parsed, or the format's reader is not built.
///
/// The same choices give the same mutant.
///
/// # Errors
///
/// None in practice; `arbitrary` asks for the type.
pub fn mutate(file: &[u8], u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    // Most mutants have one or two changes: the more there are, the sooner a reader refuses the file.
    let mut changes = 1;
    while changes < MOST_CHANGES && u.ratio(1, 3)? {
        changes += 1;
    }
    match file {
        #[cfg(feature = "openvino")]
        [b'<', ..] => openvino::mutant(file, changes, u),
        #[cfg(feature = "gguf")]
        [b'G', b'G', b'U', b'F', ..] => gguf::mutant(file, changes, u),
        [b'{', ..] => json::mutant(file, changes, u),
        _ if is_text(file) => table::mutant(file, changes, u).map(Some),
        #[cfg(feature = "onnx")]
        _ => onnx::mutant(file, changes, u),
        #[cfg(not(feature = "onnx"))]
        _ => Ok(None),
    }
}

/// Bytes for an [`Unstructured`], the same ones for the same seed.
pub(super) fn choices(seed: u64) -> Vec<u8> {
    // SplitMix64, Steele et al., "Fast splittable pseudorandom number generators", 2014.
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..64).flat_map(|_| next().to_le_bytes()).collect()
}

/// Whether the file is printable text; a protobuf message starts with the number of a field, which is not.
fn is_text(file: &[u8]) -> bool {
    let start = file.get(..file.len().min(256)).unwrap_or_default();
    start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_choices_give_the_same_mutant() {
        let file = b"id,lower,upper,size\n0,0,3,4\n1,3,9,4\n";
        assert_eq!(mutant(file, 3), mutant(file, 3));
        let distinct: std::collections::BTreeSet<Option<Vec<u8>>> =
            (0..50).map(|seed| mutant(file, seed)).collect();
        assert!(distinct.len() > 30, "{}", distinct.len());
    }

    #[test]
    fn what_cannot_be_parsed_has_no_mutant() {
        for file in [&b"<net"[..], b"GGUF\x03", b"{\"a\":", b"\x08\xff\xff\xff\xff"] {
            assert_eq!(mutant(file, 1), None);
        }
    }
}

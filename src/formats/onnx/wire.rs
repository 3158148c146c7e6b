//! A walk over the wire format before anything is decoded.
//!
//! The decoder takes memory for every field that it meets: some hundred bytes for a message of two. So the fields are
//! counted first, without taking memory for any, and a fault is found with its place in the file, which the decoder
//! could not know. Only fields that hold messages are entered; payloads are stepped over, so the cost is that of the
//! graph, not of the weights.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::formats::limits;
use crate::graph::MessageCounts;

/// Counts of a file's content.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Names, attributes and notes that runtimes keep.
    pub kept: MessageCounts,
    /// Nodes of the model's graph, without those of bodies.
    pub nodes: usize,
}

/// Walks over a whole file, and counts what is in it.
///
/// # Errors
///
/// If a field is cut short or is not a field at all, or a cap is exceeded.
pub(super) fn check(bytes: &[u8]) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut open = vec![(Message::Model, bytes.len())];
    let mut at = 0;
    let (mut n_fields, mut n_messages) = (0_u64, 0_u64);
    while let Some(&(message, end)) = open.last() {
        if at == end {
            open.pop();
            continue;
        }
        let start = at;
        let whole = bytes.get(..end).unwrap_or(bytes);
        let tag = varint(whole, &mut at)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        n_fields += 1;
        match wire_type {
            _ if number == 0 || number >= 1 << 29 => {
                return Err(malformed(start, format!("{number} is not a valid field number")));
            }
            0 => drop(varint(whole, &mut at)?),
            1 => skip(whole, &mut at, 8, start, number)?,
            5 => skip(whole, &mut at, 4, start, number)?,
            2 => {
                let length = varint(whole, &mut at)?;
                let inside = at;
                skip(whole, &mut at, length, start, number)?;
                message.count(number, length, &mut counts.kept);
                counts.nodes +=
                    usize::from(open.len() == 2 && matches!((message, number), (Message::Graph, 1)));
                match message.field(number) {
                    Field::Payload => {}
                    // Each byte may be a number.
                    Field::Numbers => n_fields += length,
                    Field::Message(inner) => {
                        n_messages += 1;
                        open.push((inner, at));
                        at = inside;
                    }
                }
            }
            _ => {
                return Err(malformed(
                    start,
                    format!("not a valid ONNX (protobuf) file: wire type {wire_type}"),
                ));
            }
        }
        let cap = limits::MAX_PROTOBUF_FIELDS;
        if n_fields > cap {
            return Err(limits::exceeded("fields of the file", format!("over {cap}"), cap).at(place(start)));
        }
        let cap = limits::MAX_PROTOBUF_MESSAGES;
        if n_messages > cap {
            return Err(limits::exceeded("messages of the file", format!("over {cap}"), cap).at(place(start)));
        }
        let cap = limits::MAX_PROTOBUF_DEPTH;
        if open.len() > cap {
            return Err(limits::exceeded("messages within messages", open.len(), cap).at(place(start)));
        }
    }
    Ok(counts)
}

/// Texts up to this length are stored in their object.
///
/// Source: `std::string` of libstdc++, which ONNX Runtime's names are.
const SHORT_TEXT: u64 = 15;

/// What a message is, as far as messages are within it.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    ValueInfo,
    Type,
    TensorType,
    NestedType,
    MapType,
    Shape,
    Tensor,
    SparseTensor,
    /// No message within it.
    Leaf,
}

/// What a field with a length holds.
enum Field {
    Payload,
    Numbers,
    Message(Message),
}

impl Message {
    /// Counts a field of `length` bytes.
    fn count(self, number: u64, length: u64, counts: &mut MessageCounts) {
        let long = if length > SHORT_TEXT { length } else { 0 };
        match (self, number) {
            (Message::Node, 1) => counts.input_name_bytes += long,
            (Message::Node, 2) | (Message::Tensor, 8) => counts.result_name_bytes += long,
            (Message::Node, 3) => counts.node_name_bytes += long,
            (Message::Node, 5) => counts.attributes += 1,
            (Message::Graph, 13) => counts.value_infos += 1,
            (Message::Node, 9) => {
                counts.properties += 1;
                counts.property_bytes += length;
            }
            _ => {}
        }
    }

    /// Fields as `proto/onnx.proto` numbers them.
    fn field(self, number: u64) -> Field {
        use Message::*;
        Field::Message(match (self, number) {
            (Model, 7) | (Attribute, 6) => Graph,
            (Model, 8 | 14) | (Function, 9) | (Shape, 1) | (Tensor, 13) | (Type, 7) => Leaf,
            (Model, 25) => Function,
            (Graph, 1) | (Function, 7) => Node,
            (Graph, 5) | (Attribute, 5) | (SparseTensor, 1 | 2) => Tensor,
            (Graph, 11..=13) | (Function, 12) => ValueInfo,
            (Graph, 15) | (Attribute, 22) => SparseTensor,
            (Node, 5) | (Function, 11) => Attribute,
            (ValueInfo, 2) | (Attribute, 14) | (NestedType, 1) | (MapType, 2) => Type,
            (Type, 1 | 8) => TensorType,
            (Type, 4 | 9) => NestedType,
            (Type, 5) => MapType,
            (TensorType, 2) => Shape,
            (Attribute, 7 | 8) | (Tensor, 1) | (SparseTensor, 3) => return Field::Numbers,
            _ => return Field::Payload,
        })
    }
}

/// A number in base 128, least digit first.
fn varint(bytes: &[u8], at: &mut usize) -> Result<u64> {
    let start = *at;
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some(&byte) = bytes.get(*at) else {
            return Err(malformed(start, "a number is cut short".to_owned()));
        };
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed(start, "a number has more than ten bytes".to_owned()))
}

fn skip(bytes: &[u8], at: &mut usize, length: u64, start: usize, number: u64) -> Result<()> {
    let left = bytes.len() - *at;
    match usize::try_from(length) {
        Ok(length) if length <= left => {
            *at += length;
            Ok(())
        }
        _ => Err(malformed(start, format!("field {number} claims {length} bytes, and {left} are left"))),
    }
}

fn place(at: usize) -> Location {
    Location { position: Some(Position::Byte(at as u64)), ..Location::default() }
}

#[cold]
fn malformed(at: usize, message: String) -> Error {
    Error::new(ErrorKind::Malformed, message)
        .at(place(at))
        .help("the file is not an ONNX model, or is cut short; fetch or export it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        check(bytes).unwrap_err().to_string()
    }

    #[test]
    fn whole_fields_pass() {
        // ir_version 10; graph with one node that has one input "x".
        assert!(check(&[0x08, 10, 0x3a, 5, 0x0a, 3, 0x0a, 1, b'x']).is_ok());
        assert!(check(&[]).is_ok());
    }

    #[test]
    fn what_runtimes_keep_is_counted() {
        // A graph of a node with a name of 16 bytes, two attributes and a note, and one stated type.
        let mut node = vec![0x1a, 16];
        node.extend([b'n'; 16]);
        node.extend([0x2a, 0, 0x2a, 0, 0x4a, 3, 0x0a, 1, b'k']);
        let mut graph = vec![0x0a, node.len() as u8];
        graph.extend(&node);
        graph.extend([0x6a, 0]);
        let mut model = vec![0x3a, graph.len() as u8];
        model.extend(&graph);
        let expected = MessageCounts {
            attributes: 2,
            value_infos: 1,
            properties: 1,
            property_bytes: 3,
            node_name_bytes: 16,
            ..MessageCounts::default()
        };
        let counts = check(&model).unwrap();
        assert_eq!((counts.kept, counts.nodes), (expected, 1));
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(check(&[0x08, 0x8a]).unwrap_err().location().position, Some(Position::Byte(1)));
        assert!(fault(&[0x08; 1]).contains("cut short"));
        assert!(fault(&[0x80; 11]).contains("more than ten bytes"));
        assert!(
            fault(&[0x3a, 0xff, 0xff, 0xff, 0xff, 7, 0])
                .contains("field 7 claims 2147483647 bytes, and 1 are left")
        );
        assert!(fault(&[0x3a, 2, 0x0a, 3, 0, 0, 0]).contains("field 1 claims 3 bytes, and 0 are left"));
        assert!(fault(&[0x3b]).contains("wire type"));
        assert!(fault(&[0x02, 0]).contains("0 is not a valid field number"));
    }

    #[test]
    fn depth_is_capped() {
        // Graphs in attributes of nodes of graphs, from the inside out.
        let mut bytes = Vec::new();
        for _ in 0..40 {
            for tag in [0x32, 0x2a, 0x0a] {
                let mut outer = vec![tag];
                let mut length = bytes.len();
                while length >= 0x80 {
                    outer.push(length as u8 | 0x80);
                    length >>= 7;
                }
                outer.push(length as u8);
                outer.extend(&bytes);
                bytes = outer;
            }
        }
        let mut model = vec![0x3a, (bytes.len() & 0x7f) as u8 | 0x80, (bytes.len() >> 7) as u8];
        model.extend(&bytes);
        assert!(check(&model).unwrap_err().is_limit());
    }
}

//! Layers and edges exactly as OpenVINO's serializer writes them, read without the event parser.
//!
//! That form is nearly all of an IR. Whatever differs from it (bodies, comments, other attributes or another order, single
//! quotes, a value that contains `<`, anything over a limit) is `None`, and the event parser reads the element from its start:
//! it accepts all forms and finds the errors.
//!
//! Source: `XmlSerializer`, OpenVINO 2026.4, src/core/xml_util/src/xml_serialize_util.cpp.

use super::text;
use crate::DType;
use crate::formats::limits;
use crate::graph::{Dim, PartialShape};

/// A place in the document's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    text: &'a str,
    /// Byte that is read next.
    at: usize,
}

/// An output port.
#[derive(Debug)]
pub(super) struct Output<'a> {
    /// The port's id.
    pub label: u32,
    pub dtype: DType,
    /// Without dims it is a scalar or of unknown rank: the serializer writes both alike.
    pub shape: PartialShape,
    /// The tensor's names as the attribute has them.
    pub names: &'a str,
}

/// The content of a layer without bodies.
#[derive(Debug, Default)]
pub(super) struct Layer<'a> {
    pub id: i64,
    pub name: &'a str,
    pub type_name: &'a str,
    pub version: &'a str,
    /// Attributes of `<data>`.
    pub data: Vec<(&'a str, &'a str)>,
    /// Ids of the input ports; dims are inferred.
    pub inputs: Vec<u32>,
    pub outputs: Vec<Output<'a>>,
    pub is_decompression: bool,
}

impl Layer<'_> {
    /// Empties the layer, and keeps its allocations.
    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.inputs.clear();
        self.outputs.clear();
        (self.name, self.type_name, self.version) = ("", "", "");
        (self.id, self.is_decompression) = (0, false);
    }
}

impl<'a> Scan<'a> {
    /// The place `at` in `text`.
    pub(super) fn new(text: &'a str, at: usize) -> Scan<'a> {
        Scan { text, at }
    }

    /// The byte that is read next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Reads a whole `<layer …>…</layer>` into an empty `layer`; returns the byte of its `<`.
    pub(super) fn layer(&mut self, layer: &mut Layer<'a>) -> Option<usize> {
        self.space();
        let start = self.at;
        self.literal(b"<layer id=\"")?;
        layer.id = i64::from(self.number()?);
        self.literal(b"\" name=\"")?;
        layer.name = self.value()?;
        self.literal(b"\" type=\"")?;
        layer.type_name = self.value()?;
        self.literal(b"\" version=\"")?;
        layer.version = self.value()?;
        self.literal(b"\">")?;
        loop {
            self.space();
            if self.literal(b"</layer>").is_some() {
                return Some(start);
            } else if self.literal(b"<data").is_some() {
                let data = &mut layer.data;
                self.attributes(|name, value| {
                    data.push((name, value));
                    Some(())
                })?;
                self.literal(b" />")?;
            } else if self.literal(b"<input>").is_some() {
                self.inputs(&mut layer.inputs)?;
            } else if self.literal(b"<output>").is_some() {
                self.outputs(&mut layer.outputs)?;
            } else {
                self.literal(b"<rt_info>")?;
                self.runtime_info(layer)?;
            }
        }
    }

    /// Reads `<edge …/>`; returns the byte of its `<`, and the layers and ports that it connects.
    pub(super) fn edge(&mut self) -> Option<(usize, [u32; 4])> {
        self.space();
        let start = self.at;
        self.literal(b"<edge from-layer=\"")?;
        let from_layer = self.number()?;
        self.literal(b"\" from-port=\"")?;
        let from_port = self.number()?;
        self.literal(b"\" to-layer=\"")?;
        let to_layer = self.number()?;
        self.literal(b"\" to-port=\"")?;
        let to_port = self.number()?;
        self.literal(b"\" />")?;
        Some((start, [from_layer, from_port, to_layer, to_port]))
    }

    fn inputs(&mut self, inputs: &mut Vec<u32>) -> Option<()> {
        while !self.closes(b"</input>") {
            let (mut label, mut number) = (None, Scan { ..*self });
            self.literal(b"<port")?;
            self.attributes(|name, value| {
                if name == "id" {
                    number = Scan::new(value, 0);
                    label = number.number().filter(|_| number.at == value.len());
                    label?;
                }
                Some(())
            })?;
            inputs.push(label?);
            if self.literal(b" />").is_none() {
                self.literal(b">")?;
                while !self.closes(b"</port>") {
                    self.dim()?;
                }
            }
            if inputs.len() > limits::MAX_PORTS {
                return None;
            }
        }
        Some(())
    }

    fn outputs(&mut self, outputs: &mut Vec<Output<'a>>) -> Option<()> {
        while !self.closes(b"</output>") {
            self.literal(b"<port")?;
            let mut label = None;
            let mut output =
                Output { label: 0, dtype: DType::Dynamic, shape: PartialShape::any(), names: "" };
            self.attributes(|name, value| {
                match name {
                    "id" => {
                        let mut number = Scan::new(value, 0);
                        label = number.number().filter(|_| number.at == value.len());
                        label?;
                    }
                    "precision" => output.dtype = text::dtype(value)?,
                    "names" => output.names = value,
                    _ => return None,
                }
                Some(())
            })?;
            output.label = label?;
            if self.literal(b" />").is_none() {
                self.literal(b">")?;
                let dims = output.shape.dims.insert(Default::default());
                while !self.closes(b"</port>") {
                    if dims.len() == limits::MAX_RANK {
                        return None;
                    }
                    dims.push(self.dim()?);
                }
                if dims.is_empty() {
                    return None;
                }
            }
            outputs.push(output);
            if outputs.len() > limits::MAX_PORTS {
                return None;
            }
        }
        Some(())
    }

    /// Reads `<attribute name="…" … />` up to the closing tag.
    fn runtime_info(&mut self, layer: &mut Layer<'a>) -> Option<()> {
        while !self.closes(b"</rt_info>") {
            self.literal(b"<attribute")?;
            let mut named = None;
            self.attributes(|name, value| {
                if name == "name" {
                    named = named.or(Some(value));
                }
                Some(())
            })?;
            self.literal(b" />")?;
            layer.is_decompression |= named == Some("decompression");
        }
        Some(())
    }

    fn dim(&mut self) -> Option<Dim> {
        self.literal(b"<dim>")?;
        let dim = match self.literal(b"-1") {
            Some(()) => Dim::ANY,
            None => Dim::known(u64::from(self.number()?)),
        };
        self.literal(b"</dim>")?;
        Some(dim)
    }

    /// Reads ` name="value"` as often as it comes.
    #[inline(always)]
    fn attributes(&mut self, mut found: impl FnMut(&'a str, &'a str) -> Option<()>) -> Option<()> {
        let bytes = self.text.as_bytes();
        while let Some(&[b' ', first]) = bytes.get(self.at..self.at + 2)
            && first != b'/'
        {
            let start = self.at + 1;
            let len = bytes.get(start..)?.iter().position(|&byte| !is_of_name(byte))?;
            self.at = start + len;
            self.literal(b"=\"")?;
            let name = self.text.get(start..start + len).filter(|name| !name.is_empty())?;
            let value = self.value()?;
            self.literal(b"\"")?;
            found(name, value)?;
        }
        Some(())
    }

    /// Passes over space and then `tag`, if that is next.
    #[inline(always)]
    fn closes<const N: usize>(&mut self, tag: &[u8; N]) -> bool {
        self.space();
        self.literal(tag).is_some()
    }

    #[inline(always)]
    fn space(&mut self) {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Passes over `expected`, if that is next.
    #[inline(always)]
    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let found = self.text.as_bytes().get(self.at..)?.first_chunk::<N>()?;
        (found == expected).then(|| self.at += N)
    }

    /// A decimal number of at most nine digits.
    #[inline(always)]
    fn number(&mut self) -> Option<u32> {
        let bytes = self.text.as_bytes();
        let (start, mut value) = (self.at, 0_u32);
        while let Some(digit) = bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            value = value.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// The text up to the next `"`.
    #[inline(always)]
    fn value(&mut self) -> Option<&'a str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let near = rest.iter().take(SHORT_VALUE).position(|byte| matches!(byte, b'"' | b'<'));
        let len = near.or_else(|| memchr::memchr2(b'"', b'<', rest))?;
        let value = self.text.get(self.at..self.at + len)?;
        self.at += len;
        (rest.get(len) == Some(&b'"') && len <= limits::MAX_ATTRIBUTE_BYTES).then_some(value)
    }
}

/// Values up to this length are searched by a plain loop, which is faster for them.
const SHORT_VALUE: usize = 16;

/// Whether a byte is one of those that the serializer's names of attributes have.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, usize)> {
        let (mut scan, mut layer) = (Scan::new(text, 0), Layer::default());
        let start = scan.layer(&mut layer)?;
        assert_eq!(start, text.find('<').unwrap());
        Some((format!("{layer:?}"), scan.at()))
    }

    const PLAIN: &str = "\n\t<layer id=\"7\" name=\"a/b\" type=\"Add\" version=\"opset1\">\n\t\t<data auto_broadcast=\"numpy\" />\
        \n\t\t<rt_info>\n\t\t\t<attribute name=\"decompression\" version=\"0\" />\n\t\t</rt_info>\n\t\t<input>\
        \n\t\t\t<port id=\"0\" precision=\"FP32\">\n\t\t\t\t<dim>-1</dim>\n\t\t\t\t<dim>64</dim>\n\t\t\t</port>\
        \n\t\t\t<port id=\"1\" precision=\"FP32\" />\n\t\t</input>\n\t\t<output>\n\t\t\t<port id=\"2\" precision=\"FP16\" names=\"x,y\">\
        \n\t\t\t\t<dim>-1</dim>\n\t\t\t\t<dim>64</dim>\n\t\t\t</port>\n\t\t</output>\n\t</layer>";

    #[test]
    fn layers_as_serialized_are_read() {
        let (found, at) = read(&format!("{PLAIN}\n<layer")).unwrap();
        assert_eq!(at, PLAIN.len());
        for part in [
            "id: 7, name: \"a/b\", type_name: \"Add\", version: \"opset1\"",
            "data: [(\"auto_broadcast\", \"numpy\")], inputs: [0, 1]",
            "label: 2, dtype: F16",
            "names: \"x,y\"",
            "is_decompression: true",
        ] {
            assert!(found.contains(part), "{part} is not in {found}");
        }
    }

    #[test]
    fn other_forms_are_left_to_the_event_parser() {
        assert!(read(PLAIN).is_some());
        for (from, to) in [
            ("id=\"7\" name=\"a/b\"", "name=\"a/b\" id=\"7\""),
            ("\"a/b\"", "'a/b'"),
            ("a/b", "a<b"),
            ("\"opset1\">", "\"opset1\" other=\"1\">"),
            ("<input>", "<input><!-- -->"),
            ("numpy\" />", "numpy\"/>"),
            ("<dim>64</dim>", "<dim>1..64</dim>"),
            ("<dim>64</dim>", "<dim>99999999999</dim>"),
            ("FP16", "FP17"),
            (" names=", " element_type="),
            ("id=\"2\"", "id=\"-2\""),
            ("id=\"0\"", "id=\"\""),
            ("<rt_info>", "<body>"),
            ("</layer>", "</laye>"),
            ("</layer>", ""),
        ] {
            assert_eq!(read(&PLAIN.replace(from, to)), None, "{to} for {from}");
        }
    }

    #[test]
    fn cut_texts_are_not_read() {
        for end in 0..PLAIN.len() {
            assert_eq!(read(&PLAIN[..end]), None);
        }
    }

    #[test]
    fn edges_as_serialized_are_read_and_nothing_else_is() {
        let edge = |text: &str| Scan::new(text, 0).edge();
        let plain = " <edge from-layer=\"1\" from-port=\"0\" to-layer=\"23\" to-port=\"4\" />";
        assert_eq!(edge(plain), Some((1, [1, 0, 23, 4])));
        for (from, to) in
            [("=\"1\"", "=\"-1\""), ("\"0\"", "\"\""), (" />", "/>"), ("\"1\"", "\"4294967296\"")]
        {
            assert_eq!(edge(&plain.replace(from, to)), None, "{to}");
        }
    }
}

//! An XML document as a tree of elements, read and written without a change but for comments and white space.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// An element. Values of attributes and text are as written, with their entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name.
    pub(super) name: String,
    /// Its attributes, in order.
    pub(super) attributes: Vec<(String, String)>,
    /// Elements in it.
    pub(super) children: Vec<Element>,
    /// Text in it.
    pub(super) text: String,
}

impl Element {
    /// An element with these attributes.
    pub(super) fn new(name: &str, attributes: &[(&str, &str)]) -> Element {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Element {
            name: name.to_owned(),
            attributes: attributes.iter().map(own).collect(),
            ..Element::default()
        }
    }

    /// The value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Sets an attribute.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.attributes.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value.into(),
            None => self.attributes.push((name.to_owned(), value.into())),
        }
    }

    /// The first element in it of this name.
    pub(super) fn child(&mut self, name: &str) -> Option<&mut Element> {
        self.children.iter_mut().find(|child| child.name == name)
    }

    /// How many elements of the tree have the property.
    pub(super) fn count(&self, has: &dyn Fn(&Element) -> bool) -> usize {
        usize::from(has(self)) + self.children.iter().map(|child| child.count(has)).sum::<usize>()
    }

    /// The element with the property that `left` others precede; `left` counts down.
    pub(super) fn nth(&mut self, has: &dyn Fn(&Element) -> bool, left: &mut usize) -> Option<&mut Element> {
        if has(self) {
            if *left == 0 {
                return Some(self);
            }
            *left -= 1;
        }
        self.children.iter_mut().find_map(|child| child.nth(has, left))
    }
}

/// Elements within elements at most; the mutators recurse.
const MAX_DEPTH: usize = 60;

/// The document's element; `None` if it is not well-formed.
pub(super) fn parse(document: &str) -> Option<Element> {
    let mut reader = Reader::from_str(document);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if open.len() < MAX_DEPTH => open.push(element(&start)?),
            Event::Start(_) => return None,
            Event::Empty(start) => open.last_mut()?.children.push(element(&start)?),
            Event::End(_) => {
                let done = open.pop()?;
                open.last_mut()?.children.push(done);
            }
            Event::Text(text) => open.last_mut()?.text.push_str(text.as_ref().trim()),
            Event::Eof => break,
            _ => {}
        }
    }
    let [root] = &mut open[..] else { return None };
    root.children.pop()
}

fn element(start: &BytesStart<'_>) -> Option<Element> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        element.attributes.push((attribute.key.as_ref().to_owned(), attribute.value.into_owned()));
    }
    Some(element)
}

/// Appends the element's text to `out`.
pub(super) fn write(element: &Element, out: &mut String) {
    out.push('<');
    out.push_str(&element.name);
    for (name, value) in &element.attributes {
        let quote = if value.contains('"') { '\'' } else { '"' };
        out.extend([" ", name, "="]);
        out.push(quote);
        out.push_str(value);
        out.push(quote);
    }
    if element.children.is_empty() && element.text.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    out.push_str(&element.text);
    for child in &element.children {
        write(child, out);
    }
    out.extend(["</", &element.name, ">"]);
    // Positions in errors have lines.
    if element.name == "layer" {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives() {
        let document = "<net a=\"1 &amp; 2\"><layers><layer id='\"'/><layer>t</layer>\n</layers></net>";
        let tree = parse(&format!("<?xml version=\"1.0\"?>\n<!-- c -->{document}")).unwrap();
        let mut written = String::new();
        write(&tree, &mut written);
        assert_eq!(written, document);
        assert_eq!(parse("<a><b></a>"), None);
        assert_eq!(parse(&"<a>".repeat(100)), None);
    }
}

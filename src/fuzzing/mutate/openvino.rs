//! Mutations of OpenVINO IR: dims, ports, ids, edges, element types, attributes, layers, bodies and their port maps.

use super::choice::{number, vary, word};
use super::xml::{self, Element};
use arbitrary::{Result, Unstructured};

/// Element types, as `element_type` has them.
const TYPES: &[&str] = &[
    "f32",
    "f16",
    "bf16",
    "f64",
    "i64",
    "i32",
    "i8",
    "u8",
    "u4",
    "i4",
    "boolean",
    "nf4",
    "string",
    "dynamic",
    "u1",
    "f8e4m3",
    "undefined",
    "f31",
    "",
];

/// Element types, as `precision` has them.
const PRECISIONS: &[&str] =
    &["FP32", "FP16", "BF16", "I64", "I32", "I8", "U8", "I4", "BOOL", "FP64", "UNSPECIFIED", "x"];

/// Attributes whose values are element types.
const TYPED: &[&str] = &["element_type", "precision", "destination_type", "output_type"];

/// Attributes whose values are ids of layers or ports.
const IDS: &[&str] = &[
    "id",
    "from-layer",
    "from-port",
    "to-layer",
    "to-port",
    "internal_layer_id",
    "internal_port_id",
    "external_port_id",
];

/// Types of layers with one input, which fit on any edge, with an attribute that they need.
const ON_EDGE: &[(&str, Option<(&str, &str)>)] = &[
    ("Relu", None),
    ("Sigmoid", None),
    ("Exp", None),
    ("ShapeOf", None),
    ("Abs", None),
    ("ReadValue", None),
    ("Softmax", Some(("axis", "1"))),
    ("Convert", Some(("destination_type", "f16"))),
    ("Convert", Some(("destination_type", "i4"))),
];

/// The type of a layer that nothing reads.
const AT_END: &str = "Result";

/// Elements that hold a graph.
const BODIES: &[&str] = &["body", "then_body", "else_body"];

/// A mutant of an IR.
pub(super) fn mutant(file: &[u8], changes: u8, u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    let Some(mut net) = std::str::from_utf8(file).ok().and_then(xml::parse) else { return Ok(None) };
    for _ in 0..changes {
        change(&mut net, u)?;
    }
    let mut text = "<?xml version=\"1.0\"?>\n".to_owned();
    xml::write(&net, &mut text);
    Ok(Some(text.into_bytes()))
}

fn change(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=19u8)? {
        0 => dim(net, u),
        1 => rank(net, u),
        2 | 3 => sized(net, u),
        4 => element_type(net, u),
        5..=7 => attribute(net, u),
        8 => attributes(net, u),
        9 => id(net, u),
        10 => edge(net, u),
        11 => layers(net, u),
        12 | 13 => layer_type(net, u),
        14 => insert(net, u),
        15 => bypass(net, u),
        16 => port_map(net, u),
        17 => body(net, u),
        18 => ports(net, u),
        _ => name(net, u),
    }
}

/// An element with the property, any of them.
fn any<'a>(
    net: &'a mut Element,
    u: &mut Unstructured<'_>,
    has: &dyn Fn(&Element) -> bool,
) -> Result<Option<&'a mut Element>> {
    let count = net.count(has);
    if count == 0 {
        return Ok(None);
    }
    let mut left = u.choose_index(count)?;
    Ok(net.nth(has, &mut left))
}

/// An element of this name, any of them.
fn named<'a>(net: &'a mut Element, u: &mut Unstructured<'_>, name: &str) -> Result<Option<&'a mut Element>> {
    any(net, u, &|element| element.name == name)
}

/// A copy of any element of this name.
fn copied(net: &mut Element, u: &mut Unstructured<'_>, name: &str) -> Result<Option<Element>> {
    Ok(named(net, u, name)?.map(|found| found.clone()))
}

/// A declared dim of a port.
fn dim(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(dim) = named(net, u, "dim")? else { return Ok(()) };
    dim.text = word(u, &dim.text)?;
    Ok(())
}

/// The number or order of a port's dims.
fn rank(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(port) = any(net, u, &|element| element.children.iter().any(|child| child.name == "dim"))? else {
        return Ok(());
    };
    vary(u, &mut port.children, |dim, u| {
        dim.text = word(u, &dim.text)?;
        Ok(())
    })
}

/// The shape of a parameter or a constant; a constant's bytes follow it, or do not.
fn sized(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(data) = any(net, u, &|element| element.name == "data" && element.get("shape").is_some())? else {
        return Ok(());
    };
    let old = data.get("shape").unwrap_or_default().to_owned();
    let new = word(u, &old)?;
    let elements = |shape: &str| {
        let mut dims = shape.split(',').map(|dim| dim.trim().parse::<u64>().ok());
        dims.try_fold(1_u64, |elements, dim| elements.checked_mul(dim?))
    };
    let size = data.get("size").and_then(|size| size.parse::<u64>().ok());
    if let (Some(size), Some(before), Some(after), true) =
        (size, elements(&old), elements(&new), u.ratio(3, 4)?)
    {
        data.set("size", (size / before.max(1)).saturating_mul(after).to_string());
    }
    data.set("shape", new);
    Ok(())
}

fn element_type(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let is_typed =
        |element: &Element| element.attributes.iter().any(|(name, _)| TYPED.contains(&name.as_str()));
    let Some(element) = any(net, u, &is_typed)? else { return Ok(()) };
    let (new, precision) = (*u.choose(TYPES)?, *u.choose(PRECISIONS)?);
    let own = element.attributes.iter_mut().filter(|(name, _)| TYPED.contains(&name.as_str()));
    own.for_each(|(name, value)| *value = if name == "precision" { precision } else { new }.to_owned());
    Ok(())
}

/// The value of an attribute of an operator: changed, or that of another layer's attribute of the same name.
fn attribute(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(other) = copied(net, u, "data")? else { return Ok(()) };
    let Some(data) = named(net, u, "data")? else { return Ok(()) };
    if data.attributes.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(data.attributes.len())?;
    let (name, value) = &mut data.attributes[at];
    *value = match other.get(name) {
        Some(other) if u.ratio(1, 4)? => other.to_owned(),
        _ => word(u, value)?,
    };
    Ok(())
}

/// The list of an operator's attributes: one missing, twice, under another name, or of another operator.
fn attributes(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(other) = copied(net, u, "data")? else { return Ok(()) };
    let Some(data) = named(net, u, "data")? else { return Ok(()) };
    match u.int_in_range(0..=2u8)? {
        0 => data.attributes.extend(other.attributes),
        1 => *data = other,
        _ => vary(u, &mut data.attributes, |(name, _), _| {
            name.push('s');
            Ok(())
        })?,
    }
    Ok(())
}

/// The id of a layer or a port, where it is declared or where it is referred to.
fn id(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let has_id = |element: &Element| element.attributes.iter().any(|(name, _)| IDS.contains(&name.as_str()));
    let Some(element) = any(net, u, &has_id)? else { return Ok(()) };
    let ids: Vec<usize> = (0..element.attributes.len())
        .filter(|&at| IDS.contains(&element.attributes[at].0.as_str()))
        .collect();
    let at = *u.choose(&ids)?;
    let value = &mut element.attributes[at].1;
    *value = number(u, value.parse().unwrap_or(0))?.to_string();
    Ok(())
}

/// Where an edge starts, or the list of edges.
fn edge(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(edges) = any(net, u, &|element| element.name == "edges" && !element.children.is_empty())? else {
        return Ok(());
    };
    let other = u.choose(&edges.children)?.clone();
    let ends = if u.ratio(3, 4)? { ["from-layer", "from-port"] } else { ["to-layer", "to-port"] };
    vary(u, &mut edges.children, |edge, _| {
        for end in ends {
            edge.set(end, other.get(end).unwrap_or_default());
        }
        Ok(())
    })
}

/// The list of layers: one removed, twice, or elsewhere; with the id of its own, or a new one.
fn layers(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(graph) = any(net, u, &is_graph)? else { return Ok(()) };
    let new = next_id(graph);
    let Some(layers) = graph.child("layers") else { return Ok(()) };
    let before = layers.children.len();
    vary(u, &mut layers.children, |layer, _| {
        layer.set("id", new.to_string());
        Ok(())
    })?;
    let grown = layers.children.len() > before;
    if let (true, Some(last), true) = (grown, layers.children.last_mut(), u.ratio(1, 2)?) {
        last.set("id", new.to_string());
    }
    Ok(())
}

/// The type of a layer: that of another layer of the file; with its attributes, or without.
fn layer_type(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(mut other) = copied(net, u, "layer")? else { return Ok(()) };
    let Some(layer) = named(net, u, "layer")? else { return Ok(()) };
    for name in ["type", "version"] {
        layer.set(name, other.get(name).unwrap_or_default());
    }
    if u.ratio(1, 2)? {
        layer.children.retain(|child| child.name != "data");
        if let Some(data) = other.child("data") {
            layer.children.insert(0, data.clone());
        }
    }
    Ok(())
}

/// A layer with one input on an edge, or as one more reader of where it starts.
fn insert(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(graph) = any(net, u, &is_graph)? else { return Ok(()) };
    let new = next_id(graph).to_string();
    let on_edge = u.ratio(3, 4)?;
    let (type_name, data) = if on_edge || u.ratio(1, 2)? { *u.choose(ON_EDGE)? } else { (AT_END, None) };
    let has_output = type_name != AT_END;
    let Some(edges) = graph.child("edges").filter(|edges| !edges.children.is_empty()) else { return Ok(()) };
    let at = u.choose_index(edges.children.len())?;
    let mut before = edges.children[at].clone();
    before.set("to-layer", new.as_str());
    before.set("to-port", "0");
    if on_edge {
        edges.children[at].set("from-layer", new.as_str());
        edges.children[at].set("from-port", "1");
    }
    edges.children.push(before);
    let mut layer = Element::new(
        "layer",
        &[("id", &new), ("name", &format!("new{new}")), ("type", type_name), ("version", "opset1")],
    );
    layer.children.extend(data.map(|attribute| Element::new("data", &[attribute])));
    let port = |side, id| {
        let mut side = Element::new(side, &[]);
        side.children.push(Element::new("port", &[("id", id), ("precision", "FP32")]));
        side
    };
    layer.children.push(port("input", "0"));
    if has_output {
        layer.children.push(port("output", "1"));
    }
    let Some(layers) = graph.child("layers") else { return Ok(()) };
    layers.children.push(layer);
    Ok(())
}

/// Readers of a layer read what the layer reads.
fn bypass(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(edges) = any(net, u, &|element| element.name == "edges" && !element.children.is_empty())? else {
        return Ok(());
    };
    let into = u.choose(&edges.children)?.clone();
    let Some(layer) = into.get("to-layer") else { return Ok(()) };
    for edge in edges.children.iter_mut().filter(|edge| edge.get("from-layer") == Some(layer)) {
        for end in ["from-layer", "from-port"] {
            edge.set(end, into.get(end).unwrap_or_default());
        }
    }
    Ok(())
}

/// What a body's inputs and outputs are connected to.
fn port_map(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let is_map = |element: &Element| element.name.ends_with("port_map") || element.name == "back_edges";
    let Some(map) = any(net, u, &is_map)? else { return Ok(()) };
    vary(u, &mut map.children, |entry, u| {
        if u.ratio(1, 4)? {
            let name = *u.choose(&["axis", "start", "end", "stride", "part_size", "purpose"])?;
            entry.set(name, number(u, 1)?.to_string());
            return Ok(());
        }
        vary(u, &mut entry.attributes, |(_, value), u| {
            *value = word(u, value)?;
            Ok(())
        })
    })
}

/// A body: removed, replaced by another one of the file or by the graph around it, or given a layer from elsewhere.
fn body(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let other = any(net, u, &|element| BODIES.contains(&element.name.as_str()))?.map(|found| found.clone());
    let (Some(other), Some(layer)) = (other, copied(net, u, "layer")?) else { return Ok(()) };
    let choice = u.int_in_range(0..=3u8)?;
    if choice == 0 {
        let has_body =
            |element: &Element| element.children.iter().any(|child| BODIES.contains(&child.name.as_str()));
        let Some(owner) = any(net, u, &has_body)? else { return Ok(()) };
        owner.children.retain(|child| !BODIES.contains(&child.name.as_str()));
        return Ok(());
    }
    let Some(body) = any(net, u, &|element| BODIES.contains(&element.name.as_str()))? else { return Ok(()) };
    match choice {
        1 => body.children.clone_from(&other.children),
        2 => body.child("layers").into_iter().for_each(|layers| layers.children.push(layer.clone())),
        _ => body.child("edges").into_iter().for_each(|edges| edges.children.clear()),
    }
    Ok(())
}

/// The ports of a layer: one missing, twice, or elsewhere.
fn ports(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let has_ports = |element: &Element| element.children.iter().any(|child| child.name == "port");
    let Some(side) = any(net, u, &has_ports)? else { return Ok(()) };
    let new = side.children.len() + 10;
    vary(u, &mut side.children, |port, _| {
        port.set("id", new.to_string());
        Ok(())
    })
}

/// The name of a layer: that of another one, an empty one, or a long one.
fn name(net: &mut Element, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(other) = copied(net, u, "layer")? else { return Ok(()) };
    let Some(layer) = named(net, u, "layer")? else { return Ok(()) };
    let old = layer.get("name").unwrap_or_default();
    let new = match u.int_in_range(0..=3u8)? {
        0 => String::new(),
        1 => old.repeat(200),
        2 => format!("{old}\u{e9}&amp;&#10;"),
        _ => other.get("name").unwrap_or_default().to_owned(),
    };
    layer.set("name", new);
    Ok(())
}

/// Whether layers are directly in it.
fn is_graph(element: &Element) -> bool {
    element.children.iter().any(|child| child.name == "layers" && !child.children.is_empty())
}

/// An id that no layer of the graph has.
fn next_id(graph: &mut Element) -> i64 {
    let layers = graph.child("layers").map(|layers| &layers.children[..]).unwrap_or_default();
    let ids = layers.iter().filter_map(|layer| layer.get("id")?.parse::<i64>().ok());
    ids.max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::openvino::parse;

    const CONTROL_FLOW: &[u8] = include_bytes!("../../../tests/ir/control-flow.xml");

    fn read(document: &[u8]) -> bool {
        parse(document, "m.xml".as_ref()).is_ok()
    }

    #[test]
    fn every_change_makes_mutants_and_some_are_models() {
        let net = xml::parse(std::str::from_utf8(CONTROL_FLOW).unwrap()).unwrap();
        for kind in 0..=19 {
            let (mut changed, mut models) = (0, 0);
            for seed in 0..60 {
                // The first byte is the kind of change.
                let mut bytes = super::super::choices(seed);
                bytes[0] = kind;
                let mut mutant = net.clone();
                change(&mut mutant, &mut Unstructured::new(&bytes)).unwrap();
                let mut text = String::new();
                xml::write(&mutant, &mut text);
                changed += usize::from(mutant != net);
                models += usize::from(mutant != net && read(text.as_bytes()));
            }
            assert!(changed > 10, "change {kind}: {changed}");
            assert!(models > 0 || kind == 18, "change {kind}: none of {changed} mutants is a model");
        }
    }
}

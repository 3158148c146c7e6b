//! Mutations of ONNX models: nodes, names, attributes, initializers, declared shapes, bodies, functions, operator sets.

use super::choice::{number, vary, word};
use crate::formats::onnx::proto::tensor_shape_proto::Dimension;
use crate::formats::onnx::proto::tensor_shape_proto::dimension::Value as DimValue;
use crate::formats::onnx::proto::type_proto::Value as TypeValue;
use crate::formats::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto,
};
use arbitrary::{Result, Unstructured};
use prost::Message;
use prost::bytes::Bytes;

/// Operators with one input that keep its shape, which fit between any two nodes.
const ONE_INPUT: &[&str] =
    &["Relu", "Sigmoid", "Identity", "Shape", "Softmax", "Flatten", "NonZero", "Size", "Erf", "Cast"];

/// A mutant of an ONNX model.
pub(super) fn mutant(file: &[u8], changes: u8, u: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
    let Ok(mut model) = ModelProto::decode(Bytes::copy_from_slice(file)) else { return Ok(None) };
    for _ in 0..changes {
        change(&mut model, u)?;
    }
    Ok(Some(model.encode_to_vec()))
}

fn change(model: &mut ModelProto, u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=39u8)? {
        0 => return opsets(model, u),
        1 => return function(model, u),
        _ => {}
    }
    let Some(main) = &mut model.graph else { return Ok(()) };
    let donor = any_node(main, u)?;
    let count = bodies(main);
    // Bodies are few and small, and have the rules that are least alike.
    let at = if count > 1 && u.ratio(1, 2)? { u.choose_index(count)? } else { 0 };
    let mut left = at;
    let Some(graph) = nth_body(main, &mut left) else { return Ok(()) };
    match u.int_in_range(0..=23u8)? {
        0..=2 => declared(graph, u),
        3..=6 => initializer(graph, u),
        7 => vary(u, &mut graph.node, |node, u| word_of(&mut node.name, u)),
        8 | 9 => operator(graph, donor, u),
        10..=12 => wiring(graph, u),
        13..=16 => attribute(graph, u),
        17 => attributes(graph, donor, u),
        18 | 19 => insert(graph, u),
        20 => bypass(graph, u),
        21 => interface(graph, u),
        22 => body(graph, donor, u),
        _ => vary(u, &mut graph.node, |node, _| {
            node.output.push(Bytes::from_static(b"new"));
            Ok(())
        }),
    }
}

/// Graphs: this one and the bodies in it.
fn bodies(graph: &GraphProto) -> usize {
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    1 + attributes.filter_map(|attribute| attribute.g.as_deref()).map(bodies).sum::<usize>()
}

fn nth_body<'a>(graph: &'a mut GraphProto, left: &mut usize) -> Option<&'a mut GraphProto> {
    if *left == 0 {
        return Some(graph);
    }
    *left -= 1;
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    attributes.filter_map(|attribute| attribute.g.as_deref_mut()).find_map(|body| nth_body(body, left))
}

fn any_node(graph: &GraphProto, u: &mut Unstructured<'_>) -> Result<NodeProto> {
    if graph.node.is_empty() {
        return Ok(NodeProto::default());
    }
    Ok(u.choose(&graph.node)?.clone())
}

/// Every name of a tensor that a graph defines, and the name of none.
fn tensors(graph: &GraphProto) -> Vec<Bytes> {
    let mut names = vec![Bytes::new()];
    names.extend(graph.input.iter().map(|input| input.name.clone()));
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.clone()));
    names.extend(graph.node.iter().flat_map(|node| &node.output).cloned());
    names
}

fn word_of(text: &mut Bytes, u: &mut Unstructured<'_>) -> Result<()> {
    *text = word(u, &String::from_utf8_lossy(text))?.into_bytes().into();
    Ok(())
}

/// Versions of operator sets, domains, and the version of the format.
fn opsets(model: &mut ModelProto, u: &mut Unstructured<'_>) -> Result<()> {
    if u.ratio(1, 4)? {
        model.ir_version = number(u, model.ir_version)?;
        return Ok(());
    }
    vary(u, &mut model.opset_import, |set, u| {
        set.version = if u.ratio(3, 4)? { u.int_in_range(1..=24)? } else { number(u, set.version)? };
        Ok(())
    })
}

/// A function of the model: its names, its nodes; or one made of a node, which may call itself.
fn function(model: &mut ModelProto, u: &mut Unstructured<'_>) -> Result<()> {
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let donor = any_node(graph, u)?;
    if model.functions.is_empty() || u.ratio(1, 4)? {
        let called = crate::formats::onnx::proto::FunctionProto {
            name: donor.op_type.clone(),
            domain: donor.domain.clone(),
            input: donor.input.clone(),
            output: donor.output.clone(),
            opset_import: model.opset_import.clone(),
            node: vec![if u.ratio(1, 2)? { any_node(graph, u)? } else { donor }],
            ..Default::default()
        };
        model.functions.push(called);
        return Ok(());
    }
    vary(u, &mut model.functions, |function, u| match u.int_in_range(0..=4u8)? {
        0 => vary(u, &mut function.input, |_, _| Ok(())),
        1 => vary(u, &mut function.output, |_, _| Ok(())),
        2 => vary(u, &mut function.attribute, word_of),
        3 => word_of(&mut function.name, u),
        _ => vary(u, &mut function.node, |node, u| match u.ratio(1, 2)? {
            true => vary(u, &mut node.attribute, attribute_value),
            false => vary(u, &mut node.input, |_, _| Ok(())),
        }),
    })
}

/// The declared type of an input, an output or a tensor within.
fn declared(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    let list = match u.int_in_range(0..=3u8)? {
        0 | 1 => &mut graph.input,
        2 => &mut graph.output,
        _ => &mut graph.value_info,
    };
    if list.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(list.len())?;
    let Some(own) = &mut list[at].r#type else {
        list[at].r#type = Some(TypeProto::default());
        return Ok(());
    };
    own_type(own, u)
}

fn own_type(own: &mut TypeProto, u: &mut Unstructured<'_>) -> Result<()> {
    match &mut own.value {
        Some(TypeValue::TensorType(tensor)) => {
            if u.ratio(1, 5)? {
                tensor.elem_type = u.int_in_range(-1..=29)?;
                return Ok(());
            }
            let Some(shape) = &mut tensor.shape else {
                tensor.shape = Some(Default::default());
                return Ok(());
            };
            if u.ratio(1, 10)? {
                tensor.shape = None;
                return Ok(());
            }
            let other = if shape.dim.is_empty() { None } else { u.choose(&shape.dim)?.value.clone() };
            vary(u, &mut shape.dim, |dim, u| changed_dim(dim, other, u))
        }
        Some(TypeValue::SequenceType(of)) => match of.elem_type.as_deref_mut() {
            Some(of) => own_type(of, u),
            None => Ok(()),
        },
        Some(TypeValue::OptionalType(of)) => match of.elem_type.as_deref_mut() {
            Some(of) => own_type(of, u),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn changed_dim(dim: &mut Dimension, other: Option<DimValue>, u: &mut Unstructured<'_>) -> Result<()> {
    dim.value = match &dim.value {
        Some(DimValue::DimValue(old)) if u.ratio(3, 4)? => Some(DimValue::DimValue(number(u, *old)?)),
        _ => match u.int_in_range(0..=3u8)? {
            0 => None,
            1 => Some(DimValue::DimParam(Bytes::from_static(b"free"))),
            2 => other,
            _ => Some(DimValue::DimValue(number(u, 1)?)),
        },
    };
    Ok(())
}

/// An initializer: dims, type, values, place of its data, or the list of them.
fn initializer(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    vary(u, &mut graph.initializer, changed_tensor)
}

fn changed_tensor(tensor: &mut TensorProto, u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=9u8)? {
        0..=2 => vary(u, &mut tensor.dims, |dim, u| {
            *dim = number(u, *dim)?;
            Ok(())
        }),
        3 => {
            tensor.data_type = u.int_in_range(-1..=29)?;
            Ok(())
        }
        4 => {
            tensor.raw_data = Bytes::new();
            Ok(())
        }
        5 => vary(u, &mut tensor.external_data, |entry, u| word_of(&mut entry.value, u)),
        6 => {
            tensor.data_location = u.int_in_range(0..=2)?;
            Ok(())
        }
        // Values of 64 bits, which shapes and axes have.
        _ => {
            let mut raw = tensor.raw_data.to_vec();
            let count = raw.len() / 8;
            if count > 0 {
                let at = u.choose_index(count)? * 8;
                let old = raw[at..at + 8].try_into().map_or(0, i64::from_le_bytes);
                raw[at..at + 8].copy_from_slice(&number(u, old)?.to_le_bytes());
            }
            tensor.raw_data = raw.into();
            Ok(())
        }
    }
}

/// The operator of a node: that of another one, or one that does not exist.
fn operator(graph: &mut GraphProto, donor: NodeProto, u: &mut Unstructured<'_>) -> Result<()> {
    vary(u, &mut graph.node, |node, u| match u.int_in_range(0..=4u8)? {
        0 => word_of(&mut node.op_type, u),
        1 => word_of(&mut node.domain, u),
        choice => {
            (node.op_type, node.domain) = (donor.op_type, donor.domain);
            if choice == 2 {
                node.attribute = donor.attribute;
            }
            Ok(())
        }
    })
}

/// What a node reads or writes.
fn wiring(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    let names = tensors(graph);
    vary(u, &mut graph.node, |node, u| {
        let other = u.choose(&names)?.clone();
        match u.int_in_range(0..=9u8)? {
            0 => node.input.push(other),
            1 => {
                return vary(u, &mut node.output, |own, _| {
                    *own = other;
                    Ok(())
                });
            }
            _ => {
                return vary(u, &mut node.input, |own, _| {
                    *own = other;
                    Ok(())
                });
            }
        }
        Ok(())
    })
}

/// The value of a node's attribute.
fn attribute(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    let with: Vec<usize> = (0..graph.node.len()).filter(|&at| !graph.node[at].attribute.is_empty()).collect();
    if with.is_empty() {
        return Ok(());
    }
    let node = &mut graph.node[*u.choose(&with)?];
    let at = u.choose_index(node.attribute.len())?;
    attribute_value(&mut node.attribute[at], u)
}

fn attribute_value(attribute: &mut AttributeProto, u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=11u8)? {
        // Another type than that of the value.
        0 => attribute.r#type = u.int_in_range(-1..=15)?,
        1 => word_of(&mut attribute.name, u)?,
        2 => attribute.ref_attr_name = attribute.name.clone(),
        _ => match attribute {
            AttributeProto { t: Some(tensor), .. } => return changed_tensor(tensor, u),
            AttributeProto { ints, .. } if !ints.is_empty() => {
                return vary(u, ints, |value, u| {
                    *value = number(u, *value)?;
                    Ok(())
                });
            }
            AttributeProto { s, .. } if !s.is_empty() => return word_of(s, u),
            AttributeProto { i, f, .. } => {
                *i = number(u, *i)?;
                *f = *u.choose(&[0.0, 1.0, -1.0, f32::MAX, f32::NAN])?;
            }
        },
    }
    Ok(())
}

/// The list of a node's attributes: one missing, twice, or of another node.
fn attributes(graph: &mut GraphProto, donor: NodeProto, u: &mut Unstructured<'_>) -> Result<()> {
    if graph.node.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(graph.node.len())?;
    if u.ratio(1, 3)? {
        graph.node[at].attribute.extend(donor.attribute);
        return Ok(());
    }
    vary(u, &mut graph.node[at].attribute, attribute_value)
}

/// A node with one input before an input of another one, or as one more output of the graph.
fn insert(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    if graph.node.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(graph.node.len())?;
    let reader = &mut graph.node[at];
    if reader.input.is_empty() {
        return Ok(());
    }
    let port = u.choose_index(reader.input.len())?;
    let name = Bytes::from(format!("new{at}_{port}"));
    let read = reader.input[port].clone();
    if u.ratio(3, 4)? {
        reader.input[port] = name.clone();
    } else {
        graph.output.push(ValueInfoProto { name: name.clone(), r#type: None });
    }
    let op_type = Bytes::from_static(u.choose(ONE_INPUT)?.as_bytes());
    let node = NodeProto { op_type, input: vec![read], output: vec![name], ..NodeProto::default() };
    graph.node.insert(at, node);
    Ok(())
}

/// Readers of a node's output read its input.
fn bypass(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    let node = any_node(graph, u)?;
    let (Some(read), Some(written)) = (node.input.first(), node.output.first()) else { return Ok(()) };
    let inputs = graph.node.iter_mut().flat_map(|node| &mut node.input);
    inputs.filter(|input| *input == written).for_each(|input| *input = read.clone());
    Ok(())
}

/// Inputs and outputs of a graph: one missing, twice, elsewhere, or another tensor.
fn interface(graph: &mut GraphProto, u: &mut Unstructured<'_>) -> Result<()> {
    let other = u.choose(&tensors(graph))?.clone();
    let list = if u.ratio(1, 3)? { &mut graph.input } else { &mut graph.output };
    vary(u, list, |own, _| {
        own.name = other;
        Ok(())
    })
}

/// A body: given an input, a node of the graph around it, or the body of another operator; or a node gets one.
fn body(graph: &mut GraphProto, donor: NodeProto, u: &mut Unstructured<'_>) -> Result<()> {
    if u.ratio(1, 3)? {
        graph.node.push(donor);
        return Ok(());
    }
    let with: Vec<usize> = (0..graph.node.len()).filter(|&at| bodies_of(&graph.node[at]) > 0).collect();
    if with.is_empty() {
        return Ok(());
    }
    let other = graph.node[*u.choose(&with)?].attribute.clone();
    let others = other.into_iter().filter_map(|attribute| attribute.g);
    let node = &mut graph.node[*u.choose(&with)?];
    let own = node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut());
    for (body, other) in own.zip(others) {
        match u.int_in_range(0..=3u8)? {
            0 => body.input.push(ValueInfoProto { name: Bytes::from_static(b"more"), r#type: None }),
            1 => body.node.clear(),
            2 => *body = *other,
            _ => body.node.push(donor.clone()),
        }
    }
    Ok(())
}

fn bodies_of(node: &NodeProto) -> usize {
    node.attribute.iter().filter(|attribute| attribute.g.is_some()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x -> Relu -> y -> Add(y, c) -> z, with a constant of two 64-bit numbers.
    fn model() -> ModelProto {
        let node = |op_type: &'static str, input: &[&'static str], output: &'static str| NodeProto {
            op_type: Bytes::from_static(op_type.as_bytes()),
            input: input.iter().map(|name| Bytes::from_static(name.as_bytes())).collect(),
            output: vec![Bytes::from_static(output.as_bytes())],
            ..NodeProto::default()
        };
        let value =
            |name: &'static str| ValueInfoProto { name: Bytes::from_static(name.as_bytes()), r#type: None };
        let constant = TensorProto {
            dims: vec![2],
            data_type: 7,
            name: Bytes::from_static(b"c"),
            raw_data: Bytes::from_static(&[1; 16]),
            ..TensorProto::default()
        };
        let graph = GraphProto {
            node: vec![node("Relu", &["x"], "y"), node("Add", &["y", "c"], "z")],
            initializer: vec![constant],
            input: vec![value("x")],
            output: vec![value("z")],
            ..GraphProto::default()
        };
        ModelProto {
            ir_version: 10,
            graph: Some(graph),
            opset_import: vec![Default::default()],
            ..Default::default()
        }
    }

    #[test]
    fn most_choices_change_the_model() {
        let file = model().encode_to_vec();
        let of =
            |seed| mutant(&file, 2, &mut Unstructured::new(&super::super::choices(seed))).unwrap().unwrap();
        let distinct: std::collections::BTreeSet<Vec<u8>> = (0..300).map(of).collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
        assert!(distinct.iter().all(|mutant| ModelProto::decode(&mutant[..]).is_ok()));
    }

    #[test]
    fn bodies_are_found() {
        let mut main = model().graph.unwrap();
        let branch = AttributeProto { g: Some(Box::new(main.clone())), ..AttributeProto::default() };
        main.node[0].attribute = vec![branch.clone(), branch];
        assert_eq!(bodies(&main), 3);
        assert_eq!(nth_body(&mut main, &mut 2).map(|body| body.node.len()), Some(2));
        assert!(nth_body(&mut main, &mut 3).is_none());
    }
}

//! Functions of a model: what a name means in a call, and the nodes of the function in the call's place.
//!
//! A function has operator sets, names and attributes of its own. Its formal inputs and outputs represent the caller's
//! tensors; all else in it is put behind a prefix that no other call has, so that names stay unique.

use super::proto::{AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto};
use super::source::text;
use crate::error::Result;
use crate::formats::limits;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::borrow::Cow;

/// What names and attributes mean at a node.
#[derive(Debug)]
pub(super) struct Scope<'s, 'm> {
    opsets: SmallVec<[(&'m str, i64); 4]>,
    frame: Option<Frame<'s, 'm>>,
}

/// A call of a function, as its nodes see it.
#[derive(Debug)]
pub(super) struct Call<'s, 'm> {
    pub scope: Scope<'s, 'm>,
    /// Inputs that the function returns unchanged, and the names of the outputs that they become.
    pub handed_through: Vec<(Cow<'m, str>, Cow<'m, str>)>,
}

/// What a call adds to the caller's scope.
#[derive(Debug)]
struct Frame<'s, 'm> {
    /// Its formal inputs and outputs, and what they represent outside.
    names: FxHashMap<&'m str, Cow<'m, str>>,
    /// In front of all other names of its tensors.
    tensors: String,
    /// In front of the names of its nodes.
    nodes: String,
    attributes: SmallVec<[(&'m str, &'m AttributeProto); 8]>,
    caller: &'s Scope<'s, 'm>,
}

impl<'m> Scope<'_, 'm> {
    /// What holds outside of all calls.
    pub(super) fn of_model(imports: &'m [OperatorSetIdProto]) -> Result<Self> {
        Ok(Scope { opsets: opsets(imports)?, frame: None })
    }

    /// The version of an operator set; 1 where it is not imported, as older files leave it out.
    pub(super) fn version(&self, domain: &str) -> i64 {
        self.opsets.iter().find(|(own, _)| *own == domain).map_or(1, |&(_, version)| version)
    }

    pub(super) fn tensor(&self, name: &'m str) -> Cow<'m, str> {
        match &self.frame {
            Some(frame) if !name.is_empty() => match frame.names.get(name) {
                Some(outside) => outside.clone(),
                None => Cow::Owned(format!("{}/{name}", frame.tensors)),
            },
            _ => Cow::Borrowed(name),
        }
    }

    pub(super) fn node(&self, name: &'m str) -> Cow<'m, str> {
        match &self.frame {
            Some(frame) => Cow::Owned(format!("{}/{name}", frame.nodes)),
            None => Cow::Borrowed(name),
        }
    }

    /// The attributes of a node; those that name one of the function's are the caller's, or left out.
    pub(super) fn attributes(
        &self,
        node: &'m NodeProto,
    ) -> Result<SmallVec<[(&'m str, &'m AttributeProto); 8]>> {
        let mut attributes = SmallVec::new();
        if node.attribute.len() > limits::MAX_ATTRIBUTES {
            let count = node.attribute.len();
            return Err(limits::exceeded("attributes of one node", count, limits::MAX_ATTRIBUTES));
        }
        for attribute in &node.attribute {
            let name = text(&attribute.name)?;
            if attribute.ref_attr_name.is_empty() {
                attributes.push((name, attribute));
            } else if let Some(frame) = &self.frame {
                let wanted = text(&attribute.ref_attr_name)?;
                let found = frame.attributes.iter().find(|(own, _)| *own == wanted);
                attributes.extend(found.map(|&(_, found)| (name, found)));
            }
        }
        Ok(attributes)
    }

    /// What holds within a call of `function` by `node`, whose own nodes are put behind `name`.
    pub(super) fn enter<'s>(
        &'s self,
        node: &'m NodeProto,
        function: &'m FunctionProto,
        name: String,
    ) -> Result<Call<'s, 'm>> {
        let depth = self.depth() + 1;
        if depth > limits::MAX_FUNCTION_DEPTH {
            return Err(limits::exceeded("functions within functions", depth, limits::MAX_FUNCTION_DEPTH)
                .note("a function of ONNX may not call itself, directly or not"));
        }
        if function.attribute_proto.len() > limits::MAX_ATTRIBUTES {
            let count = function.attribute_proto.len();
            return Err(limits::exceeded("attributes of one function", count, limits::MAX_ATTRIBUTES));
        }
        let mut names = FxHashMap::default();
        for (index, formal) in function.input.iter().enumerate() {
            let actual = node.input.get(index).map(|actual| text(actual)).transpose()?.unwrap_or_default();
            names.insert(text(formal)?, self.tensor(actual));
        }
        let mut handed_through = Vec::new();
        for (formal, actual) in function.output.iter().zip(&node.output) {
            let (formal, actual) = (text(formal)?, self.tensor(text(actual)?));
            if actual.is_empty() {
                continue;
            }
            match names.get(formal) {
                Some(input) => handed_through.push((input.clone(), actual)),
                None => drop(names.insert(formal, actual)),
            }
        }
        let mut attributes = self.attributes(node)?;
        for default in &function.attribute_proto {
            let name = text(&default.name)?;
            if !attributes.iter().any(|(own, _)| *own == name) {
                attributes.push((name, default));
            }
        }
        let first = node.output.iter().find(|output| !output.is_empty()).map(|output| text(output));
        // Calls that end in the same tensor are nested, and none is of a function that another is of.
        let first = self.tensor(first.transpose()?.unwrap_or_default());
        let tensors = format!("{first}/{}", text(&function.name)?);
        // A function that leaves its operator sets out uses the model's.
        let opsets = match opsets(&function.opset_import)? {
            own if own.is_empty() => self.opsets.clone(),
            own => own,
        };
        let frame = Frame { names, tensors, nodes: name, attributes, caller: self };
        Ok(Call { scope: Scope { opsets, frame: Some(frame) }, handed_through })
    }

    /// Calls within calls.
    fn depth(&self) -> usize {
        let mut depth = 0;
        let mut frame = self.frame.as_ref();
        while let Some(inner) = frame {
            depth += 1;
            frame = inner.caller.frame.as_ref();
        }
        depth
    }
}

fn opsets(imports: &[OperatorSetIdProto]) -> Result<SmallVec<[(&str, i64); 4]>> {
    if imports.len() > limits::MAX_OPERATOR_SETS {
        return Err(limits::exceeded("operator sets", imports.len(), limits::MAX_OPERATOR_SETS));
    }
    imports.iter().map(|import| Ok((domain(&import.domain)?, import.version))).collect()
}

/// A domain; the standard one has two names.
pub(super) fn domain(bytes: &[u8]) -> Result<&str> {
    Ok(match text(bytes)? {
        "ai.onnx" => "",
        domain => domain,
    })
}

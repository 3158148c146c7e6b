//! Layer ids, port ids and edges, on their way to tensors.
//!
//! Ids are labels. Layer ids are nearly always dense, and port ids of one side nearly always consecutive; both are
//! looked up by arithmetic then, and in a map otherwise.

use crate::ids::{NodeId, TensorId};
use rustc_hash::FxHashMap;

/// Which tensor each input of each layer reads.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    layers: Vec<Layer>,
    dense_ids: Vec<u32>,
    sparse_ids: FxHashMap<i64, u32>,
    /// (layer, side, label) → port, for sides whose labels are not consecutive.
    odd_labels: FxHashMap<(u32, Side, u32), u32>,
    slots: Vec<Option<TensorId>>,
}

/// The ports of a layer: inputs are slots, outputs are tensors.
#[derive(Clone, Copy, Debug)]
struct Layer {
    node: NodeId,
    inputs: Ports,
    outputs: Ports,
}

/// Ports of one side.
#[derive(Clone, Copy, Debug)]
struct Ports {
    /// First slot or tensor.
    start: u32,
    count: u32,
    /// Label of the first port; `None`: labels are not consecutive.
    first_label: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Input,
    Output,
}

/// One edge as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Id of the layer that is read.
    pub from_layer: i64,
    /// Label of its output.
    pub from_port: u32,
    /// Id of the layer that reads.
    pub to_layer: i64,
    /// Label of its input.
    pub to_port: u32,
}

/// What is wrong with an id or an edge.
#[derive(Debug, thiserror::Error)]
pub(super) enum WiringError {
    #[error("two layers have the id {0}")]
    DuplicateLayer(i64),
    #[error("two ports of one side have the id {0}")]
    DuplicatePort(u32),
    #[error("edge reads from layer {0}, which does not exist")]
    UnknownSource(i64),
    #[error("edge goes to layer {0}, which does not exist")]
    UnknownTarget(i64),
    #[error("edge reads output port {port} of layer {layer}, which has {}", ports("output", *.count, *.first))]
    UnknownOutput { port: u32, layer: i64, count: u32, first: Option<u32> },
    #[error("edge goes to input port {port} of layer {layer}, which has {}", ports("input", *.count, *.first))]
    UnknownInput { port: u32, layer: i64, count: u32, first: Option<u32> },
    #[error("two edges go to input port {port} of layer {layer}")]
    Occupied { port: u32, layer: i64 },
}

fn ports(side: &str, count: u32, first: Option<u32>) -> String {
    match (count, first) {
        (0, _) => format!("no {side}s"),
        (1, Some(first)) => format!("1 {side} (port {first})"),
        (_, Some(first)) => format!("{count} {side}s (the first is port {first})"),
        (_, None) => format!("{count} {side}s"),
    }
}

/// Marks an id that no layer has.
const NO_LAYER: u32 = u32::MAX;

/// Ids so far beyond the number of layers go to the map.
const DENSE_SLACK: usize = 1 << 10;

impl Wiring {
    /// Registers a layer whose outputs are the tensors from `first_tensor` on.
    pub(super) fn add_layer(
        &mut self,
        id: i64,
        node: NodeId,
        input_labels: &[u32],
        output_labels: impl Iterator<Item = u32> + Clone,
        first_tensor: usize,
    ) -> Result<(), WiringError> {
        let layer = self.layers.len() as u32;
        if self.layer(id).is_some() {
            return Err(WiringError::DuplicateLayer(id));
        }
        match usize::try_from(id) {
            Ok(index) if index < self.layers.len() + DENSE_SLACK => {
                if self.dense_ids.len() <= index {
                    self.dense_ids.resize(index + 1, NO_LAYER);
                }
                if let Some(entry) = self.dense_ids.get_mut(index) {
                    *entry = layer;
                }
            }
            _ => {
                self.sparse_ids.insert(id, layer);
            }
        }
        let first_slot = self.slots.len();
        self.slots.resize(first_slot + input_labels.len(), None);
        let inputs = self.ports(layer, Side::Input, input_labels.iter().copied(), first_slot)?;
        let outputs = self.ports(layer, Side::Output, output_labels, first_tensor)?;
        self.layers.push(Layer { node, inputs, outputs });
        Ok(())
    }

    /// Connects the two ports of `edge`.
    pub(super) fn connect(&mut self, edge: Edge) -> Result<(), WiringError> {
        let Edge { from_layer, from_port, to_layer, to_port } = edge;
        let (from, outputs) = self
            .layer(from_layer)
            .map(|(index, layer)| (index, layer.outputs))
            .ok_or(WiringError::UnknownSource(from_layer))?;
        let (to, inputs) = self
            .layer(to_layer)
            .map(|(index, layer)| (index, layer.inputs))
            .ok_or(WiringError::UnknownTarget(to_layer))?;
        let tensor =
            self.resolve(from, Side::Output, outputs, from_port).ok_or(WiringError::UnknownOutput {
                port: from_port,
                layer: from_layer,
                count: outputs.count,
                first: outputs.first_label,
            })?;
        let slot = self.resolve(to, Side::Input, inputs, to_port).ok_or(WiringError::UnknownInput {
            port: to_port,
            layer: to_layer,
            count: inputs.count,
            first: inputs.first_label,
        })?;
        match self.slots.get_mut(slot) {
            Some(slot @ None) => *slot = Some(TensorId::new(tensor)),
            _ => return Err(WiringError::Occupied { port: to_port, layer: to_layer }),
        }
        Ok(())
    }

    /// Every node with what it reads, in the order in which layers were added.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (NodeId, &[Option<TensorId>])> {
        self.layers.iter().map(|layer| {
            let start = layer.inputs.start as usize;
            let slots = self.slots.get(start..start + layer.inputs.count as usize);
            (layer.node, slots.unwrap_or_default())
        })
    }

    fn layer(&self, id: i64) -> Option<(u32, Layer)> {
        let dense = usize::try_from(id).ok().and_then(|index| self.dense_ids.get(index).copied());
        let index = match dense {
            Some(index) if index != NO_LAYER => index,
            _ => *self.sparse_ids.get(&id)?,
        };
        Some((index, *self.layers.get(index as usize)?))
    }

    /// The slot or tensor of a port.
    fn resolve(&self, layer: u32, side: Side, ports: Ports, label: u32) -> Option<usize> {
        let port = match ports.first_label {
            Some(first) => label.checked_sub(first).filter(|port| *port < ports.count)?,
            None => *self.odd_labels.get(&(layer, side, label))?,
        };
        Some((ports.start + port) as usize)
    }

    fn ports(
        &mut self,
        layer: u32,
        side: Side,
        labels: impl Iterator<Item = u32> + Clone,
        start: usize,
    ) -> Result<Ports, WiringError> {
        let first = labels.clone().next().unwrap_or(0);
        let mut count = 0;
        let mut is_consecutive = true;
        for label in labels.clone() {
            is_consecutive &= label.checked_sub(first) == Some(count);
            count += 1;
        }
        if !is_consecutive {
            for (port, label) in labels.enumerate() {
                if self.odd_labels.insert((layer, side, label), port as u32).is_some() {
                    return Err(WiringError::DuplicatePort(label));
                }
            }
        }
        Ok(Ports { start: start as u32, count, first_label: is_consecutive.then_some(first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiring(layers: &[(i64, &[u32], &[u32])]) -> Result<Wiring, WiringError> {
        let mut wiring = Wiring::default();
        let mut tensors = 0;
        for (index, &(id, inputs, outputs)) in layers.iter().enumerate() {
            wiring.add_layer(id, NodeId::new(index), inputs, outputs.iter().copied(), tensors)?;
            tensors += outputs.len();
        }
        Ok(wiring)
    }

    fn edge(from_layer: i64, from_port: u32, to_layer: i64, to_port: u32) -> Edge {
        Edge { from_layer, from_port, to_layer, to_port }
    }

    #[test]
    fn outputs_are_labelled_after_inputs() {
        let mut wiring = wiring(&[(0, &[], &[0]), (1, &[0, 1], &[2, 3]), (2, &[0], &[])]).unwrap();
        wiring.connect(edge(0, 0, 1, 1)).unwrap();
        wiring.connect(edge(1, 3, 2, 0)).unwrap();
        let slots: Vec<_> = wiring.nodes().map(|(_, slots)| slots.to_vec()).collect();
        assert_eq!(slots, [vec![], vec![None, Some(TensorId::new(0))], vec![Some(TensorId::new(2))]]);
    }

    #[test]
    fn ids_and_labels_may_have_gaps() {
        let mut wiring = wiring(&[(i64::MAX, &[], &[9, 4]), (-7, &[3, 8], &[])]).unwrap();
        wiring.connect(edge(i64::MAX, 4, -7, 8)).unwrap();
        assert_eq!(wiring.nodes().nth(1).unwrap().1, [None, Some(TensorId::new(1))]);
    }

    #[test]
    fn faults_are_told_apart() {
        let layers: &[(i64, &[u32], &[u32])] = &[(0, &[], &[0]), (1, &[0], &[])];
        let fault = |edges: &[Edge]| {
            let mut wiring = wiring(layers).unwrap();
            edges.iter().find_map(|&edge| wiring.connect(edge).err()).unwrap().to_string()
        };
        assert!(fault(&[edge(5, 0, 1, 0)]).contains("reads from layer 5"));
        assert!(fault(&[edge(0, 0, 5, 0)]).contains("goes to layer 5"));
        assert!(fault(&[edge(0, 1, 1, 0)]).contains("output port 1 of layer 0, which has 1 output (port 0)"));
        assert!(fault(&[edge(0, 0, 1, 7)]).contains("input port 7 of layer 1, which has 1 input (port 0)"));
        assert!(fault(&[edge(0, 0, 0, 0)]).contains("which has no inputs"));
        assert!(fault(&[edge(0, 0, 1, 0), edge(0, 0, 1, 0)]).contains("two edges"));
        assert!(wiring(&[(3, &[], &[]), (3, &[], &[])]).is_err());
        assert!(wiring(&[(3, &[1, 1], &[])]).is_err());
    }
}

//! The graphs of towers with their projectors.
//!
//! Source: llama.cpp 0.5.0, tools/mtmd/models/siglip.cpp, llava.cpp, internvl.cpp, pixtral.cpp, qwen2vl.cpp, qwen3vl.cpp.

use super::encoder::{Encoder, Layers};
use super::tower::{Projector, Tower};
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::tensor::{Graph, Id, Op, row};

/// The graph of an image of this size.
///
/// # Errors
///
/// If the file lacks a tensor, or sizes contradict each other.
pub(super) fn graph(tower: &Tower<'_>, size: (u64, u64), flash_attention: bool) -> Result<Graph> {
    let mut encoder = Encoder::new(tower, size, flash_attention);
    let x = match tower.projector {
        Projector::Mlp => llava(&mut encoder)?,
        Projector::Gemma3 => gemma3(&mut encoder)?,
        Projector::Idefics3 => idefics3(&mut encoder)?,
        Projector::InternVl => internvl(&mut encoder)?,
        Projector::Pixtral => pixtral(&mut encoder)?,
        Projector::Qwen2Vl | Projector::Qwen25Vl => qwen2vl(&mut encoder)?,
        Projector::Qwen3Vl => qwen3vl(&mut encoder)?,
    };
    encoder.graph.expand(x);
    encoder.graph.checked()
}

fn parts(up: &str, down: &str) -> [String; 3] {
    [up.to_owned(), String::new(), down.to_owned()]
}

/// All layers of a tower with layer norms.
fn all(encoder: &Encoder<'_>) -> Layers {
    Layers { norm: Norm::Layer, count: encoder.tower.layers, positions: [None; 2], is_batched: true }
}

/// Hidden states of patches with learned positions, through all layers.
fn siglip(encoder: &mut Encoder<'_>) -> Result<Id> {
    let x = encoder.patch_states()?;
    let positions = encoder.need("v.position_embd.weight")?;
    let x = encoder.graph.add(x, positions);
    let layers = all(encoder);
    encoder.layers(x, layers)
}

fn gemma3(encoder: &mut Encoder<'_>) -> Result<Id> {
    let x = siglip(encoder)?;
    let (width, merge, (side, _)) = (encoder.tower.width, encoder.tower.merge, encoder.grid);
    let graph = &mut encoder.graph;
    let x = graph.transpose(x);
    let x = graph.make(Op::Cont, GgmlType::F32, [side, side, width, 1], &[x]);
    let pooled = side / merge;
    let x = graph.make(Op::Pool, GgmlType::F32, [pooled, pooled, width, 1], &[x]);
    let x = graph.reshape_3d(x, pooled * pooled, width, 1);
    let x = graph.transpose(x);
    let x = graph.cont(x);
    let x = graph.apply(Op::RmsNorm, x);
    let scale = encoder.need("mm.soft_emb_norm.weight")?;
    let x = encoder.graph.mul(x, scale);
    // The weight is turned in the graph.
    let weight = encoder.need("mm.input_projection.weight")?;
    let weight = encoder.graph.transpose(weight);
    let weight = encoder.graph.cont(weight);
    Ok(encoder.graph.mul_mat(weight, x))
}

fn idefics3(encoder: &mut Encoder<'_>) -> Result<Id> {
    let x = siglip(encoder)?;
    let x = encoder.merged(x, encoder.tower.merge);
    let weight = encoder.need("mm.model.fc.weight")?;
    Ok(encoder.graph.mul_mat(weight, x))
}

/// Layers of LLaVA's towers that run: all but the last, whose hidden states are not read.
fn llava_layers(encoder: &Encoder<'_>) -> u64 {
    encoder.tower.layers.saturating_sub(1)
}

fn llava(encoder: &mut Encoder<'_>) -> Result<Id> {
    let mut x = encoder.patch_states()?;
    let mut positions = encoder.patches();
    if let Some(class) = encoder.find("v.class_embd") {
        x = encoder.graph.concat(x, class, 1);
        positions += 1;
    }
    let ids = encoder.graph.input("positions", GgmlType::I32, [positions, 1, 1, 1]);
    let table = encoder.need("v.position_embd.weight")?;
    let rows = encoder.graph.get_rows(table, ids);
    let x = encoder.graph.add(x, rows);
    let count = llava_layers(encoder);
    let layers = Layers { count, is_batched: false, ..all(encoder) };
    let x = encoder.layers(x, layers)?;
    let ne = encoder.graph.ne(x);
    let x = encoder.graph.reshape_2d(x, ne[0], ne[1]);
    let ids = encoder.graph.input("patches", GgmlType::I32, [encoder.patches(), 1, 1, 1]);
    let x = encoder.graph.get_rows(x, ids);
    if encoder.find("mm.2.weight").is_none() {
        let x = encoder.linear(x, "mm.0")?;
        return Ok(encoder.graph.unary(x));
    }
    encoder.network(x, parts("mm.0", "mm.2"))
}

fn internvl(encoder: &mut Encoder<'_>) -> Result<Id> {
    let x = encoder.patch_states()?;
    let class = encoder.need("v.class_embd")?;
    let (width, merge, patches) = (encoder.tower.width, encoder.tower.merge, encoder.patches());
    let class = encoder.graph.repeat(class, [width, 1, 1, 1]);
    let x = encoder.graph.concat(x, class, 1);
    let positions = encoder.need("v.position_embd.weight")?;
    let x = encoder.graph.add(x, positions);
    let is_large = (width, encoder.tower.layers) == (3200, 45);
    let norm = if is_large { Norm::Rms } else { Norm::Layer };
    let layers = Layers { norm, ..all(encoder) };
    let x = encoder.layers(x, layers)?;
    let (columns, rows) = encoder.grid;
    let graph = &mut encoder.graph;
    let nb = graph.get(x).nb;
    let x = graph.view_3d(x, [width, patches, 1], [nb[1], nb[2]], 0);
    let x = graph.cont(x);
    let x = graph.reshape(x, [width * merge, rows / merge, columns, 1]);
    let x = graph.permute(x, [0, 2, 1, 3]);
    let ne = [width * merge * merge, rows / merge, columns / merge, 1];
    let x = graph.make(Op::Cont, GgmlType::F32, ne, &[x]);
    let x = graph.permute(x, [0, 2, 1, 3]);
    let x = graph.make(Op::Cont, GgmlType::F32, [ne[0], ne[1] * ne[2], 1, 1], &[x]);
    let x = encoder.norm(x, Norm::Layer, "mm.model.mlp.0");
    encoder.network(x, parts("mm.model.mlp.1", "mm.model.mlp.3"))
}

fn pixtral(encoder: &mut Encoder<'_>) -> Result<Id> {
    let patches = encoder.patches();
    let by_row = encoder.graph.input("pos_h", GgmlType::I32, [patches, 1, 1, 1]);
    let by_column = encoder.graph.input("pos_w", GgmlType::I32, [patches, 1, 1, 1]);
    let x = encoder.patch_states()?;
    let positions = [Some(by_row), Some(by_column)];
    let layers = Layers { norm: Norm::Rms, positions, ..all(encoder) };
    let mut x = encoder.layers(x, layers)?;
    let (width, merge, (columns, rows)) = (encoder.tower.width, encoder.tower.merge, encoder.grid);
    if let Some(merger) = encoder.find("mm.patch_merger.weight") {
        let scale = encoder.need("mm.input_norm.weight")?;
        let graph = &mut encoder.graph;
        let normed = graph.apply(Op::RmsNorm, x);
        let normed = graph.mul(normed, scale);
        let grid = graph.reshape_3d(normed, width, columns, rows);
        let grid = graph.permute(grid, [2, 0, 1, 3]);
        let grid = graph.cont(grid);
        let kernel = graph.view_3d(grid, [merge, merge, width], [0, 0], 0);
        let ne = [width * merge * merge, columns / merge, rows / merge, 1];
        let squares = graph.make(Op::Im2Col, GgmlType::F32, ne, &[kernel, grid]);
        let squares = graph.reshape_2d(squares, ne[0], ne[1] * ne[2]);
        x = graph.mul_mat(merger, squares);
    }
    let x = encoder.network(x, parts("mm.1", "mm.2"))?;
    let Some(token) = encoder.find("v.token_embd.img_break") else { return Ok(x) };
    let (columns, rows) = (columns / merge, rows / merge);
    let graph = &mut encoder.graph;
    let text = graph.ne(x)[0];
    let by_row = graph.reshape_3d(x, text, columns, rows);
    // A tensor that nothing sets: its product with 0 is the row's end.
    let blank = graph.make(Op::None, GgmlType::F32, [text, 1, rows, 1], &[]);
    let ends = graph.scale(blank);
    let ends = graph.add(ends, token);
    let all = graph.concat(by_row, ends, 1);
    let tokens = columns * rows + rows - 1;
    Ok(graph.view_2d(all, [text, tokens], row(GgmlType::F32, text), 0))
}

/// Hidden states of patches of two frames, in the order of squares of patches.
fn merged_frames(encoder: &mut Encoder<'_>) -> Result<Id> {
    let pixels = encoder.pixels();
    let kernels = [encoder.need("v.patch_embd.weight")?, encoder.need("v.patch_embd.weight.1")?];
    // Operands of a sum are made from the last to the first; the first is visited first.
    let [first, second] = kernels.map(|kernel| encoder.convolved(pixels, kernel));
    let x = encoder.graph.add(first, second);
    let x = encoder.graph.permute(x, [1, 2, 0, 3]);
    Ok(squares(encoder, x))
}

/// Rows in the order of squares of two by two patches.
fn squares(encoder: &mut Encoder<'_>, x: Id) -> Id {
    let (width, (columns, rows)) = (encoder.tower.width, encoder.grid);
    let graph = &mut encoder.graph;
    let x = graph.make(Op::Cont, GgmlType::F32, [width * 2, columns / 2, rows, 1], &[x]);
    let x = graph.reshape(x, [width * 2, columns / 2, 2, rows / 2]);
    let x = graph.permute(x, [0, 2, 1, 3]);
    graph.make(Op::Cont, GgmlType::F32, [width, columns * rows, 1, 1], &[x])
}

/// One layer of Qwen's towers.
fn qwen_layer(
    encoder: &mut Encoder<'_>,
    x: Id,
    layer: u64,
    (norm, positions, mask): (Norm, Id, Option<Id>),
) -> Result<Id> {
    let name = |part: &str| format!("v.blk.{layer}.{part}");
    let normed = encoder.norm(x, norm, &name("ln1"));
    let [q, k, v] = encoder.qkv(normed, layer, norm)?;
    let q = encoder.graph.rope(q, positions, None);
    let k = encoder.graph.rope(k, positions, None);
    let out = encoder.attention([q, k, v], mask, layer)?;
    let residual = encoder.graph.add(out, x);
    let normed = encoder.norm(residual, norm, &name("ln2"));
    let out = encoder.network(normed, ["ffn_up", "ffn_gate", "ffn_down"].map(name))?;
    Ok(encoder.graph.add(residual, out))
}

fn qwen2vl(encoder: &mut Encoder<'_>) -> Result<Id> {
    let (width, patches) = (encoder.tower.width, encoder.patches());
    let norm = if encoder.tower.projector == Projector::Qwen25Vl { Norm::Rms } else { Norm::Layer };
    let x = merged_frames(encoder)?;
    let positions = encoder.graph.input("positions", GgmlType::I32, [patches * 4, 1, 1, 1]);
    let mut x = encoder.norm_if_stored(x, norm, "v.pre_ln");
    let window = encoder.tower.window;
    let mut mask = None;
    if window > 0 {
        let ids = encoder.graph.input("inv_window_idx", GgmlType::I32, [patches / 4, 1, 1, 1]);
        let own = encoder.graph.input("window_mask", GgmlType::F32, [patches, patches, 1, 1]);
        mask = Some(encoder.typed_mask(own));
        x = encoder.graph.reshape_2d(x, width * 4, patches / 4);
        x = encoder.graph.get_rows(x, ids);
        x = encoder.graph.reshape_3d(x, width, patches, 1);
    }
    for layer in 0..encoder.tower.layers {
        encoder.graph.layer = Some(layer as u32);
        let reads_all = window == 0 || (layer + 1) % window == 0;
        x = qwen_layer(encoder, x, layer, (norm, positions, mask.filter(|_| !reads_all)))?;
    }
    encoder.graph.layer = None;
    let x = encoder.norm_if_stored(x, norm, "v.post_ln");
    let x = encoder.graph.reshape_3d(x, width * 4, patches / 4, 1);
    let x = encoder.network(x, parts("mm.0", "mm.2"))?;
    if window == 0 {
        return Ok(x);
    }
    let text = encoder.graph.ne(x)[0];
    let ids = encoder.graph.input("window_idx", GgmlType::I32, [patches / 4, 1, 1, 1]);
    let x = encoder.graph.reshape_2d(x, text, patches / 4);
    let x = encoder.graph.get_rows(x, ids);
    Ok(encoder.graph.reshape_3d(x, text, patches / 4, 1))
}

fn qwen3vl(encoder: &mut Encoder<'_>) -> Result<Id> {
    let (width, patches) = (encoder.tower.width, encoder.patches());
    let factor = encoder.tower.merge * encoder.tower.merge;
    let x = merged_frames(encoder)?;
    let bias = encoder.need("v.patch_embd.bias")?;
    let x = encoder.graph.add(x, bias);
    let learned = encoder.positions_of_grid()?;
    let learned = squares(encoder, learned);
    let x = encoder.graph.add(x, learned);
    let positions = encoder.graph.input("positions", GgmlType::I32, [patches * 4, 1, 1, 1]);
    let mut x = encoder.norm_if_stored(x, Norm::Layer, "v.pre_ln");
    let mut features: Option<Id> = None;
    for layer in 0..encoder.tower.layers {
        encoder.graph.layer = Some(layer as u32);
        x = qwen_layer(encoder, x, layer, (Norm::Layer, positions, None))?;
        let name = |part: &str| format!("v.deepstack.{layer}.{part}");
        if encoder.find(&name("fc1.weight")).is_some() {
            let own = encoder.graph.reshape_3d(x, width * factor, patches / factor, 1);
            let own = encoder.norm(own, Norm::Layer, &name("norm"));
            let own = encoder.network(own, parts(&name("fc1"), &name("fc2")))?;
            features = Some(features.map_or(own, |before| encoder.graph.concat(before, own, 0)));
        }
    }
    encoder.graph.layer = None;
    let x = encoder.norm_if_stored(x, Norm::Layer, "v.post_ln");
    let x = encoder.graph.reshape_3d(x, width * 4, patches / 4, 1);
    let x = encoder.network(x, parts("mm.0", "mm.2"))?;
    Ok(match features {
        Some(features) => encoder.graph.concat(x, features, 0),
        None => x,
    })
}

//! The one table of colours: a storage class or a part of a model has the same colour in every chart.
//!
//! Shapes name a class of this table, and the document's style gives the class its colours, light and dark.

use crate::schedule::StorageClass;
use rustc_hash::{FxHashMap, FxHashSet};

/// A layer of a stack of memory, with its class in documents, its name, and its colours on a light and a dark page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Class in documents.
    pub(super) class: &'static str,
    /// Name in legends.
    pub(super) name: &'static str,
    light: &'static str,
    dark: &'static str,
}

/// What memory is for, in the order in which it is stacked, lowest first.
///
/// The hues are those of Okabe and Ito, <https://jfly.uni-koeln.de/color/>, which people who do not see red or green
/// distinguish.
pub(super) const KINDS: [Kind; 12] = [
    kind("k-mapped", "weights, mapped file", "#C4C8CC", "#59616B"),
    kind("k-packed", "weights, packed or copied", "#7E858C", "#98A2AD"),
    kind("k-code", "generated code", "#DDCC77", "#B8A95C"),
    kind("k-runtime", "runtime objects", "#F0E442", "#D6CB3A"),
    kind("k-workspace", "workspace", "#D55E00", "#E0762B"),
    kind("k-cache", "KV cache", "#009E73", "#22B08A"),
    kind("k-state", "state", "#CC79A7", "#D58DB5"),
    kind("k-io", "inputs and outputs", "#E69F00", "#E8AE33"),
    kind("k-scratch", "scratch", "#56B4E9", "#6CBEEB"),
    kind("k-activation", "activations", "#0072B2", "#3B93CF"),
    kind("k-free", "arena, reserved and free", "#DCE6F2", "#263445"),
    kind("k-later", "counted, used later", "#FBF3E4", "#2B2517"),
];

/// Position in [`KINDS`] of the part of the arena that no buffer is in.
pub(super) const FREE: usize = KINDS.len() - 2;
/// Position in [`KINDS`] of what a report counts from the start of a phase, and a later step is the first to use.
pub(super) const LATER: usize = KINDS.len() - 1;

const fn kind(class: &'static str, name: &'static str, light: &'static str, dark: &'static str) -> Kind {
    Kind { class, name, light, dark }
}

/// Position of a storage class in [`KINDS`].
pub(super) fn row(class: StorageClass) -> usize {
    match class {
        StorageClass::WeightsFile => 0,
        StorageClass::WeightsAnonymous => 1,
        StorageClass::Code => 2,
        StorageClass::Runtime => 3,
        StorageClass::Workspace => 4,
        StorageClass::KvCache | StorageClass::PresentCache => 5,
        StorageClass::State => 6,
        StorageClass::Io | StorageClass::Output => 7,
        StorageClass::Scratch => 8,
        StorageClass::Activation => 9,
    }
}

/// Colours of parts and of memory regions; legible on both pages.
const PALETTE: [&str; 16] = [
    "#2F7EBB", "#E69F00", "#17A07A", "#CC79A7", "#62B5E5", "#D9641E", "#8E70C4", "#A9A23A", "#A8623C",
    "#3FB5AD", "#C9506F", "#7D8FA3", "#5B5EA6", "#E8837C", "#7FB069", "#B5838D",
];

/// Parts with a colour of their own; any other has one by its name, or the next that is free in a chart.
const PARTS: &[(&str, usize)] = &[
    ("attention_mask", 15),
    ("classifier", 5),
    ("embed_tokens", 6),
    ("final_norm", 13),
    ("input_layernorm", 7),
    ("k_proj", 3),
    ("kv_cache", 2),
    ("language", 0),
    ("lm_head", 5),
    ("mlp", 0),
    ("o_proj", 14),
    ("other", 11),
    ("patch_embed", 6),
    ("post_attention_layernorm", 8),
    ("projection", 9),
    ("q_proj", 1),
    ("qkv_proj", 1),
    ("resampler", 2),
    ("residual", 12),
    ("rotary_emb", 9),
    ("scaled_dot_product_attention", 10),
    ("text_embeddings", 6),
    ("v_proj", 4),
    ("vision_embeddings", 1),
    ("vision_embeddings_merger", 5),
    ("vision_embeddings_pos", 7),
    ("vision_projection", 9),
];

/// Colours of the parts of a chart: parts of a model or of a pipeline, or operator types.
///
/// No two have the same while there are colours.
pub(super) struct Parts<'a> {
    indices: FxHashMap<&'a str, usize>,
}

impl<'a> Parts<'a> {
    /// Gives every name a colour; of two that would have the same, the later one has the next free one.
    pub(super) fn new(names: &'a [String]) -> Parts<'a> {
        let own = |name: &str| {
            let index = PARTS.binary_search_by_key(&name, |&(known, _)| known).ok()?;
            PARTS.get(index).map(|&(_, color)| color)
        };
        let mut indices: FxHashMap<&str, usize> =
            names.iter().filter_map(|name| Some((&**name, own(name)?))).collect();
        let mut taken: FxHashSet<usize> = indices.values().copied().collect();
        for name in names {
            if !indices.contains_key(&**name) {
                let wanted = hashed(name);
                let free = (0..PALETTE.len()).map(|step| (wanted + step) % PALETTE.len());
                let index = free.into_iter().find(|index| !taken.contains(index)).unwrap_or(wanted);
                taken.insert(index);
                indices.insert(name, index);
            }
        }
        Parts { indices }
    }

    /// Class of a part.
    pub(super) fn class(&self, name: &str) -> String {
        region(self.indices.get(name).copied().unwrap_or_else(|| hashed(name)))
    }
}

/// Class of the `index`-th memory region; colours repeat after the last.
pub(super) fn region(index: usize) -> String {
    format!("p{}", index % PALETTE.len())
}

/// A colour that depends on the name alone (FNV-1a).
fn hashed(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % PALETTE.len() as u64) as usize
}

/// Everything else that has a colour: class, property, light and dark.
const INKS: &[(&str, &str, &str, &str)] = &[
    ("page", "fill", "#FFFFFF", "#0D1117"),
    ("band", "fill", "#F4F5F7", "#161B22"),
    ("shade", "fill", "#E3EEFC", "#17283F"),
    ("ink", "fill", "#1F2328", "#E6EDF3"),
    ("soft", "fill", "#5E666E", "#9198A1"),
    ("mark", "fill", "#B01E1E", "#FF7B72"),
    ("limit", "fill", "#7A3E9D", "#D2A8FF"),
    ("over", "fill", "#FFFFFF", "#0D1117"),
    ("grid", "stroke", "#DFE3E8", "#262C34"),
    ("axis", "stroke", "#5E666E", "#9198A1"),
    ("mark-line", "stroke", "#B01E1E", "#FF7B72"),
    ("limit-line", "stroke", "#7A3E9D", "#D2A8FF"),
    ("halo", "stroke", "#FFFFFF", "#0D1117"),
    ("own", "stroke", "#1F2328", "#E6EDF3"),
];

/// What sweeps have in addition: lines, and the shades of heat maps.
const OF_SWEEPS: &[(&str, &str, &str, &str)] = &[
    ("s-total", "stroke", "#7E858C", "#98A2AD"),
    ("s-resident", "stroke", "#D55E00", "#E0762B"),
    ("s-heap", "stroke", "#E69F00", "#E8AE33"),
    ("s-cache", "stroke", "#009E73", "#22B08A"),
    ("s-arena", "stroke", "#0072B2", "#3B93CF"),
    ("h0", "fill", "#EAF3FB", "#10263A"),
    ("h1", "fill", "#CFE3F5", "#14344F"),
    ("h2", "fill", "#AFCFEC", "#194465"),
    ("h3", "fill", "#8AB8E0", "#1F567F"),
    ("h4", "fill", "#639FD2", "#276A9B"),
    ("h5", "fill", "#4085C1", "#3B83B8"),
    ("h6", "fill", "#276AA8", "#5E9FCF"),
    ("h7", "fill", "#155089", "#8CBFE4"),
    ("h-over", "fill", "#D9A441", "#B97A1B"),
];

/// The style sheet of sweeps, in addition to that of every document.
pub(super) fn style_of_sweeps() -> String {
    let mut rules = String::new();
    let mut dark = String::new();
    for (class, property, light_color, dark_color) in OF_SWEEPS {
        let width = if *property == "stroke" { ";stroke-width:2" } else { "" };
        rules += &format!(".memgraph .{class}{{{property}:{light_color}{width}}}\n");
        dark += &format!(".memgraph .{class}{{{property}:{dark_color}}}\n");
    }
    format!("<style>\n{rules}@media(prefers-color-scheme:dark){{\n{dark}}}\n</style>\n")
}

/// The style sheet of every document: its names are found in no other document that a page may contain.
pub(super) fn style() -> String {
    let mut rules = String::from(
        "polyline{fill:none;stroke-width:1}.mark-line{stroke-width:1.5}.dash{stroke-dasharray:5 3}\
         .limit-line{stroke-width:1.5;stroke-dasharray:7 4}.pale{fill-opacity:.5}.ghost{fill-opacity:.35}\
         .own{fill:none;stroke-width:1.2}.halo{stroke-width:4;paint-order:stroke}.bold{font-weight:600}.hit{fill:#000;fill-opacity:0}",
    );
    rules = rules.replace('}', "}\n");
    let mut dark = String::new();
    for (class, property, light_color, dark_color) in INKS {
        rules += &format!(".{class}{{{property}:{light_color}}}\n");
        dark += &format!(".{class}{{{property}:{dark_color}}}\n");
    }
    for kind in KINDS {
        rules += &format!(".{}{{fill:{}}}\n", kind.class, kind.light);
        dark += &format!(".{}{{fill:{}}}\n", kind.class, kind.dark);
    }
    for (index, color) in PALETTE.iter().enumerate() {
        rules += &format!(".p{index}{{fill:{color}}}\n");
    }
    let scoped =
        |rules: &str| -> String { rules.lines().map(|rule| format!(".memgraph {rule}\n")).collect() };
    format!("<style>\n{}@media(prefers-color-scheme:dark){{\n{}}}\n</style>", scoped(&rules), scoped(&dark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sorted_and_have_a_colour() {
        assert!(PARTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PARTS.iter().all(|&(_, index)| index < PALETTE.len()));
    }

    #[test]
    fn every_storage_class_has_a_row_of_its_kind() {
        for class in StorageClass::ALL {
            assert!(row(class) < FREE, "{class:?}");
        }
        assert_eq!(KINDS[row(StorageClass::KvCache)].name, "KV cache");
        assert_eq!(row(StorageClass::Output), row(StorageClass::Io));
    }

    #[test]
    fn no_two_parts_have_one_colour_while_there_are_others() {
        let names: Vec<String> = (0..PALETTE.len() - 1).map(|index| format!("stages.{index}")).collect();
        let names = [&["mlp".to_owned()], &names[..]].concat();
        let parts = Parts::new(&names);
        let classes: FxHashSet<String> = names.iter().map(|name| parts.class(name)).collect();
        assert_eq!(classes.len(), PALETTE.len());
        assert_eq!(parts.class("mlp"), "p0");
        assert_eq!(Parts::new(&names[1..2]).class(&names[1]), region(hashed(&names[1])));
    }

    #[test]
    fn every_colour_has_a_dark_one() {
        let style = style();
        let (light, dark) = style.split_once("@media").unwrap();
        for class in KINDS.iter().map(|kind| kind.class).chain(INKS.iter().map(|ink| ink.0)) {
            let rule = format!(".memgraph .{class}{{");
            assert!(light.contains(&rule) && dark.contains(&rule), "{class}");
        }
    }
}

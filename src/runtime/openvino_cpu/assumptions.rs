//! What every run under the CPU plugin assumes.

use super::calibration as fit;
use super::memory::{MAP, WINDOW};
use crate::machine::Machine;
use crate::runtime::Assumption;

/// What is stated of a run in which nothing is computed in place.
pub(super) fn nothing_in_place() -> Assumption {
    let text = "a node that was to be computed in the bytes of what it reads would have overwritten what is read later, so that \
                none is: buffers that the plugin shares are counted apart; please report the model";
    Assumption { rule: "in-place-undone", text: text.to_owned() }
}

/// What every run under the runtime assumes, with the figures of [`fit`].
pub(super) fn of_run(machine: Machine) -> Vec<Assumption> {
    let table = [
        ("measured-machine", processor(machine)),
        ("one-request", "one request at a time, on one socket".to_owned()),
        (
            "runtime-objects",
            format!(
                "nodes, primitives and code generators by count, fitted to measured heaps (measured less predicted: \
                 {} of dynamic graphs, {} of static ones); the user's own copy of the model is released after compilation",
                fit::DYNAMIC.deviation(),
                fit::STATIC.deviation()
            ),
        ),
        (
            "generated-code",
            format!(
                "one map of {} KiB per generated kernel, counted by shapes and types (measured less predicted: {}); a page \
                 or two of each is resident",
                MAP.0 >> 10,
                fit::KERNELS_PRODUCT.deviation()
            ),
        ),
        (
            "resident-set",
            format!(
                "in addition to what is allocated: {} of library pages once products run, and {} and {} per node that the allocator \
                 keeps; superseded blocks may stay resident too, up to some 30 MiB",
                fit::LIBRARY_RUN_PRODUCTS.iec(1),
                fit::KEPT.iec(1),
                fit::KEPT_NODE.iec(1)
            ),
        ),
        (
            "tokens-looked-up",
            format!(
                "of an embedding table that is looked up alone, the {} KiB around each row are resident; tokens are spread \
                 over the first {} of the vocabulary",
                WINDOW >> 10,
                fit::FREQUENT_TOKENS
            ),
        ),
        (
            "kv-allocated-now",
            "where no earlier phase is walked, a state of attention is assumed to be allocated at its present length, which its \
             capacity is twice of"
                .to_owned(),
        ),
    ];
    table.into_iter().map(|(rule, text)| Assumption { rule, text }).collect()
}

/// What is assumed of the processor.
fn processor(machine: Machine) -> String {
    let Machine { isa, l1d, l2, .. } = machine;
    let of_core = format!(
        "{} KiB of L1 data and {} MiB of L2 cache per core",
        l1d.0 >> 10,
        l2.0 as f64 / f64::from(1 << 20)
    );
    let measured = Machine { cores: machine.cores, ..Machine::MEASURED };
    if machine == measured {
        return format!(
            "padding, scratch and selection of kernels as measured on x86-64 with AVX-512 and BF16, {of_core}; other \
             processors differ"
        );
    }
    format!("padding, scratch and selection of kernels as on x86-64 with {}, {of_core}", isa.name())
}

//! The cost of moving data through the caches, which a search for block sizes minimizes.
//!
//! Source: `io_k`, `est_eff` and `est_eff_1x1`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::shape::Core;

/// One of input, weights and output in a loop: its elements in one pass, and how often a pass reads the same ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Access {
    pub elements: i64,
    pub repeats: f32,
    pub overlap: f32,
}

/// `elements` that are read once.
pub(super) fn once(elements: i64) -> Access {
    times(elements, 1)
}

/// `elements` that are read `repeats` times.
pub(super) fn times(elements: i64, repeats: i64) -> Access {
    Access { elements, repeats: repeats as f32, overlap: 1.0 }
}

/// A loop: what it does with input, output and weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub input: Access,
    pub output: Access,
    pub weights: Access,
}

/// Time to reach the first-level cache, the second, and what is beyond.
const FIRST: f32 = 1.0;
const SECOND: f32 = 2.3;
const BEYOND: f32 = 17.0;

/// What the cost of a loop depends on apart from the loop.
pub(super) struct Context<'a> {
    pub core: &'a Core,
    pub bytes: [i64; 3],
    /// Sums are kept in a buffer of 4 bytes an element.
    pub buffers: bool,
}

impl Context<'_> {
    /// The cost of `loops`, the innermost first; `operations` of input, output and weights.
    pub(super) fn cost(&self, loops: &[Loop], operations: [i64; 3]) -> f32 {
        let mut time = [BEYOND; 3];
        let mut repeats = [1.0_f32; 3];
        for of in loops.iter().rev() {
            let accesses = [of.input, of.output, of.weights];
            for (index, access) in accesses.into_iter().enumerate() {
                time[index] = self.time(of, access, time[index], index == 0);
                repeats[index] *= access.repeats;
            }
        }
        (0..3)
            .map(|index| time[index] * (operations[index] as f32 * repeats[index]))
            .fold(0.0, |sum, cost| sum + cost)
    }

    fn time(&self, of: &Loop, access: Access, outer: f32, is_input: bool) -> f32 {
        let n = access.repeats * access.overlap;
        if n < 1.0 {
            return 0.0;
        }
        if n == 1.0 {
            return outer;
        }
        let input = of.input.elements * self.bytes[0];
        let sums = if self.buffers { of.output.elements * 4 } else { 0 };
        let all = input + of.weights.elements * self.bytes[1] + of.output.elements * self.bytes[2] + sums;
        let again = match () {
            () if is_input && input < self.core.usable_l1() => FIRST,
            () if all < self.core.usable_l2() => SECOND,
            () => BEYOND,
        };
        (outer + again * (n - 1.0)) / n
    }
}

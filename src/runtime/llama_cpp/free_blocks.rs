//! ggml's list of free blocks, which gives tensors their place in a compute buffer.
//!
//! It is the planner `best-fit`, and more: a tensor without bytes has a place, which may be inside of another one by the time it
//! is freed. The block that is then inserted holds nothing, and separates neighbours that would otherwise become one.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-alloc.c (`ggml_dyn_tallocr_alloc`, `ggml_dyn_tallocr_free_bytes`,
//! `ggml_dyn_tallocr_insert_block`).

/// Blocks at most, behind which ggml ends.
///
/// Source: ggml-alloc.c (`MAX_FREE_BLOCKS`).
const MAX_BLOCKS: usize = 256;

/// Size of the block at the end.
const ENDLESS: u64 = 1 << 62;

#[derive(Clone, Copy, Debug)]
struct Block {
    offset: u64,
    size: u64,
}

impl Block {
    fn end(self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// Free blocks of one buffer, the endless one last.
#[derive(Clone, Debug)]
pub(super) struct FreeBlocks(Vec<Block>);

impl FreeBlocks {
    /// A buffer in which all is free.
    pub(super) fn new() -> FreeBlocks {
        FreeBlocks(vec![Block { offset: 0, size: ENDLESS }])
    }

    /// The place of a tensor: in the smallest block that holds it, the last of equals, else in the endless one. `None` if there
    /// are more blocks than ggml has.
    ///
    /// Cost: linear in blocks.
    pub(super) fn allocate(&mut self, size: u64) -> Option<u64> {
        let last = self.0.len().checked_sub(1).filter(|&last| last < MAX_BLOCKS)?;
        let fitting = self.0[..last].iter().enumerate().filter(|(_, block)| block.size >= size);
        let found = fitting.min_by_key(|(index, block)| (block.size, std::cmp::Reverse(*index)));
        let index = found.map_or(last, |(index, _)| index);
        let block = &mut self.0[index];
        let offset = block.offset;
        block.offset = offset.saturating_add(size);
        block.size = block.size.saturating_sub(size);
        if block.size == 0 {
            self.0.remove(index);
        }
        Some(offset)
    }

    /// Joins a tensor's bytes with the first block that they touch, and that one with its neighbour in the list.
    pub(super) fn release(&mut self, offset: u64, size: u64) {
        let end = offset.saturating_add(size);
        let touching = self.0.iter().position(|block| block.end() == offset || block.offset == end);
        let Some(index) = touching else {
            let place = self.0.iter().position(|block| block.offset >= offset);
            self.0.insert(place.unwrap_or(self.0.len()), Block { offset, size });
            return;
        };
        let is_behind = self.0[index].end() == offset;
        let block = &mut self.0[index];
        block.size = block.size.saturating_add(size);
        if !is_behind {
            block.offset = offset;
        }
        let before = if is_behind { Some(index) } else { index.checked_sub(1) };
        if let Some(before) = before
            && let Some(next) = self.0.get(before + 1).copied()
            && self.0[before].end() == next.offset
        {
            self.0[before].size = self.0[before].size.saturating_add(next.size);
            self.0.remove(before + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_block_is_taken_and_neighbours_join() {
        let mut free = FreeBlocks::new();
        let places: Vec<u64> = [8, 4, 5, 1].iter().map(|&size| free.allocate(size).unwrap()).collect();
        assert_eq!(places, [0, 8, 12, 17]);
        free.release(0, 8);
        free.release(12, 5);
        assert_eq!([5, 8, 9].map(|size| free.allocate(size).unwrap()), [12, 0, 18]);
        free.release(12, 5);
        free.release(8, 4);
        assert_eq!(free.allocate(9), Some(8));
    }

    #[test]
    fn a_tensor_without_bytes_keeps_neighbours_apart() {
        let mut free = FreeBlocks::new();
        assert_eq!([4, 4, 4, 4, 4].map(|size| free.allocate(size).unwrap()), [0, 4, 8, 12, 16]);
        free.release(8, 4);
        // The empty one is where a gap of 4 begins. The gap and the one before it become a tensor of 8.
        assert_eq!(free.allocate(0), Some(8));
        free.release(4, 4);
        assert_eq!(free.allocate(8), Some(4));
        // Its block is inside of that tensor, which then joins the gap before it, and not the one behind it.
        [(8, 0), (0, 4), (12, 4), (4, 8)].into_iter().for_each(|(offset, size)| free.release(offset, size));
        assert_eq!(free.allocate(16), Some(20));
    }

    #[test]
    fn more_blocks_than_ggml_has_are_refused() {
        let mut free = FreeBlocks::new();
        let places: Vec<u64> = (0..600).map(|_| free.allocate(1).unwrap()).collect();
        places.iter().step_by(2).for_each(|&place| free.release(place, 1));
        assert_eq!(free.allocate(2), None);
    }
}

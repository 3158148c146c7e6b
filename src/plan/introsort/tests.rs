//! Permutations that libstdc++ (GCC 12.2) made of the same keys, as hashes of the order of positions.

use super::*;

/// Distinct keys, length, and the FNV-1a hash of `std::sort`'s order.
const SORTED: [(u64, u64, u64); 24] = [
    (1, 2, 0x9a691200c548b748),
    (1, 5, 0xe5ba15bc7930f079),
    (1, 16, 0x088b84ce5271b343),
    (1, 17, 0xa881bacc8cda3069),
    (1, 40, 0xf1d474468063cefb),
    (1, 100, 0x14bd58780968b56b),
    (1, 1000, 0xa8656c3bd97424bb),
    (1, 5000, 0x6d6a091b682a8ccb),
    (5, 2, 0x9a691200c548b748),
    (5, 5, 0x95c39b6eb0fe9e17),
    (5, 16, 0xb4f0df19b2bd8d65),
    (5, 17, 0x3ba3da863a545047),
    (5, 40, 0xc633e0849016adf9),
    (5, 100, 0xbf9ab75b64930f5d),
    (5, 1000, 0x940590bfb64b8cb5),
    (5, 5000, 0x52be5042ca71ba9f),
    (1000, 2, 0x9a691200c548b748),
    (1000, 5, 0xce4a0966a68814c9),
    (1000, 16, 0xee05a3ae5de226b3),
    (1000, 17, 0xaaa89dbffa11964f),
    (1000, 40, 0x75107dd06e28596f),
    (1000, 100, 0x87ba87472ef67593),
    (1000, 1000, 0xc5b06a03225beae5),
    (1000, 5000, 0x95144139591fe48d),
];

/// The same of `std::partial_sort` over the whole list, which is its heap sort.
const HEAP_SORTED: [(u64, u64, u64); 24] = [
    (1, 2, 0x9a691200c548b748),
    (1, 5, 0xd6ecb966ab6a4ed5),
    (1, 16, 0xde93832141c9b489),
    (1, 17, 0xfc4d121bc75d0d05),
    (1, 40, 0xba9a779b524b83d7),
    (1, 100, 0x180d17068144d2cd),
    (1, 1000, 0xa6d939c404f8bfff),
    (1, 5000, 0xe44bcfc045d84c5b),
    (5, 2, 0x9a691200c548b748),
    (5, 5, 0x8d2b1e6eac250f39),
    (5, 16, 0xc265c13e6b24109b),
    (5, 17, 0x83f1659f287d3d8d),
    (5, 40, 0x5a8a898b18684ca1),
    (5, 100, 0x3a590f1978abc143),
    (5, 1000, 0x5397d5ca63cb0759),
    (5, 5000, 0x7e253549d29bb3c5),
    (1000, 2, 0x9a691200c548b748),
    (1000, 5, 0xce4a0966a68814c9),
    (1000, 16, 0xee05a3ae5de226b3),
    (1000, 17, 0x0e2e59d0a6f32827),
    (1000, 40, 0xc90b441303ff77d1),
    (1000, 100, 0x4fcb818c72dec327),
    (1000, 1000, 0x7f361e9b92cdaf0b),
    (1000, 5000, 0x926b75ae8dffc6c1),
];

/// (key, position) of each entry; the generator of the keys is Knuth's MMIX.
fn keys(distinct: u64, length: u64) -> Vec<(u64, u64)> {
    let mut state = length * 31 + distinct;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % distinct
    };
    (0..length).map(|position| (next(), position)).collect()
}

fn hash(items: &[(u64, u64)]) -> u64 {
    let step = |hash: u64, item: &(u64, u64)| (hash ^ item.1).wrapping_mul(1_099_511_628_211);
    items.iter().fold(1_469_598_103_934_665_603, step)
}

#[test]
fn equals_end_up_where_std_sort_leaves_them() {
    for (distinct, length, expected) in SORTED {
        let mut items = keys(distinct, length);
        sort(&mut items, |a, b| a.0 > b.0);
        assert!(items.is_sorted_by(|a, b| a.0 >= b.0));
        assert_eq!(hash(&items), expected, "{length} items of {distinct} keys: {items:?}");
    }
}

#[test]
fn deep_recursions_end_as_in_the_heap_sort() {
    for (distinct, length, expected) in HEAP_SORTED {
        let mut items = keys(distinct, length);
        quick_sort(&mut items, 0, &|a, b| a.0 > b.0);
        if length > SHORT as u64 {
            assert_eq!(hash(&items), expected, "{length} items of {distinct} keys: {items:?}");
        }
    }
}

#[test]
fn short_lists_are_sorted() {
    sort(&mut [] as &mut [u8], |a, b| a < b);
    let mut three = [3, 1, 2];
    sort(&mut three, |a, b| a < b);
    assert_eq!(three, [1, 2, 3]);
}

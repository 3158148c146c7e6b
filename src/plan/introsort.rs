//! An unstable sort that leaves equals where libstdc++'s `std::sort` leaves them.
//!
//! Quick sort with the median of three, down to stretches of 16 that one
//! insertion sort finishes; heap sort where the recursion gets too deep.
//!
//! Source: libstdc++ (GCC 4.7 to 15), bits/stl_algo.h and bits/stl_heap.h;
//! the tests hold what GCC 12.2 makes of the same keys.

/// Stretches up to this length are left to the insertion sort.
const SHORT: usize = 16;

/// Sorts by a strict weak order.
pub(super) fn sort<T: Copy>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    if items.is_empty() {
        return;
    }
    quick_sort(items, 2 * items.len().ilog2(), &less);
    let guarded = items.len().min(SHORT);
    for index in 1..guarded {
        if less(&items[index], &items[0]) {
            items[..=index].rotate_right(1);
        } else {
            insert(items, index, &less);
        }
    }
    for index in guarded..items.len() {
        insert(items, index, &less);
    }
}

/// Moves an item down past all that are greater; the first item is known not to be.
fn insert<T: Copy>(items: &mut [T], index: usize, less: &impl Fn(&T, &T) -> bool) {
    let item = items[index];
    let mut hole = index;
    while less(&item, &items[hole - 1]) {
        items[hole] = items[hole - 1];
        hole -= 1;
    }
    items[hole] = item;
}

fn quick_sort<T: Copy>(mut items: &mut [T], mut depth: u32, less: &impl Fn(&T, &T) -> bool) {
    while items.len() > SHORT {
        if depth == 0 {
            heap_sort(items, less);
            return;
        }
        depth -= 1;
        let cut = partition(items, less);
        let (left, right) = items.split_at_mut(cut);
        quick_sort(right, depth, less);
        items = left;
    }
}

/// Puts the median of three first and splits the rest around it.
fn partition<T: Copy>(items: &mut [T], less: &impl Fn(&T, &T) -> bool) -> usize {
    let (a, b, c) = (1, items.len() / 2, items.len() - 1);
    let is_less = |left: usize, right: usize| less(&items[left], &items[right]);
    let median = match (is_less(a, b), is_less(b, c), is_less(a, c)) {
        (true, true, _) | (false, false, false) => b,
        (true, false, true) | (false, true, false) => c,
        (true, false, false) | (false, _, true) => a,
    };
    items.swap(0, median);
    let (mut left, mut right) = (1, items.len());
    loop {
        while less(&items[left], &items[0]) {
            left += 1;
        }
        right -= 1;
        while less(&items[0], &items[right]) {
            right -= 1;
        }
        if left >= right {
            return left;
        }
        items.swap(left, right);
        left += 1;
    }
}

fn heap_sort<T: Copy>(items: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    for parent in (0..items.len() / 2).rev() {
        let item = items[parent];
        sift(items, parent, item, less);
    }
    for end in (1..items.len()).rev() {
        let item = items[end];
        items[end] = items[0];
        sift(&mut items[..end], 0, item, less);
    }
}

/// Lets the hole sink to a leaf along the greater children, then `item` rise from there.
fn sift<T: Copy>(items: &mut [T], top: usize, item: T, less: &impl Fn(&T, &T) -> bool) {
    let mut hole = top;
    while 2 * hole + 1 < items.len() {
        let (left, right) = (2 * hole + 1, 2 * hole + 2);
        let child = if right < items.len() && !less(&items[right], &items[left]) { right } else { left };
        items[hole] = items[child];
        hole = child;
    }
    while hole > top && less(&items[(hole - 1) / 2], &item) {
        items[hole] = items[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    items[hole] = item;
}

#[cfg(test)]
mod tests;

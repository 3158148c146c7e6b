//! Lookups that the readers share: versions of an operator, and words of a fixed set.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::hash::Hash;

/// Versions of one operator, oldest first.
pub(super) type Versions<E> = SmallVec<[&'static E; 4]>;

/// The entries of operator tables by key, each with its versions in order.
pub(super) fn by_key<K: Hash + Eq, E>(
    families: &[&'static [E]],
    key: fn(&'static E) -> K,
    since: fn(&E) -> i64,
) -> FxHashMap<K, Versions<E>> {
    let mut map: FxHashMap<K, Versions<E>> = FxHashMap::default();
    for entry in families.iter().copied().flatten() {
        map.entry(key(entry)).or_default().push(entry);
    }
    for versions in map.values_mut() {
        versions.sort_by_key(|entry| since(entry));
    }
    map
}

/// What a word represents; words are compared without regard to case.
pub(super) fn word<T: Copy>(words: &[(&str, T)], value: &str) -> Option<T> {
    words.iter().find(|(word, _)| value.eq_ignore_ascii_case(word)).map(|&(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_key_are_in_order() {
        static ENTRIES: [(&str, i64); 3] = [("a", 7), ("b", 1), ("a", 1)];
        let found = by_key(&[&ENTRIES], |entry| entry.0, |entry| entry.1);
        assert_eq!(found["a"].iter().map(|entry| entry.1).collect::<Vec<_>>(), [1, 7]);
        assert_eq!(found["b"].len(), 1);
    }

    #[test]
    fn a_word_is_found_in_any_case() {
        assert_eq!(word(&[("same_upper", 1), ("valid", 2)], "VALID"), Some(2));
        assert_eq!(word(&[("same_upper", 1)], "other"), None);
    }
}

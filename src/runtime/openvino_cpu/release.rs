//! Releases of OpenVINO, and what differs between them.
//!
//! The rules of this runtime are those of the newest release. [`DIFFERENCES`] lists the rules that other releases have
//! instead, each with the releases that it was seen in; a rule asks [`Release::has`].

/// A release of OpenVINO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Release {
    /// 2025.4.
    V2025_4,
    /// 2026.0.
    V2026_0,
    /// 2026.2.
    V2026_2,
    /// 2026.4, and 2026.3, whose blocks were the same.
    #[default]
    V2026_4,
}

impl Release {
    /// Every release, the oldest first.
    pub const ALL: [Release; 4] = [Release::V2025_4, Release::V2026_0, Release::V2026_2, Release::V2026_4];
    /// The words on the command line, the oldest first.
    pub const NAMES: [&'static str; 4] = ["2025.4", "2026.0", "2026.2", "2026.4"];

    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Release::NAMES[self as usize]
    }

    /// The wheel that was measured.
    #[must_use]
    pub const fn wheel(self) -> &'static str {
        match self {
            Release::V2025_4 => "2025.4.1",
            Release::V2026_0 => "2026.0.0",
            Release::V2026_2 => "2026.2.1",
            Release::V2026_4 => "2026.4.1",
        }
    }

    /// The release of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Release> {
        Release::ALL.into_iter().find(|release| release.name() == name)
    }

    /// Whether a rule of older releases holds.
    #[must_use]
    pub(super) fn has(self, change: Change) -> bool {
        let found = DIFFERENCES.iter().find(|difference| difference.change == change);
        found.is_some_and(|difference| (difference.first..=difference.last).contains(&self))
    }
}

/// A rule that some releases have and the newest has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A table of half precision that is looked up and multiplied with is converted for the lookup when the model is
    /// compiled, whole: it is not gathered as it is stored.
    ConvertsSharedTables,
    /// The scale of an attention in a Subgraph is on the queries, not on the keys.
    ScalesQueries,
    /// Fewer pages of the libraries are resident.
    HasSmallerLibraries,
    /// The data of products with quantized weights are not quantized.
    QuantizesNoData,
    /// Filters of half precision are converted to f32 when the model is compiled, and the copy stays.
    KeepsConvertedFilters,
}

/// A [`Change`], and which releases have it.
#[derive(Clone, Copy, Debug)]
struct Difference {
    change: Change,
    first: Release,
    last: Release,
}

/// What releases do otherwise than the newest.
///
/// Source: execution graphs and heap blocks of nine runs under 2025.4.1, 2026.0.0 and 2026.2.1, and of one under 2026.3.1 and
/// 2026.4.0, compared with the same runs under 2026.4.1. A table of 151,936 x 896 is a block of 272,269,312 bytes from the compilation
/// on until 2026.2; two models with zero points, in 4 and 8 bits, have no scratch for quantized data until then, and zero points
/// in f32; until 2026.0 resident pages of files are 2 to 5 MiB fewer; under 2025.4 three patch embeddings have a copy in f32.
const DIFFERENCES: &[Difference] = &[
    Difference { change: Change::ConvertsSharedTables, first: Release::V2025_4, last: Release::V2026_2 },
    Difference { change: Change::ScalesQueries, first: Release::V2025_4, last: Release::V2026_0 },
    Difference { change: Change::HasSmallerLibraries, first: Release::V2025_4, last: Release::V2026_0 },
    Difference { change: Change::QuantizesNoData, first: Release::V2025_4, last: Release::V2026_2 },
    Difference { change: Change::KeepsConvertedFilters, first: Release::V2025_4, last: Release::V2025_4 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_name_and_the_newest_is_the_default() {
        for release in Release::ALL {
            assert_eq!(Release::by_name(release.name()), Some(release));
            assert!(release.wheel().starts_with(release.name()));
        }
        assert_eq!(Some(&Release::default()), Release::ALL.last());
    }

    #[test]
    fn the_newest_release_has_no_older_rule() {
        assert!(DIFFERENCES.iter().all(|difference| !Release::default().has(difference.change)));
        assert!(
            Release::V2026_2.has(Change::ConvertsSharedTables)
                && !Release::V2026_2.has(Change::ScalesQueries)
        );
        assert!(Release::V2025_4.has(Change::ScalesQueries));
    }
}

//! Other ways to run a model, which each runtime offers by itself.

/// Options that may lower what a run takes, and what they ask of the user.
///
/// # Example
///
/// ```
/// use memgraph::runtime::Alternative;
///
/// let read = Alternative::new(&[("mmap", "off")], "set ENABLE_MMAP=False");
/// assert_eq!(read.options, [("mmap", "off")]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alternative {
    /// Options of the runtime by name; a flag has the value `true`.
    pub options: Vec<(&'static str, &'static str)>,
    /// What the user changes in the application, as a short imperative.
    pub what: &'static str,
}

/// Whether an alternative applies, its options, and what they ask of the user.
pub(crate) type Offer = (bool, &'static [(&'static str, &'static str)], &'static str);

impl Alternative {
    /// Those of a table that apply.
    pub(crate) fn of_table<const N: usize>(table: [Offer; N]) -> Vec<Alternative> {
        let applies = table.into_iter().filter(|(applies, ..)| *applies);
        applies.map(|(_, options, what)| Alternative::new(options, what)).collect()
    }

    /// Options, and what they ask of the user.
    #[must_use]
    pub fn new(options: &[(&'static str, &'static str)], what: &'static str) -> Alternative {
        Alternative { options: options.to_vec(), what }
    }
}

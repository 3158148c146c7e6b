//! The closed sets of words that a report uses.

use crate::{error, plan, scenario, schedule};

/// Defines an enum whose variants are words of the JSON, in snake case.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

pub(super) use words;

words! {
    /// What kind of run was analysed.
    Task {
        /// A language model: prompt and generation.
        Llm = "llm",
        /// A vision tower.
        Vision = "vision",
        /// Any other model.
        #[default]
        General = "general",
        /// A folder of models that run one after the other.
        Pipeline = "pipeline",
    }
    /// What a part of a pipeline does.
    Role {
        /// The vision tower.
        Vision = "vision",
        /// From the tower to the language model.
        Projection = "projection",
        /// From tokens to hidden states.
        TextEmbedding = "text_embedding",
        /// The language model.
        Language = "language",
        /// Anything else.
        #[default]
        Other = "other",
    }
    /// How much a diagnostic matters.
    Severity {
        /// Good to know; the numbers hold.
        #[default]
        Note = "note",
        /// A number may be off.
        Warning = "warning",
        /// A number is incomplete: totals are lower bounds.
        Incomplete = "incomplete",
    }
    /// Why a planner's search ended.
    Stop {
        /// The plan is proved the best.
        Optimal = "optimal",
        /// The plan fits the capacity.
        Capacity = "capacity",
        /// The time was over.
        #[default]
        TimeLimit = "time_limit",
        /// All changes were tried that the planner tries.
        Budget = "budget",
        /// Some alignments do not divide each other: such problems are not searched.
        Alignments = "alignments",
        /// There are more buffers than are searched without the ejection search.
        Size = "size",
        /// The system gave no threads for the search.
        Threads = "threads",
    }
    /// How the breakdown groups.
    By {
        /// By node name.
        Node = "node",
        /// By operator type.
        Op = "op",
        /// By part of the model: `q_proj`, `mlp`, `lm_head` …
        #[default]
        Component = "component",
        /// By attention block.
        Layer = "layer",
    }
    /// What memory is for.
    Class {
        /// Constants in pages of their file.
        WeightsFile = "weights_file",
        /// Constants, copied, converted or packed.
        WeightsAnonymous = "weights_anonymous",
        /// Intermediate results.
        #[default]
        Activation = "activation",
        /// Workspace of one step.
        Scratch = "scratch",
        /// Model inputs and outputs.
        Io = "io",
        /// Keys and values kept between tokens.
        KvCache = "kv_cache",
        /// Any other state kept between runs.
        State = "state",
        /// Workspace that the runtime keeps between steps and runs.
        Workspace = "workspace",
        /// The runtime's own objects.
        Runtime = "runtime",
        /// Generated machine code.
        Code = "code",
        /// Model outputs in the planned arena.
        Output = "output",
        /// Keys and values that a run returns, in the planned arena.
        PresentCache = "present_cache",
        /// A block of the arena: many buffers.
        Arena = "arena",
        /// A block that grows with the shapes: many buffers.
        Dynamic = "dynamic",
    }
    /// Whether a run fits a budget.
    Verdict {
        /// The resident peak does.
        Fits = "fits",
        /// What is not backed by a file does: it fits once pages of mapped weights are dropped.
        FitsIfWeightsPage = "fits_if_weights_page",
        /// It does not.
        #[default]
        DoesNotFit = "does_not_fit",
    }
    /// How a number is known.
    Known {
        /// It is this.
        #[default]
        Exact = "exact",
        /// It is at most this.
        UpperBound = "upper_bound",
        /// A rule without proof gives this.
        Assumed = "assumed",
        /// It is at least this.
        LowerBound = "lower_bound",
    }
}

impl Known {
    /// How a sum of two such numbers is known: the weaker statement.
    #[must_use]
    pub fn and(self, other: Known) -> Known {
        self.max(other)
    }
}

impl From<schedule::Known> for Known {
    fn from(known: schedule::Known) -> Known {
        match known {
            schedule::Known::Exact => Known::Exact,
            schedule::Known::UpperBound => Known::UpperBound,
            schedule::Known::Assumed => Known::Assumed,
            schedule::Known::LowerBound => Known::LowerBound,
        }
    }
}

impl From<plan::Stop> for Stop {
    fn from(stop: plan::Stop) -> Stop {
        match stop {
            plan::Stop::Optimal => Stop::Optimal,
            plan::Stop::Capacity => Stop::Capacity,
            plan::Stop::TimeLimit => Stop::TimeLimit,
            plan::Stop::Budget => Stop::Budget,
            plan::Stop::Alignments => Stop::Alignments,
            plan::Stop::Size => Stop::Size,
            plan::Stop::Threads => Stop::Threads,
        }
    }
}

impl From<scenario::Task> for Task {
    fn from(task: scenario::Task) -> Task {
        match task {
            scenario::Task::Llm => Task::Llm,
            scenario::Task::Vision => Task::Vision,
            scenario::Task::General => Task::General,
        }
    }
}

impl From<error::Severity> for Severity {
    fn from(severity: error::Severity) -> Severity {
        match severity {
            error::Severity::Note => Severity::Note,
            error::Severity::Warning => Severity::Warning,
            error::Severity::Incomplete => Severity::Incomplete,
        }
    }
}

impl From<schedule::StorageClass> for Class {
    fn from(class: schedule::StorageClass) -> Class {
        use schedule::StorageClass as Storage;
        match class {
            Storage::WeightsFile => Class::WeightsFile,
            Storage::WeightsAnonymous => Class::WeightsAnonymous,
            Storage::Activation => Class::Activation,
            Storage::Scratch => Class::Scratch,
            Storage::Io => Class::Io,
            Storage::KvCache => Class::KvCache,
            Storage::State => Class::State,
            Storage::Workspace => Class::Workspace,
            Storage::Runtime => Class::Runtime,
            Storage::Code => Class::Code,
            Storage::Output => Class::Output,
            Storage::PresentCache => Class::PresentCache,
        }
    }
}

impl Class {
    /// Whether it is in the memory that the planner lays out.
    #[must_use]
    pub fn is_planned(self) -> bool {
        matches!(
            self,
            Class::Activation
                | Class::Scratch
                | Class::Output
                | Class::PresentCache
                | Class::Arena
                | Class::Dynamic
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_storage_class_is_planned_in_both_forms_or_in_none() {
        for class in schedule::StorageClass::ALL {
            assert_eq!(Class::from(class).is_planned(), class.is_planned(), "{class:?}");
            assert_eq!(Class::from(class).name(), class.name());
        }
    }

    #[test]
    fn a_word_is_padded_like_a_string_and_is_the_words_json() {
        assert_eq!(format!("[{:<6}]", Class::Io), "[io    ]");
        assert_eq!(serde_json::to_string(&Known::LowerBound).unwrap(), "\"lower_bound\"");
        assert_eq!(serde_json::from_str::<By>("\"op\"").unwrap(), By::Op);
    }
}
